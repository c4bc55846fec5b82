"""Posts that wait for their receiver, or rows for their server, on disk and in order.

An SQLite file in write-ahead mode without an ``fsync`` for each post: what was added survives a
restart and SIGKILL, and a power cut costs at most what the system had not written yet, usually the
last half minute. That spares an SD card. What cannot be written waits in memory. A file that cannot
be used is opened again after growing pauses.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from streamgenre.errors import SettingsError
from streamgenre.history.database import is_corruption, set_aside
from streamgenre.history.spool_file import (
    OVERHEAD,
    Post,
    boot_id,
    connect,
    load,
    prepare,
    uptime,
)
from streamgenre.sources.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_POSTS: Final = 100_000
MAX_BYTES: Final = 10_000_000
"""Bytes of waiting posts; beyond it the oldest are dropped."""
MAX_AGE_S: Final = 24 * 3600.0
"""Age at which an undelivered post is dropped."""
_FIRST_PAUSE_S: Final = 5.0
"""Seconds after which a file that could not be opened is tried again."""
_LONGEST_PAUSE_S: Final = 300.0


class Spool:
    """A queue of posts that is bounded in bytes and age; the oldest are dropped, and counted.

    Parameters
    ----------
    path
        The file, created with mode 600; None for memory only. Where it cannot be used, posts wait
        in memory until it can, and ``warn`` says so once.
    warn
        Called with each line for the user.
    max_bytes
        Bytes of waiting posts.
    max_age_s
        Age in seconds at which a post is dropped.
    on_drop
        Called with the body of each dropped post, and why; None to count it and warn.
    what
        What waits, for messages.
    hint
        How to use another file, for messages.
    choose
        Returns the file for another attempt; None to try the same one.
    strict
        Whether a file that belongs to another program or process is an error; False to try again,
        as for any other that cannot be used.

    Raises
    ------
    SettingsError
        If ``strict``, and the file belongs to another program, or another process uses it.
    """

    def __init__(
        self,
        path: Path | None,
        warn: Callable[[str], None],
        *,
        max_bytes: int = MAX_BYTES,
        max_age_s: float = MAX_AGE_S,
        on_drop: Callable[[bytes | None, str], None] | None = None,
        what: str = "events",
        hint: str = "--spool FILE names another file",
        choose: Callable[[], Path] | None = None,
        strict: bool = True,
    ) -> None:
        self.path: Path | None = None
        """The file; None while posts wait in memory only."""
        self.dropped = 0
        """Posts that were dropped since they were too old or too many."""
        self._warn = warn
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._on_drop = on_drop
        self._what = what
        self._hint = hint
        self._lock = threading.RLock()
        self._posts: deque[Post] = deque()
        self._bytes = 0
        self._waiting: set[str] = set()  # identifiers
        self._disk: sqlite3.Connection | None = None
        self._complained = False
        self._choose: Callable[[], Path | None] = choose if choose is not None else lambda: path
        self._pauses = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        self._retry_at: float | None = None  # monotonic; None unless the file is tried again
        self._unusable = False  # and that has been reported
        if path is not None:
            self._open(path, strict=strict)

    def __len__(self) -> int:
        return len(self._posts)

    @property
    def on_disk(self) -> int:
        """Number of waiting posts that survive the end of this process."""
        with self._lock:
            return sum(post.number is not None for post in self._posts)

    def add(self, body: bytes, identifier: str) -> None:
        """Add a post, unless one with its identifier waits already.

        Parameters
        ----------
        body
            What is posted.
        identifier
            The same in every attempt.
        """
        size = len(body) + len(identifier) + OVERHEAD
        with self._lock:
            self._retry()
            if identifier in self._waiting:
                return  # repeated by the bus after a restart of the bridge
            self._waiting.add(identifier)
            number = self._write(body, identifier)
            kept = None if number is not None else body
            self._posts.append(Post(identifier, size, time.monotonic(), number, kept))
            self._bytes += size
            self._keep_within_bounds()

    def put(self, body: bytes, identifier: str) -> bool:
        """Add a post to the disk, or replace the newest one if it has the same identifier.

        Parameters
        ----------
        body
            Its content.
        identifier
            What it is known by.

        Returns
        -------
        bool
            Whether it is on the disk. Otherwise nothing was added or replaced.
        """
        with self._lock:
            self._retry()
            newest = self._posts[-1] if self._posts else None
            if newest is None or newest.id != identifier:
                number = self._write(body, identifier)
                if number is None:
                    return False
                newest = Post(identifier, 0, time.monotonic(), number)
                self._posts.append(newest)
                self._waiting.add(identifier)
            elif not self._rewrite(body, newest):
                return False
            size = len(body) + len(identifier) + OVERHEAD
            self._bytes += size - newest.size
            newest.size = size
            self._keep_within_bounds()
            return True

    def _keep_within_bounds(self) -> None:
        while len(self._posts) > 1 and (
            self._bytes > self._max_bytes or len(self._posts) > MAX_POSTS
        ):
            self._drop("the spool is full")

    def first(self) -> tuple[Post, bytes] | None:
        """Return the oldest post and its body; None if nothing waits. Drops what is too old."""
        with self._lock:
            self._retry()
            while self._posts:
                post = self._posts[0]
                if time.monotonic() - post.made > self._max_age_s:
                    self._drop(f"not delivered within {self._max_age_s / 3600:g} h")
                    continue
                body = self._body(post)
                if body is not None:
                    return post, body
                if self._posts and self._posts[0] is post:
                    self._drop("it cannot be read from the spool")
            return None

    def done(self, post: Post) -> None:
        """Remove a post that was delivered or refused.

        Parameters
        ----------
        post
            The post; may have been dropped meanwhile.
        """
        with self._lock:
            if post in self._posts:  # posts that were loaded meanwhile may precede it
                self._remove(post)

    def close(self) -> None:
        """Close the file; what waits there is sent by the next run."""
        with self._lock:
            self._retry_at = None
            if self._disk is not None:
                with suppress(sqlite3.Error):
                    self._disk.close()
                self._disk = None

    # ---- the queue ------------------------------------------------------------------------------

    def _drop(self, why: str) -> None:
        body = self._body(self._posts[0]) if self._on_drop else None
        if not self._posts:
            return  # the file has just been found to be damaged
        self._remove(self._posts[0])
        self.dropped += 1
        if self._on_drop is not None:
            self._on_drop(body, why)
        elif worth_a_line(self.dropped):
            self._warn(f"one event dropped: {why}; {self.dropped} dropped so far")

    def _remove(self, post: Post) -> None:
        self._posts.remove(post)
        self._waiting.discard(post.id)
        self._bytes -= post.size
        if post.number is not None and self._disk is not None:
            try:
                self._disk.execute("DELETE FROM posts WHERE number = ?", (post.number,))
            except sqlite3.Error as error:
                self._trouble(error)

    def _body(self, post: Post) -> bytes | None:
        if post.body is not None or self._disk is None:
            return post.body
        try:
            row = self._disk.execute(
                "SELECT body FROM posts WHERE number = ?", (post.number,)
            ).fetchone()
        except sqlite3.Error as error:
            self._trouble(error)
            return None
        return row[0] if row is not None and isinstance(row[0], bytes) else None

    # ---- the file -------------------------------------------------------------------------------

    def _open(self, path: Path, *, strict: bool = False) -> None:
        self.path = path
        self._pauses.begin()
        try:
            prepare(path)
            disk = connect(path, self._max_bytes)
            try:
                self._take_over(disk)
            except sqlite3.Error:
                disk.close()
                raise
        except SettingsError as error:
            if strict:
                raise
            self._memory_only(str(error).removeprefix(f"{path}: "))
        except (OSError, ValueError, sqlite3.Error) as error:
            if isinstance(error, sqlite3.Error) and is_corruption(error):
                self._set_aside(path)
            elif not (isinstance(error, sqlite3.OperationalError) and "locked" in str(error)):
                self._memory_only(_why(error))
            elif strict:
                raise SettingsError(
                    f"{path}: another process uses this spool; {self._hint}"
                ) from error
            else:
                self._memory_only("another process uses it")

    def _retry(self) -> None:
        """Open the file if that has failed before, after a pause."""
        if self._retry_at is not None and time.monotonic() >= self._retry_at:
            self._retry_at = None
            path = self._choose()
            assert path is not None, "only a file is tried again"
            self._open(path)

    def _take_over(self, disk: sqlite3.Connection) -> None:
        """Use an open file: what waits in it comes first, then what waits in memory."""
        here = self._posts
        loaded = load(disk)
        known = {post.id for post in loaded}
        self._disk = disk
        self._keep(loaded + deque(post for post in here if post.id not in known))
        for post in here:
            if post.id not in known and post.body is not None:
                post.number = self._write(post.body, post.id)
                post.body = None if post.number is not None else post.body
        if self._unusable:
            self._unusable = False
            self._warn(f"the spool {self.path} can be used now; {self._what} wait in it again")

    def _keep(self, posts: deque[Post]) -> None:
        """Make these the waiting posts."""
        self._posts = posts
        self._bytes = sum(post.size for post in posts)
        self._waiting = {post.id for post in posts}

    def _write(self, body: bytes, identifier: str) -> int | None:
        """Write a post; return its row, or None if it could not be written."""
        if self._disk is None:
            return None
        try:
            values = (identifier, body, time.time(), boot_id(), uptime())
            done = self._disk.execute(
                "INSERT INTO posts (id, body, made, boot, up) VALUES (?, ?, ?, ?, ?)", values
            )
        except sqlite3.Error as error:
            self._trouble(error)
            return None
        self._works_again()
        return done.lastrowid

    def _rewrite(self, body: bytes, post: Post) -> bool:
        if self._disk is None:
            return False
        try:
            self._disk.execute("UPDATE posts SET body = ? WHERE number = ?", (body, post.number))
        except sqlite3.Error as error:
            self._trouble(error)
            return False
        self._works_again()
        return True

    def _works_again(self) -> None:
        if self._complained:
            self._complained = False
            self._warn(f"the spool {self.path} is written again")

    def _trouble(self, error: sqlite3.Error) -> None:
        assert self.path is not None
        if is_corruption(error):
            self.close()
            before = len(self._posts)
            self._keep(deque(post for post in self._posts if post.body is not None))
            self.dropped += before - len(self._posts)
            self._set_aside(self.path)
        elif not self._complained:
            self._complained = True
            self._warn(
                f"the spool {self.path} cannot be written: {error}; {self._what} wait in memory"
            )

    def _set_aside(self, path: Path) -> None:
        """Rename a damaged file and begin a new one."""
        try:
            backup = set_aside(path, path.stat().st_ino)
            self._warn(
                f"the spool {path} is damaged: kept as {backup}, and a new one begun; "
                f"{self._what} that waited in it are lost"
            )
            prepare(path)
            self._take_over(connect(path, self._max_bytes))
        except (OSError, sqlite3.Error) as error:
            self._memory_only(_why(error))

    def _memory_only(self, why: str) -> None:
        if not self._unusable:
            self._unusable = True
            self._warn(
                f"the spool {self.path} cannot be used: {why}; {self._what} wait in memory until "
                f"it can, and are lost if this process ends first; {self._hint}"
            )
        self.path = None
        self._retry_at = time.monotonic() + self._pauses.next_s()


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def worth_a_line(count: int) -> bool:
    """Whether the ``count``-th loss of its kind is reported: the first ones, then every 100th."""
    return count <= 3 or count % 100 == 0
