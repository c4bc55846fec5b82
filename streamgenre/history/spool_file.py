"""The file in which posts wait: how it is created, opened and read."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamgenre.errors import SettingsError

APPLICATION_ID: Final = 0x73675350
"""Marks the file as a spool."""
OVERHEAD: Final = 200
"""Bytes that a post takes besides its text."""
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS posts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    made REAL NOT NULL,   -- UNIX seconds
    boot TEXT NOT NULL,   -- identifier of the run of the system
    up REAL NOT NULL      -- seconds since the system started
)
"""


@dataclass(eq=False, slots=True)
class Post:
    """A post that waits."""

    id: str
    """The same in every attempt, so that the receiver can drop repetitions."""
    size: int
    """Bytes that it counts for."""
    made: float
    """Monotonic seconds."""
    number: int | None
    """Its row in the file; None if it is in memory only."""
    body: bytes | None = None
    """None if it is in the file."""


def prepare(path: Path) -> None:
    """Create the file for its owner alone; SQLite gives its companions the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SettingsError(f"{path}: not a regular file; expected a spool") from None
        if mode & 0o077:
            path.chmod(0o600)


def connect(path: Path, max_bytes: int) -> sqlite3.Connection:
    """Open a spool for this process alone.

    Parameters
    ----------
    path
        The file, which exists.
    max_bytes
        Bytes of waiting posts, which bound the file.

    Returns
    -------
    sqlite3.Connection
        The open file.

    Raises
    ------
    SettingsError
        If it belongs to another program.
    sqlite3.Error
        If it is damaged, or another process uses it.
    """
    disk = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
    try:
        # One bridge alone uses the file.
        disk.execute("PRAGMA locking_mode = EXCLUSIVE")
        owner = disk.execute("PRAGMA application_id").fetchone()[0]
        tables = disk.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if owner != APPLICATION_ID and (owner or tables):
            raise SettingsError(f"{path}: a database of another program; expected a spool")
        disk.execute("PRAGMA journal_mode = WAL")
        disk.execute("PRAGMA synchronous = NORMAL")
        disk.execute("PRAGMA journal_size_limit = 1000000")
        disk.execute(f"PRAGMA max_page_count = {(2 * max_bytes >> 12) + 100}")
        disk.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        disk.execute("BEGIN IMMEDIATE")
        disk.execute(_TABLE)
        disk.execute("COMMIT")
        if (found := disk.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            damaged = sqlite3.DatabaseError(f"malformed: {found}")
            damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damaged
    except BaseException:
        disk.close()
        raise
    return disk


def load(disk: sqlite3.Connection) -> deque[Post]:
    """Return the posts that wait in a spool, in order.

    Parameters
    ----------
    disk
        The open file.
    """
    boot, up, now, wall = boot_id(), uptime(), time.monotonic(), time.time()
    rows = disk.execute(
        "SELECT number, id, length(body), made, boot, up FROM posts ORDER BY number"
    )
    loaded: deque[Post] = deque()
    for number, identifier, size, made, row_boot, row_up in rows:
        # The clock may have been set since, but not within one run of the system.
        try:
            age = up - float(row_up) if row_boot == boot else wall - float(made)
            post = Post(
                str(identifier),
                int(size) + len(str(identifier)) + OVERHEAD,
                now - max(0.0, age),
                int(number),
            )
        except (TypeError, ValueError):
            continue  # somebody changed the row
        loaded.append(post)
    return loaded


def boot_id() -> str:
    """Return what identifies this run of the system; empty if it is unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def uptime() -> float:
    """Return the seconds since the system started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
