"""Rows waiting for the next flush, within a bound.

A row that changes until it is closed (the open segment, a minute of detail) is one object. It is
written with its values at the time of the flush, and again after it has changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

Ending: TypeAlias = Literal["open", "closed", "cut"]
"""``cut``: the daemon did not shut down cleanly; the end is the last event written."""

MAX_ROWS: Final = 20_000
"""Most waiting rows of one type; beyond it the oldest are dropped. About 10 MB."""


@dataclass(slots=True)
class SessionRow:
    """One run of one station."""

    uid: str
    station: str
    start_time: float
    end_time: float
    """UNIX seconds of the last event."""
    ending: Ending = "open"
    input: str | None = None
    model: str | None = None
    model_sha256: str | None = None


@dataclass(slots=True)
class SegmentRow:
    """A stretch of one state and genre."""

    session: SessionRow
    stream_start: float
    """Stream time in seconds; identifies the segment within its session."""
    state: str
    genre: str | None
    start_time: float
    end_time: float
    updates: int = 0
    probability: float | None = None
    """Mean of the genre's probability; None unless the state is ``music``."""
    ending: Ending = "open"
    tags: dict[str, float] | None = None
    """Mean probabilities of the likeliest tags, once the segment is closed."""


@dataclass(slots=True)
class TitleRow:
    """A title from its announcement to the next."""

    session: SessionRow
    seq: int
    artist: str
    title: str
    start_time: float
    end_time: float
    ending: Ending = "open"


@dataclass(slots=True)
class DeadAirRow:
    """Silence that lasted long enough to be dead air."""

    session: SessionRow
    start_time: float
    end_time: float
    ending: Ending = "open"


@dataclass(slots=True)
class GapRow:
    """Lost samples, or events that the history itself had to drop."""

    session: SessionRow
    seq: int | None
    start_time: float
    end_time: float
    samples: int | None
    reason: str


@dataclass(slots=True)
class SourceRow:
    """A change of the source's state."""

    session: SessionRow
    seq: int
    time: float
    state: str
    input: str
    detail: str


@dataclass(slots=True)
class DetailRow:
    """The updates of one minute."""

    session: SessionRow
    minute: int
    """UNIX seconds / 60."""
    labels: tuple[str, ...]
    offsets_ms: list[int] = field(default_factory=list)
    rows: bytearray = field(default_factory=bytearray)
    """For each update one byte for the level, one for the confidence and one for each label."""

    def add_labels(self, labels: tuple[str, ...]) -> None:
        """Make room for the labels of another model, whose probability was 0 until now."""
        new = tuple(label for label in labels if label not in self.labels)
        size = 2 + len(self.labels)
        parts = (self.rows[at : at + size] for at in range(0, len(self.rows), size))
        self.rows = bytearray().join(part + bytes(len(new)) for part in parts)
        self.labels += new


Row: TypeAlias = SessionRow | SegmentRow | TitleRow | DeadAirRow | GapRow | SourceRow | DetailRow


class PendingRows:
    """Rows to be written, in order of their first change.

    Parameters
    ----------
    room
        Most rows of one type.
    """

    def __init__(self, room: int = MAX_ROWS) -> None:
        self._room = room
        self._rows: dict[type[Row], dict[int, Row]] = {}
        self.lost = 0
        """Rows that were dropped for want of room."""

    def add(self, row: Row) -> None:
        """Add a row; one that is already waiting keeps its place."""
        rows = self._rows.setdefault(type(row), {})
        rows[id(row)] = row  # referenced here, so that no other object gets this id
        if len(rows) > self._room:
            dropped = rows.pop(next(iter(rows)))
            self.lost += 1
            self._note_loss(dropped)

    def _note_loss(self, row: Row) -> None:
        """Record a dropped row as a gap of the history; one gap a session, which grows."""
        if isinstance(row, GapRow | SessionRow):
            return
        start, end = _span(row)
        gaps = self._rows.setdefault(GapRow, {})
        for gap in gaps.values():
            assert isinstance(gap, GapRow)
            if gap.reason == "history" and gap.session is row.session:
                gap.start_time = min(gap.start_time, start)
                gap.end_time = max(gap.end_time, end)
                return
        note = GapRow(row.session, None, start, end, None, "history")
        gaps[id(note)] = note

    def of(self, kind: type[Any]) -> list[Any]:
        """Return the waiting rows of a type."""
        return list(self._rows.get(kind, {}).values())

    def all(self) -> list[Row]:
        """Return all waiting rows."""
        return [row for rows in self._rows.values() for row in rows.values()]

    def note_lost(self, rows: list[Row]) -> None:
        """Count rows that were dropped elsewhere, and record them as gaps of the history."""
        self.lost += len(rows)
        for row in rows:
            self._note_loss(row)

    def drop(self) -> int:
        """Remove all rows because they cannot be written; return how many there were."""
        dropped = len(self)
        self.lost += dropped
        self._rows.clear()
        return dropped

    def clear(self) -> None:
        """Remove all rows, once they are written."""
        self._rows.clear()

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))


def _span(row: Row) -> tuple[float, float]:
    """Return the first and last UNIX seconds of a row."""
    if isinstance(row, DetailRow):
        return 60.0 * row.minute, 60.0 * (row.minute + 1)
    if isinstance(row, SourceRow):
        return row.time, row.time
    return row.start_time, row.end_time
