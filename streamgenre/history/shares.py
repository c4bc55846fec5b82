"""The share of each genre in the time heard."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from streamgenre.history import corrections, day_shares
from streamgenre.history.time_bins import QUARTER_S, QUARTERS
from streamgenre.history.time_zones import Span, day_span, local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date, datetime

    from streamgenre.history.connection import Connection
    from streamgenre.history.time_zones import Zone

By: TypeAlias = Literal["all", "hour", "day", "weekday", "month"]
Kind: TypeAlias = tuple[str, str]
"""State, and genre or an empty string."""
HOUR_S: Final = 3600
DAY_S: Final = 86_400
_ROUNDING_S: Final = 0.002
"""What is left of a sum, in whole milliseconds, of which all was corrected."""
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Share:
    """Time of one genre, or of one state other than music, in one part of a span."""

    part: str
    """``all``; the hour of the day (``18``); the day (``2026-07-01``); the weekday; or the month
    (``2026-07``)."""
    state: str
    genre: str | None
    seconds: float
    share: float
    """Share of the time heard in this part, 0 to 1."""


def sums(
    connection: Connection, ids: dict[int, str], span: Span, *, tz: Zone
) -> dict[tuple[float, Kind], float]:
    """Return the seconds of each (state, genre) in each hour of a span.

    Parameters
    ----------
    connection
        The history.
    ids
        Stations by id, whose times are added up.
    span
        UNIX seconds; hours at its ends are counted in part.
    tz
        Time zone of the hours.

    Returns
    -------
    dict
        Seconds by start and kind. The start is that of an hour of the zone in UNIX seconds, or of a
        quarter of an hour if the zone's hours change their start within the span.
    """
    offset = _offset(span, tz)
    step, offset = (QUARTER_S, 0) if offset is None else (HOUR_S, offset)
    first = ceil((span.start - offset) / step) * step + offset
    last = floor((span.end - offset) / step) * step + offset
    found: defaultdict[tuple[float, Kind], float] = defaultdict(float)
    for number, kind in _kinds(connection):
        if step == QUARTER_S:
            rows = _quarters(connection, number, ids, first, last)
        elif offset:
            rows = _shifted_hours(connection, number, ids, first, last)
        else:
            rows = day_shares.hours(connection, number, ids, first, last)
        for start, ms in rows:
            found[start, kind] += ms / 1000
    within_one_step = first > last
    edges = [span] if within_one_step else [Span(span.start, first), Span(last, span.end)]
    for edge in edges:
        if edge.seconds > 0:
            for kind, part in _from_segments(connection, ids, edge):
                found[edge.start, kind] += part
    for at, answer, corrected, seconds in corrections.shifts(
        connection, ids, span, first, last, step
    ):
        found[at, corrected] += seconds
        found[at, answer] -= seconds
        if found[at, answer] < _ROUNDING_S:
            del found[at, answer]
    return found


def _offset(span: Span, tz: Zone) -> int | None:
    """Return how many seconds after an hour of UTC an hour of the zone starts: 0 to 3599.

    None if that changes within the span, or is not a whole number of quarters.
    """
    moments = [span.start, span.end]
    moments += [span.start + 30 * DAY_S * i for i in range(1, int(span.seconds / DAY_S / 30) + 1)]
    found = {
        round(-difference.total_seconds()) % HOUR_S
        for moment in moments
        if (difference := local(moment, tz).utcoffset()) is not None
    }
    offset = found.pop()
    return None if found or offset % QUARTER_S else offset


def _shifted_hours(
    connection: Connection, kind: int, ids: dict[int, str], start: int, end: int
) -> Iterator[tuple[int, int]]:
    """Yield start and milliseconds of the hours of a zone that start within an hour of UTC."""
    quarter = start % HOUR_S // QUARTER_S
    before = " + ".join(f"q{i}" for i in range(quarter))
    after = " + ".join(f"q{i}" for i in range(quarter, QUARTERS))
    rows = connection.execute(
        f"SELECT hour, sum({before}), sum({after}) FROM shares WHERE kind = ? AND hour >= ? "
        f"AND hour < ? AND station IN ({_marks(ids)}) GROUP BY hour",
        (kind, start // HOUR_S, ceil(end / HOUR_S), *ids),
    )
    for hour, earlier, later in rows:
        at = hour * HOUR_S + quarter * QUARTER_S
        if earlier and start < at <= end:
            yield at - HOUR_S, earlier
        if later and start <= at < end:
            yield at, later


def _quarters(
    connection: Connection, kind: int, ids: dict[int, str], start: int, end: int
) -> Iterator[tuple[int, int]]:
    """Yield start and milliseconds of each quarter of an hour."""
    rows = connection.execute(
        "SELECT hour, sum(q0), sum(q1), sum(q2), sum(q3) FROM shares WHERE kind = ? "
        f"AND hour >= ? AND hour < ? AND station IN ({_marks(ids)}) GROUP BY hour",
        (kind, start // HOUR_S, ceil(end / HOUR_S), *ids),
    )
    for hour, *parts in rows:
        for quarter, ms in enumerate(parts):
            at = hour * HOUR_S + quarter * QUARTER_S
            if ms and start <= at < end:
                yield at, ms


def _kinds(connection: Connection) -> list[tuple[int, Kind]]:
    # One query a kind: the rows come in the order of the table's key, without sorting.
    rows = connection.execute("SELECT id, state, genre FROM kinds ORDER BY id").fetchall()
    return [(number, (state, genre)) for number, state, genre in rows]


def _marks(ids: dict[int, str]) -> str:
    return ", ".join("?" * len(ids))


def _numbers(ids: dict[int, str]) -> str:
    return ", ".join(map(str, ids))


def _from_segments(
    connection: Connection, ids: dict[int, str], span: Span
) -> Iterator[tuple[Kind, float]]:
    rows = connection.execute(
        "SELECT k.state, k.genre, sum(CASE WHEN g.end_time < ?1 THEN g.end_time ELSE ?1 END "
        "- CASE WHEN g.start_time > ?2 THEN g.start_time ELSE ?2 END) "
        "FROM stations s JOIN segments g ON g.station = s.id AND g.start_time < ?1 "
        "AND g.start_time > ?2 - s.longest_s - 1 JOIN kinds k ON k.id = g.kind "
        f"WHERE g.end_time > ?2 AND s.id IN ({_numbers(ids)}) GROUP BY k.id",
        (span.end, span.start),
    )
    for state, genre, seconds in rows:
        yield (state, genre), seconds


def shares(
    connection: Connection, ids: dict[int, str], span: Span, *, by: By, tz: Zone
) -> list[Share]:
    """Return the shares of a span, part by part, the largest first within each part.

    Parameters
    ----------
    connection
        The history.
    ids
        Stations by id, whose times are added up.
    span
        UNIX seconds.
    by
        ``all`` for one part; ``day`` or ``month`` for a part each; ``hour`` (of the day) or
        ``weekday`` for parts over all days.
    tz
        Time zone of hours and days.

    Returns
    -------
    list of Share
        Parts in order of time.
    """
    return grouped(sums(connection, ids, span, tz=tz), by=(by,), tz=tz)[by]


def grouped(
    found: dict[tuple[float, Kind], float], *, by: Iterable[By], tz: Zone
) -> dict[By, list[Share]]:
    """Return the shares of sums that were read before, grouped in one or more ways.

    Parameters
    ----------
    found
        What :func:`sums` returned.
    by
        Each as for :func:`shares`.
    tz
        Time zone of hours and days, that of the sums.

    Returns
    -------
    dict
        What :func:`shares` returns, by each way of grouping.
    """
    by = tuple(by)
    merged: dict[tuple[int, ...], tuple[datetime, defaultdict[Kind, float]]] = {}
    cells: dict[float, defaultdict[Kind, float]] = {}
    for (start, kind), seconds in found.items():
        cell = cells.get(start)
        if cell is None:
            at = local(start, tz)
            # Hours of different days that all ways of grouping put together are added up once.
            key = (at.year, at.month, at.weekday(), at.hour, at.day if "day" in by else 0)
            cell = cells[start] = merged.setdefault(key, (at, defaultdict(float)))[1]
        cell[kind] += seconds
    return {each: _grouped(merged.values(), each) for each in by}


def _grouped(cells: Iterable[tuple[datetime, dict[Kind, float]]], by: By) -> list[Share]:
    parts: defaultdict[str, defaultdict[Kind, float]] = defaultdict(lambda: defaultdict(float))
    name = _NAMERS[by]
    for moment, kinds in cells:
        part = parts[name(moment)]
        for kind, seconds in kinds.items():
            part[kind] += seconds
    order = WEEKDAYS.index if by == "weekday" else str
    ordered = []
    for part_name in sorted(parts, key=order):
        total = sum(parts[part_name].values())
        ranked = sorted(parts[part_name].items(), key=lambda item: (-item[1], item[0]))
        ordered += [
            Share(part_name, state, genre or None, round(seconds, 3), round(seconds / total, 6))
            for (state, genre), seconds in ranked
            if seconds > 0
        ]
    return ordered


_NAMERS: Final[dict[By, Callable[[datetime], str]]] = {
    "all": lambda _: "all",
    "hour": lambda moment: f"{moment.hour:02d}",
    "day": lambda moment: f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}",
    "weekday": lambda moment: WEEKDAYS[moment.weekday()],
    "month": lambda moment: f"{moment.year:04d}-{moment.month:02d}",
}


def hours_of(day: date, tz: Zone) -> list[Span]:
    """Return the hours of a local day in order: 23 or 25 when daylight saving time changes.

    Parameters
    ----------
    day
        The day.
    tz
        Its time zone; None for this machine's.

    Returns
    -------
    list[Span]
        Spans in UNIX seconds without gaps; the last may be shorter.
    """
    whole = day_span(day, tz)
    count = ceil(whole.seconds / 3600)
    starts = [whole.start + 3600 * i for i in range(count)]
    return [Span(start, min(start + 3600, whole.end)) for start in starts]
