"""What the queries need of a database, be it an SQLite file or a PostgreSQL server.

The queries are written once, in SQL that both understand, with ``?`` and ``?1`` for values.
:mod:`sqlite3` runs them as they are; :mod:`streamgenre.history.postgres_sql` translates the rest.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class ServerError(Exception):
    """A database server cannot be reached, or refuses; the message says why, in words."""

    busy = False
    """Whether it refuses only while another process writes."""
    too_long = False
    """Whether it gave up because the answer took too long."""


DATABASE_ERRORS: Final = (sqlite3.Error, ServerError)
"""What a query raises where the database fails."""


class Rows(Protocol):
    """The answer to a query."""

    @property
    def rowcount(self) -> int:
        """Number of changed rows."""

    def fetchone(self) -> Any:
        """Return the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Return all other rows."""

    def __iter__(self) -> Iterator[Any]: ...


class ServerConnection(Protocol):
    """A connection to a database server that takes the statements of the history."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    @property
    def version(self) -> int:
        """Version of the tables, 0 if there are none."""

    def set_version(self, version: int) -> None:
        """Note the version of the tables, within a transaction."""

    def hold_run(self, token: str) -> None:
        """Show others that a run is alive, for as long as this connection lasts."""

    def run_is_alive(self, token: str) -> bool:
        """Return whether a run is connected."""

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Rows:
        """Run a statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> None:
        """Run a statement once for each tuple of values."""

    def close(self) -> None:
        """Close the connection."""


Connection: TypeAlias = sqlite3.Connection | ServerConnection
"""An open history, in autocommit mode."""
