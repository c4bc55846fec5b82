"""Writes pending rows to the file, in one transaction."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from streamgenre.history import day_shares, run_locks
from streamgenre.history.database import open_to_write
from streamgenre.history.detail import encode
from streamgenre.history.ids import RowIds
from streamgenre.history.rows import (
    DeadAirRow,
    DetailRow,
    GapRow,
    SegmentRow,
    SessionRow,
    SourceRow,
    TitleRow,
)
from streamgenre.history.time_bins import QUARTERS, split_by_quarter

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.history.rows import PendingRows

_ADD_SHARE = """
    INSERT INTO shares (kind, hour, station, q0, q1, q2, q3) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (kind, hour, station) DO UPDATE SET
        q0 = q0 + excluded.q0, q1 = q1 + excluded.q1, q2 = q2 + excluded.q2, q3 = q3 + excluded.q3
"""
_ADD_TITLE = """
    INSERT INTO titles (session, station, seq, track, start_time, end_time, ending)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (session, seq) DO UPDATE SET end_time = excluded.end_time, ending = excluded.ending
"""
_ADD_DEAD_AIR = """
    INSERT INTO dead_air (session, station, start_time, end_time, ending) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (session, start_time)
    DO UPDATE SET end_time = excluded.end_time, ending = excluded.ending
"""
_ADD_DETAIL = """
    INSERT INTO details (minute, station, session, labels, updates, data) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (minute, station, session)
    DO UPDATE SET labels = excluded.labels, updates = excluded.updates, data = excluded.data
