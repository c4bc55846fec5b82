"""Wall time of sample positions over simulated hours and days."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples

from streamgenre.audio import clock as clock_module
from streamgenre.audio.clock import MAX_SLEW_S, STEP_S, WINDOW_S, StreamClock, wall_offset

RATE = 16_000
EPOCH = 1.7e9


def test_three_days_of_a_card_that_is_100_ppm_fast(rng: np.random.Generator) -> None:
    clock = StreamClock(RATE)
    worst, drifts = 0.0, []
    for second in range(0, 3 * 86_400, 3):
        position = int(second * RATE * (1 + 100e-6))
        late = float(rng.exponential(0.01)) + (0.5 if rng.random() < 0.001 else 0)
        clock.observe(position, second + late, EPOCH)
        worst = max(worst, abs(clock.time_of(position) - (EPOCH + second)))
        drifts.append(clock.drift_ppm)
    assert worst < 0.1  # without correction it would be 26 s
    assert drifts[80] is None
    assert drifts[-1] == pytest.approx(100, abs=1)
    assert all(drift == pytest.approx(100, abs=20) for drift in drifts[133:])
    # More digits would mean nothing.
    assert drifts[-1] in {round(99 + tenth / 10, 1) for tenth in range(21)}
    assert clock.steps == 0


@given(
    ppm=st.floats(-500, 500),
    jitter_s=st.floats(0, 0.05),
    steps=st.lists(st.tuples(st.integers(60, 3500), st.floats(-90_000, 90_000)), max_size=4),
    stalls=st.lists(st.tuples(st.integers(60, 3500), st.integers(1, 30)), max_size=4),
    seed=st.integers(0, 1000),
)
@examples(15)
def test_wall_time_always_stays_within_half_a_second(
    ppm: float,
    jitter_s: float,
    steps: list[tuple[int, float]],
    stalls: list[tuple[int, int]],
    seed: int,
) -> None:
    """An hour with a wrong card rate, late blocks, a stalled daemon and a clock change."""
    rng = np.random.default_rng(seed)
    clock = StreamClock(RATE)
    offset, before, slew, jumps = EPOCH, 0.0, 0.0, 0
    for second in np.arange(0, 3600, 0.25):
        arrived = second + float(rng.exponential(jitter_s))
        for began, length in sorted(stalls):  # all blocks of a stall are read at its end
            if began <= arrived < began + length:
                arrived = float(began + length)
        arrived = max(arrived, before)
        stepped = sum(by for at, by in steps if at <= arrived)
        position = int(second * RATE * (1 + ppm * 1e-6))
        anchor = clock.time_of(0) - offset if clock.anchored else None
        jumps += anchor is not None and abs(EPOCH + stepped - offset) > STEP_S
        offset = EPOCH + stepped
        clock.observe(position, arrived, offset)
        assert abs(clock.time_of(position) - (offset + second)) < 0.5
        if anchor is not None:
            slew += abs(clock.time_of(0) - offset - anchor)
        before = arrived
    assert clock.steps == jumps
    assert slew <= MAX_SLEW_S * (3600 / WINDOW_S + 1) + 0.1 * len(steps)  # slow between steps


def test_a_clock_change_is_followed_at_once_and_reported() -> None:
    clock = StreamClock(100)
    clock.observe(100, 1.0, EPOCH)
    clock.observe(200, 2.0, EPOCH + 3600)
    assert clock.time_of(200) == pytest.approx(EPOCH + 3602, abs=1e-3)
    clock.observe(300, 3.0, EPOCH)
    assert clock.time_of(300) == pytest.approx(EPOCH + 3, abs=1e-3)
    assert clock.steps == 2


def test_a_stalled_process_does_not_move_the_clock() -> None:
    clock = StreamClock(100)
    for second in range(300):
        late = 60.0 - second % 60 if second % 60 >= 40 else 0.0  # then a burst
        clock.observe(100 * second, second + late, EPOCH)
    assert clock.time_of(30_000) == pytest.approx(EPOCH + 300, abs=0.01)


def test_unreported_missing_samples_are_accepted_after_two_seconds() -> None:
    clock = StreamClock(100)
    for second in range(10):
        clock.observe(100 * second, second, EPOCH)
    for second in range(10, 14):
        clock.observe(100 * second, second + 7, EPOCH)
    assert clock.time_of(1400) == pytest.approx(EPOCH + 21, abs=1e-3)


@pytest.mark.parametrize(("early_s", "moved_s"), [(0.3, 0.0), (0.5, 0.5)])
def test_samples_that_come_earlier_than_they_could_have_move_the_clock_at_once(
    early_s: float, moved_s: float
) -> None:
    clock = StreamClock(100)
    for second in range(10):
        clock.observe(100 * second, second, EPOCH)
    clock.observe(1100, 11 - early_s, EPOCH)
    assert clock.time_of(0) == pytest.approx(EPOCH - moved_s, abs=1e-3)


@pytest.mark.parametrize(("late_s", "moved_s"), [(0.3, 0.0), (0.5, 0.5)])
def test_small_lateness_is_left_to_the_next_window(late_s: float, moved_s: float) -> None:
    clock = StreamClock(100)
    for second in range(10):
        clock.observe(100 * second, second, EPOCH)
    for second in range(10, 20):
        clock.observe(100 * second, second + late_s + (0.0 if second % 2 else 0.1), EPOCH)
    assert clock.time_of(0) == pytest.approx(EPOCH + moved_s, abs=1e-3)


@pytest.mark.parametrize("late", [(7.2, 7.0, 7.9, 7.4), (7.0, 7.3, 7.1, 7.4)])
def test_a_late_stream_moves_the_clock_by_the_least_lateness(late: tuple[float, ...]) -> None:
    clock = StreamClock(100)
    for second in range(10):
        clock.observe(100 * second, second, EPOCH)
    for number, seconds in enumerate(late):
        clock.observe(1000 + 50 * number, 10 + 0.5 * number + seconds, EPOCH)
    assert clock.time_of(1000) == pytest.approx(EPOCH + 10, abs=1e-3)  # not yet accepted
    clock.observe(1400, 14 + 7.8, EPOCH)
    assert clock.time_of(1000) == pytest.approx(EPOCH + 17, abs=1e-3)


def test_the_correction_of_a_window_is_its_least_lateness() -> None:
    clock = StreamClock(100)
    clock.observe(0, 0.0, EPOCH)
    for second in range(1, 31):
        clock.observe(100 * second, second + (0.02 if second == 15 else 0.3), EPOCH)
    clock.observe(3100, 31.3, EPOCH)
    assert clock.time_of(0) == pytest.approx(EPOCH + 0.02, abs=1e-6)


def test_one_window_corrects_by_at_most_a_twentieth_of_a_second() -> None:
    clock = StreamClock(100)
    clock.observe(0, 0.0, EPOCH)
    for second in range(1, 32):
        clock.observe(100 * second, second + 0.2, EPOCH)
    assert clock.time_of(0) == pytest.approx(EPOCH + 0.05, abs=1e-6)


def test_the_drift_is_measured_across_a_setting_of_the_clock() -> None:
    clock = StreamClock(RATE)
    for second in range(600):
        clock.observe(round(second * RATE * (1 + 50e-6)), second, EPOCH + 3600 * (second >= 200))
    assert clock.steps == 1
    assert clock.drift_ppm == pytest.approx(50, abs=1)


def test_a_gap_restarts_the_drift_measurement() -> None:
    clock = StreamClock(RATE)
    for second in range(280):
        clock.observe(second * RATE, second, EPOCH)
    clock.interrupted()
    for second in range(280, 560):
        clock.observe(second * RATE + 400, second, EPOCH)
    assert clock.drift_ppm is None  # one stretch would do, had it no gap
    for second in range(560, 700):
        clock.observe(second * RATE + 400, second, EPOCH)
    assert clock.drift_ppm == pytest.approx(0, abs=0.5)


def test_the_offset_is_not_read_across_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([10.0, 70.0, 70.0001, 70.0002])  # stopped for a minute between the first two
    system = SimpleNamespace(monotonic=lambda: next(readings), time=lambda: EPOCH)
    monkeypatch.setattr(clock_module, "time", system)
    assert wall_offset() == pytest.approx(EPOCH - 70.0002, abs=1e-3)


def test_the_offset_is_that_of_this_machine() -> None:
    assert wall_offset() == pytest.approx(time.time() - time.monotonic(), abs=2)


def test_there_is_no_time_before_an_anchor() -> None:
    with pytest.raises(RuntimeError, match="anchor"):
        StreamClock(100).time_of(0)
