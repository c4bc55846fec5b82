"""Many stations in one engine: none waits for another, and they come and go while it runs."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.audio import MemorySource, music
from support.live import until

from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import InputError, StreamgenreError
from streamgenre.events import AnyEvent, Segment, SourceChange, Status, Update
from streamgenre.inference.models import load_model
from streamgenre.sources.deferred import DeferredSource
from streamgenre.sources.paced import PacedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from streamgenre.inference.model import Model
    from streamgenre.inference.output import Output
    from streamgenre.sources.base import Source

RATE = 16_000
HOP_S = 0.2


def playing(name: str, *, delay: float = 0.0, seconds: float = 60) -> PacedSource:
    """A station that plays at the pace of a clock, in blocks of 20 ms."""
    samples = music(min(seconds, 60), rate=RATE)

    def blocks() -> Iterator[np.ndarray]:
        time.sleep(delay)
        yield from np.split(samples[:, None], range(320, len(samples), 320))

    return PacedSource(name, RATE, 1, blocks(), real_time=True)


class Running:
    """An engine at work in a thread."""

    def __init__(self, folder: Path, sources: Sequence[Source], **settings: Any) -> None:
        self.events: list[AnyEvent] = []
        self.failures: list[tuple[str, Exception]] = []
        self.model: Model = load_model(str(folder), trusted=True)
        self.engine = Engine(
            self.events.append,
            EngineSettings(**{"hop_s": HOP_S} | settings),
            on_failure=lambda name, error: self.failures.append((name, error)),
        )
        for source in sources:
            self.engine.add(source.name, source, self.model)
        self._stop = threading.Event()
        self._raised: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.engine.run(self._stop.is_set)
        except StreamgenreError as error:
            self._raised.append(error)

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self._raised:
            raise self._raised[0]

    def call(self, function: Callable[[], None]) -> None:
        done = threading.Event()
        self.engine.call(function)
        self.engine.call(done.set)
        assert done.wait(60)

    def updates(self, station: str) -> list[Update]:
        return [e for e in list(self.events) if isinstance(e, Update) and e.station == station]

    def states(self, station: str) -> list[str]:
        return [
            e.state
            for e in list(self.events)
            if isinstance(e, SourceChange) and e.station == station
        ]


def check_unbroken(updates: list[Update]) -> None:
    """Check that no update is missing."""
    assert len({u.session for u in updates}) == 1
    assert [u.seq for u in updates] == list(range(len(updates)))
    hops = np.diff([u.stream_time for u in updates])
    np.testing.assert_allclose(hops, HOP_S, atol=1e-6)


def test_adding_and_removing_stations_does_not_affect_others(stateful_folder: Path) -> None:
    with Running(stateful_folder, [playing("stays"), playing("goes")]) as daemon:
        until(lambda: len(daemon.updates("goes")) > 3)
        daemon.call(lambda: daemon.engine.remove("goes"))
        daemon.call(lambda: daemon.engine.add("comes", playing("comes"), daemon.model))
        until(lambda: len(daemon.updates("comes")) > 3)

        def replace() -> None:
            again = lambda: daemon.engine.add("comes", playing("comes"), daemon.model)  # noqa: E731
            daemon.engine.remove("comes")
            daemon.engine.remove("comes", again)  # while it is stopping

        daemon.call(replace)
        until(lambda: len({u.session for u in daemon.updates("comes")}) == 2)
        assert daemon.states("goes") == ["live", "ended"]
        gone = len(daemon.updates("goes"))
        assert [s["station"] for s in daemon.engine.describe()["stations"]] == ["stays", "comes"]
    assert len(daemon.updates("goes")) == gone
    check_unbroken(daemon.updates("stays"))
    ends = [e.TYPE for e in daemon.events if e.station == "goes"][-3:]
    assert ends == ["segment", "source", "status"]
    assert daemon.states("comes") == ["live", "ended", "live", "ended"]
    last = {e.session: e for e in daemon.events if isinstance(e, Status)}.values()
    # A station that is replaced, or ends with the daemon, was not removed.
    final_states = sorted((status.station, status.removed) for status in last)
    assert final_states == [("comes", False), ("comes", False), ("goes", True), ("stays", False)]
    assert [e.removed for e in daemon.events if isinstance(e, Status)].count(True) == 1


class Stubborn(MemorySource):
    """Takes long to stop, like FFmpeg while it waits for a server."""

    def __init__(self, name: str, released: threading.Event) -> None:
        super().__init__(name)
        self.released = released

    def stop(self) -> None:
        self.released.wait(600)


def test_a_source_that_does_not_stop_delays_no_other_station(stateful_folder: Path) -> None:
    released = threading.Event()
    stubborn, again = (
        Stubborn(name, released).feed([music(2, rate=RATE)]) for name in ("stubborn", "again")
    )
    with Running(stateful_folder, [playing("stays"), stubborn]) as daemon:
        until(lambda: daemon.updates("stubborn"))
        daemon.call(lambda: daemon.engine.remove("stubborn"))
        until(lambda: daemon.states("stubborn")[-1] == "ended")
        daemon.call(lambda: daemon.engine.add("again", again, daemon.model))
        until(lambda: daemon.updates("again"))
    released.set()  # all has ended before
    check_unbroken(daemon.updates("stays"))


def test_a_failed_station_is_reported_and_the_others_continue(stateful_folder: Path) -> None:
    broken = MemorySource("broken").feed([music(1, rate=RATE)])
    broken.failure = InputError("the file breaks off")
    broken.end()
    odd = MemorySource("odd").feed([music(1, rate=RATE)])
    odd.rate = 0  # a defect of ours that the station's stages cannot handle

    def missing() -> Source:
        raise InputError("no such file")

    opening = DeferredSource("missing", missing, waits=False)
    sources = [playing("stays"), broken, odd, opening]
    with Running(stateful_folder, sources) as daemon:
        until(lambda: len(daemon.failures) == 3)
        seen = len(daemon.updates("stays"))
        until(lambda: len(daemon.updates("stays")) > seen + 3)
    assert {name for name, _ in daemon.failures} == {"broken", "odd", "missing"}
    assert isinstance(dict(daemon.failures)["odd"], ZeroDivisionError)
    for name in ("broken", "odd", "missing"):
        assert daemon.states(name)[-1] == "ended"
    check_unbroken(daemon.updates("stays"))


def test_the_engine_fails_if_all_stations_fail(stateful_folder: Path) -> None:
    def missing() -> Source:
        raise InputError("no such file")

    sources = [DeferredSource(name, missing, waits=False) for name in ("a", "b")]
    with (
        pytest.raises(InputError, match=r"all 2 stations have failed.*no such file"),
        Running(stateful_folder, sources) as daemon,
    ):
        until(lambda: len(daemon.failures) == 2)


def test_a_model_failure_affects_only_its_station(stateful_folder: Path) -> None:
    with Running(stateful_folder, [playing("good"), playing("bad")]) as daemon:
        update = daemon.model.update

        def spoilt(stations: Sequence[str], frames: Sequence[Any]) -> Output:
            output = update(stations, frames)
            if "bad" in stations:
                output.logits[list(stations).index("bad")] = np.nan
            return output

        daemon.model.update = spoilt  # type: ignore[method-assign]
        until(lambda: daemon.failures)
        seen = len(daemon.updates("good"))
        until(lambda: len(daemon.updates("good")) > seen + 3)
    ((name, error),) = daemon.failures
    assert name == "bad"
    assert "not numbers" in str(error)
    check_unbroken(daemon.updates("good"))


def test_a_missing_input_is_waited_for(
    stateful_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamgenre.sources.deferred.RETRY_S", (0.05, 0.1))
    there = threading.Event()
    hanging = threading.Event()

    def late() -> Source:
        if not there.is_set():
            raise InputError("no device 'late'")
        return playing("late")

    def never() -> Source:
        hanging.wait(600)
        raise InputError("gave up")

    sources = [
        playing("stays"),
        DeferredSource("late", late, waits=True),
        DeferredSource("hangs", never, waits=True),
    ]
    with Running(stateful_folder, sources) as daemon:
        until(lambda: daemon.states("late") == ["connecting"])
        until(lambda: len(daemon.updates("stays")) > 3)
        there.set()
        until(lambda: daemon.updates("late"))
    hanging.set()  # all has ended before
    assert daemon.states("late") == ["connecting", "live", "ended"]
    check_unbroken(daemon.updates("stays"))


def test_hops_are_batched_into_shared_model_runs(stateful_folder: Path) -> None:
    # A hop every 20 ms: two or three in a batch; without batching nearly each is alone.
    sources = [playing(f"s{i:02}", delay=i * 0.02, seconds=5) for i in range(20)]
    with Running(stateful_folder, sources, hop_s=1.0, duration_s=4) as daemon:
        batches: list[int] = []
        update = daemon.model.update

        def watched(stations: Sequence[str], frames: Sequence[Any]) -> Output:
            batches.append(len(stations))
            return update(stations, frames)

        daemon.model.update = watched  # type: ignore[method-assign]
        until(lambda: all(len(daemon.updates(s.name)) == 4 for s in sources))
    assert sum(batches) == 80
    assert np.mean(batches) > 1.5
    last = {e.station: e for e in daemon.events if isinstance(e, Status)}
    assert len(last) == 20
    assert all(e.latency_ms for e in last.values())
    assert all(isinstance(e, Segment) for e in daemon.events if e.TYPE == "segment")


def test_a_hop_may_be_longer_than_the_ring(stateful_folder: Path) -> None:
    samples = np.tile(music(30, rate=RATE), 2)[:, None]
    blocks = iter(np.split(samples, 60))
    source = PacedSource("long", RATE, 1, blocks, pace="fast", real_time=False)
    with Running(stateful_folder, [source], hop_s=12.0) as daemon:
        until(lambda: len(daemon.updates("long")) == 5)
