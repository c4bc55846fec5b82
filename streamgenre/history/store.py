"""Writes pending rows to the history, in one transaction."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

from streamgenre.history import day_shares, run_locks, statements, tags
from streamgenre.history.database import open_to_write
from streamgenre.history.detail import encode
from streamgenre.history.ids import RowIds
from streamgenre.history.known_rows import KnownRows
from streamgenre.history.places import Server
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
    from streamgenre.history.places import Place
    from streamgenre.history.rows import PendingRows

_Written: TypeAlias = tuple[int, float, float, str]
"""What the history has of a segment: kind, start, end and ending."""


class Store:
    """The history, open for writing by one run of the daemon.

    Rows that crashed runs left open are closed first, and marked ``cut``. What the last flush wrote
    of a row that is still open is remembered, so that no flush asks for it again.

    Parameters
    ----------
    place
        The SQLite file, or the database.
    lock
        The lock of this run, held.
    busy_s
        Seconds to wait while another process writes.

    Raises
    ------
    HistoryError, BrokenFileError, sqlite3.Error, ServerError, OSError
        See :func:`~streamgenre.history.database.open_to_write`.
    """

    def __init__(self, place: Place, lock: run_locks.RunLock, *, busy_s: float = 2.0) -> None:
        self.connection = open_to_write(place, busy_s=busy_s)
        self._file = None if isinstance(place, Server) else place
        self._token = lock.token
        self._inode = 0 if self._file is None else self._file.stat().st_ino
        self._place = place
        self._own_token = lock.token
        self._discard_ids()
        try:
            self.close_crashed_runs()
        except BaseException:
            self.connection.close()
            raise

    def _discard_ids(self) -> None:
        """Discard what is remembered: the transaction that wrote it may be rolled back."""
        self._run: int | None = None
        self._ids = RowIds(self.connection)
        self._longest: dict[int, float] = {}
        self._sessions = KnownRows[SessionRow, int]()
        self._segments = KnownRows[SegmentRow, _Written]()
        self._tracks = KnownRows[TitleRow, int]()

    @property
    def replaced(self) -> bool:
        """Whether the file was removed or replaced since it was opened."""
        try:
            return self._file is not None and self._file.stat().st_ino != self._inode
        except FileNotFoundError:
            return True

    def write(self, pending: PendingRows) -> None:
        """Write all rows or none. Writing the same rows twice changes nothing.

        Raises
        ------
        sqlite3.Error, ServerError
            If the rows cannot be written.
        """
        connection = self.connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._write_sessions(pending.of(SessionRow))
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

    def close_crashed_runs(self) -> None:
        """Close the rows that crashed runs left open, and mark them ``cut``."""
        run_locks.close_crashed_runs(self.connection, self._place, self._own_token)

    def use_run(self, token: str) -> None:
        """Write as the run with this token from now on, such as an earlier one of this daemon."""
        if token != self._token:
            self._token = token
            self._discard_ids()

    def end(self) -> None:
        """Mark this run as cleanly shut down."""
        self.connection.execute(
            "UPDATE runs SET ending = 'closed' WHERE token = ? AND ending = 'open'", (self._token,)
        )

    def close(self) -> None:
        """Close the history."""
        self.connection.close()

    # ---- sessions ------------------------------------------------------------------------------

    def _session(self, row: SessionRow) -> tuple[int, int]:
        """Return the ids of a session and its station."""
        number = self._sessions.get(row)
        if number is None:
            number = self._add_session(row)
        return number, self._ids.station(row.station)

    def _write_sessions(self, rows: list[SessionRow]) -> None:
        known = [(row, self._sessions.get(row)) for row in rows]
        for row, number in known:
            if number is None:
                self._add_session(row)
        self.connection.executemany(
            statements.CHANGE_SESSION,
            [(*_of_session(row), number) for row, number in known if number is not None],
        )

    def _add_session(self, row: SessionRow) -> int:
        if self._run is None:
            self._run = self._begin_run()
        key = (row.uid, self._ids.station(row.station))
        self.connection.execute(statements.ADD_SESSION, (*_of_session(row), *key, self._run))
        (number,) = self.connection.execute(
            "SELECT id FROM sessions WHERE uid = ? AND station = ?", key
        ).fetchone()
        return self._sessions.note(row, number)

    def _begin_run(self) -> int:
        # A server that lost the connection may have let others close this run: it goes on.
        self.connection.execute(
            "INSERT INTO runs (token, started) VALUES (?, ?) "
            "ON CONFLICT (token) DO UPDATE SET ending = 'open'",
            (self._token, time.time()),
        )
        found = self.connection.execute("SELECT id FROM runs WHERE token = ?", (self._token,))
        return int(found.fetchone()[0])

    # ---- rows ----------------------------------------------------------------------------------

    def _write_segments(self, rows: list[SegmentRow]) -> None:
        shares: dict[tuple[int, int, int], list[int]] = {}

        def count(kind: int, station: int, start: float, end: float, sign: int) -> None:
            for hour, quarter, ms in split_by_quarter(start, end):
                shares.setdefault((kind, hour, station), [0] * QUARTERS)[quarter] += sign * ms

        values = []
        heard: defaultdict[tuple[str, int, int], float] = defaultdict(float)
        batch: dict[tuple[int, float], _Written] = {}
        for row in rows:
            session, station = self._session(row.session)
            kind = self._ids.kind(row.state, row.genre)
            key = (session, row.stream_start)
            before = batch.get(key) or self._segments.get(row) or self._written(*key)
            batch[key] = (kind, row.start_time, row.end_time, row.ending)
            if row.tags and (before is None or before[3] != "closed"):  # once, when it closes
                for hour, _, ms in split_by_quarter(row.start_time, row.end_time):
                    for name, probability in row.tags.items():
                        heard[name, hour // day_shares.HOURS, station] += ms * probability
            values.append(
                (
                    *(session, station, row.stream_start, kind, row.start_time, row.end_time),
                    *(row.probability, row.updates, row.ending),
                )
            )
            if before is None:
                count(kind, station, row.start_time, row.end_time, 1)
            elif before[:2] == (kind, row.start_time) and before[2] <= row.end_time:
                count(kind, station, before[2], row.end_time, 1)  # the usual case: it only grew
            else:
                count(before[0], station, before[1], before[2], -1)
                count(kind, station, row.start_time, row.end_time, 1)
            if row.ending == "open":
                self._segments.note(row, batch[key])
            else:
                self._segments.forget(row)
            self._note_length(station, row.end_time - row.start_time)
        self.connection.executemany(statements.ADD_SEGMENT, values)
        self.connection.executemany(
            statements.ADD_SHARE, [(*key, *ms) for key, ms in shares.items() if any(ms)]
        )
        day_shares.add(self.connection, shares)
        tags.add(self.connection, heard)

    def _written(self, session: int, stream_start: float) -> _Written | None:
        found: _Written | None = self.connection.execute(
            "SELECT kind, start_time, end_time, ending FROM segments "
            "WHERE session = ? AND stream_start = ?",
            (session, stream_start),
        ).fetchone()
        return found

    def _note_length(self, station: int, seconds: float) -> None:
        if seconds > self._longest.get(station, 0.0):
            # A tenth more than needed, to avoid a write at every flush.
            self._longest[station] = 1.1 * seconds
            self.connection.execute(
                "UPDATE stations SET longest_s = ? WHERE id = ? AND longest_s < ?",
                (1.1 * seconds, station, 1.1 * seconds),
            )

    def _write_titles(self, rows: list[TitleRow]) -> None:
        values = []
        for row in rows:
            session, station = self._session(row.session)
            # Retention deletes no track that a title names, so that of an open title is known.
            number = self._tracks.get(row)
            if number is None:
                number = self._ids.track(row.artist, row.title)
            if row.ending == "open":
                self._tracks.note(row, number)
            else:
                self._tracks.forget(row)
            values.append(
                (session, station, row.seq, number, row.start_time, row.end_time, row.ending)
            )
            self._note_length(station, row.end_time - row.start_time)
        self.connection.executemany(statements.ADD_TITLE, values)

    def _write_events(self, pending: PendingRows) -> None:
        many = self.connection.executemany
        silences, gaps = pending.of(DeadAirRow), pending.of(GapRow)
        many(  # those of the history itself have no number to tell them apart by
            "DELETE FROM gaps WHERE session = ? AND seq IS NULL AND start_time = ?",
            [(self._session(r.session)[0], r.start_time) for r in gaps if r.seq is None],
        )
        for row in (*silences, *gaps):
            self._note_length(self._session(row.session)[1], row.end_time - row.start_time)
        many(
            statements.ADD_DEAD_AIR,
            [(*self._session(r.session), r.start_time, r.end_time, r.ending) for r in silences],
        )
        many(
            statements.ADD_GAP,
            [
                (*self._session(r.session), r.seq, r.start_time, r.end_time, r.samples, r.reason)
                for r in gaps
            ],
        )
        many(
            statements.ADD_SOURCE_CHANGE,
            [
                (*self._session(r.session), r.seq, r.time, r.state, r.input, r.detail)
                for r in pending.of(SourceRow)
            ],
        )

    def _write_details(self, rows: list[DetailRow]) -> None:
        self.connection.executemany(
            statements.ADD_DETAIL,
            [
                (
                    row.minute,
                    self._session(row.session)[1],
                    self._session(row.session)[0],
                    self._ids.label_set(row.labels),
                    len(row.offsets_ms),
                    encode(row.offsets_ms, row.rows, len(row.labels)),
                )
                for row in rows
            ],
        )


def _of_session(row: SessionRow) -> tuple[object, ...]:
    return (row.end_time, row.start_time, row.ending, row.input, row.model, row.model_sha256)
