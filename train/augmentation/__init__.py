"""Changed copies of music: other levels, loudspeakers, rooms, noise, codecs and tempi."""
