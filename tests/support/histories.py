"""Histories made for tests, through the same classes that the daemon uses."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from support.live import until
from support.postgres import query

from streamgenre.history.places import Server
from streamgenre.history.recorder import Recorder
from streamgenre.history.rows import PendingRows
from streamgenre.history.run_locks import RunLock
from streamgenre.history.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamgenre.history.places import Place


class HistoryWriter:
    """Writes events into a history on request."""

    def __init__(self, path: Place, **pending: int) -> None:
        self.path = path
        self.lock = RunLock(path)
        self.store = Store(path, self.lock)
        self.lock.hold(self.store.connection)
        self.pending = PendingRows(**pending)
        self.recorder = Recorder(self.pending)

    def take(self, events: Iterable[Any]) -> None:
        for event in events:
            self.recorder.take(event)

    def flush(self) -> None:
        self.store.write(self.pending)
        self.pending.clear()

    def end(self) -> None:
        """Shut down cleanly."""
        self.recorder.end()
        self.flush()
        self.store.end()
        self.vanish()

    def vanish(self) -> None:
        """End as a crash would: nothing is closed, only the lock is gone."""
        self.store.close()
        self.lock.release()
        place = self.path
        if isinstance(place, Server):  # which notices a little later
            low = int(self.lock.token[:8], 16)
            held = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {low}"
            until(lambda: query(place, held, ()) == [(0,)])


def record(path: Place, events: Iterable[Any], *, every: int = 5) -> None:
    """Write events into a history, flush after ``every`` events, and shut down cleanly."""
    writer = HistoryWriter(path)
    for number, event in enumerate(events, start=1):
        writer.recorder.take(event)
        if number % every == 0:
            writer.flush()
    writer.end()


def rows(path: Place, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """The rows that a query returns, through the database alone."""
    if isinstance(path, Server):
        return query(path, sql, values)
    with sqlite3.connect(path) as connection:
        found = connection.execute(sql, values).fetchall()
    connection.close()
    return found


def check_whole(path: Place) -> None:
    """Everything that must hold of any history at any time."""
    if not isinstance(path, Server):
        assert rows(path, "PRAGMA integrity_check") == [("ok",)]
        assert rows(path, "PRAGMA foreign_key_check") == []
    assert rows(path, "SELECT * FROM segments WHERE end_time < start_time") == []
    # Added up over all time, the hourly shares are the segments to the millisecond each.
    spans = dict(
        rows(
            path,
            "SELECT station || '/' || kind, "
            "sum(round(end_time * 1000) - round(start_time * 1000)) FROM segments GROUP BY 1",
        )
    )
    shares = dict(
        rows(
            path,
            "SELECT station || '/' || kind, sum(q0 + q1 + q2 + q3) FROM shares GROUP BY 1",
        )
    )
    assert {k: v for k, v in spans.items() if v} == {k: v for k, v in shares.items() if v}
    assert rows(path, "SELECT * FROM tag_days WHERE ms < 0") == []
    days = rows(
        path,
        "SELECT kind, day, station, h0 + h1 + h2 + h3 + h4 + h5 + h6 + h7 + h8 + h9 + h10 + h11 "
        "+ h12 + h13 + h14 + h15 + h16 + h17 + h18 + h19 + h20 + h21 + h22 + h23 FROM day_shares",
    )
    hours = rows(
        path,
        "SELECT kind, hour / 24, station, sum(q0 + q1 + q2 + q3) FROM shares GROUP BY 1, 2, 3",
    )
    assert sorted(day for day in days if day[3]) == sorted(hour for hour in hours if hour[3])
