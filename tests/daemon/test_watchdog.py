"""Notifications to systemd, and when the watchdog signal is sent."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.audio import MemorySource, music, write_wav
from support.commands import free_endpoint, start, streamgenre
from support.histories import check_whole, rows
from support.live import end, until
from support.service_manager import Manager
from support.small_disk import small_disk

from streamgenre.client.subscriber import Subscriber
from streamgenre.daemon.watchdog import Watchdog
from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.events import Status
from streamgenre.inference.models import load_model
from streamgenre.system.notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from streamgenre.inference.model import Model

RATE = 16_000
HOP_S = 0.1


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with Manager(tmp_path / "notify", watchdog_s=1.6) as manager:
        yield manager


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "song.wav", music(50, rate=8_000), 8_000)


# ---- the whole daemon ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_service_is_ready_once_the_bus_is_bound_and_stopping_at_the_end(
    kind: str, stateful_folder: Path, song: Path, tmp_path: Path
) -> None:
    address = tmp_path / "notify" if kind == "path" else f"@streamgenre-test-{os.getpid()}"
    endpoint = free_endpoint()
    with Manager(address, watchdog_s=1.6 if kind == "path" else None) as manager:
        flags = ("--model", stateful_folder, "--input", song, "--publish", endpoint, "-q")
        with start("listen", *flags, env=manager.environment) as daemon:
            first = next(manager.listen(60))
            assert first.fields["READY"] == "1"
            socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), 1).close()
            if manager.watchdog_s:
                assert manager.wait_for_status("1 station live; last update 0.").feeds
            daemon.terminate()
            manager.wait_for(STOPPING="1")
            assert daemon.wait(60) == 0
            assert daemon.stderr is not None
            assert daemon.stderr.read() == ""
        assert [m for m in manager.heard if "READY" in m.fields] == [first]
        assert bool([m for m in manager.heard if m.feeds]) == bool(manager.watchdog_s)


def test_the_service_is_never_ready_if_the_bus_cannot_be_bound(
    manager: Manager, stateful_folder: Path, song: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        flags = ("--model", stateful_folder, "--input", song, "--publish", endpoint, "-q")
        done = streamgenre("listen", *flags, env=manager.environment)
    assert done.returncode == 1
    assert list(manager.listen(0.2)) == []


def test_a_frozen_source_stops_the_watchdog_signal_until_it_is_lost(
    stateful_folder: Path, tmp_path: Path
) -> None:
    """A pipe that stalls is `lost` after 5 s; before, from 3 s on, it is live without updates."""
    raw = ("--rate", "8000", "--channels", "1")
    second = (music(1, rate=8_000) * 32_767).astype("<i2").tobytes()
    flags = ("--model", stateful_folder, "--publish", free_endpoint(), "-q", "--input", "-", *raw)
    with (
        Manager(tmp_path / "notify", watchdog_s=2) as manager,
        start("listen", *flags, env=manager.environment, stdin=-1) as daemon,
    ):
        assert daemon.stdin is not None
        manager.wait_for(READY="1")
        os.write(daemon.stdin.fileno(), second * 2)
        assert manager.wait_for_status("1 station live; last update").feeds
        stalled = manager.wait_for_status("is live but brings no updates")
        assert not stalled.feeds
        assert manager.wait_for_status("0 stations live, 1 lost").feeds
        os.write(daemon.stdin.fileno(), second * 2)
        assert manager.wait_for_status("1 station live").feeds
        daemon.stdin.close()
        assert daemon.wait(60) == 0
    starving = [m for m in manager.heard if "brings no updates" in m.status]
    assert not [m for m in starving if m.feeds]


def test_a_stopped_process_sends_no_watchdog_signal_and_resumes_at_once(
    manager: Manager, stateful_folder: Path, song: Path
) -> None:
    flags = ("--model", stateful_folder, "--input", song, "--publish", free_endpoint(), "-q")
    with start("listen", *flags, env=manager.environment) as daemon:
        manager.wait_for_status("1 station live; last update")
        daemon.send_signal(signal.SIGSTOP)
        list(manager.listen(0.3))
        assert not list(manager.listen(2.5))
        daemon.send_signal(signal.SIGCONT)
        # Although updates were missing for longer than a live station may take.
        assert next(manager.listen(60)).feeds
        end(daemon)


def test_kill_and_restart_keep_the_history_intact(
    manager: Manager, stateful_folder: Path, song: Path, tmp_path: Path
) -> None:
    path = tmp_path / "h.sqlite3"
    flags = ("--model", stateful_folder, "--input", song, "--publish", free_endpoint(), "-q")
    for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
        with start("listen", *flags, "--history", path, env=manager.environment) as daemon:
            manager.wait_for(READY="1")
            manager.wait_for_status("1 station live; last update")
            until(lambda: path.exists() and rows(path, "SELECT count(*) FROM runs"))
            daemon.send_signal(number)
            assert daemon.wait(60) == (-number if number == signal.SIGKILL else 0)
    check_whole(path)
    assert rows(path, "SELECT ending FROM runs") == [("cut",), ("cut",), ("closed",)]


def test_a_full_disk_is_reported_and_listening_continues(
    manager: Manager, stateful_folder: Path, song: Path, tmp_path: Path
) -> None:
    endpoint = free_endpoint()
    flags = ("--model", stateful_folder, "--input", song, "--publish", endpoint, "-q")
    with small_disk(tmp_path / "disk") as disk:
        disk.fill()
        path = disk.folder / "h.sqlite3"
        with start("listen", *flags, "--history", path, env=manager.environment) as daemon:
            with Subscriber(endpoint, types=["status"]) as subscriber:

                def failing() -> str | None:
                    status = subscriber.receive(timeout=0.1)
                    assert isinstance(status, Status | None)
                    history = (status and status.history) or {}
                    return history.get("problem")

                assert "no space" in until(failing)
            updates = manager.wait_for_status("1 station live; last update 0.")
            assert updates.feeds
            daemon.terminate()
            assert daemon.wait(60) == 0
            assert daemon.stderr is not None
            assert daemon.stderr.read().count("cannot be written") == 1


# ---- the real engine in this process, with inputs that fail on request --------------------------


class Tap(MemorySource):
    """A live source that delivers music while it is open."""

    real_time = live = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.running = threading.Event()
        self.running.set()
        self.over = threading.Event()
        self._block = music(0.1, rate=RATE)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.over.set()
        self._thread.join()
        super().stop()

    def _run(self) -> None:
        while not self.over.wait(0.05):
            if self.running.is_set():
                self.feed([self._block])


@contextmanager
def engine_under(
    manager: Manager, model: Model, *sources: Tap, stuck: Collection[str] = ()
) -> Iterator[None]:
    watchdog = Watchdog(Notifier(manager.address, manager.watchdog_s), HOP_S, lambda: stuck)
    engine = Engine(watchdog.take, EngineSettings(hop_s=HOP_S), on_turn=watchdog.turn)
    for source in sources:
        engine.add(source.name, source, model)
    stop = threading.Event()
    thread = threading.Thread(target=lambda: engine.run(stop.is_set))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_hung_engine_sends_no_watchdog_signal(
    manager: Manager, stateful_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(str(stateful_folder), trusted=True)
    step, gate = model.update, threading.Event()

    def hanging_step(*arguments: Any) -> Any:
        gate.wait(600)
        return step(*arguments)

    monkeypatch.setattr(model, "update", hanging_step)
    gate.set()
    with engine_under(manager, model, Tap("kitchen")):
        assert manager.wait_for(WATCHDOG="1")
        gate.clear()
        list(manager.listen(0.5))
        assert not list(manager.listen(2 * 1.6))
        gate.set()
        assert manager.wait_for(WATCHDOG="1")


def test_one_stalled_station_never_restarts_the_others_but_all_together_do(
    manager: Manager, stateful_folder: Path
) -> None:
    kitchen, cellar = Tap("kitchen"), Tap("cellar")
    with engine_under(manager, load_model(str(stateful_folder), trusted=True), kitchen, cellar):
        assert manager.wait_for_status("2 stations live; last update").feeds
        cellar.running.clear()
        assert manager.wait_for_status("cellar is live but brings no updates").feeds
        assert all(message.feeds for message in manager.listen(2 * 1.6))
        kitchen.running.clear()
        assert not manager.wait_for_status("kitchen is live but brings no updates").feeds
        assert not any(message.feeds for message in manager.listen(1.6))
        kitchen.running.set()
        assert manager.wait_for(WATCHDOG="1")
        # A source known to be lost is not a reason for a restart, however long it takes.
        cellar.set_state("lost", "unplugged")
        manager.wait_for_status("1 station live, 1 lost")
        heard = list(manager.listen(2 * 1.6))
        assert len(heard) >= 4
        assert all(message.feeds for message in heard)


@pytest.mark.parametrize("works", [True, False])
def test_a_source_that_cannot_be_opened_anew_restarts_a_daemon_without_others(
    *, works: bool, manager: Manager, stateful_folder: Path
) -> None:
    """Its reads hang, and the engine has given up: only a restart can end them."""
    kitchen, cellar = Tap("kitchen"), Tap("cellar")
    cellar.set_state("lost", "its reads hang")
    if not works:
        kitchen.set_state("lost", "unplugged")
    stations = kitchen, cellar
    with engine_under(manager, load_model(str(stateful_folder)), *stations, stuck=["cellar"]):
        manager.wait_for_status("1 lost" if works else "2 lost")
        assert {message.feeds for message in manager.listen(1.6)} == {works}


def test_silence_and_noise_count_as_alive(manager: Manager, stateful_folder: Path) -> None:
    tap = Tap("kitchen")
    tap._block = np.zeros(RATE // 10, np.float32)
    with engine_under(manager, load_model(str(stateful_folder), trusted=True), tap):
        manager.wait_for_status("1 station live; last update")
        assert all(message.feeds for message in manager.listen(2 * 1.6))


# ---- the protocol -------------------------------------------------------------------------------


def test_reloading_is_reported_with_the_time_and_ends_in_ready(manager: Manager) -> None:
    watchdog = Watchdog(Notifier(manager.address), 1.0)
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    watchdog.on_reload("begin")
    watchdog.on_reload("done")
    reloading, ready = manager.listen(0.3)
    assert reloading.fields["RELOADING"] == "1"
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert before <= int(reloading.fields["MONOTONIC_USEC"]) <= now
    assert ready.fields["READY"] == "1"


@pytest.mark.parametrize(
    ("variables", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_environment_is_read_once(variables: dict[str, str], watchdog_s: float | None) -> None:
    environment = {"NOTIFY_SOCKET": "/nobody/is/here", **variables}
    notifier = Notifier.from_environment(environment)
    assert environment == {}  # child processes must not notify the manager
    assert notifier.watchdog_s == watchdog_s
    notifier.send("READY=1")  # no manager listens: no error


def test_without_a_manager_nothing_is_sent() -> None:
    notifier = Notifier.from_environment({"WATCHDOG_USEC": "1000"})
    assert (notifier.listening, notifier.watchdog_s) == (False, None)
    watchdog = Watchdog(notifier, 1.0)
    watchdog.turn()
    watchdog.on_reload("begin")
    watchdog.stop()
