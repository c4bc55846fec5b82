"""The data of a report, read from the history."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from streamgenre.history import detail_query, query
from streamgenre.history.shares import hours_of, sums
from streamgenre.history.time_zones import Span, day_span, local

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from streamgenre.history.connection import Connection
    from streamgenre.history.records import (
        DeadAirRecord,
        GapRecord,
        SegmentRecord,
        TitleRecord,
    )
    from streamgenre.history.time_zones import Zone

JOIN_S: Final = 120.0
"""Most seconds between two genres that count as a transition."""
_MINUTE_S: Final = 60.0
_TOUCHING_S: Final = 1.0
"""Stretches closer than this leave nothing missing between them."""
_LATE_S: Final = 15.0
"""Delay of the history that is not reported as missing."""


class Kind(NamedTuple):
    """A state, with its genre if the state is ``music``."""

    state: str
    genre: str | None

    @property
    def name(self) -> str:
        """The genre, or the state if there is none."""
        return self.state if self.genre is None else self.genre


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of the day."""

    span: Span
    label: str
    """Its local time, ``18``."""
    seconds: dict[Kind, float]
    """Recorded seconds of each kind."""


@dataclass(frozen=True, slots=True)
class Point:
    """Confidence around one time."""

    time: float
    """UNIX seconds of the middle."""
    low: float
    """Tenth percentile of the updates, 0 to 1."""
    mean: float
    high: float
    """Ninetieth percentile, 0 to 1."""


@dataclass(frozen=True, slots=True)
class DayData:
    """One day of one station."""

    station: str
    day: date
    span: Span
    until: float
    """UNIX seconds of the end of the day, or of the present if that is earlier."""
    tz: Zone
    segments: tuple[SegmentRecord, ...]
    """All that overlap the day."""
    titles: tuple[TitleRecord, ...]
    gaps: tuple[GapRecord, ...]
    dead_air: tuple[DeadAirRecord, ...]
    hours: tuple[Hour, ...]
    kinds: tuple[Kind, ...]
    """The kinds that occur: genres first, then states, the longest first."""
    totals: dict[Kind, float]
    """Seconds of each kind."""
    transitions: dict[tuple[str, str], int]
    """How often one genre followed another."""
    confidence: tuple[Point, ...]
    detailed: bool
    """Whether the confidence is that of every update; else the mean of each segment."""

    @property
    def recorded_s(self) -> float:
        """Recorded seconds of the day."""
        return sum(self.totals.values())

    @property
    def corrected(self) -> int:
        """Number of segments that a person corrected."""
        return sum(segment.corrected_from is not None for segment in self.segments)

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that occur, the longest first."""
        return tuple(kind.genre for kind in self.kinds if kind.genre is not None)


def collect(
    connection: Connection, station: str, day: date, tz: Zone, *, now: float | None = None
) -> DayData:
    """Read one day of one station.

    Parameters
    ----------
    connection
        The history.
    station
        Name of the station.
    day
        The day, from midnight to midnight in ``tz``.
    tz
        Time zone; None for this machine's.
    now
        UNIX seconds of the present, after which nothing can be missing; None for the system clock.

    Returns
    -------
    DayData
        The day.

    Raises
    ------
    HistoryError
        If there is no such station.
    """
    ids = query.stations(connection, [station])
    span = day_span(day, tz)
    segments = tuple(query.segments(connection, ids, span))
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
        segments=segments,
        titles=tuple(query.titles(connection, ids, span)),
        gaps=tuple(query.gaps(connection, ids, span)),
        dead_air=tuple(query.dead_air(connection, ids, span)),
        hours=hours,
        kinds=tuple(order),
        totals=dict(totals),
        transitions=transitions(segments),
        confidence=confidence or _from_segments(segments, span),
        detailed=bool(confidence),
    )


def _hours(connection: Connection, ids: dict[int, str], day: date, tz: Zone) -> tuple[Hour, ...]:
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

    Silence and unknown stretches between two genres are skipped. The same genre again does not
    count, nor does a pause of more than two minutes.

    Parameters
    ----------
    segments
        Segments of one station, in order of their start.

    Returns
    -------
    dict
        Counts by pair of genres, ``(before, after)``.
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


def _from_detail(connection: Connection, station: int, span: Span) -> tuple[Point, ...]:
    points = []
    for times, values in detail_query.confidences(connection, station, span):
        inside = [
            (at, value)
            for at, value in zip(times, values, strict=True)
            if span.start < at <= span.end
        ]
        if inside:
            middle = (inside[0][0] // _MINUTE_S + 0.5) * _MINUTE_S
            ordered = sorted(value for _, value in inside)
            tenth = len(ordered) // 10
            mean = sum(ordered) / len(ordered)
            points.append(Point(middle, ordered[tenth], mean, ordered[-1 - tenth]))
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
    """Return the stretches of the day for which neither segments nor gaps are recorded."""
    found, at = [], data.span.start
    known = sorted(
        [(s.start, s.end) for s in data.segments] + [(g.start, g.end) for g in data.gaps]
    )
    for start, end in known:
        if min(start, data.until) - at > _TOUCHING_S:
            found.append(Span(at, min(start, data.until)))
        at = max(at, end)
    # The history is written some seconds late: the present is not missing.
    slack = _TOUCHING_S if data.until == data.span.end else _LATE_S
    if data.until - at > slack:
        found.append(Span(at, data.until))
    return found
