from __future__ import annotations

import math

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from streamgenre.audio.level import LevelMeter, sanitise
from streamgenre.audio.resample import QUALITY, Resampler

# ---- level --------------------------------------------------------------------------------------


def test_level_of_known_signals() -> None:
    meter = LevelMeter()
    meter.push(np.ones(1000, np.float32))
    assert meter.read() == pytest.approx(0.0)
    meter.push(np.sin(2 * np.pi * np.arange(16_000) / 160).astype(np.float32))
    assert meter.read() == pytest.approx(-3.0103, abs=1e-3)
    meter.push(np.zeros(1000, np.float32))
    assert meter.read() == -math.inf
    assert meter.read() == -math.inf  # an empty block has no level either


def test_level_does_not_depend_on_the_block_split(rng: np.random.Generator) -> None:
    signal = rng.standard_normal(10_000).astype(np.float32)
    whole, parts = LevelMeter(), LevelMeter()
    whole.push(signal)
    for part in np.split(signal, [1, 5, 700, 701, 9000]):
        parts.push(part)
    assert whole.read() == pytest.approx(parts.read(), abs=1e-5)


@given(st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), max_size=40))
def test_invalid_samples_are_replaced_and_counted(values: list[float]) -> None:
    samples = np.array(values, np.float32)
    expected = sum(1 for v in values if not abs(v) <= 100)
    good = [v for v in values if abs(v) <= 100]
    assert sanitise(samples) == expected
    assert np.all(np.abs(samples) <= 100)
    assert np.count_nonzero(samples) == np.count_nonzero(good)


# ---- resampling ---------------------------------------------------------------------------------


@given(
    rate=st.sampled_from([8_000, 22_050, 44_100, 48_000, 96_000]),
    cuts=st.lists(st.integers(0, 20_000), max_size=8),
)
def test_resampling_in_pieces_equals_the_whole(rate: int, cuts: list[int]) -> None:
    signal = np.random.default_rng(3).standard_normal(20_000).astype(np.float32)
    whole = soxr.resample(signal, rate, 16_000, quality=QUALITY)
    resampler = Resampler(rate, 16_000)
    for _ in range(2):  # flush() resets the stream
        pieces = [resampler.push(piece) for piece in np.split(signal, sorted(cuts))]
        got = np.concatenate([*pieces, resampler.flush()])
        assert abs(len(got) - len(whole)) <= 1
        n = min(len(got), len(whole))
        np.testing.assert_allclose(got[:n], whole[:n], atol=1e-5)
    assert len(resampler.flush()) == 0


@given(
    rate=st.sampled_from([8_000, 11_025, 32_000, 44_100, 48_000, 192_000]),
    pieces=st.lists(st.integers(1, 30_000), min_size=1, max_size=30),
)
def test_what_has_come_out_depends_only_on_what_went_in(rate: int, pieces: list[int]) -> None:
    resampler = Resampler(rate, 16_000)
    taken = given_ = 0
    for size in pieces:
        given_ += len(resampler.push(np.zeros(size, np.float32)))
        taken += size
        assert given_ == max(0, taken * 16_000 // rate - resampler.delay)


def test_resampled_sample_k_stands_for_time_k_over_rate() -> None:
    times = np.arange(44_100) / 44_100
    signal = np.sin(2 * np.pi * 440 * times).astype(np.float32)
    resampler = Resampler(44_100, 16_000)
    got = np.concatenate([resampler.push(signal), resampler.flush()])
    expected = np.sin(2 * np.pi * 440 * np.arange(len(got)) / 16_000)
    np.testing.assert_allclose(got[1000:-1000], expected[1000:-1000], atol=2e-4)


def test_equal_rates_pass_through() -> None:
    signal = np.arange(5, dtype=np.float32)
    resampler = Resampler(16_000, 16_000)
    assert resampler.push(signal) is signal
    assert len(resampler.flush()) == 0
