"""Rows as the history is asked for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SegmentRecord:
    """A stretch of one state and genre."""

    station: str
    start: float
    """UNIX seconds."""
    end: float
    """UNIX seconds; of an open one the last that is written."""
    state: str
    genre: str | None
    confidence: float | None
    """Mean of the genre's probability, 0 to 1; None unless the state is ``music``."""
    updates: int
    ending: str
    """``closed``; ``open`` while it goes on; ``cut`` where the daemon ended without a word."""


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
    """Samples, or events on their way to the history, that are lost."""

    station: str
    start: float
    end: float
    seconds: float
    reason: str
    """``overflow``, ``reconnect``, ``source``; ``history`` where the history could not be written
    and had to give something up."""
    samples: int | None


@dataclass(frozen=True, slots=True)
class DeadAirRecord:
    """A stretch in which the station sent nothing worth hearing."""

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
    """What is on, or was last."""

    station: str
    live: bool
    """Whether the daemon that listens to it is running."""
    state: str
    genre: str | None
    confidence: float | None
    since: float
    """UNIX seconds."""
    heard: float
    """UNIX seconds of the last that is written."""
    artist: str | None
    title: str | None
    dead_air: bool
