"""Settings of the engine, frozen and checked; they hold for every station."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from streamgenre.limits import Range, RangeOrWord, check

MAX_WORKERS: Final = 256
"""Most worker processes of one daemon."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What holds for every station of the daemon."""

    hop_s: Annotated[float, Range(0.1, 60, "seconds")] = 1.0
    """Time between two updates in seconds of audio; the shipped models are made for 1."""
    status_s: Annotated[float, Range(0, 10, "seconds", above=True)] = 4.0
    """Seconds between two status events: a subscriber that misses two of them knows within 10 s."""
    reset_gap_s: Annotated[float, Range(0, 3600, "seconds")] = 2.0
    """Shortest gap in seconds that resets model and decision; a shorter one is bridged."""
    dead_air_s: Annotated[float, Range(0, 1e9, "seconds")] = 20.0
    """Seconds of silence after which a ``dead_air`` event is sent; 0 for never."""
    lost_after_s: Annotated[float, Range(0, 86_400, "seconds", above=True)] = 40.0
    """Seconds after which a live input (not a file) that brings no audio counts as lost even if it
    reports no loss itself, as most do within 10 s, and HLS within 30 s."""
    workers: Annotated[int | str, RangeOrWord("auto", 0, MAX_WORKERS, "processes")] = "auto"
    """Worker processes that share the stations; 0 for none: the daemon's own process does all. With
    ``auto`` there are none for fewer than 16 stations or on one core, else up to one per core."""
    worker_memory_mb: Annotated[int, Range(100, 1_000_000, "MB")] = 1000
    """Resident memory in MB beyond which a worker is replaced by a new one."""
    duration_s: Annotated[float, Range(0, 1e9, "seconds", above=True)] | None = None
    """Seconds of audio after which a station ends; None for no end."""

    def __post_init__(self) -> None:
        check(self)
