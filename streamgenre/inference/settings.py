"""Settings of the decision: thresholds, and times of the smoothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Final

from streamgenre.errors import SettingsError
from streamgenre.limits import Derived, Range, check

HYSTERESES: Final = (
    ("keep", "enter"),
    ("speech_keep", "speech_enter"),
    ("music_keep", "music_enter"),
    ("known_keep", "known_enter"),
)
"""Pairs of settings of which the first may not exceed the second."""


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """Settings of the decision stage.

    The values for genres were chosen on recorded answers of the shipped models to programmes of
    half an hour (the margin: an hour) of artists that they had not heard: little smoothing, and
    another genre has to lead clearly. With more smoothing decisions were later, with a smaller lead
    they flipped more often.
    Those for speech were chosen there too, for the best mean over the ten genres and talk: entered
    lower, it takes more rap and solo singing for talk than it finds of talk.
    Those for music of other genres cost 0.4 points of the seconds of the ten genres.
    """

    smoothing_s: Annotated[float, Range(0, 3600, "seconds")] = 1.0
    """Time constant of the smoothing in seconds, 0 for none."""
    enter: Annotated[float, Range(0, 1)] = 0.3
    """A genre is decided on when its smoothed probability reaches this, 0 to 1."""
    keep: Annotated[float, Range(0, 1)] = 0.15
    """The decided genre is given up (``unknown``) below this; at most ``enter``."""
    margin: Annotated[float, Range(0, 1)] = 0.35
    """Another genre takes over when its smoothed probability leads by this."""
    speech_enter: Annotated[float, Range(0, 2)] = 0.95
    """It is speech when its smoothed probability reaches this; after music that takes three seconds
    or four. Over 1 for never."""
    speech_keep: Annotated[float, Range(0, 2)] = 0.3
    """Speech ends when its smoothed probability falls below this; at most ``speech_enter``."""
    music_enter: Annotated[float, Range(0, 1)] = 0.5
    """After noise there is music again when its smoothed probability reaches this; 0 for never
    deciding on noise."""
    music_keep: Annotated[float, Range(0, 1)] = 0.3
    """It is noise when the smoothed probabilities of music and of speech are below this; at most
    ``music_enter``."""
    known_enter: Annotated[float, Range(0, 1)] = 0.5
    """A genre is decided on when the smoothed probability that the music is like one of the model's
    genres reaches this; 0 for deciding from the genres alone."""
    known_keep: Annotated[float, Range(0, 1)] = 0.3
    """The genre is given up (``unknown``) below this; at most ``known_enter``."""
    known_smoothing_s: Annotated[float, Range(0, 3600, "seconds")] = 3.0
    """Time constant of the smoothing of that probability in seconds, 0 for none."""
    tags_smoothing_s: Annotated[float, Range(0, 3600, "seconds")] = 5.0
    """Time constant of the smoothing of tags in seconds, 0 for none."""
    silence_dbfs: Annotated[float, Range(-math.inf, 0, "dBFS")] = -60.0
    """Hops with an RMS level below this in dBFS are silent."""
    silence_after_s: Annotated[float, Range(0, 3600, "seconds")] = 2.0
    """Seconds of silent hops after which the state is ``silence``."""
    known_given: Annotated[bool, Derived()] = field(default=False, compare=False)
    """Whether the user set ``known_enter`` or ``known_keep``, if only to their defaults."""

    def __post_init__(self) -> None:
        check(self)
        for keep, enter in HYSTERESES:
            if getattr(self, keep) > getattr(self, enter):
                found = f"{keep} {getattr(self, keep):g}, {enter} {getattr(self, enter):g}"
                raise SettingsError(f"{found}: expected {keep} at most as large as {enter}")


def eased(settings: DecisionSettings) -> DecisionSettings:
    """Return settings that decide from the genres alone, unless the user set the thresholds.

    The demo is decided so: its synthesised music is like none of the genres.
    """
    if settings.known_given:
        return settings
    return replace(settings, known_enter=0.0, known_keep=0.0)
