"""Rows that wait on disk while the server of the history is away.

They wait in batches of compressed JSON, in the order in which they were heard. A batch holds what
changed within a minute. The newest is written at every flush, so that a crash costs no more than
with a file. Each batch is played back in one transaction. Writing it twice changes nothing, so a
crash in between does no harm.
"""

from __future__ import annotations

import base64
import json
import math
import time
import zlib
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from streamgenre.history.rows import (
    DeadAirRow,
    DetailRow,
    GapRow,
    PendingRows,
    SegmentRow,
    SessionRow,
    SourceRow,
    TitleRow,
)
from streamgenre.history.spool import Spool
from streamgenre.history.spool_place import default_spool, left_spools

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamgenre.history.places import Server
    from streamgenre.history.rows import Row
    from streamgenre.history.store import Store

KIND: Final = "history"
"""Beginning of a spool's file name."""
_BATCH_S: Final = 60.0
_BATCH_ROWS: Final = 5000
_MOST_ROWS: Final = 1_000_000
"""Most rows of one type in a batch; memory holds fewer."""
_DAMAGED: Final = (ValueError, TypeError, KeyError, IndexError, zlib.error)
_KINDS: Final[dict[str, type[Any]]] = {
    cls.__name__: cls
    for cls in (SegmentRow, TitleRow, DeadAirRow, GapRow, SourceRow, DetailRow, SessionRow)
}


class RowSpool:
    """The spool of one history in PostgreSQL, and those that earlier daemons left.

    Parameters
    ----------
    server
        The database.
    folder
        Folder of the spools.
    max_bytes
        Bytes of waiting rows; beyond it the oldest batches are dropped.
    token
        Token of this run.
    warn
        Called with each line for the user.
    on_lost
        Called with the rows of a batch that was dropped.
    """

    def __init__(
        self, server: Server, folder: Path, *, max_bytes: int, token: str,
        warn: Callable[[str], None], on_lost: Callable[[list[Row]], None],
    ) -> None:  # fmt: skip
        self._server = server
        self._folder = folder
        self._max_bytes = max_bytes
        self._token = token
        self._warn = warn
        self._on_lost = on_lost
        self._lost: list[Row] | None = None  # dropped while rows are put
        self.rows = 0
        """Waiting rows of this run."""
        # Those of earlier daemons first; the last one takes what is new.
        self._spools = self._left()
        self._of_others = bool(self._spools)
        self._batch = self._batch_rows = 0
        self._since: float | None = None  # monotonic: the newest batch may still change

    def __len__(self) -> int:
        """Return the number of waiting batches."""
        return sum(map(len, self._spools))

    @property
    def path(self) -> Path | None:
        """The file that takes new rows; None without one."""
        return self._spools[-1].path if self._spools else None

    def keep(self, pending: PendingRows, *, ended: bool = False) -> bool:
        """Keep the pending rows on disk, and remove them from memory after a minute.

        Parameters
        ----------
        pending
            What has not reached the server.
        ended
            Whether the run ends cleanly with them.

        Returns
        -------
        bool
            Whether they are on the disk.
        """
        if not len(pending):
            return True
        kept = self._keep(pending, ended=ended)
        if kept and ended and len(pending):  # the gaps of what was dropped to make room for it
            kept = self._keep(pending, ended=True)
        return kept

    def _keep(self, pending: PendingRows, *, ended: bool) -> bool:
        lost: list[Row] = []
        self._lost = lost
        try:
            return self._put(pending, ended=ended)
        finally:
            self._lost = None
            self._on_lost(lost)

    def _put(self, pending: PendingRows, *, ended: bool) -> bool:
        if not self._spools:
            self._spools = [self._opened(self._place())]
        usable = self.path is not None
        now = time.monotonic()
        batch = self._batch + (self._since is None)
        body = encoded(pending, ended=ended)
        if not self._spools[-1].put(body, self._name(batch)):
            return False
        if self._since is None:
            self._since, self._batch, self._batch_rows = now, batch, 0
        if not usable:  # until now
            self._spools[:0] = self._left()
        self.rows += len(pending) - self._batch_rows
        self._batch_rows = len(pending)
        if ended or now - self._since >= _BATCH_S or len(pending) >= _BATCH_ROWS:
            self._since = None
            pending.clear()
        return True

    def play(self, store: Store, *, until: float) -> bool:
        """Write what waits, oldest first; return whether all but the newest batch is written.

        The newest batch, where it may still change, is in memory too.

        Parameters
        ----------
        store
            The history.
        until
            Monotonic seconds at which to stop.

        Raises
        ------
        ServerError
            If the server goes away again; what was not written waits on.
        """
        for spool in self._spools:
            while (found := spool.first()) is not None:
                post, body = found
                if self._since is not None and post.id == self._name(self._batch):
                    break
                if time.monotonic() >= until:
                    store.use_run(self._token)
                    return False
                try:
                    rows, ended = decoded(body)
                except _DAMAGED:
                    self._warn(f"{spool.path}: a batch of rows is damaged and was dropped")
                    spool.done(post)
                    continue
                token = post.id.partition("-")[0]
                self._of_others |= token != self._token
                store.use_run(token)
                store.write(rows)
                if ended:
                    store.end()
                spool.done(post)
                if token == self._token:
                    self.rows = max(0, self.rows - len(rows))
        store.use_run(self._token)
        if self._of_others:
            self._of_others = False
            store.close_crashed_runs()
        return True

    def written(self) -> None:
        """Forget the newest batch: its rows have been written from memory."""
        self._since, self.rows = None, 0
        for spool in self._spools[-1:]:
            found = spool.first()
            if found is not None and found[0].id == self._name(self._batch):
                spool.done(found[0])

    def close(self) -> None:
        """Close the files; what waits in them is written by the next daemon."""
        for spool in self._spools:
            spool.close()

    def _name(self, batch: int) -> str:
        return f"{self._token}-{batch}"

    def _place(self) -> Path:
        return default_spool(self._folder, self._server.url, KIND)

    def _left(self) -> list[Spool]:
        """Open the spools that earlier daemons left."""
        return [self._opened(path) for path in left_spools(self._folder, self._server.url, KIND)]

    def _opened(self, path: Path) -> Spool:
        return Spool(
            path, self._warn, max_bytes=self._max_bytes, max_age_s=math.inf,
            on_drop=self._dropped, what="rows of the history",
            hint="$XDG_STATE_HOME names another folder", choose=self._place, strict=False,
        )  # fmt: skip

    def _dropped(self, body: bytes | None, _why: str) -> None:
        try:
            rows, _ = decoded(body or b"")
        except _DAMAGED:
            return
        self.rows = max(0, self.rows - len(rows))
        if self._lost is None:
            self._on_lost(rows.all())
        else:
            # Their gaps come after the rows that are being put, which are removed from memory then.
            self._lost += rows.all()


