"""The stream of MFCC frames against python_speech_features on the whole signal."""

from __future__ import annotations

import dataclasses
import itertools
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pytest
import python_speech_features as psf
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples

from streamgenre.audio.features import EPS, MfccSpec, MfccStream, cepstral_matrix, mel_filterbank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

WINDOW_FUNCTIONS: Final = {"rectangular": np.ones, "hamming": np.hamming, "hann": np.hanning}

MODEL_SPEC: Final = MfccSpec(
    winlen=0.064,
    winstep=0.04,
    numcep=40,
    nfilt=40,
    nfft=1024,
    ceplifter=0,
    append_energy=False,
    winfunc="hann",
)
WIDE_SPEC: Final = MfccSpec(
    winlen=0.032,
    winstep=0.016,
    numcep=160,
    nfilt=160,
    nfft=2048,
    ceplifter=0,
    append_energy=False,
    winfunc="hann",
)
GAPPED_SPEC: Final = MfccSpec(winlen=0.01, winstep=0.03, nfft=256)
"""Frames that do not touch: samples between them belong to none."""

SPECS: Final = {
    "default": MfccSpec(),
    "model": MODEL_SPEC,
    "wide": WIDE_SPEC,
    "gapped": GAPPED_SPEC,
    "no pre-emphasis": MfccSpec(preemph=0.0),
    "padded FFT": MfccSpec(nfft=2048),
    "odd FFT": MfccSpec(nfft=401),
    "narrow": MfccSpec(lowfreq=300.0, highfreq=3400.0, winfunc="hamming"),
    "44.1 kHz": MfccSpec(samplerate=44_100, nfft=1200, nfilt=64, numcep=64),
}

CLIPS: Final = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "music"


def reference(spec: MfccSpec, signal: Floats) -> Floats:
    """All frames of the whole signal, the last one padded, as the oracle has them."""
    if len(signal) == 0:  # the oracle gives no result
        return np.zeros((0, spec.numcep))
    frames: Floats = psf.mfcc(
        signal.astype(np.float64),
        spec.samplerate,
        spec.winlen,
        spec.winstep,
        spec.numcep,
        spec.nfilt,
        spec.nfft,
        spec.lowfreq,
        spec.highfreq,
        spec.preemph,
        spec.ceplifter,
        spec.append_energy,
        WINDOW_FUNCTIONS[spec.winfunc],
    )
    return frames


def pieces(signal: Floats, lengths: Iterable[int]) -> Iterator[Floats]:
    """Cut a signal into blocks of these lengths; the rest is the last block."""
    start = 0
    for length in lengths:
        yield signal[start : start + length]
        start += length
    yield signal[start:]


def streamed(stream: MfccStream, signal: Floats, lengths: Iterable[int]) -> Floats:
    rows = [stream.push(block) for block in pieces(signal, lengths)]
    return np.concatenate([*rows, stream.flush()])


def music(seconds: float, *, rate: int = 16_000, seed: int = 0) -> NDArray[np.float32]:
    """Chords with overtones, drum strokes and hiss, at most full scale."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    out = 0.002 * rng.standard_normal(len(t))
    for beat, start in enumerate(np.arange(0, seconds, 0.5)):
        since = t - start
        on = (since >= 0) & (since < 1.0)
        for note in rng.choice([0, 3, 5, 7, 10, 12], 3, replace=False):
            pitch = 110 * 2 ** (note / 12)
            for overtone in range(1, 9):
                partial = np.sin(2 * np.pi * pitch * overtone * since[on]) / overtone**1.5
                out[on] += 0.07 * partial * np.exp(-3 * since[on])
        drum = rng.standard_normal(on.sum()) if beat % 2 else np.sin(2 * np.pi * 55 * since[on])
        out[on] += 0.3 * drum * np.exp(-30 * since[on])
    return np.clip(out, -1, 1).astype(np.float32)


# --- equal to the oracle -------------------------------------------------------------------------

WindowName = Literal["rectangular", "hamming", "hann"]


@st.composite
def specs(draw: st.DrawFn) -> MfccSpec:
    rate = draw(st.sampled_from([8_000, 11_025, 16_000]))
    length = draw(st.integers(2, 400))
    step = draw(st.integers(1, 600))
    nfilt = draw(st.integers(1, 40))
    low = draw(st.sampled_from([0.0, 20.0, 133.3]))
    names: list[WindowName] = ["rectangular", "hamming", "hann"]
    return MfccSpec(
        samplerate=rate,
        winlen=length / rate,
        winstep=step / rate,
        numcep=draw(st.integers(1, nfilt)),
        nfilt=nfilt,
        nfft=length + draw(st.sampled_from([0, 1, 112, 513])),
        lowfreq=low,
        highfreq=draw(st.sampled_from([None, 3_000.0, rate / 2])),
        preemph=draw(st.sampled_from([0.0, 0.5, 0.97, 1.0])),
        ceplifter=draw(st.sampled_from([0, 1, 7, 22])),
        append_energy=draw(st.booleans()),
        winfunc=draw(st.sampled_from(names)),
    )


@st.composite
def signals(draw: st.DrawFn) -> NDArray[np.float64]:
    """Stretches of noise and of exact digital silence; some empty or of one sample."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stretches = draw(st.lists(st.tuples(st.integers(0, 900), st.booleans()), max_size=5))
    parts = [rng.uniform(-1, 1, n) if loud else np.zeros(n) for n, loud in stretches]
    return np.concatenate([*parts, np.zeros(0)])


