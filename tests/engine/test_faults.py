"""What goes wrong at one station, or in one call, ends nothing else."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.audio import MemorySource, music
from support.live import until

from streamgenre.daemon.sinks import Sink, SinkChain
from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import BusError
from streamgenre.events import AnyEvent, SourceChange, Update
from streamgenre.inference.models import load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RATE = 16_000
BROKEN: dict[str, Callable[[Any], tuple[Any, str]]] = {
    "model": lambda runner: (runner.model, "probabilities"),
    "decision": lambda runner: (runner.decider, "step"),
    "dead air": lambda runner: (runner.policy, "hop"),
    "update": lambda runner: (runner.report, "update"),
    "change of the source": lambda runner: (runner.report, "source"),
    "features": lambda runner: (runner.station, "pull"),
    "watch": lambda runner: (runner.watch, "check"),
}


class Tap(MemorySource):
    """A live source that delivers music until it is stopped."""

    real_time = live = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._over = threading.Event()
        self._block = music(0.1, rate=RATE)

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            self.feed([self._block])


class Running:
    def __init__(self, model: Path, sink: Sink | None = None) -> None:
        self.events: list[AnyEvent] = []
        self.failed: list[str] = []
        self.turn: Callable[[], None] = lambda: None
        self.raised: list[BaseException] = []
        publish = self.events.append if sink is None else sink.take
        self.engine = Engine(
            publish,
            EngineSettings(hop_s=0.2, status_s=0.2),
            on_failure=lambda name, error: self.failed.append(name),
            on_turn=lambda: self.turn(),
        )
        self.model = load_model(str(model))

    @contextmanager
    def listening(self, *names: str) -> Iterator[None]:
        for name in names:
            self.engine.add(name, Tap(name), self.model)
        stop = threading.Event()

        def run() -> None:
            try:
                self.engine.run(stop.is_set)
            except Exception as error:  # noqa: BLE001 - the test looks at it
                self.raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def updates(self, station: str) -> int:
        return sum(isinstance(e, Update) and e.station == station for e in list(self.events))

    def until_more_updates(self, station: str) -> None:
        seen = self.updates(station)
        until(lambda: self.updates(station) > seen + 3, 60)


def failing(*_: object, **__: object) -> Any:
    raise AttributeError("'NoneType' object has no attribute 'resample'")


@pytest.mark.parametrize("part", BROKEN)
def test_a_fault_at_one_station_ends_only_that_one(
    part: str, stateful_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = Running(stateful_folder)
    with running.listening("good", "bad"), caplog.at_level(logging.DEBUG, "streamgenre"):
        until(lambda: running.updates("good") and running.updates("bad"), 60)
        runner = next(r for r in running.engine._runners if r.name == "bad")

        def spoil() -> None:
            owner, name = BROKEN[part](runner)
            if part == "model":  # shared: the fault is in the answer to the bad station
                update = owner.update

                def spoilt(stations: Any, frames: Any) -> Any:
                    return failing() if "bad" in stations else update(stations, frames)

                owner.update = spoilt
            elif part == "change of the source":
                owner.source = failing
                runner.station.source.set_state("lost", "unplugged")
            elif part == "features":
                runner.station._intake.read = failing  # type: ignore[method-assign]
            else:
                replacement = type("Broken", (), {name: staticmethod(failing)})
                field = {"step": "decider", "hop": "policy", "update": "report", "check": "watch"}
                setattr(runner, field[name], _With(owner, replacement, name))

        running.engine.call(spoil)
        until(lambda: running.failed == ["bad"], 60)
        running.until_more_updates("good")
    assert running.raised == []
    details = [
        e.detail for e in running.events if isinstance(e, SourceChange) and e.station == "bad"
    ]
    assert not any("NoneType" in detail for detail in details)
    assert any(
        "NoneType" in (record.exc_text or "") or record.exc_info for record in caplog.records
    )


class _With:
    """An object with one method replaced."""

    def __init__(self, inner: object, replacement: type, name: str) -> None:
        self._inner, self._replacement, self._name = inner, replacement, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._replacement if name == self._name else self._inner, name)


def test_a_call_that_fails_does_not_end_the_loop(stateful_folder: Path) -> None:
    running = Running(stateful_folder)
    with running.listening("kitchen"):
        running.until_more_updates("kitchen")
        running.engine.call(failing)
        running.turn = failing
        running.engine.remove = failing  # type: ignore[method-assign]
        running.until_more_updates("kitchen")
    assert running.raised == []


class Collecting(Sink):
    def __init__(self, events: list[AnyEvent]) -> None:
        self.events = events

    def take(self, event: AnyEvent) -> None:
        self.events.append(event)


class Raising(Sink):
    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = None
        self._error = error

    def take(self, event: AnyEvent) -> None:
        if self.error is not None:
            raise self.error

    def spoil(self) -> None:
        self.error = self._error


def test_a_sink_that_fails_costs_itself_the_event(stateful_folder: Path) -> None:
    events: list[AnyEvent] = []
    raising = Raising(ValueError("out of range float values are not JSON compliant"))
    running = Running(stateful_folder, SinkChain([raising, Collecting(events)]))
    running.events = events
    with running.listening("kitchen"):
        running.until_more_updates("kitchen")
        raising.spoil()
        running.until_more_updates("kitchen")
    assert running.raised == []
    assert running.failed == []


def test_a_failed_bus_ends_the_daemon(stateful_folder: Path) -> None:
    events: list[AnyEvent] = []
    raising = Raising(BusError("the event bus failed: no sockets"))
    running = Running(stateful_folder, SinkChain([Collecting(events), raising]))
    running.events = events
    with running.listening("kitchen", "cellar"):
        running.until_more_updates("kitchen")
        raising.spoil()
        until(lambda: running.raised, 60)
    assert isinstance(running.raised[0], BusError)
