"""The system's clock is set while the daemon listens: nothing lasts longer than it was heard."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.audio import music, write_wav
from support.commands import free_endpoint, start, streamgenre
from support.event_recorder import TimedEvents, collect, wait_for
from support.histories import check_whole, rows
from support.live import until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

FAKE_CLOCK = Path(__file__).parents[1] / "support" / "fake_clock"
DAY_S = 86_400.0
RATE = 16_000


class Clock:
    """The clock of the daemon's process, as a test sets it."""

    def __init__(self, folder: Path, shift: float = 0.0) -> None:
        self._file = folder / "shift"
        self._draft = folder / "draft"
        self.set(shift)

    def set(self, shift: float) -> None:
        self._draft.write_text(repr(shift))
        self._draft.rename(self._file)

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(FAKE_CLOCK), os.environ.get("PYTHONPATH", "")])
        return {"PYTHONPATH": path, "CLOCK_SHIFT": str(self._file)}


@contextmanager
def listening(
    clock: Clock, heard: TimedEvents, *flags: str | Path, **more: Any
) -> Iterator[subprocess.Popen[str]]:
    flags = ("--publish", free_endpoint(), "--json", *flags)
    with start("listen", *flags, env=clock.environment, **more) as daemon:
        thread = collect(daemon, heard)
        try:
            yield daemon
        finally:
            daemon.terminate()
            daemon.wait(60)
            thread.join(60)


def of(heard: TimedEvents, kind: str) -> list[dict[str, Any]]:
    return [event for _, event in list(heard) if event["type"] == kind]


def wait_for_updates(heard: TimedEvents, more: int) -> None:
    wait_for(heard, 60, type="update", seq=len(of(heard, "update")) + more)


def check_events(heard: TimedEvents) -> None:
    """Check that times and stream times agree within each segment and dead air."""
    for event in of(heard, "segment"):
        lasted = event["end"] - event["start"]
        assert event["time"] - event["start_time"] == pytest.approx(lasted, abs=0.4)
    for event in of(heard, "dead_air"):
        if not event["active"]:
            assert event["time"] - event["start_time"] == pytest.approx(event["seconds"], abs=0.4)
    updates = of(heard, "update")
    assert [e["seq"] for e in updates] == list(range(len(updates)))
    ends = [(e["start"], e["end"]) for e in of(heard, "segment")]
    assert ends == sorted(ends)


def check_history(path: Path, heard: TimedEvents) -> None:
    """Check that the history holds what was heard, neither more nor less."""
    check_whole(path)
    heard_s = of(heard, "update")[-1]["stream_time"]
    spans = rows(path, "SELECT start_time, end_time FROM segments")
    assert all(0 <= end - begin <= heard_s + 0.5 for begin, end in spans)
    assert sum(end - begin for begin, end in spans) == pytest.approx(heard_s, abs=1.0)
    for table in ("titles", "dead_air", "gaps", "sessions"):
        lengths = rows(path, f"SELECT end_time - start_time FROM {table}")
        assert all(0 <= length <= heard_s + 5 for (length,) in lengths), table
    ((shared,),) = rows(path, "SELECT sum(q0 + q1 + q2 + q3) / 1000.0 FROM shares")
    assert shared == pytest.approx(heard_s, abs=1.0)
    ((detailed,),) = rows(path, "SELECT sum(updates) FROM details")
    assert detailed == len(of(heard, "update"))


@pytest.mark.parametrize(
    "steps",
    [
        [272 * DAY_S],
        [-3600.0],
        [1.0, -1.0, 59.0, -5.0],
        [3 * 365 * DAY_S, -3 * 365 * DAY_S],
    ],
    ids=lambda steps: ",".join(f"{step:+g}" for step in steps),
)
def test_what_is_open_ends_by_the_old_clock(
    steps: list[float], stateful_folder: Path, tmp_path: Path
) -> None:
    clock, heard, path = Clock(tmp_path), TimedEvents(), tmp_path / "h.sqlite3"
    flags = ("--input", "demo", "--model", stateful_folder, "--history", path)
    shift = 0.0
    with listening(clock, heard, *flags):
        wait_for_updates(heard, 2)
        for number, step in enumerate(steps, 1):
            shift += step
            clock.set(shift)
            wait_for(heard, 60, type="status", clock_steps=number)
            wait_for_updates(heard, 2)
        newest = of(heard, "update")[-1]["time"]

        def shown_as_live() -> bool:
            """Return whether `history now` shows what is heard by the newest clock."""
            shown = streamgenre("history", "now", "--history", path, "--json").stdout
            (station,) = json.loads(shown)
            at = datetime.fromisoformat(station["heard"]).timestamp()
            return bool(station["live"]) and newest - 1 <= at <= newest + 60

        until(shown_as_live, 60)
    check_events(heard)
    check_history(path, heard)
    told = {e["clock_steps"]: e["clock_step_s"] for e in of(heard, "status")}
    assert [told[n] for n in range(1, len(steps) + 1)] == pytest.approx(steps, abs=0.2)
    ahead = [e["time"] - at for at, e in heard if e["type"] == "update"]
    assert ahead[0] == pytest.approx(0, abs=0.5)
    assert ahead[-1] == pytest.approx(shift, abs=0.5)
    # The audio has no gap: neither updates nor the decision notice.
    updates = of(heard, "update")
    assert [e["stream_time"] for e in updates] == [n + 1.0 for n in range(len(updates))]


