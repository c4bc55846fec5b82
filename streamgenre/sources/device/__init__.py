"""Sound cards, through PortAudio in a helper process."""
