"""Tags of the music, such as electronic: how long each was heard, by station and UTC day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.history.ids import fold
from streamgenre.history.shares import DAY_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamgenre.history.connection import Connection

TABLES: Final = (
    "CREATE TABLE tags (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    # Milliseconds of music, weighted by the tag's probability, by UNIX seconds / 86400.
    """CREATE TABLE tag_days (
        tag INTEGER NOT NULL, day INTEGER NOT NULL, station INTEGER NOT NULL, ms INTEGER NOT NULL,
        PRIMARY KEY (tag, day, station)) WITHOUT ROWID""",
)
_ADD: Final = (
    "INSERT INTO tag_days (tag, day, station, ms) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (tag, day, station) DO UPDATE SET ms = tag_days.ms + excluded.ms"
)


@dataclass(frozen=True, slots=True)
class TagFound:
    """A tag whose name contains the words of a search, on one station."""

    station: str
    tag: str
    seconds: float
    """Time heard, weighted by the tag's probability."""
    last: float
    """UNIX seconds of the noon of the last UTC day on which it was heard."""


def add(connection: Connection, changes: Mapping[tuple[str, int, int], float]) -> None:
    """Add what was heard.

    Parameters
    ----------
    connection
        The history, within a transaction.
    changes
        Milliseconds by tag, UNIX day and station.
    """
    if not changes:
        return
    names = {(name,) for name, _, _ in changes}
    connection.executemany("INSERT INTO tags (name) VALUES (?) ON CONFLICT DO NOTHING", names)
    ids = {name: number for number, name in connection.execute("SELECT id, name FROM tags")}
    connection.executemany(
        _ADD, [(ids[name], day, station, round(ms)) for (name, day, station), ms in changes.items()]
    )


def delete(connection: Connection, before: float) -> int:
    """Delete the days before a time; return how many rows that were.

    Parameters
    ----------
    connection
        The history.
    before
        UNIX seconds.
    """
    deleted = 0
    for (tag,) in connection.execute("SELECT id FROM tags").fetchall():
        deleted += connection.execute(
            "DELETE FROM tag_days WHERE tag = ? AND day < ?", (tag, int(before // DAY_S))
        ).rowcount
    return deleted


def found(connection: Connection, ids: dict[int, str], words: list[str]) -> list[TagFound]:
    """Return the tags whose name contains every word, the most heard first.

    Parameters
    ----------
    connection
        The history.
    ids
        Names of the wanted stations by id.
    words
        Folded words, from :func:`~streamgenre.history.search.words_of`.
    """
    rows = []
    marks = ", ".join("?" * len(ids))
    for tag, name in connection.execute("SELECT id, name FROM tags").fetchall():
        if all(word in fold(name) for word in words):
            sums = connection.execute(
                "SELECT station, sum(ms), max(day) FROM tag_days WHERE tag = ? "
                f"AND station IN ({marks}) GROUP BY station",
                (tag, *ids),
            )
            rows += [
                TagFound(ids[number], name, ms / 1000, DAY_S * (day + 0.5))
                for number, ms, day in sums.fetchall()
            ]
    return sorted(rows, key=lambda row: (-row.seconds, row.station, row.tag))
