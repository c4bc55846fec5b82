"""Whether clips are kept, where, and how many."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003 - the types are read
from typing import Annotated, Any, Final

from streamgenre.limits import Checked, Range, check
from streamgenre.paths import state_dir

SHORTEST_S: Final = 3.0
"""Shortest clip in seconds: the models look at about as much."""
LONGEST_S: Final = 60.0
"""Longest clip in seconds."""


def default_folder() -> Path:
    """Return where clips are kept unless a folder is given: in the state folder."""
    return state_dir() / "clips"


def _seconds_problem(value: Any) -> str:
    fits = value == 0 or SHORTEST_S <= value <= LONGEST_S
    return "" if fits else f"expected {SHORTEST_S:g} to {LONGEST_S:g} seconds, or 0 to keep none"


@dataclass(frozen=True, slots=True)
class ClipSettings:
    """Short clips of what the model was least sure of, for `streamgenre label`; off by default."""

    seconds: Annotated[float, Checked(_seconds_problem)] = 0.0
    """Length of a clip in seconds, 3 to 60; 0 to keep none. Of a station whose input is a sound
    card, standard input, a pipe or RTSP nothing is kept unless its ``keep_clips`` is ``always``."""
    folder: Path = field(default_factory=default_folder)
    """Folder of the clips, created if it is missing; only its owner can read it."""
    max_clips: Annotated[int, Range(1, 100_000, "clips")] = 500
    """Most clips of all stations together. If there are more, the clip that the model was surest of
    is deleted; one that has a label is kept."""
    max_mb: Annotated[float, Range(1, 1e6, "MB")] = 200.0
    """Most megabytes of all clips together; what is deleted as for ``max_clips``."""
    keep_days: Annotated[float, Range(0, 36_600, "days", above=True)] = 30.0
    """Days after which a clip without a genre's label is deleted."""
    uncertainty: Annotated[float, Range(0, 1)] = 0.5
    """Least uncertainty of a clip: 1 minus the lead of the likeliest genre over the second, by
    their mean probabilities. 1 is a tie."""
    every_s: Annotated[float, Range(0, 1e6, "seconds")] = 300.0
    """Seconds of audio of one station from which at most one clip is kept, the least certain."""

    def __post_init__(self) -> None:
        check(self)