def test_a_boot_in_1970(stateful_folder: Path, tmp_path: Path) -> None:
    """Before the network is there, and the true time after it."""
    clock, heard, path = Clock(tmp_path, 5 - time.time()), TimedEvents(), tmp_path / "h.sqlite3"
    flags = ("--input", "demo", "--model", stateful_folder, "--history", path)
    with listening(clock, heard, *flags):
        wait_for_updates(heard, 2)
        clock.set(0.0)
        wait_for(heard, 60, type="status", clock_steps=1)
        wait_for_updates(heard, 2)
    assert all(event["time"] >= 0 for _, event in heard)
    check_events(heard)
    check_history(path, heard)


def test_a_step_in_silence_and_while_the_input_is_away(
    stateful_folder: Path, tmp_path: Path
) -> None:
    """Dead air goes on, and the gap lies in the new clock."""
    clock, heard, path = Clock(tmp_path), TimedEvents(), tmp_path / "h.sqlite3"
    flags = ("--model", stateful_folder, "--history", path, "--dead-air", "1")
    raw = ("--input", "-", "--rate", str(RATE), "--channels", "1")
    with listening(clock, heard, *flags, *raw, stdin=-1) as daemon:
        assert daemon.stdin is not None
        pipe = daemon.stdin.fileno()

        def feed(samples: Any, seconds: float) -> None:
            block = (samples[: RATE // 10] * 32_767).astype("<i2").tobytes()
            for _ in range(round(10 * seconds)):
                os.write(pipe, block)
                time.sleep(0.1)

        sound = music(1, rate=RATE)
        feed(sound, 1)
        feed(0 * sound, 3)
        wait_for(heard, 60, type="dead_air", active=True)
        clock.set(-3600.0)
        feed(0 * sound, 2)
        wait_for(heard, 60, type="status", clock_steps=1)
        feed(sound, 1)
        wait_for(heard, 60, type="source", state="lost")
        clock.set(272 * DAY_S)
        wait_for(heard, 60, type="status", clock_steps=2)
        feed(sound, 2)
        wait_for(heard, 60, type="gap")
    check_events(heard)
    told = [(e["active"], e["seconds"] > 0) for e in of(heard, "dead_air")]
    assert told == [(True, True), (False, True), (True, False), (False, True)]
    (gap,) = of(heard, "gap")
    assert gap["time"] == pytest.approx(time.time() + 272 * DAY_S, abs=60)
    with closing(sqlite3.connect(path)) as connection:
        ((length,),) = connection.execute("SELECT end_time - start_time FROM gaps").fetchall()
        airs = connection.execute("SELECT end_time - start_time FROM dead_air").fetchall()
    assert length == pytest.approx(gap["seconds"], abs=0.01)
    assert len(airs) == 2
    assert all(0 <= air < 60 for (air,) in airs)


def test_a_step_while_the_process_is_stopped(stateful_folder: Path, tmp_path: Path) -> None:
    clock, heard, path = Clock(tmp_path), TimedEvents(), tmp_path / "h.sqlite3"
    song = write_wav(tmp_path / "song.wav", music(50, rate=8_000), 8_000)
    flags = ("--input", song, "--model", stateful_folder, "--history", path)
    with listening(clock, heard, *flags) as daemon:
        wait_for_updates(heard, 2)
        daemon.send_signal(19)
        clock.set(3600.0)
        time.sleep(2)
        daemon.send_signal(18)
        wait_for(heard, 60, type="status", clock_steps=1)
        wait_for_updates(heard, 2)
    check_events(heard)
    check_history(path, heard)
