"""Rows of the spectrogram: levels, frequencies, and independence of the cut into blocks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audio import music
from support.fuzzing import examples
from support.other_features import OTHER_FEATURES

from streamgenre.audio.features import EPS, MfccSpec, MfccStream, cepstral_matrix
from streamgenre.audio.spectrum import BANDS, FLOOR_DB, ROWS_PER_S, STEP_DB, SpectrumMeter
from streamgenre.inference.manifest import parse_manifest

MODELS = Path(__file__).resolve().parents[2] / "models"
SHIPPED = {
    folder.parent.name: MfccSpec(**json.loads(folder.read_text("utf-8"))["features"])
    for folder in MODELS.glob("*/manifest.json")
}
SPECS = {
    **SHIPPED,
    "default": MfccSpec(),
    "telephone": MfccSpec(lowfreq=300.0, highfreq=3400.0, nfilt=20),
    "one filter": MfccSpec(nfilt=1, numcep=1),
    "many filters": MfccSpec(nfilt=400, numcep=400, nfft=2048),
    "slow": MfccSpec(winlen=0.2, winstep=0.2, nfft=4096),
}


def heard(spec: MfccSpec, signal: np.ndarray) -> tuple[SpectrumMeter, np.ndarray]:
    """Return the meter and the rows of a signal in dB."""
    stream, meter = MfccStream(spec), SpectrumMeter(spec)
    stream.on_energies = meter.push
    stream.push(signal.astype(np.float32))
    return meter, FLOOR_DB + STEP_DB * meter.take().astype(float)


def tone(hz: float, seconds: float = 2.0, amplitude: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(16_000 * seconds)) / 16_000)


def test_there_are_shipped_models() -> None:
    assert {"lstm", "lite", "cnn"} <= set(SHIPPED)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_bands_and_rows_are_as_promised(spec: MfccSpec) -> None:
    meter, rows = heard(spec, music(3, rate=16_000))
    bands = len(meter.edges_hz) - 1
    assert rows.shape[1] == bands <= 1.5 * BANDS
    assert bands >= min(spec.nfilt, BANDS) / 1.5
    assert np.all(np.diff(meter.edges_hz) > 0)
    assert meter.edges_hz[0] >= spec.lowfreq
    assert meter.edges_hz[-1] <= (spec.highfreq or 8000)
    assert 1 / meter.row_s <= ROWS_PER_S
    assert len(rows) == pytest.approx(3 / meter.row_s, abs=2)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("hz", [100, 440, 1000, 3000, 6000])
def test_a_tone_at_full_scale_is_at_0_db_in_its_band(name: str, hz: float) -> None:
    meter, rows = heard(SHIPPED[name], tone(hz))
    loudest = int(rows.mean(axis=0).argmax())
    # A tone between two bands is in both.
    assert meter.edges_hz[loudest] - 40 <= hz <= meter.edges_hz[loudest + 1] + 40
    power = 10 * np.log10((10 ** (rows / 10)).sum(axis=1))
    assert power == pytest.approx(0, abs=1)
    quiet = heard(SHIPPED[name], tone(hz, amplitude=0.01))[1]
    assert quiet[:, loudest] == pytest.approx(rows[:, loudest] - 40, abs=STEP_DB)


def test_the_rows_are_those_of_the_frames_that_the_model_gets() -> None:
    """With as many coefficients as filters, the frames can be turned back into energies."""
    spec = parse_manifest(Path(OTHER_FEATURES)).features
    stream, meter = MfccStream(spec), SpectrumMeter(spec)
    stream.on_energies = meter.push
    frames = stream.push(music(2, rate=16_000))
    energies = np.exp(frames @ cepstral_matrix(spec).T)
    per_row = round(meter.row_s * spec.frame_rate)
    whole = len(frames) // per_row * per_row
    rows = energies[:whole].reshape(-1, per_row, spec.nfilt).mean(axis=1)
    reference = np.hanning(spec.frame_length)
    expected = 10 * np.log10(np.maximum(rows, EPS) / (np.square(reference).sum() / 4))
    found = FLOOR_DB + STEP_DB * meter.take()
    np.testing.assert_allclose(found, np.maximum(expected, FLOOR_DB), atol=STEP_DB)


@given(cuts=st.lists(st.integers(0, 3 * 16_000), max_size=10))
@examples(20)
def test_the_split_into_blocks_does_not_matter(cuts: list[int]) -> None:
    spec = SHIPPED["lstm"]
    signal = music(3, rate=16_000)
    whole = heard(spec, signal)[1]
    stream, meter = MfccStream(spec), SpectrumMeter(spec)
    stream.on_energies = meter.push
    rows = []
    for part in np.split(signal, sorted(cuts)):
        stream.push(part)
        rows.append(meter.take())
    found = FLOOR_DB + STEP_DB * np.concatenate(rows)
    np.testing.assert_allclose(found, whole, atol=STEP_DB)
    used = stream.frames - meter.unused
    assert used == len(whole) * round(meter.row_s * spec.frame_rate)


def test_silence_and_overload_are_the_ends_of_the_scale() -> None:
    spec = SHIPPED["lstm"]
    silent, loud = heard(spec, np.zeros(16_000))[1], heard(spec, 1e6 * tone(1000))[1]
    assert np.all(silent == FLOOR_DB)
    assert loud.max() == FLOOR_DB + 255 * STEP_DB


def test_after_a_reset_no_row_spans_both_sides() -> None:
    spec = SHIPPED["lstm"]
    meter = heard(spec, tone(440, 0.5))[0]
    assert meter.unused
    meter.reset()
    assert not meter.unused
    meter.push(np.full((4, spec.nfilt), 1e-6, np.float32))
    row = meter.take()
    assert len(row) == 1
    assert np.ptp(row) < 60