cuttings = st.lists(st.sampled_from([0, 1, 2, 7, 100, 512, 1_000, 22_050]), max_size=40)


@examples(300)
@given(specs(), signals(), cuttings)
def test_any_spec_and_any_block_split_equals_the_oracle(
    spec: MfccSpec, signal: NDArray[np.float64], lengths: list[int]
) -> None:
    found = streamed(MfccStream(spec, dtype=np.float64), signal, lengths)
    expected = reference(spec, signal)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("block", [1, 7, 160, 512, 22_050])
def test_blocks_of_one_length_equal_the_oracle(spec: MfccSpec, block: int) -> None:
    signal = np.random.default_rng(block).uniform(-1, 1, 6_000)
    signal[2_000:4_000] = 0  # frames of exact zeros, where only EPS is left
    lengths = itertools.repeat(block, len(signal) // block)
    found = streamed(MfccStream(spec, dtype=np.float64), signal, lengths)
    np.testing.assert_allclose(found, reference(spec, signal), rtol=0, atol=1e-9)


@pytest.mark.parametrize("length", [0, 1, 2, 399, 400, 401, 559, 560, 561])
def test_very_short_signals_equal_the_oracle(length: int) -> None:
    spec = MfccSpec()
    signal = np.random.default_rng(length).uniform(-1, 1, length)
    found = streamed(MfccStream(spec, dtype=np.float64), signal, [])
    expected = reference(spec, signal)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("length", [160, 161, 400, 479, 480, 481])
def test_a_signal_that_ends_between_two_frames(length: int) -> None:
    signal = np.random.default_rng(length).uniform(-1, 1, length)
    found = streamed(MfccStream(GAPPED_SPEC, dtype=np.float64), signal, [150, 1, 100])
    expected = reference(GAPPED_SPEC, signal)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_silence_gives_the_logarithm_of_eps() -> None:
    spec = MfccSpec(ceplifter=0)
    frames = MfccStream(spec).push(np.zeros(16_000, np.float32))
    assert frames.shape == (98, 13)
    np.testing.assert_allclose(frames[:, 0], np.log(EPS), rtol=1e-6)
    np.testing.assert_allclose(frames[:, 1:], 0, atol=1e-4)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_float32_on_music_is_within_a_thousandth(spec: MfccSpec) -> None:
    signal = music(4.0, rate=spec.samplerate)
    found = streamed(MfccStream(spec), signal, [512] * 20)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(spec, signal), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["classical.ogg", "bagpipe.ogg", "beat.ogg"])
def test_float32_on_a_real_recording_is_within_a_thousandth(name: str) -> None:
    av = pytest.importorskip("av")
    clip = CLIPS / name
    if not clip.is_file():
        pytest.skip(f"no corpus of recordings in {CLIPS}")
    resampler = av.AudioResampler("flt", "mono", 16_000)
    with av.open(str(clip)) as container:
        decoded = itertools.islice(container.decode(audio=0), 400)
        parts = [part.to_ndarray()[0] for frame in decoded for part in resampler.resample(frame)]
    signal = np.concatenate(parts)
    for spec in (MfccSpec(), MODEL_SPEC, WIDE_SPEC):
        found = streamed(MfccStream(spec), signal, [16_000] * 3)
        np.testing.assert_allclose(found, reference(spec, signal), rtol=0, atol=1e-3)


