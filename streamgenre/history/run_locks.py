"""Tells whether the process of a run is still alive: each run holds a lock on a file of its own.

The kernel releases the lock when the process ends, even after a crash. So a crashed run can be
distinguished from a running one when several daemons share a history.
"""

from __future__ import annotations

import fcntl
import glob
import os
import uuid
from typing import TYPE_CHECKING

from streamgenre.history.database import companion

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


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
    path
        The history.
    """

    def __init__(self, path: Path) -> None:
        self.token = uuid.uuid4().hex[:12]
        self._path = lock_path(path, self.token)
        self._descriptor: int | None = None

    def hold(self) -> None:
        """Acquire the lock unless it is held already.

        Raises
        ------
        OSError
            If the lock file cannot be created.
        """
        if self._descriptor is None or not self._path.exists():
            self._close()
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Release the lock and remove its file."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_alive(path: Path, token: str) -> bool:
    """Return whether a run still holds its lock.

    Parameters
    ----------
    path
        The history.
    token
        The run's token.

    Returns
    -------
    bool
        True also if the lock belongs to another user's daemon and cannot be read.
    """
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
        if not is_alive(path, file.name.rpartition("-")[2]):
            file.unlink(missing_ok=True)


def close_crashed_runs(connection: sqlite3.Connection, path: Path, token: str) -> None:
    """Close the rows that crashed runs left open, and mark them ``cut``.

    Each keeps the end that the last flush wrote.

    Parameters
    ----------
    connection
        The history, open for writing.
    path
        Its path.
    token
        Token of the calling run, which is left alone.
    """
    run = connection.execute
    run("BEGIN IMMEDIATE")
    try:
        for number, other in run("SELECT id, token FROM runs WHERE ending = 'open'").fetchall():
            if other == token or is_alive(path, other):
                continue
            for table in ("segments", "titles", "dead_air"):
                run(
                    f"UPDATE {table} SET ending = 'cut' WHERE ending = 'open' AND session IN "
                    "(SELECT id FROM sessions WHERE run = ?)",
                    (number,),
                )
            run("UPDATE sessions SET ending = 'cut' WHERE ending = 'open' AND run = ?", (number,))
            run("UPDATE runs SET ending = 'cut' WHERE id = ?", (number,))
            lock_path(path, other).unlink(missing_ok=True)
        run("COMMIT")
        _remove_stale_locks(path)
    except BaseException:
        if connection.in_transaction:
            run("ROLLBACK")
        raise
