"""Opens a history: checks that it is one and intact, and sets a damaged file aside."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from shlex import quote
from typing import TYPE_CHECKING, Final

from streamgenre.errors import HistoryError
from streamgenre.history.places import Server
from streamgenre.history.schema import APPLICATION_ID, VERSION, check_version, migrate, version_of

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.history.connection import Connection
    from streamgenre.history.places import Place

_MAGIC: Final = b"SQLite format 3\0"
_APPLICATION_ID_AT: Final = 68
_HEADER: Final = 100
COMPANIONS: Final = ("-wal", "-shm")
"""Suffixes of the files that SQLite keeps beside the database."""
_DATABASE_NAMES: Final = frozenset({".sqlite3", ".sqlite", ".db", ".db3"})
_WAL_LIMIT: Final = 64_000_000
_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class BrokenFileError(Exception):
    """The file is, or was, a history and is damaged."""


def is_corruption(error: Exception) -> bool:
    """Return whether an error means that the file is damaged."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _CORRUPT


def open_to_write(place: Place, *, busy_s: float) -> Connection:
    """Open the history for writing; create it or bring its tables up to date as needed.

    Parameters
    ----------
    place
        The SQLite file, or the database.
    busy_s
        Seconds to wait while another process writes.

    Returns
    -------
    Connection
        In autocommit mode.

    Raises
    ------
    HistoryError
        If it belongs to another program or to a newer version; it is not touched.
    BrokenFileError
        If it is a damaged history.
    sqlite3.Error, ServerError, OSError
        If it cannot be opened at the moment.
    """
    if isinstance(place, Server):
        from streamgenre.history import postgres

        return postgres.open_to_write(place, busy_s=busy_s)
    return _open_file(place, busy_s=busy_s)


def _open_file(path: Path, *, busy_s: float) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = _check_header(path)
    connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None)
    try:
        try:
            if not new:
                _check_tables(connection, path)
            # Has an effect only before the first table is created.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            migrate(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a committed transaction is on the disk and survives a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
        except sqlite3.DatabaseError as error:
            if is_corruption(error):
                raise BrokenFileError(str(error)) from error
            raise
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(place: Place) -> Connection:
    """Open the history read-only; a daemon may be writing to it.

    Parameters
    ----------
    place
        The SQLite file, or the database.

    Returns
    -------
    Connection
        In autocommit mode.

    Raises
    ------
    HistoryError
        If it cannot be read; the message says why and what to do.
    """
    if isinstance(place, Server):
        from streamgenre.history import postgres

        return postgres.open_to_read(place)
    return _open_file_to_read(place)


def _open_file_to_read(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise HistoryError(
            f"{path}: no history yet. `streamgenre listen` keeps one while it listens to a device, "
            "a radio or a pipe; choose another file with --history PATH"
        )
    if not path.is_file() and not path.is_dir():
        raise HistoryError(f"{path}: is not a file; expected the SQLite file of a history")
    try:
        if _check_header(path):
            raise HistoryError(f"{path}: the file is empty, nothing was recorded yet")
        return _checked(_connect_read_only(path), path)
    except BrokenFileError as error:
        raise HistoryError(_broken(path, error)) from error
    except sqlite3.Error as error:
        if is_corruption(error):
            raise HistoryError(_broken(path, error)) from error
        raise HistoryError(f"{path}: cannot be opened: {error}") from error
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from error


def _checked(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    try:
        _check_tables(connection, path)
        version = version_of(connection)
        if version < VERSION:
            raise HistoryError(
                f"{path}: written by an older streamgenre (tables of version {version}, now "
                f"{VERSION}). The daemon updates it at its next start: `streamgenre "
                f"listen --history {quote(str(path))}`"
            )
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """Connect read-only, even in a folder that is not writable.

    A file in WAL mode needs its companions, which cannot be created in such a folder. Without a WAL
    nobody writes, and the file can be opened as immutable.
    """
    base = path.absolute().as_uri()
    connection = sqlite3.connect(f"{base}?mode=ro", uri=True, timeout=5, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if companion(path, "-wal").exists():
            raise
        connection = sqlite3.connect(f"{base}?immutable=1", uri=True, isolation_level=None)
    return connection


def _check_header(path: Path) -> bool:
    """Check a file before SQLite opens it; return whether it is new or empty.

    Raises
    ------
    HistoryError
        If it is not a history.
    BrokenFileError
        If it was a history and is not a valid SQLite file any more.
    """
    if path.is_dir():
        raise HistoryError(
            f"{path}: this is a folder; expected a file, as in {path / 'history.sqlite3'}"
        )
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER)
    except FileNotFoundError:
        return True
    if not header:
        return True
    ours = int.from_bytes(header[_APPLICATION_ID_AT:][:4], "big") == APPLICATION_ID
    if not header.startswith(_MAGIC) and not ours:
        # Only a file with the name of a database counts as a damaged history; anything else may
        # be a song that was named by mistake.
        if path.suffix.lower() in _DATABASE_NAMES:
            raise BrokenFileError("file is not a database")
        raise HistoryError(
            f"{path}: not an SQLite file; it was not changed. Expected a history of streamgenre: "
            "choose a new file, as in --history history.sqlite3"
        )
    if not header.startswith(_MAGIC):
        raise BrokenFileError("the header of the file is damaged")
    return False


def _check_tables(connection: sqlite3.Connection, path: Path) -> None:
    identity = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if identity != APPLICATION_ID:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            return
        raise HistoryError(
            f"{path}: an SQLite file of another program; it was not changed. Choose a separate "
            "file for the history with --history PATH"
        )
    check_version(version_of(connection), path)


def companion(path: Path, suffix: str) -> Path:
    """Return the path of a file beside the database, by its suffix.

    Parameters
    ----------
    path
        The database file.
    suffix
        Appended to its name, such as ``-wal``.
    """
    return path.with_name(path.name + suffix)


def set_aside(path: Path, inode: int) -> Path | None:
    """Rename a damaged file and its companions.

    Nothing is overwritten: the new name contains the time, and a number if that name is taken. If
    two daemons find the same file damaged, only one of them renames it.

    Parameters
    ----------
    path
        The damaged file.
    inode
        Its inode; if the file at ``path`` has another one by now, it is left alone.

    Returns
    -------
    Path or None
        The new path; None if nothing was renamed.

    Raises
    ------
    OSError
        If it cannot be renamed.
    """
    with companion(path, "-repair").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if path.stat().st_ino != inode:
                return None
        except FileNotFoundError:
            return None
        finally:
            companion(path, "-repair").unlink(missing_ok=True)
        return _rename(path)


def _rename(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    number = 0
    while True:
        backup = path.with_name(f"{path.name}.broken-{stamp}" + (f"-{number}" if number else ""))
        if not backup.exists():
            break
        number += 1
    path.rename(backup)
    for suffix in COMPANIONS:
        if companion(path, suffix).exists():
            companion(path, suffix).rename(companion(backup, suffix))
    return backup


def _broken(path: Path, error: Exception) -> str:
    return (
        f"{path}: damaged ({error}). At its next start the daemon sets it aside and starts a new "
        "one. To save what is readable: "
        f"`sqlite3 {quote(str(path))} .recover | sqlite3 saved.sqlite3`"
    )


def reading_failed(place: Place, error: Exception) -> HistoryError:
    """Return an error of the database that reading met as one for the user.

    Parameters
    ----------
    place
        The history.
    error
        What was raised.
    """
    if isinstance(place, Server):
        return HistoryError(str(error))
    if is_corruption(error):
        return HistoryError(_broken(place, error))
    return HistoryError(f"{place}: cannot be read: {error}; try again")
