"""Reads the history for a server: a few threads, one read-only connection each.

A question runs in a thread of its own, so that no other work waits for the disk. It is cut off
after a while. A file that was replaced meanwhile is opened again.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import Future
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from streamgenre.errors import HistoryError
from streamgenre.history.connection import ServerError
from streamgenre.history.database import open_to_read, reading_failed
from streamgenre.history.places import Server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamgenre.history.connection import Connection
    from streamgenre.history.places import Place

T = TypeVar("T")
THREADS: Final = 3
"""Questions that are answered at once; further ones wait."""
LONGEST_S: Final = 10.0
"""Seconds after which a question is cut off."""
WAITING: Final = 64
"""Most questions that wait; further ones are refused."""
_TOO_LONG: Final = (
    f"the answer took more than {LONGEST_S:.0f} s: ask for less, such as one station or fewer days"
)
_STEPS: Final = 50_000
"""Instructions of SQLite between two looks at the clock: about a millisecond."""


class BusyError(HistoryError):
    """Too many questions wait already."""


class Readers:
    """Threads that answer questions about one history.

    Parameters
    ----------
    path
        The history file, or the database.
    """

    def __init__(self, path: Place) -> None:
        self.path = path
        self._own = threading.local()
        # Not an executor of Python's: at the end of the process it waits for its threads, however
        # long the disk or the server does not answer.
        self._questions: SimpleQueue[tuple[Future[Any], Callable[[Connection], Any]] | None] = (
            SimpleQueue()
        )
        self._threads: list[threading.Thread] = []
        self._closed = False
        self._waiting = 0
        self._lock = threading.Lock()

    def ask(self, question: Callable[[Connection], T]) -> Future[T]:
        """Run a question in a thread.

        Parameters
        ----------
        question
            Takes a connection and returns the answer; it must not keep the connection.

        Returns
        -------
        Future
            The answer; or a HistoryError that says why there is none.

        Raises
        ------
        BusyError
            If too many questions wait already.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed or self._waiting >= WAITING:
                raise BusyError("too many questions about the history at once: try again later")
            self._waiting += 1
            if len(self._threads) < min(THREADS, self._waiting):
                thread = threading.Thread(target=self._serve, name="history reader", daemon=True)
                self._threads.append(thread)
                thread.start()
        future.add_done_callback(self._done)
        self._questions.put((future, question))
        return future

    def close(self) -> None:
        """Refuse further questions; those that wait are dropped."""
        with self._lock:
            self._closed = True
        with suppress(Empty):
            while (waiting := self._questions.get_nowait()) is not None:
                waiting[0].cancel()
        for _ in self._threads:
            self._questions.put(None)

    def _done(self, _: Future[T]) -> None:
        with self._lock:
            self._waiting -= 1

    def _serve(self) -> None:
        """Answer questions, in one of the threads."""
        while (waiting := self._questions.get()) is not None:
            future, question = waiting
            if not future.set_running_or_notify_cancel():
                continue
            try:
                found = self._answer(question)
            except Exception as error:  # noqa: BLE001 - raised again where the answer is taken
                future.set_exception(error)
            else:
                future.set_result(found)
            del waiting, future, question  # nothing may keep an answer until the next one

    def _answer(self, question: Callable[[Connection], T]) -> T:
        if isinstance(self.path, Server):
            return self._ask_server(self.path, question)
        connection = self._connection(self.path)
        deadline = time.monotonic() + LONGEST_S
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        try:
            # One moment for all queries of a question, whatever the daemon writes meanwhile.
            connection.execute("BEGIN")
            return question(connection)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise HistoryError(_TOO_LONG) from error
            raise reading_failed(self.path, error) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _ask_server(self, server: Server, question: Callable[[Connection], T]) -> T:
        """Ask in a connection of its own, which is one moment for all queries of a question."""
        from streamgenre.history.postgres import open_to_read

        try:
            with closing(open_to_read(server, longest_s=LONGEST_S)) as connection:
                return question(connection)
        except ServerError as error:
            raise HistoryError(_TOO_LONG if error.too_long else str(error)) from error

    def _connection(self, path: Path) -> sqlite3.Connection:
        """Return this thread's connection."""
        inode = self._inode(path)
        if getattr(self._own, "inode", None) != inode:
            if hasattr(self._own, "connection"):
                self._own.connection.close()
                del self._own.connection, self._own.inode
            self._own.connection = open_to_read(path)
            self._own.inode = inode
        connection: sqlite3.Connection = self._own.connection
        return connection

    def _inode(self, path: Path) -> int:
        try:
            return path.stat().st_ino
        except OSError:
            return 0  # opening it explains what is wrong
