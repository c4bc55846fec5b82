"""How much of the time belongs to each genre."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import ceil, floor
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from streamgenre.history.quarters import QUARTER_S, QUARTERS
from streamgenre.history.times import Span, day_span, local

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from datetime import date

    from streamgenre.history.times import Zone

By: TypeAlias = Literal["all", "hour", "day", "weekday"]
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Share:
    """Time of one genre, or of one state without a genre, in one part of a span."""

    part: str
    """``all``; the hour of the day (``18``); the day (``2026-07-01``); or the weekday."""
    state: str
    genre: str | None
    seconds: float
    share: float
    """Of what was heard in this part, 0 to 1."""


Sums: TypeAlias = "defaultdict[int, dict[tuple[str, str], float]]"


def quarters(
    connection: sqlite3.Connection, ids: dict[int, str], span: Span
) -> Iterator[tuple[int, tuple[str, str], tuple[float, ...]]]:
    """Yield the whole hours of a span: hour, (state, genre) and the seconds of its quarters."""
    marks = ", ".join("?" * len(ids))
    # In the order of the table's key, so that nothing needs to be sorted: kind by kind.
    for kind, state, genre in connection.execute("SELECT id, state, genre FROM kinds").fetchall():
        rows = connection.execute(
            "SELECT hour, sum(q0), sum(q1), sum(q2), sum(q3) FROM shares WHERE kind = ? "
            f"AND hour >= ? AND hour < ? AND station IN ({marks}) GROUP BY hour",
            (kind, floor(span.start / 3600), ceil(span.end / 3600), *ids),
        )
        for hour, *sums in rows:
            yield hour, (state, genre), tuple(ms / 1000 for ms in sums)


def sums(
    connection: sqlite3.Connection, ids: dict[int, str], span: Span
) -> dict[tuple[int, tuple[str, str]], float]:
    """Return the seconds of each quarter of an hour (UNIX seconds / 900) and (state, genre).

    The quarters at the ends of the span are cut where it is.
    """
    first, last = ceil(span.start / QUARTER_S), floor(span.end / QUARTER_S)
    found: defaultdict[tuple[int, tuple[str, str]], float] = defaultdict(float)
    for hour, kind, seconds in quarters(connection, ids, span):
        for quarter, part in enumerate(seconds, start=hour * QUARTERS):
            if part and first <= quarter < last:
                found[quarter, kind] += part
    if first > last:  # within one quarter
        edges = [span]
    else:
        edges = [Span(span.start, first * QUARTER_S), Span(last * QUARTER_S, span.end)]
    for edge in edges:
        if edge.seconds > 0:
            for kind, part in _from_segments(connection, ids, edge):
                found[floor(edge.start / QUARTER_S), kind] += part
    return found


def _from_segments(
    connection: sqlite3.Connection, ids: dict[int, str], span: Span
) -> Iterator[tuple[tuple[str, str], float]]:
    marks = ", ".join("?" * len(ids))
    rows = connection.execute(
        "SELECT k.state, k.genre, sum(min(g.end_time, ?1) - max(g.start_time, ?2)) "
        "FROM stations s JOIN segments g ON g.station = s.id AND g.start_time < ?1 "
        "AND g.start_time > ?2 - s.longest_s - 1 JOIN kinds k ON k.id = g.kind "
        f"WHERE g.end_time > ?2 AND s.id IN ({marks}) GROUP BY g.kind",
        (span.end, span.start, *ids),
    )
    for state, genre, seconds in rows:
        yield (state, genre), seconds


def shares(
    connection: sqlite3.Connection, ids: dict[int, str], span: Span, *, by: By, tz: Zone
) -> list[Share]:
    """Return the shares of a span, part by part, the largest first within each.

    Parameters
    ----------
    connection, ids
        The history and the stations, whose times are added up.
    span
        What is looked at.
    by
        ``all`` for one sum; ``day``; or over all days ``hour`` of the day or ``weekday``.
    tz
        Zone in which hours and days are meant.
    """
    parts: defaultdict[str, defaultdict[tuple[str, str], float]] = defaultdict(
        lambda: defaultdict(float)
    )
    namer = _Namer(by, tz)
    for (quarter, kind), seconds in sums(connection, ids, span).items():
        parts[namer.name(quarter)][kind] += seconds
    order = WEEKDAYS.index if by == "weekday" else str
    found = []
    for part in sorted(parts, key=order):
        total = sum(parts[part].values())
        ranked = sorted(parts[part].items(), key=lambda item: (-item[1], item[0]))
        found += [
            Share(part, state, genre or None, round(seconds, 3), round(seconds / total, 6))
            for (state, genre), seconds in ranked
            if seconds > 0
        ]
    return found


class _Namer:
    """Names the part of a span to which a quarter of an hour belongs, each looked up once."""

    def __init__(self, by: By, tz: Zone) -> None:
        self._by = by
        self._tz = tz
        self._known: dict[int, str] = {}

    def name(self, quarter: int) -> str:
        if self._by == "all":
            return "all"
        if quarter not in self._known:
            moment = local(quarter * QUARTER_S, self._tz)
            self._known[quarter] = {
                "hour": f"{moment.hour:02d}",
                "day": moment.date().isoformat(),
                "weekday": WEEKDAYS[moment.weekday()],
            }[self._by]
        return self._known[quarter]


def hours_of(day: date, tz: Zone) -> list[Span]:
    """Return the hours of a local day in order: 23 or 25 where the clock is changed."""
    whole = day_span(day, tz)
    count = ceil(whole.seconds / 3600)
    starts = [whole.start + 3600 * i for i in range(count)]
    return [Span(start, min(start + 3600, whole.end)) for start in starts]
