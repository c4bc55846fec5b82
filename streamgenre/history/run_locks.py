"""Which of the processes that wrote are still alive: each holds a lock on a file of its own.

The kernel gives a lock up with its process, however that ended, so that a crashed run is told from
one that goes on, also where two daemons share a history.
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
    """Return the lock file of a run of the history at ``path``."""
    return companion(path, f"-run-{token}")


class RunLock:
    """Says that a run is alive while it is held."""

    def __init__(self, path: Path) -> None:
        self.token = uuid.uuid4().hex[:12]
        self._path = lock_path(path, self.token)
        self._descriptor: int | None = None

    def hold(self) -> None:
        """Take the lock, unless it is held already.

        Raises
        ------
        OSError
            If the lock file cannot be made.
        """
        if self._descriptor is None or not self._path.exists():
            self._close()
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Give the lock up and remove its file."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_alive(path: Path, token: str) -> bool:
    """Whether the run of this token still holds its lock."""
    try:
        descriptor = os.open(lock_path(path, token), os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return True  # of another user's daemon: its file would be gone had it ended well
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _sweep(path: Path) -> None:
    """Remove the locks of runs that ended before they had written anything."""
    for file in path.parent.glob(f"{glob.escape(path.name)}-run-*"):
        # One that was just made and is not held yet is made again by its owner.
        if not is_alive(path, file.name.rpartition("-")[2]):
            file.unlink(missing_ok=True)


def close_dead(connection: sqlite3.Connection, path: Path, token: str) -> None:
    """Close what runs that are no longer alive left open, and mark it ``cut``.

    The end of each is what the last flush knew: nothing is made up.

    Parameters
    ----------
    connection
        The history, open for writing.
    path
        Where it is.
    token
        Of the run that asks, which is alive.
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
        _sweep(path)
    except BaseException:
        if connection.in_transaction:
            run("ROLLBACK")
        raise
