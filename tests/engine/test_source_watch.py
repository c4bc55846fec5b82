"""A source that hangs where it cannot tell is declared lost, reopened, and its gap counted."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pytest
from support.audio import MemorySource, music
from support.live import until

from streamgenre.audio.ring import GapReason, Ring, as_block
from streamgenre.engine import source_watch
from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.events import AnyEvent, Gap, Segment, SourceChange, Status, Update
from streamgenre.inference.models import load_model
from streamgenre.sources.base import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T", bound=AnyEvent)
RATE = 16_000
LOST_AFTER_S = 1.0
WHY = "no audio for 1 s though the source reports none lost"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_watch, "GRACE_S", 0.5)
    monkeypatch.setattr(source_watch, "MAX_ABANDONED", 2)


class Player(Source):
    """A live source that plays in real time, until its thread hangs in a lock."""

    real_time = live = True

    def __init__(self, name: str, *, rate: int = RATE, hangs: bool = False) -> None:
        super().__init__(name)
        self.rate, self.channels = rate, 1
        self.hangs = threading.Event()
        self.free = threading.Event()
        """Set to let a read that hangs return."""
        if hangs:
            self.hangs.set()
        self.interrupted = False
        self._block = as_block(music(0.1, rate=rate))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(0.2)

    def interrupt(self) -> None:
        self.interrupted = True

    def _run(self) -> None:
        self.ring = Ring(10 * self.rate, 1)
        self.set_state("live")
        played = 0
        while not self._over.wait(0.1):
            if self.hangs.is_set() and played >= 5:
                self.free.wait()
            self.ring.write(self._block)
            played += 1


class Interruptible(Player):
    """One whose read can be interrupted: its thread then reports the loss itself."""

    def interrupt(self) -> None:
        super().interrupt()
        self.hangs.clear()
        self.set_state("lost", "interrupted")
        assert self.ring is not None
        self.ring.mark_lost(RATE, GapReason.RECONNECT)
        self.set_state("live")
        self.free.set()


class Running:
    """An engine in a thread, and its events."""

    def __init__(self, model: Path) -> None:
        self.events: list[AnyEvent] = []
        self.model = load_model(str(model))
        settings = EngineSettings(hop_s=0.2, status_s=0.5, lost_after_s=LOST_AFTER_S)
        self.engine = Engine(self.events.append, settings)

    @contextmanager
    def listening(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self.engine.run, args=(stop.is_set,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def add(self, source: Source, reopen: Callable[[], Source] | None = None) -> None:
        self.engine.add(source.name, source, self.model, reopen=reopen)

    def of(self, kind: type[T], station: str = "kitchen") -> list[T]:
        return [e for e in list(self.events) if isinstance(e, kind) and e.station == station]

    def changes(self, station: str = "kitchen") -> list[tuple[str, str]]:
        return [(e.state, e.detail) for e in self.of(SourceChange, station)]


@pytest.fixture
def engine(stateful_folder: Path) -> Running:
    return Running(stateful_folder)


def check_accounts(engine: Running, seconds: float) -> None:
    """Check that stream time never jumps but by the published gap."""
    (gap,) = engine.of(Gap)
    assert gap.reason == "reconnect"
    assert gap.seconds >= seconds
    updates = engine.of(Update)
    assert len({u.session for u in updates}) == 1
    walls = [u.time - u.stream_time for u in updates]
    assert max(walls) - min(walls) < 0.5
    before = [u for u in updates if u.stream_time <= gap.stream_time - gap.seconds + 0.01]
    assert before
    assert all(u.stream_time >= gap.stream_time for u in updates[len(before) :])


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_a_source_that_hangs_is_lost_and_replaced(engine: Running, rate: int) -> None:
    """By one of another rate as well; the old thread is left alone."""
    old, fresh = Player("kitchen", hangs=True), Player("kitchen", rate=rate)
    engine.add(old, lambda: fresh)
    engine.add(Player("cellar"))
    with engine.listening():
        until(lambda: len(engine.of(Update)) > 8, 60)
        assert engine.changes()[:2] == [("live", ""), ("lost", WHY)]
        assert old.interrupted
        written = fresh.ring.written if fresh.ring else 0
        until(lambda: fresh.ring and fresh.ring.written > written + 2 * rate, 60)
        status = engine.of(Status)[-1]
        assert status.source_state == "live"
        old.free.set()
        until(lambda: not old.captures, 60)
    assert [state for state, _ in engine.changes()] == ["live", "lost", "live", "ended"]
    check_accounts(engine, LOST_AFTER_S)
    (gap,) = engine.of(Gap)
    first = engine.of(Segment)[0]
    assert first.end == pytest.approx(gap.stream_time - gap.seconds, abs=0.3)
    last = engine.of(Status)[-1]
    assert last.samples_lost == gap.samples
    assert last.samples > 0.5 * RATE + rate
    assert engine.of(Gap, "cellar") == []
    np.testing.assert_allclose(np.diff([u.stream_time for u in engine.of(Update, "cellar")]), 0.2)


def test_audio_that_comes_again_by_itself_makes_the_station_live(engine: Running) -> None:
    tap = Player("kitchen", hangs=True)
    engine.add(tap)
    with engine.listening():
        until(lambda: ("lost", WHY) in engine.changes(), 60)
        tap.hangs.clear()
        tap.free.set()
        until(lambda: engine.changes()[-1] == ("live", ""), 60)
        seen = len(engine.of(Update))
        until(lambda: len(engine.of(Update)) > seen + 5, 60)
    check_accounts(engine, LOST_AFTER_S)


def test_a_read_that_can_be_interrupted_is_not_replaced(engine: Running) -> None:
    def never() -> Source:
        raise AssertionError

    engine.add(Interruptible("kitchen", hangs=True), never)
    with engine.listening():
        until(lambda: len(engine.changes()) >= 4, 60)
        seen = len(engine.of(Update))
        until(lambda: len(engine.of(Update)) > seen + 5, 60)
    states = [("live", ""), ("lost", WHY), ("lost", "interrupted"), ("live", "")]
    assert engine.changes()[:4] == states
    assert len(engine.of(Gap)) == 1


def test_the_threads_that_hang_are_few_and_the_pauses_grow(engine: Running) -> None:
    opened: list[Player] = []
    at: list[float] = []

    def reopen() -> Source:
        at.append(time.monotonic())
        opened.append(Player("kitchen", hangs=True))
        return opened[-1]

    engine.add(Player("kitchen", hangs=True), reopen)
    engine.add(Player("cellar"))
    with engine.listening():
        until(lambda: engine.engine.stuck, 120)
        assert len(opened) == source_watch.MAX_ABANDONED
        until(lambda: "its reads hang" in engine.changes()[-1][1], 60)
        opened[0].free.set()  # one returns
        until(lambda: len(opened) > source_watch.MAX_ABANDONED, 60)
        first, second = np.diff(at)
        assert second > first
        until(lambda: engine.engine.stuck == [], 60)
        for source in opened:
            source.free.set()
    assert engine.of(Gap, "cellar") == []


def test_files_and_the_demo_may_be_slow(engine: Running) -> None:
    """They lose nothing meanwhile."""
    slow = MemorySource("kitchen").feed([music(0.5, rate=RATE)])
    engine.add(slow)
    engine.add(Player("cellar"))
    with engine.listening():
        until(lambda: len(engine.of(Update, "cellar")) > 5 * 3 * LOST_AFTER_S, 60)
        assert engine.changes() == [("live", "")]
        slow.feed([music(0.5, rate=RATE)])
        until(lambda: engine.of(Update)[-1].stream_time > 0.9, 60)
    assert engine.of(Gap) == []


def test_a_process_that_was_stopped_finds_no_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = source_watch.TurnClock()
    now = time.monotonic() + 3600
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert clock.turn() <= source_watch.LONGEST_TURN_S
