"""Records as the history returns them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A stretch of one state and genre."""

    station: str
    start: float
    """UNIX seconds."""
    end: float
    """UNIX seconds; of an open segment, the last update written."""
    state: str
    genre: str | None
    """The decided genre, or the one that it was corrected to."""
    confidence: float | None
    """Mean of the genre's probability, 0 to 1; None unless the state is ``music``, and where it was
    corrected."""
    updates: int
    ending: str
    """``closed``; ``open`` while it goes on; ``cut`` if the daemon did not shut down cleanly."""
    corrected_from: str | None = None
    """What the model had answered, a genre or a state, where a person corrected it; else None."""


@dataclass(frozen=True, slots=True)
class TitleRecord:
    """A title as the station announced it."""

    station: str
    start: float
    end: float
    artist: str
    title: str
    ending: str


@dataclass(frozen=True, slots=True)
class GapRecord:
    """Lost samples, or events that did not reach the history."""

    station: str
    start: float
    end: float
    seconds: float
    reason: str
    """``overflow``, ``reconnect``, ``source``; ``history`` if the history could not be written
    and had to drop something."""
    samples: int | None


@dataclass(frozen=True, slots=True)
class DeadAirRecord:
    """Silence that lasted long enough to be dead air."""

    station: str
    start: float
    end: float
    ending: str


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A change of a source's state."""

    station: str
    time: float
    state: str
    input: str
    detail: str


@dataclass(frozen=True, slots=True)
class NowRecord:
    """What a station is playing, or played last."""

    station: str
    live: bool
    """Whether the daemon that listens to it is running."""
    state: str
    genre: str | None
    confidence: float | None
    since: float
    """UNIX seconds."""
    heard: float
    """UNIX seconds of the last update written."""
    artist: str | None
    title: str | None
    dead_air: bool
