"""What is to be written at the next flush, within a bound.

A row that changes until it is closed (the open segment, a minute of detail) is one object that
stays the same: written with what it holds when the batch is, again where it changed since.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

Ending: TypeAlias = Literal["open", "closed", "cut"]
"""``cut``: the daemon ended without a word; the end is the last that was heard of it."""

MAX_ROWS: Final = 20_000
"""Rows of one sort that wait for a disk; beyond, the oldest are given up. About 10 MB."""


@dataclass(slots=True)
class SessionRow:
    """One run of one station."""

    uid: str
    station: str
    start_time: float
    end_time: float
    """UNIX seconds of the last that was heard."""
    ending: Ending = "open"
    input: str | None = None
    model: str | None = None
    model_sha256: str | None = None


@dataclass(slots=True)
class SegmentRow:
    """A stretch of one state and genre."""

    session: SessionRow
    stream_start: float
    """Stream time in seconds: with the session it is what a segment is known by."""
    state: str
    genre: str | None
    start_time: float
    end_time: float
    updates: int = 0
    probability: float | None = None
    """Mean of the genre's probability; None unless the state is ``music``."""
    ending: Ending = "open"


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
    """A stretch in which the station sent nothing worth hearing."""

    session: SessionRow
    start_time: float
    end_time: float
    ending: Ending = "open"


@dataclass(slots=True)
class GapRow:
    """Samples known to be lost, or events that the history itself had to give up."""

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


Row: TypeAlias = SessionRow | SegmentRow | TitleRow | DeadAirRow | GapRow | SourceRow | DetailRow


class Batch:
    """Rows to be written, in order of their first change.

    Parameters
    ----------
    room
        Most rows of one sort.
    """

    def __init__(self, room: int = MAX_ROWS) -> None:
        self._room = room
        self._rows: dict[type[Row], dict[int, Row]] = {}
        self.lost = 0
        """Rows that were given up because there was no room."""

    def add(self, row: Row) -> None:
        """Have a row written; one that is waiting already keeps its place."""
        rows = self._rows.setdefault(type(row), {})
        rows[id(row)] = row  # kept alive by the batch, so that no other has this id
        if len(rows) > self._room:
            given_up = rows.pop(next(iter(rows)))
            self.lost += 1
            self._note(given_up)

    def _note(self, row: Row) -> None:
        """Have the loss written down as a gap of the history: one row a session, however long."""
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
        """Return the waiting rows of a sort."""
        return list(self._rows.get(kind, {}).values())

    def clear(self) -> None:
        """Forget all rows: they are written."""
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