def test_float32_does_not_depend_on_the_block_split() -> None:
    signal = music(2.0)
    whole = streamed(MfccStream(MODEL_SPEC), signal, [])
    for block in (1, 441, 512, 16_000):
        cut = streamed(MfccStream(MODEL_SPEC), signal, itertools.repeat(block, 32_000 // block))
        # Not bit for bit: BLAS may add in another order when there are fewer rows.
        np.testing.assert_allclose(cut, whole, rtol=0, atol=1e-4)


def test_a_push_may_exceed_the_scratch_buffer() -> None:
    signal = music(30.0)
    found = streamed(MfccStream(MfccSpec()), signal, [])
    np.testing.assert_allclose(found, reference(MfccSpec(), signal), rtol=0, atol=1e-3)


def test_frames_come_as_soon_as_they_are_complete() -> None:
    stream = MfccStream(MfccSpec())  # 400 samples every 160
    signal = music(0.1)
    counts = [len(stream.push(signal[i : i + 1])) for i in range(len(signal))]
    assert [i + 1 for i, count in enumerate(counts) if count] == list(range(400, 1_601, 160))
    assert set(counts) == {0, 1}


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
def test_other_input_types_and_strides_are_accepted(dtype: type[Any]) -> None:
    stereo = (music(1.0) * 1_000).astype(dtype).repeat(2).reshape(-1, 2)
    plain = np.ascontiguousarray(stereo[:, 0])
    for view, copied in ((stereo[:, 0], plain), (stereo[::-1, 0], plain[::-1].copy())):
        np.testing.assert_array_equal(
            MfccStream(MfccSpec()).push(view), MfccStream(MfccSpec()).push(copied)
        )


def test_push_neither_changes_nor_keeps_its_input() -> None:
    stream, signal = MfccStream(MODEL_SPEC), music(1.0)
    block, kept = signal[:8_000].copy(), signal[:8_000].copy()
    first = stream.push(block)
    before = first.copy()
    np.testing.assert_array_equal(block, kept)
    block[:] = 1e9  # a ring buffer overwrites the memory that it returned
    second = stream.push(signal[8_000:])
    np.testing.assert_array_equal(first, before)  # nor are returned rows overwritten
    np.testing.assert_allclose(
        np.concatenate([first, second]), MfccStream(MODEL_SPEC).push(signal), atol=1e-4
    )


@pytest.mark.parametrize("shape", [(160, 2), (1, 160), ()])
def test_only_mono_is_accepted(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="mono"):
        MfccStream(MfccSpec()).push(np.zeros(shape))


# --- state ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [MfccSpec(), MODEL_SPEC, GAPPED_SPEC], ids=["default", "m", "gap"])
@pytest.mark.parametrize("past", [1, 333, 500, 4_321])
def test_reset_discards_the_past(spec: MfccSpec, past: int) -> None:
    signal = music(0.5, seed=1).astype(np.float64)
    stream = MfccStream(spec, dtype=np.float64)
    stream.push(np.random.default_rng(0).uniform(-1, 1, past))
    stream.reset()
    again = streamed(stream, signal, [100, 100])
    np.testing.assert_array_equal(
        again, streamed(MfccStream(spec, dtype=np.float64), signal, [100, 100])
    )


def test_without_reset_the_past_affects_the_output() -> None:
    signal = music(0.5, seed=1).astype(np.float64)
    stream = MfccStream(MfccSpec(), dtype=np.float64)
    fresh = stream.push(signal)
    carried = stream.push(signal)
    assert len(carried) != len(fresh) or not np.allclose(carried, fresh, atol=1e-3)


def test_flush_starts_a_new_signal() -> None:
    signal = music(0.5).astype(np.float64)
    stream = MfccStream(MfccSpec(), dtype=np.float64)
    first = streamed(stream, signal, [77])
    assert stream.flush().shape == (0, 13)
    np.testing.assert_array_equal(streamed(stream, signal, [77]), first)


@pytest.mark.parametrize("spec", [MODEL_SPEC, GAPPED_SPEC], ids=["model", "gapped"])
def test_memory_does_not_grow_with_uptime(spec: MfccSpec) -> None:
    stream = MfccStream(spec)
    block = music(0.1)
    stream.push(music(1.0))
    stream.push(block)
    tracemalloc.start()
    try:
        stream.push(block)
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(1_000):
            stream.push(block)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    tail = 8 * spec.frame_length  # the overlap that is kept differs from push to push
    assert after - before < tail + 2_000


def test_a_large_block_is_not_kept_alive() -> None:
    stream = MfccStream(MODEL_SPEC)
    stream.push(music(1.0))
    block = music(60.0)
    tracemalloc.start()
    try:
        stream.push(block)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 8 * MODEL_SPEC.frame_length + 4_000
    # The block itself emphasised, and the frames: no FFT memory for the whole of it.
    assert peak < 3 * block.nbytes


# --- tables and settings -------------------------------------------------------------------------


@examples(200)
@given(specs())
def test_filterbank_is_exactly_the_oracles(spec: MfccSpec) -> None:
    expected = psf.get_filterbanks(
        spec.nfilt, spec.nfft, spec.samplerate, spec.lowfreq, spec.highfreq
    )
    np.testing.assert_array_equal(mel_filterbank(spec), expected)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_filterbank_of_the_named_specs(spec: MfccSpec) -> None:
    expected = psf.get_filterbanks(
        spec.nfilt, spec.nfft, spec.samplerate, spec.lowfreq, spec.highfreq
    )
    np.testing.assert_array_equal(mel_filterbank(spec), expected)


def test_cepstral_matrix_is_orthonormal_without_lifter() -> None:
    matrix = cepstral_matrix(MfccSpec(ceplifter=0, numcep=26))
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(26), atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"samplerate": 0}, ["samplerate", "0"]),
        ({"winlen": 0.0}, ["winlen", "0.0"]),
        ({"winlen": float("inf")}, ["winlen", "inf"]),
        ({"winlen": float("nan")}, ["winlen", "nan"]),
        ({"winstep": 0.00001}, ["winstep", "1e-05"]),
        ({"winstep": float("inf")}, ["winstep", "inf"]),
        ({"preemph": float("nan")}, ["preemph", "nan"]),
        ({"nfft": 399}, ["nfft 399", "400 samples"]),
        ({"nfilt": 0, "numcep": 0}, ["nfilt", "0"]),
        ({"numcep": 27}, ["numcep", "26", "27"]),
        ({"numcep": 0}, ["numcep", "26", "0"]),
        ({"lowfreq": -1.0}, ["lowfreq -1.0", "8000.0"]),
        ({"lowfreq": 4000.0, "highfreq": 3000.0}, ["lowfreq 4000.0", "highfreq 3000.0"]),
        ({"highfreq": 8001.0}, ["highfreq 8001.0", "8000.0"]),
        ({"ceplifter": -1}, ["ceplifter", "-1"]),
        ({"winfunc": "hanning"}, ["winfunc", "hann", "hanning"]),
    ],
)
def test_an_invalid_spec_is_rejected_with_its_values(
    changes: dict[str, Any], named: list[str]
) -> None:
    with pytest.raises(ValueError) as caught:
        dataclasses.replace(MfccSpec(), **changes)
    for word in named:
        assert word in str(caught.value)


def test_defaults_are_the_oracles() -> None:
    signal = music(0.5).astype(np.float64)
    found = streamed(MfccStream(MfccSpec(), dtype=np.float64), signal, [])
    np.testing.assert_allclose(found, psf.mfcc(signal), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("winlen", "samples"), [(0.0125, 138), (0.025, 276), (0.1, 1_103)])
def test_half_samples_round_up_as_in_the_oracle(winlen: float, samples: int) -> None:
    assert MfccSpec(samplerate=11_025, winlen=winlen, nfft=2048).frame_length == samples
    assert psf.sigproc.round_half_up(winlen * 11_025) == samples


def test_frame_rate_follows_from_rate_and_hop() -> None:
    assert MODEL_SPEC.frame_rate == 25.0
