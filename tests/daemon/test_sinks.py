"""Event sinks: their order, and the guarantees of each."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.commands import events_of, free_endpoint, streamgenre
from support.live import until
from support.sample_events import SampleStation

from streamgenre.config.build import load
from streamgenre.daemon.app import Daemon
from streamgenre.daemon.demand import SpectrumDemand
from streamgenre.daemon.history import HistorySink
from streamgenre.daemon.sinks import QueueSink, Sink, SinkChain, Summary
from streamgenre.errors import BusError
from streamgenre.events.queue import EventQueue
from streamgenre.history.settings import HistorySettings

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.config.build import LoadedConfig
    from streamgenre.events import AnyEvent


class Recorder(Sink):
    """Records the calls."""

    def __init__(self, name: str, calls: list[str], broken: str = "") -> None:
        self._name = name
        self._calls = calls
        self._broken = broken

    def _called(self, what: str) -> None:
        self._calls.append(f"{self._name} {what}")
        if what == self._broken:
            raise BusError(f"{self._name} cannot {what}")

    def start(self) -> None:
        self._called("start")

    def take(self, event: AnyEvent) -> None:
        self._called("take")

    def forget(self, station: str) -> None:
        self._called(f"forget {station}")

    def stop(self) -> None:
        self._called("stop")


def test_sinks_are_served_in_order_and_stopped_in_reverse() -> None:
    calls: list[str] = []
    chain = SinkChain([Recorder("a", calls), Recorder("b", calls)])
    chain.start()
    chain.take(SampleStation().update())
    chain.forget("kitchen")
    chain.stop()
    assert calls == [
        *("a start", "b start", "a take", "b take", "a forget kitchen", "b forget kitchen"),
        *("b stop", "a stop"),
    ]


def test_a_sink_that_cannot_start_leaves_none_running() -> None:
    calls: list[str] = []
    sinks = [Recorder("a", calls), Recorder("b", calls, "start"), Recorder("c", calls)]
    with pytest.raises(BusError, match="b cannot start"):
        SinkChain(sinks).start()
    assert calls == ["a start", "b start", "a stop"]


def test_a_sink_that_cannot_stop_does_not_keep_the_others_running() -> None:
    calls: list[str] = []
    chain = SinkChain([Recorder("a", calls), Recorder("b", calls, "stop")])
    chain.start()
    with pytest.raises(BusError, match="b cannot stop"):
        chain.stop()
    assert calls[-1] == "a stop"


def test_a_stopped_queue_never_blocks() -> None:
    sink = QueueSink(lossless=True)
    sink.stop()
    for _ in range(5000):  # more than it holds
        sink.take(SampleStation().update())
    assert sink.queue.dropped == 0  # nobody reads: nothing is missed


@pytest.mark.parametrize("lossless", [False, True])
def test_a_presenter_that_shows_nothing_is_not_woken_by_events(*, lossless: bool) -> None:
    events = EventQueue(lossless=lossless, capacity=10)
    presenter = threading.Thread(target=events.discard)
    presenter.start()
    until(lambda: events.discards)
    for _ in range(100):
        events.put(SampleStation().update())
    assert events.dropped == 0
    assert presenter.is_alive()
    events.end()
    presenter.join(60)
    assert not presenter.is_alive()


SIGNALLED = """
import os, signal, threading, time
from streamgenre.events.queue import EventQueue
events = EventQueue(lossless=False)
signal.signal(signal.SIGTERM, lambda *_: events.end())
def other():
    while not events.discards:
        time.sleep(0.01)
    time.sleep(0.2)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(1e6)