"""


class Store:
    """The history, open for writing by one run of the daemon.

    Rows that crashed runs left open are closed first, and marked ``cut``.

    Parameters
    ----------
    path
        The SQLite file.
    lock
        The lock of this run, held.
    busy_s
        Seconds to wait while another process writes.

    Raises
    ------
    HistoryError, BrokenFileError, sqlite3.Error, OSError
        See :func:`~streamgenre.history.database.open_to_write`.
    """

    def __init__(self, path: Path, lock: run_locks.RunLock, *, busy_s: float = 2.0) -> None:
        self.connection = open_to_write(path, busy_s=busy_s)
        self._path = path
        self._token = lock.token
        self._inode = path.stat().st_ino
        self._discard_ids()
        try:
            run_locks.close_crashed_runs(self.connection, path, lock.token)
        except BaseException:
            self.connection.close()
            raise

    def _discard_ids(self) -> None:
        """Discard all cached row ids: the transaction that inserted them may be rolled back."""
        self._run: int | None = None
        self._ids = RowIds(self.connection)
        self._longest: dict[int, float] = {}
        self._sessions: dict[int, tuple[SessionRow, int]] = {}

    @property
    def replaced(self) -> bool:
        """Whether the file was removed or replaced since it was opened."""
        try:
            return self._path.stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    def write(self, pending: PendingRows) -> None:
        """Write all rows or none. Writing the same rows twice changes nothing.

        Raises
        ------
        sqlite3.Error
            If the rows cannot be written.
        """
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for session in pending.of(SessionRow):
                self._write_session(session)
            self._write_segments(pending.of(SegmentRow))
            self._write_titles(pending.of(TitleRow))
            self._write_events(pending)
            self._write_details(pending.of(DetailRow))
            connection.execute("COMMIT")
        except BaseException:
            self._discard_ids()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def end(self) -> None:
        """Mark this run as cleanly shut down."""
        self.connection.execute(
            "UPDATE runs SET ending = 'closed' WHERE token = ? AND ending = 'open'", (self._token,)
        )

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    # ---- sessions ------------------------------------------------------------------------------

    def _session(self, row: SessionRow) -> tuple[int, int]:
        """Return the ids of a session and its station."""
        known = self._sessions.get(id(row))
        if known is None or known[0] is not row:
            self._write_session(row)
            known = self._sessions[id(row)]
        return known[1], self._ids.station(row.station)

    # ---- rows ----------------------------------------------------------------------------------

    def _write_session(self, row: SessionRow) -> None:
        if self._run is None:
            self._run = self._begin_run()
        known = self._sessions.get(id(row))
        values = (row.end_time, row.start_time, row.ending, row.input, row.model, row.model_sha256)
        if known is not None and known[0] is row:
            self.connection.execute(
                "UPDATE sessions SET end_time = ?, start_time = ?, ending = ?, input = ?, "
                "model = ?, model_sha256 = ? WHERE id = ?",
                (*values, known[1]),
            )
            return
        if len(self._sessions) > 10_000:
            self._sessions.clear()
        key = (row.uid, self._ids.station(row.station))
        self.connection.execute(
            "INSERT INTO sessions (end_time, start_time, ending, input, model, model_sha256, uid, "
            "station, run) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uid, station) DO UPDATE "
            "SET end_time = excluded.end_time, ending = excluded.ending, run = excluded.run",
            (*values, *key, self._run),
        )
        found = self.connection.execute(
            "SELECT id FROM sessions WHERE uid = ? AND station = ?", key
        ).fetchone()
        self._sessions[id(row)] = (row, int(found[0]))

    def _begin_run(self) -> int:
        self.connection.execute(
            "INSERT INTO runs (token, started) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (self._token, time.time()),
        )
        found = self.connection.execute("SELECT id FROM runs WHERE token = ?", (self._token,))
        return int(found.fetchone()[0])

    def _write_segments(self, rows: list[SegmentRow]) -> None:
        shares: dict[tuple[int, int, int], list[int]] = {}

        def count(kind: int, station: int, start: float, end: float, sign: int) -> None:
            for hour, quarter, ms in split_by_quarter(start, end):
                shares.setdefault((kind, hour, station), [0] * QUARTERS)[quarter] += sign * ms

        for row in rows:
            session, station = self._session(row.session)
            kind = self._ids.kind(row.state, row.genre)
            before = self.connection.execute(
                "SELECT id, kind, start_time, end_time FROM segments "
                "WHERE session = ? AND stream_start = ?",
                (session, row.stream_start),
            ).fetchone()
            values = (
                *(kind, row.start_time, row.end_time),
                *(row.probability, row.updates, row.ending),
            )
            if before is None:
                self.connection.execute(
                    "INSERT INTO segments (kind, start_time, end_time, probability, updates, "
                    "ending, session, station, stream_start) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*values, session, station, row.stream_start),
                )
                count(kind, station, row.start_time, row.end_time, 1)
            else:
                self.connection.execute(
                    "UPDATE segments SET kind = ?, start_time = ?, end_time = ?, probability = ?, "
                    "updates = ?, ending = ? WHERE id = ?",
                    (*values, before[0]),
                )
                if before[1:3] == (kind, row.start_time) and before[3] <= row.end_time:
                    count(kind, station, before[3], row.end_time, 1)  # the usual case: it only grew
                else:
                    count(before[1], station, before[2], before[3], -1)
                    count(kind, station, row.start_time, row.end_time, 1)
            self._note_length(station, row.end_time - row.start_time)
        self.connection.executemany(
            _ADD_SHARE, ((*key, *ms) for key, ms in shares.items() if any(ms))
        )
        day_shares.add(self.connection, shares)

    def _note_length(self, station: int, seconds: float) -> None:
        if seconds > self._longest.get(station, 0.0):
            # A tenth more than needed, to avoid a write at every flush.
            self._longest[station] = 1.1 * seconds
            self.connection.execute(
                "UPDATE stations SET longest_s = max(longest_s, ?) WHERE id = ?",
                (1.1 * seconds, station),
            )

    def _write_titles(self, rows: list[TitleRow]) -> None:
        for row in rows:
            session, station = self._session(row.session)
            number = self._ids.track(row.artist, row.title)
            self.connection.execute(
                _ADD_TITLE,
                (session, station, row.seq, number, row.start_time, row.end_time, row.ending),
            )
            self._note_length(station, row.end_time - row.start_time)

    def _write_events(self, pending: PendingRows) -> None:
        run = self.connection.execute
        for air in pending.of(DeadAirRow):
            run(
                _ADD_DEAD_AIR,
                (*self._session(air.session), air.start_time, air.end_time, air.ending),
            )
            self._note_length(self._session(air.session)[1], air.end_time - air.start_time)
        for gap in pending.of(GapRow):
            run(
                "INSERT INTO gaps (session, station, seq, start_time, end_time, samples, reason) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session, seq) DO NOTHING",
                (
                    *self._session(gap.session),
                    *(gap.seq, gap.start_time, gap.end_time, gap.samples, gap.reason),
                ),
            )
            self._note_length(self._session(gap.session)[1], gap.end_time - gap.start_time)
        for change in pending.of(SourceRow):
            run(
                "INSERT INTO source_changes (session, station, seq, time, state, input, detail) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session, seq) DO NOTHING",
                (
                    *self._session(change.session),
                    *(change.seq, change.time, change.state, change.input, change.detail),
                ),
            )

    def _write_details(self, rows: list[DetailRow]) -> None:
        self.connection.executemany(
            _ADD_DETAIL,
            (
                (
                    row.minute,
                    self._session(row.session)[1],
                    self._session(row.session)[0],
                    self._ids.label_set(row.labels),
                    len(row.offsets_ms),
                    encode(row.offsets_ms, row.rows, len(row.labels)),
                )
                for row in rows
            ),
        )
