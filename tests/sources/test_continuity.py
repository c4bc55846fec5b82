"""Unreported losses, found by the clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples

from streamgenre.sources.device.continuity import CONFIRM_S, LOSS_S, Continuity

RATE, BLOCK = 48_000, 1536


@given(
    ppm=st.floats(-500, 500),
    jitter_s=st.floats(0, 0.03),
    held_up=st.lists(st.tuples(st.integers(50, 1500), st.floats(0, 3)), max_size=3),
    lost=st.dictionaries(st.integers(100, 1500), st.floats(0.5, 5), max_size=3),
    seed=st.integers(0, 999),
)
@examples(20)
def test_every_loss_is_counted_and_nothing_else(
    ppm: float,
    jitter_s: float,
    held_up: list[tuple[int, float]],
    lost: dict[int, float],
    seed: int,
) -> None:
    """A minute and a half with a wrong card rate, late blocks, bursts after a stall, and losses."""
    rng = np.random.default_rng(seed)
    continuity = Continuity(RATE)
    reported = not held_up  # a reported loss is counted at once, without waiting for the burst
    captured, before, free_at, found = 0.0, 0.0, 0.0, 0
    for number, jitter in enumerate(rng.exponential(jitter_s, 2800)):
        overflowed = reported and number in lost
        captured += BLOCK / (RATE * (1 + ppm * 1e-6)) + lost.get(number, 0.0)
        free_at = max([free_at, *(captured + for_s for at, for_s in held_up if at == number)])
        arrived = max(before, free_at, captured + float(jitter))
        found += continuity.missing(BLOCK, arrived, overflowed=overflowed)
        before = arrived
    expected = sum(lost.values()) * RATE
    assert found == pytest.approx(expected, abs=RATE * LOSS_S * (1 + len(lost)))
    if not lost:
        assert found == 0


def test_samples_that_the_daemon_could_not_take_are_counted_once() -> None:
    continuity = Continuity(RATE)
    arrived, found = 0.0, 0
    for number in range(400):
        reported = 10 * BLOCK if number == 200 else 0
        arrived += (BLOCK + reported) / RATE
        found += continuity.missing(BLOCK, arrived, dropped=reported, overflowed=False)
    assert found == 10 * BLOCK


def test_an_unreported_loss_is_counted_after_a_second() -> None:
    continuity = Continuity(RATE)
    arrived = 0.0
    for number in range(100):
        arrived = (number + 1) * BLOCK / RATE
        assert continuity.missing(BLOCK, arrived, overflowed=False) == 0
    began = arrived = arrived + 2
    while not (missing := continuity.missing(BLOCK, arrived, overflowed=False)):
        arrived += BLOCK / RATE
        assert arrived - began < CONFIRM_S + 0.1
    assert missing == pytest.approx(2 * RATE - BLOCK, abs=RATE / 100)