def encoded(pending: PendingRows, *, ended: bool) -> bytes:
    """Return rows as compressed JSON.

    Parameters
    ----------
    pending
        The rows.
    ended
        Whether the run ends cleanly with them.
    """
    sessions: dict[int, int] = {}
    listed: list[dict[str, Any]] = []
    rows = []
    for row in pending.all():
        session = row if isinstance(row, SessionRow) else row.session
        number = sessions.setdefault(id(session), len(listed))
        if number == len(listed):
            listed.append(_fields(session))
        if not isinstance(row, SessionRow):
            values = {k: v for k, v in _fields(row).items() if k != "session"}
            if isinstance(row, DetailRow):
                values["rows"] = base64.b64encode(row.rows).decode()
            rows.append([type(row).__name__, number, values])
    text = json.dumps({"ended": ended, "sessions": listed, "rows": rows}, separators=(",", ":"))
    return zlib.compress(text.encode(), 1)


def decoded(body: bytes) -> tuple[PendingRows, bool]:
    """Return the rows of a batch, and whether their run ended cleanly with them.

    Raises
    ------
    ValueError, TypeError, KeyError, IndexError, zlib.error
        If it is damaged.
    """
    found = json.loads(zlib.decompress(body))
    pending = PendingRows(room=_MOST_ROWS)
    sessions = [SessionRow(**values) for values in found["sessions"]]
    for session in sessions:
        pending.add(session)
    for name, number, values in found["rows"]:
        if name == DetailRow.__name__:
            values["rows"] = bytearray(base64.b64decode(values["rows"]))
            values["labels"] = tuple(values["labels"])
        pending.add(_KINDS[name](session=sessions[number], **values))
    return pending, bool(found["ended"])


def _fields(row: Any) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row)}
