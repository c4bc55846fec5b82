from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgenre.audio.loudness import LoudnessMeter


def ebur128(samples: np.ndarray, rate: int) -> float:
    """Short-term loudness at the end, by FFmpeg's filter."""
    layout = {1: "mono", 2: "stereo"}[samples.shape[1]]
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=rate, format="fltp", layout=layout, time_base=Fraction(1, rate)
    )
    meter = graph.add("ebur128", "metadata=1:framelog=quiet")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples.T), format="fltp", layout=layout
    )
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    graph.push(frame)
    graph.push(None)
    last = math.nan
    while True:
        try:
            last = float(graph.pull().metadata["lavfi.r128.S"])
        except (av.BlockingIOError, av.EOFError):
            return last


def programme(rate: int, channels: int, seed: int, seconds: float = 4.0) -> np.ndarray:
    """Noise whose colour, level and balance vary, with a tone in the bass."""
    rng = np.random.default_rng(seed)
    n = int(rate * seconds)
    white = rng.normal(0, 1, (n, channels))
    brown = np.cumsum(white, axis=0)
    brown -= brown.mean(axis=0)
    mix = rng.uniform(0, 1)
    sound = mix * white + (1 - mix) * brown / np.abs(brown).max()
    bass = np.sin(2 * np.pi * rng.uniform(40, 90) * np.arange(n) / rate)[:, None]
    swell = 1 + 0.8 * np.sin(np.arange(n)[:, None] / rate * 2 * np.pi * 0.7)
    return np.asarray((sound + bass) * swell * rng.uniform(0.001, 0.1, channels), np.float32)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_loudness_is_that_of_an_independent_meter(rate: int, channels: int) -> None:
    for seed in range(6):
        samples = programme(rate, channels, seed)
        meter = LoudnessMeter(rate, channels)
        meter.push(samples)
        found = meter.loudness()
        assert found is not None
        # The 3 s are whole blocks, which need not end with the signal.
        assert found == pytest.approx(ebur128(samples, rate), abs=0.06)


def test_the_reference_tone_reads_its_level() -> None:
    t = np.arange(4 * 48_000) / 48_000
    tone = (10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)
    stereo = LoudnessMeter(48_000, 2)
    stereo.push(np.stack([tone, tone], axis=1))
    # EBU Tech 3341, test 1: a stereo sine of 1 kHz and -23 dBFS is -23 LUFS.
    assert stereo.loudness() == pytest.approx(-23.0, abs=0.1)


@given(st.lists(st.integers(0, 12_000), max_size=12))
def test_any_split_into_blocks_reads_the_same(cuts: list[int]) -> None:
    samples = programme(4_000, 2, 1)
    whole, cut = LoudnessMeter(4_000, 2), LoudnessMeter(4_000, 2)
    whole.push(samples)
    for start, end in pairwise([0, *sorted(cuts), len(samples)]):
        cut.push(samples[start:end])
    assert cut.loudness() == whole.loudness()
    assert cut.peak() == whole.peak()


def test_peak_is_of_any_channel_and_either_sign_since_the_last_reading() -> None:
    meter = LoudnessMeter(8_000, 2)
    meter.push(np.array([[0.1, 0.2], [0.0, -0.5]], np.float32))
    assert meter.peak() == pytest.approx(20 * math.log10(0.5))
    assert meter.peak() == -math.inf


def test_silence_and_the_first_three_seconds_have_no_loudness() -> None:
    meter = LoudnessMeter(8_000, 1)
    meter.push(programme(8_000, 1, 2, seconds=2.9))
    assert meter.loudness() is None
    meter.push(programme(8_000, 1, 2, seconds=0.2))
    assert meter.loudness() is not None
    meter.reset()
    assert meter.loudness() is None
    meter.push(np.zeros((8_000 * 4, 1), np.float32))
    assert meter.loudness() is None
