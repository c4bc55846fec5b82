"""Sound cards that come and go under a running engine, with real sound servers.

Two stations, each on the virtual card of a separate server: an error of one must never cost the
other a sample.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pytest
from support.commands import free_endpoint, start
from support.event_recorder import TimedEvents, clock_error_s, collect, wait_for
from support.live import until
from support.requirements import require_programs
from support.sound_server import SoundServer

from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.events import AnyEvent, Gap, SourceChange, Status, Update
from streamgenre.inference.models import load_model
from streamgenre.sources.device.devices import DeviceSelection, find_device
from streamgenre.sources.device.source import DeviceSettings, DeviceSource

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE = 44_100
QUICK = DeviceSettings(backoff_first_s=0.05, backoff_longest_s=0.2)


class Running:
    """An engine with the stations ``left`` and ``right`` on two servers, in a thread."""

    def __init__(self, model: Path, left: SoundServer, right: SoundServer) -> None:
        self.left, self.right = left, right
        self.events: list[AnyEvent] = []
        self.sources = {
            name: DeviceSource(DeviceSelection(name, find_device(name)), QUICK)
            for name in ("left", "right")
        }
        self._stop = threading.Event()
        engine = Engine(self.events.append, EngineSettings(status_s=0.5))
        shared = load_model(str(model), trusted=True)
        for name, source in self.sources.items():
            engine.add(name, source, shared)
        self._thread = threading.Thread(target=engine.run, args=(self._stop.is_set,))
        self._thread.start()

    def of(self, station: str, kind: type[AnyEvent]) -> list[AnyEvent]:
        return [e for e in list(self.events) if e.station == station and isinstance(e, kind)]

    def wait(self, station: str, state: str, seconds: float = 60) -> None:
        until(lambda: self.sources[station].state == state, seconds)

    def end(self) -> None:
        """Stop after all audio that arrived so far is processed."""
        if self._thread.is_alive():
            for station in self.sources:
                count = len(self.of(station, Update))
                until(lambda s=station, n=count: len(self.of(s, Update)) > n + 1, 60)  # type: ignore[misc]
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def check_books(self, station: str) -> dict[str, int]:
        """Check that every sample is heard or reported lost; return the losses by reason."""
        lost: Counter[str] = Counter()
        for gap in self.of(station, Gap):
            assert isinstance(gap, Gap)
            lost[gap.reason] += gap.samples
        status = self.of(station, Status)[-1]
        assert isinstance(status, Status)
        assert status.samples_lost == sum(lost.values())
        heard_s = (status.samples + status.samples_lost) / RATE
        assert 0 <= heard_s - status.stream_time < 1.1  # only a part of the last hop had arrived
        updates = self.of(station, Update)
        assert all(b.stream_time > a.stream_time for a, b in itertools.pairwise(updates))
        # The number of lost samples matches the absence: wall time is still correct.
        drifts = [e.time - e.stream_time for e in updates]
        assert max(drifts) - min(drifts) < 0.5
        return dict(lost)


@pytest.fixture
def running(
    tmp_path_factory: pytest.TempPathFactory,
    stateful_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Running]:
    require_programs("pulseaudio", "pactl", "paplay")
    home = tmp_path_factory.mktemp("home")
    servers = {name: SoundServer(tmp_path_factory.mktemp(name)) for name in ("left", "right")}
    lines = [f"pcm.{name} {server.pcm}\n" for name, server in servers.items()]
    (home / ".asoundrc").write_text("".join(lines))
    monkeypatch.setenv("HOME", str(home))
    for name in [key for key in os.environ if key.startswith("PULSE")]:
        monkeypatch.delenv(name)
    for server in servers.values():
        server.start()
    running = Running(stateful_folder, **servers)
    try:
        running.wait("left", "live")
        running.wait("right", "live")
        yield running
    finally:
        running.end()
        for server in servers.values():
            server.stop()


def test_a_card_unplugged_twenty_times_costs_the_other_station_nothing(running: Running) -> None:
    away_s = 0.0
    for turn in range(20):
        running.left.unplug()
        began = time.monotonic()
        running.wait("left", "lost")
        running.left.plug()
        running.wait("left", "live")
        away_s += time.monotonic() - began
        if turn % 5 == 4:
            count = len(running.of("left", Update))
            until(lambda count=count: len(running.of("left", Update)) > count, 60)  # type: ignore[misc]
    running.end()
    states = [e.state for e in running.of("left", SourceChange) if isinstance(e, SourceChange)]
    assert states.count("lost") == 20
    assert states[-1] == "ended"
    lost = running.check_books("left")
    assert lost["reconnect"] / RATE == pytest.approx(away_s, rel=0.5)
    assert running.check_books("right") == {}
    own_states = [e.state for e in running.of("right", SourceChange) if isinstance(e, SourceChange)]
    assert own_states == ["live", "ended"]
    process = psutil.Process()
    assert [p for p in process.children() if "device/helper.py" in " ".join(p.cmdline())] == []


def test_a_killed_sound_server_is_waited_for(running: Running) -> None:
    running.left.kill()
    running.wait("left", "lost")
    time.sleep(1)
    running.left.start()
    running.wait("left", "live")
    running.end()
    assert set(running.check_books("left")) == {"reconnect"}
    assert running.check_books("right") == {}


def test_a_stalled_helper_loses_only_what_is_reported(running: Running) -> None:
    """As when the whole machine stalls: nothing reads the card, and the loss is not reported."""
    helpers = [
        p for p in psutil.Process().children() if "device/helper.py" in " ".join(p.cmdline())
    ]
    assert len(helpers) == 2
    began = time.monotonic()
    for helper in helpers:
        helper.send_signal(signal.SIGSTOP)
    time.sleep(1.2)
    for helper in helpers:
        helper.send_signal(signal.SIGCONT)
    stopped_s = time.monotonic() - began
    time.sleep(1.5)  # an unreported loss is counted after a second
    running.end()
    for station in ("left", "right"):
        lost = running.check_books(station)
        assert sum(lost.values()) / RATE <= stopped_s + 0.5


def test_a_stopped_daemon_reports_the_audio_it_missed(sound_server: SoundServer) -> None:
    stopped_s = 8.0
    heard: TimedEvents = []
    flags = ("--input", "pulse", "--publish", free_endpoint(), "--json")
    with start("listen", *flags, env=sound_server.environment) as daemon:
        collect(daemon, heard)
        wait_for(heard, 60, type="update", seq=2)
        daemon.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        time.sleep(stopped_s)
        daemon.send_signal(signal.SIGCONT)
        stopped_s = time.monotonic() - began
        gap = wait_for(heard, 60, type="gap")
        until(lambda: heard[-1][1]["stream_time"] > gap["stream_time"] + 3, 60)
        daemon.terminate()
        assert daemon.wait(60) == 0
    events = [e for _, e in heard]
    assert [e["state"] for e in events if e["type"] == "source"] == ["live", "ended"]
    gaps = [e for e in events if e["type"] == "gap"]
    assert {gap["reason"] for gap in gaps} == {"overflow"}
    # The helper process kept running and buffered what the system allows: one second, or five.
    assert 1 < sum(gap["seconds"] for gap in gaps) < stopped_s + 0.5
    status = [e for e in events if e["type"] == "status"][-1]
    assert status["samples_lost"] == sum(gap["samples"] for gap in gaps)
    assert status["clock_steps"] == 0
    updates = [(at, e) for at, e in heard if e["type"] == "update"]
    drifts = [e["time"] - e["stream_time"] for _, e in updates]
    assert max(drifts) - min(drifts) < 0.5  # the loss is as long as the pause
    assert clock_error_s(updates) < 0.5


def test_a_change_of_the_system_clock_is_followed(tmp_path: Path) -> None:
    """By an hour, and back: as at boot without a clock battery, or by mistake."""
    shift = tmp_path / "shift"
    shift.write_text("0")
    clock = str(Path(__file__).parents[1] / "support" / "fake_clock")
    path = os.pathsep.join([clock, os.environ.get("PYTHONPATH", "")])
    flags = ("--input", "demo", "--publish", free_endpoint(), "--json")
    heard: TimedEvents = []
    with start("listen", *flags, env={"PYTHONPATH": path, "CLOCK_SHIFT": str(shift)}) as daemon:
        collect(daemon, heard)
        for seq, hours in ((2, 1), (6, 0)):
            wait_for(heard, 60, type="update", seq=seq)
            draft = tmp_path / "new"
            draft.write_text(str(3600 * hours))
            draft.rename(shift)
        wait_for(heard, 60, type="update", seq=9)
        daemon.terminate()
        assert daemon.wait(60) == 0
    updates = [(at, e) for at, e in heard if e["type"] == "update"]
    ahead = [round((e["time"] - at) / 3600) for at, e in updates]
    assert [value for value, _ in groupby(ahead)] == [0, 1, 0]
    np.testing.assert_allclose(np.diff([e["stream_time"] for _, e in updates]), 1.0)
    status = [e for _, e in heard if e["type"] == "status"][-1]
    assert (status["clock_steps"], status["samples_lost"]) == (2, 0)
