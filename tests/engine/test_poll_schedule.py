from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import pytest
from support.audio import MemorySource

from streamgenre.engine.engine import Engine
from streamgenre.engine.poll_schedule import (
    CHUNK_S,
    EAGER_S,
    FAST_POLL_S,
    LONGEST_IDLE_S,
    LONGEST_POLL_S,
    NEAR_S,
    POLL_S,
    PollSchedule,
    shortest_pause_s,
)
from streamgenre.engine.scheduler import Scheduler
from streamgenre.engine.settings import EngineSettings
from streamgenre.inference.models import load_model
from streamgenre.sources.stream.radio import RadioSource

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.sources.base import Source

HOP_S = 1.0


class Station:
    """A schedule whose first hop came at the expected time, at ``now``."""

    def __init__(self, *, real_time: bool) -> None:
        self.schedule = PollSchedule()
        self.real_time = real_time
        self.now = time.monotonic() + 100
        self.poll(0.0, hop_complete=True, due_s=HOP_S)

    def poll(self, after_s: float, *, hop_complete: bool = False, due_s: float) -> float:
        """Poll after some seconds; return the pause that follows."""
        self.now += after_s
        self.schedule.polled(
            self.now,
            hop_complete=hop_complete,
            due_s=due_s,
            hop_s=HOP_S,
            real_time=self.real_time,
        )
        return self.schedule.next_poll - self.now


@pytest.mark.parametrize(
    ("due_s", "pause_s"),
    [
        (60.0, LONGEST_POLL_S),
        (CHUNK_S + LONGEST_POLL_S + 0.01, LONGEST_POLL_S),
        (0.4, 0.4 - CHUNK_S),  # the rest may come in one block
        (CHUNK_S + NEAR_S - 0.01, NEAR_S),
        (0.2, NEAR_S),
        (0.03, 0.03),
        (0.001, POLL_S),
        (-0.5, POLL_S),
    ],
)
def test_the_pause_follows_the_missing_audio(due_s: float, pause_s: float) -> None:
    station = Station(real_time=True)
    assert station.poll(0.3, due_s=due_s) == pytest.approx(pause_s, abs=1e-6)


def test_a_source_that_no_clock_paces_is_polled_after_a_shorter_pause() -> None:
    assert shortest_pause_s(real_time=True) == POLL_S > shortest_pause_s(real_time=False)
    station = Station(real_time=False)
    assert station.poll(0.3, due_s=0.0005) == pytest.approx(FAST_POLL_S, abs=1e-6)
    assert station.poll(0.3, due_s=0.2) == pytest.approx(NEAR_S, abs=1e-6)


@pytest.mark.parametrize(
    ("real_time", "due_s", "at_once"),
    [(True, -0.1, True), (True, 0.0, True), (True, 0.9, False), (False, 0.9, True)],
)
def test_a_hop_that_may_be_complete_already_is_polled_for_at_once(
    real_time: bool, due_s: float, at_once: bool
) -> None:
    station = Station(real_time=real_time)
    pause = station.poll(1.0, hop_complete=True, due_s=due_s)
    assert pause == pytest.approx(0.0 if at_once else LONGEST_POLL_S, abs=1e-6)


def test_after_an_early_hop_the_next_one_is_expected_at_once_for_a_while() -> None:
    station = Station(real_time=True)
    assert station.poll(0.2, hop_complete=True, due_s=0.9) == pytest.approx(POLL_S, abs=1e-6)
    assert station.poll(EAGER_S - 0.01, due_s=0.9) == pytest.approx(POLL_S, abs=1e-6)
    assert station.poll(0.02, due_s=0.9) == pytest.approx(LONGEST_POLL_S, abs=1e-6)


def test_hops_are_early_by_the_time_since_the_last_one() -> None:
    station = Station(real_time=True)
    for since_last in (0.6, 1.0, 0.6):  # jitter of the arrivals
        pause = station.poll(since_last, hop_complete=True, due_s=0.9)
        assert pause == pytest.approx(LONGEST_POLL_S, abs=1e-6)
    assert station.poll(0.4, hop_complete=True, due_s=0.9) == pytest.approx(POLL_S, abs=1e-6)


def test_a_station_that_notifies_is_not_polled_before_its_next_hop() -> None:
    schedule = PollSchedule()
    schedule.polled(
        0.0, hop_complete=True, due_s=0.98, hop_s=HOP_S, real_time=True, notifies=True
    )  # fmt: skip
    assert schedule.next_poll > HOP_S


def test_an_engine_whose_sources_all_notify_turns_less_often(stateful_folder: Path) -> None:
    def pause_s(*sources: Source) -> float:
        engine = Engine(lambda event: None, EngineSettings())
        for source in sources:
            engine.add(source.name, source, load_model(str(stateful_folder), trusted=True))
        scheduler = Scheduler(engine.runners, HOP_S)
        for runner in engine.runners:
            runner.schedule.next_poll = math.inf
        return scheduler.pause_s()

    assert pause_s(RadioSource("http://127.0.0.1:1/")) == LONGEST_IDLE_S > LONGEST_POLL_S
    assert pause_s(RadioSource("http://127.0.0.1:1/"), MemorySource()) == LONGEST_POLL_S
    assert pause_s() == LONGEST_POLL_S
