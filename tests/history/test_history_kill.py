"""SIGKILL at random moments: committed rows stay, and at most one flush is lost."""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
import time
from typing import TYPE_CHECKING, Final

import pytest
from support.histories import check_whole, rows
from support.history_programme import Programme

from streamgenre.history import writer as writer_module
from streamgenre.history.run_locks import RunLock
from streamgenre.history.settings import HistorySettings
from streamgenre.history.store import Store
from streamgenre.history.writer import HistoryWriter

if TYPE_CHECKING:
    from pathlib import Path

KILLS: Final = 200
FLUSH_S: Final = 0.02
_MARK: Final = struct.Struct("=dq")


class MarkingStore(Store):
    """Reports on a pipe the rows just committed: the latest event and the number of segments."""

    pipe = -1

    def write(self, pending: object) -> None:
        from streamgenre.history.rows import PendingRows, SegmentRow

        assert isinstance(pending, PendingRows)
        ends = [row.end_time for row in pending.of(SegmentRow)]
        closed = sum(row.ending == "closed" for row in pending.of(SegmentRow))
        super().write(pending)
        if ends:
            os.write(self.pipe, _MARK.pack(max(ends), closed))


def listen(path: Path, number: int, start: float, pipe: int) -> None:
    """The work of a daemon, with a station whose seconds last a millisecond."""
    MarkingStore.pipe = pipe
    writer_module.__dict__["Store"] = MarkingStore
    writer = HistoryWriter(
        HistorySettings(path, flush_s=FLUSH_S), lossless=False, say=lambda _: None
    )
    writer.start()
    maker = Programme(session=f"u{number}", start=start, seed=number)
    while True:
        for event in maker.day(600):
            writer.put(event)
            time.sleep(0.0005)


def marks(read: int) -> list[tuple[float, int]]:
    data = b""
    while part := os.read(read, 1 << 16):
        data += part
    whole = len(data) // _MARK.size * _MARK.size
    return [(end, closed) for end, closed in _MARK.iter_unpack(data[:whole])]


def killed_run(path: Path, number: int, start: float, seconds: float) -> list[tuple[float, int]]:
    """Run a writer in its own process, kill it, and return the commits that it reported."""
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            listen(path, number, start, write)
        finally:
            os._exit(1)
    os.close(write)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = marks(read)
    os.close(read)
    return found


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_two_hundred_kills_lose_no_committed_row(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    rng = random.Random(20_260_101)
    start, closed = 1_782_864_000.0, 0
    committed: list[float] = []
    longest = 0.13
    for number in range(KILLS):
        # From before the first commit to the middle of many, which a busy machine reaches later.
        seconds = rng.uniform(0.005, longest)
        reported = killed_run(path, number, start, seconds)
        if not reported and seconds > longest / 2:
            longest = min(1.2 * longest, 5.0)
        if not path.exists():
            continue
        if reported:
            end = reported[-1][0]
            committed.append(end)
            (kept,) = rows(path, "SELECT max(end_time) FROM segments")[0]
            assert kept >= end, f"kill {number}: committed {end}, found {kept}"
            closed += sum(count for _, count in reported)
        start += 100_000
        if number % 20 == 19:
            check_whole(path)
            tidy(path)
    assert len(committed) > KILLS / 2
    tidy(path)
    check_whole(path)
    ends = {end for (end,) in rows(path, "SELECT end_time FROM segments")}
    assert max(ends) >= max(committed)
    # Every run's last committed moment is in its own row, closed at its last update.
    assert rows(path, "SELECT count(*) FROM segments WHERE ending = 'open'") == [(0,)]
    assert rows(path, "SELECT count(*) FROM segments WHERE ending = 'closed'")[0][0] >= closed
    cut = [end for (end,) in rows(path, "SELECT end_time FROM sessions WHERE ending = 'cut'")]
    assert len(cut) >= len(committed)
    assert not [p for p in tmp_path.iterdir() if "-run-" in p.name or "broken" in p.name]


def tidy(path: Path) -> None:
    """Start once more: segments that killed writers left open are closed."""
    lock = RunLock(path)
    Store(path, lock).close()


def test_a_killed_daemon_loses_no_more_than_a_flush(tmp_path: Path) -> None:
    """By the writer's own clock: the missing events are from the last flush interval."""
    path = tmp_path / "h.sqlite3"
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        settings = HistorySettings(path, flush_s=0.3)
        writer = HistoryWriter(settings, lossless=False, say=lambda _: None)
        writer.start()
        maker = Programme(start=0.0, hop=0.01)
        for event in maker.stretch("music", "jazz", 10**6):
            writer.put(event)
            os.write(write, struct.pack("=d", event.time))
            time.sleep(0.01)
        os._exit(1)
    os.close(write)
    data = b""
    while len(data) < 60 * 8:  # 0.6 s of stream time, two flushes
        data += os.read(read, 8)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while part := os.read(read, 1 << 16):
        data += part
    os.close(read)
    reported = struct.unpack("=d", data[-8:])[0]
    (kept,) = rows(path, "SELECT max(end_time) FROM segments")[0]
    # The events are 10 ms of stream time apart, and at least as much of wall time.
    assert reported > 0.5
    assert reported - kept <= 0.3 + 0.1
    check_whole(path)
