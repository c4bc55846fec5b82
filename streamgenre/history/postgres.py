"""The history in PostgreSQL: connecting, and what SQLite has in files.

One writer at a time holds an advisory lock, as a writer of SQLite locks the file. Each run of a
daemon holds another one for as long as it is connected, which shows others that it is alive.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import HistoryError
from streamgenre.history.connection import ServerError
from streamgenre.history.postgres_errors import CONNECT_S, in_words
from streamgenre.history.postgres_sql import translated
from streamgenre.history.schema import APPLICATION_ID, VERSION, check_version, migrate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import psycopg

    from streamgenre.history.connection import Rows
    from streamgenre.history.places import Server

_OLDEST: Final = 130_000
_STATEMENT_MS: Final = 60_000
"""Longest time of one statement of the writer in milliseconds."""
_ROWS_AT_A_TIME: Final = 2000
_DEFAULTS: Final = {
    "connect_timeout": str(CONNECT_S),
    "application_name": "streamgenre",
    "client_encoding": "utf8",
    # A server that vanishes without a word is noticed within half a minute.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}


class PostgresConnection:
    """A connection that takes the statements of the history.

    Parameters
    ----------
    connection
        The connection to the server.
    server
        Its place, for messages.
    reading
        Whether rows are fetched a few thousand at a time, in one read-only transaction.
    """

    def __init__(self, connection: psycopg.Connection, server: Server, *, reading: bool) -> None:
        self._connection = connection
        self._server = server
        self._reading = reading
        self._cursors = itertools.count()
        self._held = ""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open on a connection that works."""
        return self._connection.info.transaction_status in (1, 2, 3)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """Run a statement; see :class:`~streamgenre.history.connection.Connection`."""
        import psycopg

        cursor: Any
        if self._reading:
            cursor = psycopg.RawServerCursor(self._connection, f"c{next(self._cursors)}")
            cursor.itersize = _ROWS_AT_A_TIME
        else:
            cursor = self._connection.cursor()
        with in_words(self._server):
            cursor.execute(translated(sql), tuple(parameters) or None)
        return _Answer(cursor, self._server) if self._reading else cursor

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each tuple of values, without waiting in between."""
        with in_words(self._server), self._connection.cursor() as cursor:
            cursor.executemany(translated(sql), parameters)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    # ---- what SQLite has in its file's header, and in lock files ---------------------------------

    @property
    def version(self) -> int:
        """Version of the tables, 0 if there are none."""
        if not self.is_history:
            return 0
        found = self.execute("SELECT max(version) FROM streamgenre_history").fetchone()
        return int(found[0] or 0)

    @property
    def is_history(self) -> bool:
        """Whether the database has a history."""
        # By the catalogue's rows: a name that was looked up before may be cached as missing.
        found = self.execute(
            "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = current_schema() AND c.relname = 'streamgenre_history'"
        )
        return bool(found.fetchone()[0])

    def set_version(self, version: int) -> None:
        """Note the version of the tables, within a transaction."""
        self.execute("CREATE TABLE IF NOT EXISTS streamgenre_history (version INTEGER NOT NULL)")
        self.execute("DELETE FROM streamgenre_history")
        self.execute("INSERT INTO streamgenre_history VALUES (?)", (version,))

    def hold_run(self, token: str) -> None:
        """Show others that a run is alive, for as long as this connection lasts."""
        if token != self._held:
            key = (APPLICATION_ID << 32) + _low(token)
            self.execute("SELECT pg_try_advisory_lock(?)", (key,))
            self._held = token

    def run_is_alive(self, token: str) -> bool:
        """Return whether a run is connected."""
        found = self.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND "
            "CAST(classid AS bigint) = ? AND CAST(objid AS bigint) = ? AND objsubid = 1 AND "
            "database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            (APPLICATION_ID, _low(token)),
        )
        return bool(found.fetchone()[0])


def _low(token: str) -> int:
    return int(token[:8], 16)


class _Answer:
    """An answer of which rows are fetched on demand, each time with errors in words."""

    rowcount = -1

    def __init__(self, cursor: Any, server: Server) -> None:
        self._cursor = cursor
        self._server = server

    def fetchone(self) -> Any:
        with in_words(self._server):
            return self._cursor.fetchone()

    def fetchall(self) -> list[Any]:
        with in_words(self._server):
            found: list[Any] = self._cursor.fetchall()
            self._cursor.close()
        return found

    def __iter__(self) -> Iterator[Any]:
        while True:
            with in_words(self._server):
                some = self._cursor.fetchmany(_ROWS_AT_A_TIME)
            yield from some
            if len(some) < _ROWS_AT_A_TIME:
                self._cursor.close()
                return


# ---- opening ------------------------------------------------------------------------------------


def open_to_write(server: Server, *, busy_s: float) -> PostgresConnection:
    """Open a history for writing; create its tables or bring them up to date as needed.

    Parameters
    ----------
    server
        The database.
    busy_s
        Seconds to wait while another process writes.

    Raises
    ------
    HistoryError
        If the database belongs to another program or to a newer version, or if a setting is wrong.
    ServerError
        If it cannot be reached at the moment.
    """
    connection = _connect(server, reading=False)
    try:
        _check(connection, server)
        for name, ms in (("lock_timeout", 1000 * busy_s), ("statement_timeout", _STATEMENT_MS)):
            connection.execute(f"SET {name} = {ms:.0f}")
        # The server notices within a minute that this machine has gone, and frees its locks.
        for name, value in (("idle", 30), ("interval", 10), ("count", 3)):
            connection.execute(f"SET tcp_keepalives_{name} = {value}")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(server: Server, *, longest_s: float | None = None) -> PostgresConnection:
    """Open a history read-only, at one moment: later rows are not seen.

    Parameters
    ----------
    server
        The database.
    longest_s
        Seconds after which a query is given up; None for no limit.

    Raises
    ------
    HistoryError
        If it cannot be read; the message says why and what to do.
    """
    try:
        connection = _connect(server, reading=True, longest_s=longest_s)
        try:
            version = _check(connection, server)
            if version < VERSION:
                said = "no history yet" if version == 0 else "written by an older streamgenre"
                raise HistoryError(
                    f"{server}: {said}. The daemon makes its tables at its next start: "
                    "`streamgenre listen --history URL`"
                )
        except BaseException:
            connection.close()
            raise
    except ServerError as error:
        raise HistoryError(str(error)) from error
    return connection


def _connect(
    server: Server, *, reading: bool, longest_s: float | None = None
) -> PostgresConnection:
    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
        from psycopg.types.numeric import FloatLoader
    except ImportError as error:
        raise HistoryError(
            f"{server}: a history in PostgreSQL needs psycopg: run "
            "`pip install 'streamgenre[postgres]'`, or choose a file with --history PATH"
        ) from error
    with in_words(server):
        given: dict[str, Any] = {**_DEFAULTS, **conninfo_to_dict(server.url)}
        connection = psycopg.connect(
            **given, autocommit=not reading, cursor_factory=psycopg.RawCursor
        )
        # Sums of whole numbers are exact in a float: they are milliseconds.
        connection.adapters.register_loader("numeric", FloatLoader)
        if reading:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            if longest_s is not None:
                connection.execute(f"SET statement_timeout = {1000 * longest_s:.0f}")
    return PostgresConnection(connection, server, reading=reading)


def _check(connection: PostgresConnection, server: Server) -> int:
    """Refuse what is not a history, and return the version of the tables; 0 if there are none."""
    number, encoding, schema = connection.execute(
        "SELECT CAST(current_setting('server_version_num') AS integer), "
        "current_setting('server_encoding'), current_schema()"
    ).fetchone()
    if number < _OLDEST:
        raise HistoryError(
            f"{server}: PostgreSQL {number // 10_000}; expected {_OLDEST // 10_000} or newer"
        )
    if encoding != "UTF8":
        raise HistoryError(
            f"{server}: the database has the encoding {encoding}; expected UTF8: create one with "
            "`createdb --encoding UTF8 --template template0 NAME`"
        )
    if schema is None:
        raise HistoryError(f"{server}: no schema of the search path exists in this database")
    if not connection.is_history:
        (other,) = connection.execute(
            "SELECT min(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = ? AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT EXISTS "
            "(SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')",
            (schema,),
        ).fetchone()
        if other is not None:
            raise HistoryError(
                f"{server}: a database of another program (it has {other!r}); it was not changed. "
                "Choose a separate database for the history: `createdb NAME`"
            )
        return 0
    version = connection.version
    check_version(version, server)
    return version
