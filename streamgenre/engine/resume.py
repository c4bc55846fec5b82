"""Where a station goes on that another process listened to before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """State of a station whose session goes on in another process.

    The time from the last sample that was reported to the first one of the new source is a gap.
    """

    session: str
    """Identifier of the session; a new one begins where nothing else is given."""
    seq: dict[str, int] = field(default_factory=dict)
    """Number of the next event by type; 0 for types that are missing."""
    stream_time: float = 0.0
    """Seconds of audio so far, lost audio included."""
    away_s: float | None = None
    """Seconds since the last sample before :attr:`stream_time` arrived; None if nothing was heard,
    so that nothing is missing."""
    updates: int = 0
    """Updates sent."""
    samples: int = 0
    """Samples captured, at the rate of the source."""
    samples_lost: int = 0
    """Samples known to be lost, at the rate of the source."""
    playing: dict[str, Any] | None = None
    """What was playing, as the field ``now_playing`` of an update has it."""
    clock_steps: int = 0
    """Number of times that the system's clock was set."""
    clock_step_s: float | None = None
    """By how many seconds it was set the last time."""
