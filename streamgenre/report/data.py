"""What a report shows, taken out of the history."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from streamgenre.history import query
from streamgenre.history.shares import hours_of, sums
from streamgenre.history.times import Span, day_span, local

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence
    from datetime import date

    from streamgenre.history.records import (
        DeadAirRecord,
        GapRecord,
        SegmentRecord,
        SourceRecord,
        TitleRecord,
    )
    from streamgenre.history.times import Zone

JOIN_S: Final = 120.0
"""A transition is from one genre to the next within so many seconds, whatever lies between."""
_CONFIDENCE_STEP_S: Final = 60.0
_TOUCHING_S: Final = 1.0
_LATE_S: Final = 15.0


class Kind(NamedTuple):
    """What was on: a state, and a genre where it is music."""

    state: str
    genre: str | None

    @property
    def name(self) -> str:
        """The word for it."""
        return self.state if self.genre is None else self.genre


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of the day."""

    span: Span
    label: str
    """Its local time, ``18``."""
    seconds: dict[Kind, float]
    """Seconds of each kind; what was not recorded is not in it."""


@dataclass(frozen=True, slots=True)
class Point:
    """Confidence around one moment."""

    time: float
    """UNIX seconds of the middle."""
    low: float
    """Below it a tenth of the updates around lies, above ``high`` another; 0 to 1."""
    mean: float
    high: float


@dataclass(frozen=True, slots=True)
class DayData:
    """A day of one station."""

    station: str
    day: date
    span: Span
    until: float
    """UNIX seconds of the end of the day, or of now where that is earlier."""
    tz: Zone
    segments: tuple[SegmentRecord, ...]
    """Cut to the day."""
    titles: tuple[TitleRecord, ...]
    gaps: tuple[GapRecord, ...]
    dead_air: tuple[DeadAirRecord, ...]
    sources: tuple[SourceRecord, ...]
    hours: tuple[Hour, ...]
    kinds: tuple[Kind, ...]
    """What occurs, genres first, each by its time, the longest first."""
    totals: dict[Kind, float]
    """Seconds of each kind."""
    transitions: dict[tuple[str, str], int]
    """How often one genre followed another."""
    confidence: tuple[Point, ...]
    detailed: bool
    """Whether the confidence is of every update, or the mean of each segment."""

    @property
    def recorded_s(self) -> float:
        """Seconds of the day of which something is known."""
        return sum(self.totals.values())

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that occur, the longest first."""
        return tuple(kind.genre for kind in self.kinds if kind.genre is not None)


def collect(
    connection: sqlite3.Connection, station: str, day: date, tz: Zone, *, now: float | None = None
) -> DayData:
    """Return a day of a station.

    Parameters
    ----------
    connection
        The history.
    station, day, tz
        Which station and which day of which zone.
    now
        UNIX seconds of the present, from which on nothing can be missing; None for the clock's.

    Raises
    ------
    HistoryError
        If there is no such station.
    """
    ids = query.stations(connection, [station])
    span = day_span(day, tz)
    whole = tuple(query.segments(connection, ids, span))
    confidence = _from_detail(connection, next(iter(ids)), span)
    totals: defaultdict[Kind, float] = defaultdict(float)
    hours = _hours(connection, ids, day, tz)
    for hour in hours:
        for kind, seconds in hour.seconds.items():
            totals[kind] += seconds
    order = sorted(totals, key=lambda k: (k.genre is None, -totals[k], k.name))
    return DayData(
        station=station,
        day=day,
        span=span,
        until=min(span.end, max(span.start, time.time() if now is None else now)),
        tz=tz,
        segments=whole,
        titles=tuple(query.titles(connection, ids, span)),
        gaps=tuple(query.gaps(connection, ids, span)),
        dead_air=tuple(query.dead_air(connection, ids, span)),
        sources=tuple(query.sources(connection, ids, span)),
        hours=hours,
        kinds=tuple(order),
        totals=dict(totals),
        transitions=transitions(whole),
        confidence=confidence or _from_segments(whole, span),
        detailed=bool(confidence),
    )


def _hours(
    connection: sqlite3.Connection, ids: dict[int, str], day: date, tz: Zone
) -> tuple[Hour, ...]:
    spans = hours_of(day, tz)
    seconds: list[defaultdict[Kind, float]] = [defaultdict(float) for _ in spans]
    found = sums(connection, ids, day_span(day, tz), tz=tz)
    for (start, (state, genre)), part in found.items():
        number = int((start - spans[0].start) // 3600)
        seconds[min(max(number, 0), len(spans) - 1)][Kind(state, genre or None)] += part
    return tuple(
        Hour(span, local(span.start, tz).strftime("%H"), dict(parts))
        for span, parts in zip(spans, seconds, strict=True)
    )


def transitions(segments: Iterable[SegmentRecord]) -> dict[tuple[str, str], int]:
    """Count how often one genre followed another.

    Short silences and unknown stretches between the two are passed over; the same genre again, or
    a pause of two minutes, is no transition.
    """
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    before: SegmentRecord | None = None
    for segment in segments:
        if segment.genre is None:
            continue
        if before is not None and before.genre is not None and before.genre != segment.genre:
            near = segment.start - before.end <= JOIN_S
            counts[before.genre, segment.genre] += near
        before = segment
    return {pair: count for pair, count in counts.items() if count}


def _from_detail(connection: sqlite3.Connection, station: int, span: Span) -> tuple[Point, ...]:
    points = []
    for _, minute in query.details(connection, station, span):
        inside = (minute.times > span.start) & (minute.times <= span.end)
        values = minute.confidences[inside]
        if len(values):
            middle = (minute.times[inside][0] // _CONFIDENCE_STEP_S + 0.5) * _CONFIDENCE_STEP_S
            ordered = sorted(values.tolist())
            tenth = len(ordered) // 10
            points.append(
                Point(float(middle), ordered[tenth], float(values.mean()), ordered[-1 - tenth])
            )
    return tuple(points)


def _from_segments(segments: Sequence[SegmentRecord], span: Span) -> tuple[Point, ...]:
    points = []
    for segment in segments:
        if segment.confidence is not None:
            p = segment.confidence
            ends = max(segment.start, span.start), min(segment.end, span.end)
            points += [Point(end, p, p, p) for end in ends]
    return tuple(points)


def missing(data: DayData) -> list[Span]:
    """Return the stretches of the day of which nothing is recorded and no gap tells."""
    found, at = [], data.span.start
    known = sorted(
        [(s.start, s.end) for s in data.segments] + [(g.start, g.end) for g in data.gaps]
    )
    for start, end in known:
        if min(start, data.until) - at > _TOUCHING_S:
            found.append(Span(at, min(start, data.until)))
        at = max(at, end)
    # What is heard now is written some seconds later: that is not missing.
    slack = _TOUCHING_S if data.until == data.span.end else _LATE_S
    if data.until - at > slack:
        found.append(Span(at, data.until))
    return found
