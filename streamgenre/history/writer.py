"""The subscriber that keeps the history: a thread that nothing else ever waits for.

Whatever befalls the file, listening goes on: what could not be written is kept within a bound and
written as soon as that is possible again; what is wrong is said once, and in every status event.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import HistoryError
from streamgenre.events.queue import EventQueue
from streamgenre.history.database import BrokenFileError, is_corruption, set_aside
from streamgenre.history.recorder import Recorder
from streamgenre.history.retention import Retention
from streamgenre.history.rows import Batch
from streamgenre.history.run_locks import RunLock
from streamgenre.history.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamgenre.events import AnyEvent
    from streamgenre.history.settings import HistorySettings

REPEAT_S: Final = 600.0
"""Seconds after which a trouble that lasts is said again."""
RETENTION_EVERY_S: Final = 600.0
"""Seconds between two looks at what is too old."""
_RETENTION_FIRST_S: Final = 30.0
_RETENTION_STEP_S: Final = 0.1
"""Most seconds of a flush interval, as a share of it, that retention takes."""
_LAST_WORD_S: Final = 3.0
"""Seconds for which the end waits for a file that another process holds."""
_REFUSED_RETRY_S: Final = 60.0


class HistoryWriter:
    """Keeps the history of one daemon.

    Parameters
    ----------
    settings
        Where, and for how long.
    lossless
        True lets :meth:`put` wait where the writer is too slow (a file can wait); False drops the
        event and counts it.
    say
        Takes a line for the user.
    """

    def __init__(
        self, settings: HistorySettings, *, lossless: bool, say: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._say = say
        self._feed = EventQueue(lossless=lossless)
        self._batch = Batch()
        self._recorder = Recorder(self._batch, detail=settings.detail_days > 0)
        self._lock = RunLock(settings.path)
        self._store: Store | None = None
        self._retention: Retention | None = None
        self._retention_due = time.monotonic() + _RETENTION_FIRST_S
        self._trouble: str | None = None
        self._said = ("", 0.0)
        self._refused_until = 0.0
        self._dropped_seen = 0
        self._written = 0.0
        self._backup: str | None = None
        self._inode = 0
        self._busy = False
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, event: AnyEvent) -> None:
        """Hand an event over; never waits unless made lossless."""
        self._feed.put(event)

    def close(self) -> None:
        """Write what is left and end; after some seconds without it."""
        self._feed.end()
        self._thread.join(timeout=_LAST_WORD_S + 7)

    def state(self) -> dict[str, Any]:
        """Return how it is doing, for the status event."""
        return {
            "state": "recording" if self._trouble is None else "failing",
            "problem": self._trouble,
            "buffered": len(self._batch),
            "lost": self._batch.lost + self._feed.dropped,
            "set_aside": self._backup,
        }

    # ---- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        flush_s = self._settings.flush_s
        due = time.monotonic() + min(flush_s, 0.1)  # the first at once: trouble is told early
        for event in self._feed:
            if event is not None:
                self._recorder.take(event)
            if time.monotonic() >= due:
                self._flush()
                self._keep_within_bounds()
                due = time.monotonic() + flush_s
        self._recorder.end()
        ends = time.monotonic() + _LAST_WORD_S
        self._refused_until = 0.0
        while not self._flush(last=True) and self._busy and time.monotonic() < ends:
            time.sleep(0.2)
        self._leave()

    def _flush(self, *, last: bool = False) -> bool:
        """Write the batch; return whether it is written."""
        if time.monotonic() < self._refused_until:
            return False
        self._note_drops()
        self._busy = False
        try:
            self._write(last=last)
        except BrokenFileError as error:
            return self._begin_anew(str(error))
        except HistoryError as error:
            self._refused_until = time.monotonic() + _REFUSED_RETRY_S
            return self._fail(str(error))
        except sqlite3.Error as error:
            if is_corruption(error):
                return self._begin_anew(str(error))
            self._busy = _code(error) == sqlite3.SQLITE_BUSY  # the only trouble that passes soon
            return self._fail(f"{self._settings.path}: {_explain(error)}")
        except OSError as error:
            return self._fail(f"{self._settings.path}: {error.strerror or error}")
        self._recovered()
        return True

    def _write(self, *, last: bool) -> None:
        if self._store is not None and self._store.replaced:
            self._say("the history file was removed or replaced: beginning a new one")
            self._close_store()
        if self._store is None:
            self._settings.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._inode = _inode(self._settings.path)
            # The file first: nothing is left lying beside one that is not ours.
            self._store = Store(self._settings.path, self._lock)
            self._inode = _inode(self._settings.path)
            self._retention = Retention(self._store.connection, self._settings)
        self._lock.hold()
        self._store.apply(self._batch)
        self._batch.clear()
        if last:
            self._store.end()

    def _note_drops(self) -> None:
        if self._feed.dropped > self._dropped_seen:
            self._dropped_seen = self._feed.dropped
            for station, end in self._recorder.stations.items():
                self._recorder.note_loss(station, min(end, self._written or end))
        self._written = time.time()

    def _keep_within_bounds(self) -> None:
        """Give up what is too old or too much, for a small share of the time."""
        if self._retention is None or time.monotonic() < self._retention_due:
            return
        ends = time.monotonic() + _RETENTION_STEP_S * self._settings.flush_s
        try:
            while self._retention.step():
                if time.monotonic() >= ends:
                    return  # goes on after the next flush
        except sqlite3.Error as error:
            if is_corruption(error):
                self._begin_anew(str(error))
            return  # what is wrong shows in the next flush as well
        self._retention_due = time.monotonic() + RETENTION_EVERY_S

    def _leave(self) -> None:
        if len(self._batch):
            self._say(f"the history lacks the last {len(self._batch)} rows: {self._trouble}")
        self._close_store()
        self._lock.release()

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store = self._retention = None

    # ---- trouble -------------------------------------------------------------------------------

    def _begin_anew(self, why: str) -> bool:
        """Set the broken file aside; the batch goes into the new one at the next flush."""
        path = self._settings.path
        self._close_store()
        try:
            backup = set_aside(path, self._inode)
        except OSError as error:
            return self._fail(f"{path}: damaged ({why}), and cannot be set aside: {error.strerror}")
        if backup is not None:  # else another daemon has just done it
            self._backup = backup.name
            self._say(f"{path} was damaged ({why}): now {backup.name}, and a new one is begun")
        try:
            self._write(last=False)
        except (BrokenFileError, HistoryError, sqlite3.Error, OSError) as error:
            return self._fail(f"{path}: {error}")
        self._recovered()
        return True

    def _fail(self, trouble: str) -> bool:
        self._close_store()
        self._trouble = trouble
        known, said = self._said
        if known != trouble or time.monotonic() - said > REPEAT_S:
            self._said = (trouble, time.monotonic())
            self._say(
                f"the history cannot be written: {trouble}. Listening goes on; what is heard is "
                "kept in memory for a while and written as soon as possible"
            )
        return False

    def _recovered(self) -> None:
        if self._trouble is not None:
            self._trouble = None
            self._said = ("", 0.0)
            self._say("the history is written again")


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


_MEANINGS: Final = {
    sqlite3.SQLITE_FULL: "no space is left on the disk; free some, or lower --history-mb",
    sqlite3.SQLITE_READONLY: "read-only; make it writable, or name another with --history PATH",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; is its folder there, and writable?",
    sqlite3.SQLITE_BUSY: "locked by another process; close what has it open for writing",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write",
}


def _code(error: sqlite3.Error) -> int:
    """Return the primary result code of SQLite, 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def _explain(error: sqlite3.Error) -> str:
    meaning = _MEANINGS.get(_code(error))
    return f"{meaning} ({error})" if meaning else str(error)
