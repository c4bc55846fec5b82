"""The tables, and the migration steps from each older version to the current one.

Each version adds one step; a released step is never changed. A step runs in one transaction: if it
is interrupted, the file keeps the older version.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from streamgenre.errors import HistoryError
from streamgenre.history import corrections, day_shares, tags
from streamgenre.history.time_bins import QUARTERS, split_by_quarter

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.history.connection import Connection

APPLICATION_ID: Final = 0x7367_6873
"""``sghs`` in the file's header distinguishes a history from other SQLite files."""

_FIRST: Final = (
    # A state, and a genre if the state is music, else ''.
    """CREATE TABLE kinds (
        id INTEGER PRIMARY KEY, state TEXT NOT NULL, genre TEXT NOT NULL, UNIQUE (state, genre))""",
    # longest_s: upper bound of the length of the station's rows; an overlap starts no earlier.
    """CREATE TABLE stations (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, longest_s REAL NOT NULL DEFAULT 0)""",
    # Processes that wrote to the file; ending is open, closed or cut.
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, started REAL NOT NULL,
        ending TEXT NOT NULL DEFAULT 'open')""",
    """CREATE TABLE sessions (
        id INTEGER PRIMARY KEY, uid TEXT NOT NULL, station INTEGER NOT NULL REFERENCES stations,
        run INTEGER NOT NULL REFERENCES runs, start_time REAL NOT NULL, end_time REAL NOT NULL,
        ending TEXT NOT NULL, input TEXT, model TEXT, model_sha256 TEXT, UNIQUE (uid, station))""",
    "CREATE INDEX sessions_by_run ON sessions (run)",
    """CREATE TABLE segments (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions,
        station INTEGER NOT NULL REFERENCES stations, kind INTEGER NOT NULL REFERENCES kinds,
        start_time REAL NOT NULL, end_time REAL NOT NULL, stream_start REAL NOT NULL,
        probability REAL, updates INTEGER NOT NULL, ending TEXT NOT NULL,
        UNIQUE (session, stream_start))""",
    "CREATE INDEX segments_by_time ON segments (station, start_time, end_time)",
    """CREATE TABLE gaps (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions,
        station INTEGER NOT NULL REFERENCES stations, seq INTEGER, start_time REAL NOT NULL,
        end_time REAL NOT NULL, samples INTEGER, reason TEXT NOT NULL, UNIQUE (session, seq))""",
    "CREATE INDEX gaps_by_time ON gaps (station, start_time)",
    """CREATE TABLE source_changes (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions,
        station INTEGER NOT NULL REFERENCES stations, seq INTEGER NOT NULL, time REAL NOT NULL,
        state TEXT NOT NULL, input TEXT NOT NULL, detail TEXT NOT NULL, UNIQUE (session, seq))""",
    "CREATE INDEX source_changes_by_time ON source_changes (station, time)",
)
_TITLES_AND_DEAD_AIR: Final = (
    # A station repeats the same few thousand titles: each is stored once.
    """CREATE TABLE tracks (
        id INTEGER PRIMARY KEY, artist TEXT NOT NULL, title TEXT NOT NULL, folded TEXT NOT NULL,
        UNIQUE (artist, title))""",
    """CREATE TABLE titles (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions,
        station INTEGER NOT NULL REFERENCES stations, seq INTEGER NOT NULL,
        track INTEGER NOT NULL REFERENCES tracks, start_time REAL NOT NULL, end_time REAL NOT NULL,
        ending TEXT NOT NULL, UNIQUE (session, seq))""",
    "CREATE INDEX titles_by_time ON titles (station, start_time, end_time)",
    "CREATE INDEX titles_by_track ON titles (track, start_time)",
    """CREATE TABLE dead_air (
        id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions,
        station INTEGER NOT NULL REFERENCES stations, start_time REAL NOT NULL,
        end_time REAL NOT NULL, ending TEXT NOT NULL, UNIQUE (session, start_time))""",
    "CREATE INDEX dead_air_by_time ON dead_air (station, start_time)",
    "CREATE INDEX segments_open ON segments (session) WHERE ending = 'open'",
)
_SHARES_AND_DETAIL: Final = (
    # Milliseconds of each kind in the quarters of an hour (UNIX seconds / 3600): quarters, because
    # in some time zones the day starts at a quarter of a UTC hour.
    """CREATE TABLE shares (
        kind INTEGER NOT NULL, hour INTEGER NOT NULL, station INTEGER NOT NULL,
        q0 INTEGER NOT NULL, q1 INTEGER NOT NULL, q2 INTEGER NOT NULL, q3 INTEGER NOT NULL,
        PRIMARY KEY (kind, hour, station)) WITHOUT ROWID""",
    "CREATE TABLE labels (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE)",
    # Every update of a minute (UNIX seconds / 60) in one blob: see detail.py.
    """CREATE TABLE details (
        minute INTEGER NOT NULL, station INTEGER NOT NULL, session INTEGER NOT NULL,
        labels INTEGER NOT NULL, updates INTEGER NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (minute, station, session)) WITHOUT ROWID""",
)


def _fill_shares(connection: Connection) -> None:
    sums: dict[tuple[int, int, int], list[int]] = {}
    rows = connection.execute("SELECT kind, station, start_time, end_time FROM segments")
    for kind, station, start, end in rows:
        for hour, quarter, ms in split_by_quarter(start, end):
            sums.setdefault((kind, hour, station), [0] * QUARTERS)[quarter] += ms
    connection.executemany(
        "INSERT INTO shares (kind, hour, station, q0, q1, q2, q3) VALUES (?, ?, ?, ?, ?, ?, ?)",
        ((*key, *quarters) for key, quarters in sums.items()),
    )


_STEPS: Final[tuple[tuple[tuple[str, ...], Callable[[Connection], None] | None], ...]] = (
    (_FIRST, None),
    (_TITLES_AND_DEAD_AIR, None),
    (_SHARES_AND_DETAIL, _fill_shares),
    ((day_shares.TABLE,), day_shares.fill),
    (tags.TABLES, None),
    ((corrections.TABLE,), None),
)
VERSION: Final = len(_STEPS)
"""Version of the tables, stored as ``PRAGMA user_version`` or in a table of its own."""


def version_of(connection: Connection) -> int:
    """Return the version of the tables, 0 for an empty file or database."""
    if isinstance(connection, sqlite3.Connection):
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    return connection.version


def _set_version(connection: Connection, version: int) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
    else:
        connection.set_version(version)


def check_version(version: int, path: object) -> None:
    """Refuse a file that a newer streamgenre wrote.

    Parameters
    ----------
    version
        Version of the file's tables.
    path
        The file, for the message.

    Raises
    ------
    HistoryError
        If the version is newer than ``VERSION``.
    """
    if version > VERSION:
        raise HistoryError(
            f"{path}: written by a newer streamgenre (tables of version {version}; this one knows "
            f"up to {VERSION}). It was not changed: update streamgenre, or choose another "
            "place with --history"
        )


def migrate(connection: Connection, *, to: int = VERSION) -> None:
    """Migrate the tables step by step, each step in one transaction.

    Parameters
    ----------
    connection
        In autocommit mode (``isolation_level=None``).
    to
        Version to stop at; only tests pass an older one.
    """
    while (version := version_of(connection)) < to:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if version_of(connection) == version:  # otherwise another process just did it
                statements, fill = _STEPS[version]
                for statement in statements:
                    connection.execute(statement)
                if fill is not None:
                    fill(connection)
                _set_version(connection, version + 1)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