threading.Thread(target=other, daemon=True).start()
events.discard()
"""


def test_a_signal_that_another_thread_got_ends_the_wait_for_nothing() -> None:
    """The kernel may give a signal to any thread; Python handles it in the main one."""
    assert subprocess.run([sys.executable, "-c", SIGNALLED], timeout=60).returncode == 0


def test_a_reader_of_a_queue_chooses_how_long_it_waits() -> None:
    events, latest = EventQueue(lossless=False), 0.0
    reader = events.until(lambda: latest)
    assert next(reader) is None  # at once
    latest = time.monotonic() + 3600
    events.put(first := SampleStation().update())
    assert next(reader) is first
    events.end()
    assert list(reader) == []


def test_the_summary_adds_up_segments() -> None:
    summary = Summary()
    assert str(summary) == "heard: nothing"
    station = SampleStation()
    for event in (station.update(), station.segment(), station.segment()):
        summary.take(event)
    segment = station.segment()
    seconds = 2 * round(segment.end - segment.start)
    assert str(summary) == f"heard: {segment.genre or segment.state} {seconds} s"


@pytest.mark.parametrize(
    ("keep", "kept"), [("live", {"radio"}), ("all", {"radio", "file"}), ("none", set())]
)
def test_the_status_says_which_stations_are_kept(keep: Any, kept: set[str], tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    settings = HistorySettings(path=path, keep=keep)
    sink = HistorySink(settings, lambda station: station == "radio", lossless=False)
    sink.start()
    for name in ("radio", "file"):
        state = sink.state(name)
        assert (state is not None) == (name in kept)
        assert state is None or state["state"] == "recording"
        sink.take(SampleStation(name).update())
    sink.stop()
    assert path.exists() == bool(kept)


def test_the_status_of_a_kept_station_includes_its_history(
    stateful_folder: Path, tmp_path: Path
) -> None:
    flags = ("--input", "demo", "--pace", "fast", "--duration", "5", "--json")
    more = ("--model", stateful_folder, "--publish", free_endpoint())
    for history, state in ((("--history", tmp_path / "h.sqlite3"), "recording"), ((), None)):
        done = streamgenre("listen", *flags, *more, *history)
        assert (done.returncode, done.stderr) == (0, "")
        statuses = [e for e in events_of(done.stdout) if e["type"] == "status"]
        assert statuses
        for status in statuses:
            assert (status["history"] or {}).get("state") == state


def test_the_daemon_serves_its_sinks_in_the_order_of_the_docs(tmp_path: Path) -> None:
    """First the bus, so that no other sink delays subscribers; the caller's own sinks come last."""
    config = tmp_path / "config.toml"
    config.write_text(
        f'[bus]\npublish = "{free_endpoint()}"\n[metrics]\nlisten = ":0"\n'
        '[[station]]\nname = "a"\ninput = "demo"\n'
    )
    own = Summary()

    def read() -> LoadedConfig:
        return load(str(config), {})

    with Daemon(read(), read, log_events=True, sinks=[own]) as daemon:
        *names, last = daemon._sinks._sinks
        assert [type(sink).__name__ for sink in names] == [
            *("BusSink", "HistorySink", "MetricsServer", "QueueSink", "Watchdog", "EventLog")
        ]
        assert last is own


def test_a_spectrum_goes_only_to_sinks_that_take_one_and_to_a_presenter_that_shows_it() -> None:
    calls: list[str] = []
    asked: list[frozenset[str]] = []
    shown = QueueSink(lossless=False, on_spectrum=asked.append)
    chain = SinkChain([Recorder("history", calls), shown])
    kitchen, bath = SampleStation("kitchen"), SampleStation("bath")
    chain.take(kitchen.spectrum())
    shown.queue.want_spectrum("kitchen")
    wanted = kitchen.spectrum()
    chain.take(wanted)
    chain.take(bath.spectrum())
    shown.queue.want_spectrum(None)
    chain.take(kitchen.spectrum())
    shown.queue.end()
    assert list(shown.queue) == [wanted]
    assert asked == [frozenset(["kitchen"]), frozenset()]
    assert calls == []


def test_what_several_viewers_want_is_joined() -> None:
    watched: list[frozenset[str]] = []
    demand = SpectrumDemand(watched.append)
    demand.want("bus", frozenset(["kitchen"]))
    demand.want("dashboard", frozenset(["bath"]))
    demand.want("bus", frozenset())
    demand.want("dashboard", frozenset())
    assert [sorted(names) for names in watched] == [["kitchen"], ["bath", "kitchen"], ["bath"], []]
