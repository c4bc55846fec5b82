"""Writes the history in a thread that nothing else ever waits for.

Listening continues whatever happens to the file or server. Rows that cannot be written are kept,
within a bound, and written as soon as possible. A problem is reported once, and in every status
event.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from streamgenre.ending import has_ended
from streamgenre.errors import HistoryError
from streamgenre.events.queue import CAPACITY, EventQueue
from streamgenre.history.connection import DATABASE_ERRORS, ServerError
from streamgenre.history.database import BrokenFileError, is_corruption, set_aside
from streamgenre.history.places import Server
from streamgenre.history.recorder import Recorder
from streamgenre.history.retention import Retention
from streamgenre.history.row_spool import RowSpool
from streamgenre.history.rows import PendingRows
from streamgenre.history.run_locks import RunLock
from streamgenre.history.store import Store
from streamgenre.logger import get_logger
from streamgenre.paths import state_dir

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.events import AnyEvent
    from streamgenre.history.places import Place
    from streamgenre.history.settings import HistorySettings

_log = get_logger(__name__)

REPEAT_S: Final = 600.0
"""Seconds after which a lasting problem is reported again."""
RETENTION_EVERY_S: Final = 600.0
"""Seconds between two checks of age and size."""
_RETENTION_FIRST_S: Final = 30.0
_RETENTION_SHARE: Final = 0.1
"""Most of a flush interval that retention may take, 0 to 1."""
_LAST_FLUSH_S: Final = 3.0
"""Seconds for which the last flush is retried while another process locks the file."""
_PLAY_SHARE: Final = 0.5
"""Share of a flush interval for rows that waited on disk, 0 to 1."""
_CLOSE_S: Final = 10.0
"""Most seconds that :meth:`HistoryWriter.close` waits for the thread."""
_QUEUED_SERVER: Final = 20_000
"""Most events that wait while the thread waits for a server, which may take seconds to answer."""
_REFUSED_RETRY_S: Final = 60.0
"""Seconds before a file that is not a usable history is tried again."""


class HistoryWriter:
    """Writes the history of one daemon.

    Parameters
    ----------
    settings
        Where the history is kept, and for how long.
    lossless
        If the writer is too slow, True makes :meth:`put` wait (a file can wait); False drops the
        event and counts it.
    say
        Called with each line for the user.
    """

    def __init__(
        self, settings: HistorySettings, *, lossless: bool, say: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._say = say
        waits = _QUEUED_SERVER if isinstance(settings.path, Server) else CAPACITY
        self._queue = EventQueue(lossless=lossless, capacity=waits)
        self._pending = PendingRows()
        self._recorder = Recorder(self._pending, detail=settings.detail_days > 0)
        self._lock = RunLock(settings.path)
        self._spool: RowSpool | None = None
        self._store: Store | None = None
        self._retention: Retention | None = None
        self._retention_due = time.monotonic() + _RETENTION_FIRST_S
        self._problem: str | None = None
        self._reported = ("", 0.0)
        self._refused_until = 0.0
        self._dropped_seen = 0
        self._lost_before = 0
        self._written: dict[str, float] = {}  # last event of each station at the last flush
        self._backup: str | None = None
        self._inode = 0
        self._busy = False
        self._due = 0.0  # monotonic seconds of the next flush
        self._pause = threading.Event()  # never set
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, event: AnyEvent) -> None:
        """Hand an event to the thread; waits only if the writer is lossless."""
        self._queue.put(event)

    def close(self) -> None:
        """Write what is left and stop; gives up after ten seconds."""
        ends = time.monotonic() + _CLOSE_S
        self._queue.end(_CLOSE_S)
        if not has_ended(self._thread, ends - time.monotonic()):
            self._queue.abandon()
            self._say(
                f"the history was not closed: {self._settings.path} does not answer; "
                "its last rows are missing"
            )

    def state(self) -> dict[str, Any]:
        """Return the ``history`` field of the status event."""
        return {
            "state": "recording" if self._problem is None else "failing",
            "problem": self._problem,
            "buffered": max(len(self._pending), self._spool.rows if self._spool else 0),
            "lost": self._lost,
            "set_aside": self._backup,
        }

    @property
    def _lost(self) -> int:
        return self._pending.lost + self._queue.dropped

    # ---- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._write_all()
        finally:
            self._queue.abandon()  # nobody may wait for this thread

    def _write_all(self) -> None:
        flush_s = self._settings.flush_s
        self._spool = self._opened_spool()
        self._due = time.monotonic() + min(flush_s, 0.1)  # soon, to report a problem early
        for event in self._queue.until(lambda: self._due):
            if event is not None:
                self._take(event)
            if time.monotonic() >= self._due:
                self._flush()
                self._keep_within_bounds()
                self._due = time.monotonic() + flush_s
        self._recorder.end()
        deadline = time.monotonic() + _LAST_FLUSH_S
        self._refused_until = 0.0
        while not self._flush(last=True) and self._busy and time.monotonic() < deadline:
            self._pause.wait(0.2)
        self._finish()

    def _take(self, event: AnyEvent) -> None:
        try:
            self._recorder.take(event)
        except Exception as error:  # noqa: BLE001 - a fault of ours costs one event
            _log.debug("a %s event failed", event.TYPE, exc_info=error)
            self._pending.lost += 1

    def _flush(self, *, last: bool = False) -> bool:
        """Write the pending rows; return whether that succeeded."""
        if time.monotonic() < self._refused_until:
            return False
        self._note_drops()
        self._busy = False
        try:
            self._write(last=last)
        except BrokenFileError as error:
            return self._restart(str(error))
        except HistoryError as error:
            self._refused_until = time.monotonic() + _REFUSED_RETRY_S
            return self._fail(str(error))
        except ServerError as error:
            self._busy = error.busy
            if self._spool is not None:
                self._spool.keep(self._pending, ended=last and not error.busy)
            return self._fail(str(error))
        except sqlite3.Error as error:
            if is_corruption(error):
                return self._restart(str(error))
            self._busy = _code(error) == sqlite3.SQLITE_BUSY  # the only problem that soon passes
            return self._fail(f"{self._settings.path}: {_explain(error)}")
        except OSError as error:
            return self._fail(f"{self._settings.path}: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - a row cannot be stored
            _log.debug("writing the history failed", exc_info=error)
            lost = self._pending.drop()
            return self._fail(
                f"{self._settings.path}: {lost} rows were dropped, for one of them cannot be "
                f"stored ({type(error).__name__}). This is a fault of streamgenre: please report it"
            )
        self._recovered()
        return True

    def _write(self, *, last: bool) -> None:
        if self._store is not None and self._store.replaced:
            self._say("the history file was removed or replaced: starting a new one")
            self._close_store()
        if self._store is None:
            self._inode = _inode(self._settings.path)
            # Before the lock file: nothing may be left beside a file that is not ours.
            self._store = Store(self._settings.path, self._lock)
            self._inode = _inode(self._settings.path)
            self._retention = Retention(self._store.connection, self._settings, self._say)
        self._lock.hold(self._store.connection)
        if self._spool is not None:
            share = _LAST_FLUSH_S if last else _PLAY_SHARE * self._settings.flush_s
            if not self._spool.play(self._store, until=time.monotonic() + max(share, 0.1)):
                self._spool.keep(self._pending, ended=last)
                return
        self._store.write(self._pending)
        self._pending.clear()
        if self._spool is not None and len(self._spool):
            self._spool.written()
        if last:
            self._store.end()

    def _note_drops(self) -> None:
        if self._queue.dropped > self._dropped_seen:
            self._dropped_seen = self._queue.dropped
            for station, end in self._recorder.stations.items():
                self._recorder.note_loss(station, self._written.get(station, end))
        self._written = self._recorder.stations

    def _keep_within_bounds(self) -> None:
        """Delete rows beyond the limits, for a small share of the flush interval."""
        if self._retention is None or time.monotonic() < self._retention_due:
            return
        deadline = time.monotonic() + _RETENTION_SHARE * self._settings.flush_s
        try:
            while self._retention.step():
                if time.monotonic() >= deadline:
                    return  # continues after the next flush
        except DATABASE_ERRORS as error:
            if is_corruption(error):
                self._restart(str(error))
            return  # the next flush meets and reports the same problem
        self._retention_due = time.monotonic() + RETENTION_EVERY_S

    def _opened_spool(self) -> RowSpool | None:
        """Return the rows on disk, if the history is on a server."""
        server = self._settings.path
        if not isinstance(server, Server):
            return None
        return RowSpool(
            server, state_dir(), max_bytes=round(1e6 * self._settings.spool_mb),
            token=self._lock.token, warn=self._say, on_lost=self._pending.note_lost,
        )  # fmt: skip

    def _finish(self) -> None:
        kept = self._spool is not None and self._spool.keep(self._pending, ended=True)
        if kept and self._spool is not None and len(self._spool):
            self._say(
                f"the last {self._spool.rows} rows of the history wait in {self._spool.path} and "
                f"are written at the next start: {self._problem or 'there was no time for all'}"
            )
        elif len(self._pending):
            self._say(f"the history lacks the last {len(self._pending)} rows: {self._problem}")
        if self._spool is not None:
            self._spool.close()
        self._close_store()
        self._lock.release()

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store = self._retention = None

    # ---- problems ------------------------------------------------------------------------------

    def _restart(self, why: str) -> bool:
        """Set a damaged file aside and write the pending rows to a new one."""
        path = self._settings.path
        assert not isinstance(path, Server), "a server's database is not a file to be set aside"
        self._close_store()
        try:
            backup = set_aside(path, self._inode)
        except OSError as error:
            return self._fail(f"{path}: damaged ({why}), and cannot be set aside: {error.strerror}")
        if backup is not None:  # else another daemon has just done it
            self._backup = backup.name
            self._say(f"{path} was damaged ({why}): now {backup.name}, and a new one is started")
        try:
            self._write(last=False)
        except (BrokenFileError, HistoryError, sqlite3.Error, OSError) as error:
            return self._fail(f"{path}: {error}")
        self._recovered()
        return True

    def _fail(self, problem: str) -> bool:
        self._close_store()
        self._problem = problem
        known, reported = self._reported
        if known != problem or time.monotonic() - reported > REPEAT_S:
            self._reported = (problem, time.monotonic())
            spool = None if self._spool is None or not len(self._spool) else self._spool.path
            self._say(
                f"the history cannot be written: {problem}. Listening continues; what is heard "
                f"is kept in {spool or 'memory for a while'} and written as soon as possible"
            )
        return False

    def _recovered(self) -> None:
        if self._problem is not None:
            self._problem = None
            self._reported = ("", 0.0)
            lost = self._lost - self._lost_before
            missing = f"; {lost} rows or events were lost meanwhile" if lost else ""
            self._say(f"the history is written again{missing}")
        self._lost_before = self._lost


def _inode(place: Place) -> int:
    if isinstance(place, Server):
        return 0
    try:
        return place.stat().st_ino
    except FileNotFoundError:
        return 0


_MEANINGS: Final = {
    sqlite3.SQLITE_FULL: "no space left on the disk; free some, or lower --history-mb",
    sqlite3.SQLITE_READONLY: "read-only; make it writable, or choose another with --history PATH",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; does its folder exist, and is it writable?",
    sqlite3.SQLITE_BUSY: "locked by another process; close the program that writes to it",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write",
}


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code, or 0."""
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _explain(error: sqlite3.Error) -> str:
    meaning = _MEANINGS.get(_code(error))
    return f"{meaning} ({error})" if meaning else str(error)
