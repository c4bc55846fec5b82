"""The shares of whole days, kept beside those of hours: a year is read in a fraction of the time.

A row has the milliseconds of one kind in each of the 24 UTC hours of a UTC day. Whoever changes
``shares`` changes these rows in the same transaction.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from streamgenre.history.connection import Connection

HOURS: Final = 24
_HOUR_S: Final = 3600
_COLUMNS: Final = ", ".join(f"h{i}" for i in range(HOURS))
_ADD: Final = (
    f"INSERT INTO day_shares (kind, day, station, {_COLUMNS}) "
    f"VALUES ({', '.join('?' * (3 + HOURS))}) ON CONFLICT (kind, day, station) DO UPDATE SET "
    + ", ".join(f"h{i} = day_shares.h{i} + excluded.h{i}" for i in range(HOURS))
)
_FILL: Final = (
    f"INSERT INTO day_shares (kind, day, station, {_COLUMNS}) SELECT kind, hour / 24, station, "
    + ", ".join(
        f"sum(CASE hour % 24 WHEN {i} THEN q0 + q1 + q2 + q3 ELSE 0 END)" for i in range(HOURS)
    )
    + " FROM shares {where} GROUP BY kind, hour / 24, station"
)

TABLE: Final = f"""CREATE TABLE day_shares (
        kind INTEGER NOT NULL, day INTEGER NOT NULL, station INTEGER NOT NULL,
        {", ".join(f"h{i} INTEGER NOT NULL" for i in range(HOURS))},
        PRIMARY KEY (kind, day, station)) WITHOUT ROWID"""


def fill(connection: Connection) -> None:
    """Add up all hours, for a file of an older version."""
    connection.execute(_FILL.format(where=""))


def add(connection: Connection, changes: Mapping[tuple[int, int, int], Sequence[int]]) -> None:
    """Add to the hours of days what was added to ``shares``.

    Parameters
    ----------
    connection
        The history, within a transaction.
    changes
        Milliseconds of the quarters by kind, UNIX hour and station.
    """
    days: dict[tuple[int, int, int], list[int]] = {}
    for (kind, hour, station), quarters in changes.items():
        row = days.setdefault((kind, hour // HOURS, station), [0] * HOURS)
        row[hour % HOURS] += sum(quarters)
    connection.executemany(_ADD, ((*key, *row) for key, row in days.items() if any(row)))


def refresh(connection: Connection, kind: int, days: Collection[int]) -> None:
    """Add up the hours of some days again, after hours were deleted.

    Parameters
    ----------
    connection
        The history, within a transaction.
    kind
        Id of the state and genre.
    days
        UNIX seconds divided by 86400.
    """
    marks = ", ".join("?" * len(days))
    connection.execute(f"DELETE FROM day_shares WHERE kind = ? AND day IN ({marks})", (kind, *days))
    for day in days:
        where = "WHERE kind = ? AND hour >= ? AND hour < ?"
        connection.execute(_FILL.format(where=where), (kind, HOURS * day, HOURS * (day + 1)))


def hours(
    connection: Connection, kind: int, ids: dict[int, str], start: float, end: float
) -> Iterator[tuple[int, int]]:
    """Yield the milliseconds of one kind in each UTC hour of a span.

    Parameters
    ----------
    connection
        The history.
    kind
        Id of a state and genre.
    ids
        Stations by id, whose times are added up.
    start, end
        UNIX seconds, at whole hours.

    Yields
    ------
    tuple of int
        UNIX seconds of the start of the hour, and milliseconds greater than 0.
    """
    first, last = int(start) // _HOUR_S, int(end) // _HOUR_S
    sums = ", ".join(f"sum(h{i})" for i in range(HOURS))
    marks = ", ".join("?" * len(ids))
    rows = connection.execute(
        f"SELECT day, {sums} FROM day_shares WHERE kind = ? AND day >= ? AND day < ? "
        f"AND station IN ({marks}) GROUP BY day",
        (kind, first // HOURS, ceil(last / HOURS), *ids),
    )
    for day, *parts in rows:
        for hour, ms in enumerate(parts, start=day * HOURS):
            if ms and first <= hour < last:
                yield hour * _HOUR_S, ms
