"""Corrections: what a segment really was, as a person says.

The model's answer stays in ``segments``; so do the sums of it in ``shares``, which queries adjust.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Final

from streamgenre.errors import HistoryError
from streamgenre.history.ids import RowIds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.history.connection import Connection
    from streamgenre.history.time_zones import Span

TABLE: Final = """CREATE TABLE corrections (
        segment INTEGER PRIMARY KEY REFERENCES segments, kind INTEGER NOT NULL REFERENCES kinds,
        made REAL NOT NULL)"""
JOINS: Final = (
    "LEFT JOIN corrections c ON c.segment = g.id "
    "JOIN kinds k ON k.id = coalesce(c.kind, g.kind) JOIN kinds o ON o.id = g.kind"
)
"""Joins that give segments ``g`` their kind ``k``, corrected or not, and the model's answer ``o``.
A segment is corrected where ``c.segment`` is not null."""
_LATE_S: Final = 15.0
"""Seconds by which the end of an open segment may lag: it is written every few seconds."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """A segment before and after its correction."""

    station: str
    start: float
    """UNIX seconds."""
    end: float
    """UNIX seconds."""
    answer: str
    """Genre that the model had decided on, or the state if it had decided on none."""
    before: str
    """What it counted as until now: the answer, or an earlier correction."""
    genre: str
    """What it counts as now."""


def correct(connection: Connection, station: int, name: str, at: float, genre: str) -> Corrected:
    """Correct the segment of a station at a time; an earlier correction of it is replaced.

    Parameters
    ----------
    connection
        The history, open for writing.
    station
        Id of the station.
    name
        Its name.
    at
        UNIX seconds.
    genre
        What it was.

    Raises
    ------
    HistoryError
        If the station has no segment at that time.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        segment, start, end, answer, before = _segment(connection, station, name, at)
        kind = RowIds(connection).kind("music", genre)
        connection.execute(
            "INSERT INTO corrections (segment, kind, made) VALUES (?, ?, ?) "
            "ON CONFLICT (segment) DO UPDATE SET kind = excluded.kind, made = excluded.made",
            (segment, kind, time.time()),
        )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return Corrected(name, start, end, answer, before, genre)


def undo(connection: Connection, station: int, name: str, at: float) -> Corrected:
    """Remove the correction of the segment of a station at a time.

    Parameters
    ----------
    connection
        The history, open for writing.
    station
        Id of the station.
    name
        Its name.
    at
        UNIX seconds.

    Raises
    ------
    HistoryError
        If the station has no segment at that time, or the segment was not corrected.
    """
    segment, start, end, answer, before = _segment(connection, station, name, at)
    changed = connection.execute("DELETE FROM corrections WHERE segment = ?", (segment,)).rowcount
    if changed < 1:
        raise HistoryError(
            f"{name}: what it played then ({answer}) was not corrected; there is nothing to undo"
        )
    return Corrected(name, start, end, answer, before, answer)


def _segment(
    connection: Connection, station: int, name: str, at: float
) -> tuple[int, float, float, str, str]:
    """Return id, start, end, the model's answer and the present one of the segment at a time."""
    found = connection.execute(
        "SELECT g.id, g.start_time, g.end_time, o.state, o.genre, k.state, k.genre, g.ending "
        f"FROM segments g {JOINS} WHERE g.station = ? AND g.start_time <= ? "
        "ORDER BY g.start_time DESC LIMIT 1",
        (station, at),
    ).fetchone()
    if found is not None:
        late = _LATE_S if found[7] == "open" else 0
        if at < found[2] + late or at == found[1]:
            return (*found[:3], found[4] or found[3], found[6] or found[5])
    raise HistoryError(
        f"{name}: nothing was recorded then. `streamgenre history segments --station NAME` lists "
        "what was"
    )


def genres(connection: Connection) -> set[str]:
    """Return the genres that segments were decided to be, or corrected to."""
    rows = connection.execute("SELECT DISTINCT genre FROM kinds WHERE genre <> ''").fetchall()
    return {genre for (genre,) in rows}


def shifts(
    connection: Connection, ids: dict[int, str], span: Span, first: float, last: float, step: int
) -> Iterator[tuple[float, tuple[str, str], tuple[str, str], float]]:
    """Yield what corrections change in the sums of a span.

    Parameters
    ----------
    connection
        The history.
    ids
        Stations by id.
    span
        UNIX seconds.
    first, last
        Whole steps within the span, in UNIX seconds; before and after them are its edges. If
        ``first`` is after ``last``, the span is one edge.
    step
        Length of a step in seconds.

    Yields
    ------
    start : float
        Start of the step or edge.
    answer, corrected : tuple of str
        State and genre.
    seconds : float
        Seconds that count as the second instead of the first.
    """
    marks = ", ".join("?" * len(ids))
    rows = connection.execute(
        "SELECT g.start_time, g.end_time, o.state, o.genre, k.state, k.genre "
        "FROM corrections c JOIN segments g ON g.id = c.segment JOIN kinds k ON k.id = c.kind "
        "JOIN kinds o ON o.id = g.kind WHERE g.start_time < ? AND g.end_time > ? "
        f"AND g.station IN ({marks})",
        (span.end, span.start, *ids),
    )
    for start, end, *kinds in rows:
        answer, corrected = (kinds[0], kinds[1]), (kinds[2], kinds[3])
        at, end = max(start, span.start), min(end, span.end)
        while at < end:
            if first > last or at < first:
                key, until = span.start, end if first > last else first
            elif at >= last:
                key, until = last, end
            else:
                key = first + floor((at - first) / step) * step
                until = key + step
            until = min(until, end)
            yield key, answer, corrected, until - at
            at = until


def totals(connection: Connection, ids: dict[int, str]) -> list[tuple[int, int, float]]:
    """Return what corrections change in the sums of the whole history.

    Parameters
    ----------
    connection
        The history.
    ids
        Stations by id.

    Returns
    -------
    list of tuple
        Id of a station, id of a kind, and seconds; negative for the model's answers.
    """
    marks = ", ".join("?" * len(ids))
    rows = connection.execute(
        "SELECT g.station, g.kind, c.kind, g.end_time - g.start_time FROM corrections c "
        f"JOIN segments g ON g.id = c.segment WHERE g.station IN ({marks})",
        tuple(ids),
    ).fetchall()
    changed = []
    for station, answer, kind, seconds in rows:
        changed += [(station, kind, seconds), (station, answer, -seconds)]
    return changed


def delete_orphans(connection: Connection) -> int:
    """Delete the corrections of segments that retention has deleted; return how many."""
    return connection.execute(
        "DELETE FROM corrections WHERE NOT EXISTS "
        "(SELECT 1 FROM segments WHERE segments.id = corrections.segment)"
    ).rowcount
