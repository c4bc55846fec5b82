"""The share of each genre in the time heard."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from streamgenre.history import day_shares
from streamgenre.history.time_bins import QUARTER_S
from streamgenre.history.time_zones import Span, day_span, local

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from datetime import date

    from streamgenre.history.time_zones import Zone

By: TypeAlias = Literal["all", "hour", "day", "weekday", "month"]
Kind: TypeAlias = tuple[str, str]
"""State, and genre or an empty string."""
HOUR_S: Final = 3600
DAY_S: Final = 86_400
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
    connection: sqlite3.Connection, ids: dict[int, str], span: Span, *, tz: Zone
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
        Seconds by start and kind. The start is that of an hour in UNIX seconds, or of a quarter of
        an hour if hours of the zone do not start with those of UTC.
    """
    step = QUARTER_S if _is_odd(span, tz) else HOUR_S
    first, last = ceil(span.start / step), floor(span.end / step)
    found: defaultdict[tuple[float, Kind], float] = defaultdict(float)
    rows = _quarters if step == QUARTER_S else _hours
    for start, kind, ms in rows(connection, ids, first * step, last * step):
        found[start, kind] += ms / 1000
    if first > last:  # within one step
        edges = [span]
    else:
        edges = [Span(span.start, first * step), Span(last * step, span.end)]
    for edge in edges:
        if edge.seconds > 0:
            for kind, part in _from_segments(connection, ids, edge):
                found[edge.start, kind] += part
    return found


def _is_odd(span: Span, tz: Zone) -> bool:
    """Return whether any hour of the zone in the span starts within an hour of UTC."""
    moments = [span.start, span.end]
    moments += [span.start + 30 * DAY_S * i for i in range(1, int(span.seconds / DAY_S / 30) + 1)]
    offsets = (local(moment, tz).utcoffset() for moment in moments)
    return any(offset is not None and offset.total_seconds() % HOUR_S for offset in offsets)


def _hours(
    connection: sqlite3.Connection, ids: dict[int, str], start: float, end: float
) -> Iterator[tuple[float, Kind, int]]:
    """Yield start, kind and milliseconds of each whole hour."""
    for number, kind in _kinds(connection):
        for at, ms in day_shares.hours(connection, number, ids, start, end):
            yield at, kind, ms


def _quarters(
    connection: sqlite3.Connection, ids: dict[int, str], start: float, end: float
) -> Iterator[tuple[float, Kind, int]]:
    """Yield start, kind and milliseconds of each quarter of an hour."""
    for number, kind in _kinds(connection):
        rows = connection.execute(
            "SELECT hour, sum(q0), sum(q1), sum(q2), sum(q3) FROM shares WHERE kind = ? "
            f"AND hour >= ? AND hour < ? AND station IN ({_marks(ids)}) GROUP BY hour",
            (number, start // HOUR_S, ceil(end / HOUR_S), *ids),
        )
        for hour, *parts in rows:
            for quarter, ms in enumerate(parts):
                at = hour * HOUR_S + quarter * QUARTER_S
                if ms and start <= at < end:
                    yield at, kind, ms


def _kinds(connection: sqlite3.Connection) -> list[tuple[int, Kind]]:
    # One query a kind: the rows come in the order of the table's key, without sorting.
    rows = connection.execute("SELECT id, state, genre FROM kinds ORDER BY id").fetchall()
    return [(number, (state, genre)) for number, state, genre in rows]


def _marks(ids: dict[int, str]) -> str:
    return ", ".join("?" * len(ids))


def _from_segments(
    connection: sqlite3.Connection, ids: dict[int, str], span: Span
) -> Iterator[tuple[Kind, float]]:
    rows = connection.execute(
        "SELECT k.state, k.genre, sum(min(g.end_time, ?1) - max(g.start_time, ?2)) "
        "FROM stations s JOIN segments g ON g.station = s.id AND g.start_time < ?1 "
        "AND g.start_time > ?2 - s.longest_s - 1 JOIN kinds k ON k.id = g.kind "
        f"WHERE g.end_time > ?2 AND s.id IN ({_marks(ids)}) GROUP BY g.kind",
        (span.end, span.start, *ids),
    )
    for state, genre, seconds in rows:
        yield (state, genre), seconds


def shares(
    connection: sqlite3.Connection, ids: dict[int, str], span: Span, *, by: By, tz: Zone
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
    return grouped(sums(connection, ids, span, tz=tz), by=by, tz=tz)


def grouped(found: dict[tuple[float, Kind], float], *, by: By, tz: Zone) -> list[Share]:
    """Return the shares of sums that were read before, to group them in more than one way.

    Parameters
    ----------
    found
        What :func:`sums` returned.
    by
        As for :func:`shares`.
    tz
        Time zone of hours and days, that of the sums.

    Returns
    -------
    list of Share
        As :func:`shares` returns them.
    """
    parts: defaultdict[str, defaultdict[Kind, float]] = defaultdict(lambda: defaultdict(float))
    namer = _Namer(by, tz)
    for (start, kind), seconds in found.items():
        parts[namer.name(start)][kind] += seconds
    order = WEEKDAYS.index if by == "weekday" else str
    ordered = []
    for part in sorted(parts, key=order):
        total = sum(parts[part].values())
        ranked = sorted(parts[part].items(), key=lambda item: (-item[1], item[0]))
        ordered += [
            Share(part, state, genre or None, round(seconds, 3), round(seconds / total, 6))
            for (state, genre), seconds in ranked
            if seconds > 0
        ]
    return ordered


class _Namer:
    """Names the part of a span that a time belongs to; caches the names."""

    def __init__(self, by: By, tz: Zone) -> None:
        self._by = by
        self._tz = tz
        self._known: dict[float, str] = {}

    def name(self, start: float) -> str:
        if self._by == "all":
            return "all"
        if start not in self._known:
            moment = local(start, self._tz)
            self._known[start] = {
                "hour": f"{moment.hour:02d}",
                "day": moment.date().isoformat(),
                "weekday": WEEKDAYS[moment.weekday()],
                "month": f"{moment.year:04d}-{moment.month:02d}",
            }[self._by]
        return self._known[start]


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
