"""Tells whether the process of a run is still alive: each run holds a lock on a file of its own.

The kernel releases the lock when the process ends, even after a crash. So a crashed run can be
distinguished from a running one when several daemons share a history. On a server the lock is one
of PostgreSQL's, which it releases when the connection ends.
"""

from __future__ import annotations

import fcntl
import glob
import os
import sqlite3
import uuid
from typing import TYPE_CHECKING

from streamgenre.history.database import companion
from streamgenre.history.places import Server

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.history.connection import Connection
    from streamgenre.history.places import Place


def lock_path(path: Path, token: str) -> Path:
    """Return the path of a run's lock file.

    Parameters
    ----------
    path
        The history.
    token
        The run's token.

    Returns
    -------
    Path
        A file beside the history.
    """
    return companion(path, f"-run-{token}")


class RunLock:
    """A lock that shows others that a run is alive.

    Parameters
    ----------
    place
        The history.
    """

    def __init__(self, place: Place) -> None:
        self.token = uuid.uuid4().hex[:12]
        self._path = None if isinstance(place, Server) else lock_path(place, self.token)
        self._descriptor: int | None = None

    def hold(self, connection: Connection) -> None:
        """Acquire the lock unless it is held already.

        Parameters
        ----------
        connection
            The history, open for writing.

        Raises
        ------
        OSError
            If the lock file cannot be created.
        ServerError
            If the server does not answer.
        """
        if not isinstance(connection, sqlite3.Connection):
            connection.hold_run(self.token)
        elif self._path is None:
            raise ValueError("a lock of a server cannot be held on a file")
        elif self._descriptor is None or not self._path.exists():
            self._close()
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Release the lock and remove its file."""
        if self._descriptor is not None and self._path is not None:
            self._path.unlink(missing_ok=True)
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_alive(connection: Connection, place: Place, token: str) -> bool:
    """Return whether a run still holds its lock.

    Parameters
    ----------
    connection
        The history.
    place
        Its place.
    token
        The run's token.

    Returns
    -------
    bool
        True also if the lock belongs to another user's daemon and cannot be read.
    """
    if not isinstance(connection, sqlite3.Connection):
        return connection.run_is_alive(token)
    return not isinstance(place, Server) and _is_locked(place, token)


def _is_locked(path: Path, token: str) -> bool:
    try:
        descriptor = os.open(lock_path(path, token), os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return True  # another user's daemon: a clean shutdown would have removed the file
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _remove_stale_locks(path: Path) -> None:
    """Remove the lock files of runs that ended before they had written anything."""
    for file in path.parent.glob(f"{glob.escape(path.name)}-run-*"):
        # A file that was just created and is not locked yet is created again by its owner.
        if not _is_locked(path, file.name.rpartition("-")[2]):
            file.unlink(missing_ok=True)


def close_crashed_runs(connection: Connection, place: Place, token: str) -> None:
    """Close the rows that crashed runs left open, and mark them ``cut``.

    Each keeps the end that the last flush wrote.

    Parameters
    ----------
    connection
        The history, open for writing.
    place
        Its place.
    token
        Token of the calling run, which is left alone.
    """
    run = connection.execute
    run("BEGIN IMMEDIATE")
    try:
        for number, other in run("SELECT id, token FROM runs WHERE ending = 'open'").fetchall():
            if other == token or is_alive(connection, place, other):
                continue
            for table in ("segments", "titles", "dead_air"):
                run(
                    f"UPDATE {table} SET ending = 'cut' WHERE ending = 'open' AND session IN "
                    "(SELECT id FROM sessions WHERE run = ?)",
                    (number,),
                )
            run("UPDATE sessions SET ending = 'cut' WHERE ending = 'open' AND run = ?", (number,))
            run("UPDATE runs SET ending = 'cut' WHERE id = ?", (number,))
            if not isinstance(place, Server):
                lock_path(place, other).unlink(missing_ok=True)
        run("COMMIT")
        if not isinstance(place, Server):
            _remove_stale_locks(place)
    except BaseException:
        if connection.in_transaction:
            run("ROLLBACK")
        raise
