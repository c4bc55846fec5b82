"""The updates of a minute in one blob."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgenre.errors import HistoryError
from streamgenre.history.detail import decode, decode_confidences, encode, quantise, quantise_level


@given(st.data(), st.integers(1, 200), st.integers(1, 40))
def test_packed_detail_is_unpacked_unchanged(
    data: st.DataObject, updates: int, labels: int
) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    offsets = sorted(rng.integers(0, 60_000, updates).tolist())
    rows = rng.integers(0, 256, updates * (2 + labels), np.uint8)
    minute = decode(7, encode(offsets, rows.tobytes(), labels), updates=updates, labels=labels)
    table = rows.reshape(updates, 2 + labels)
    np.testing.assert_allclose(minute.times, 420 + np.array(offsets) / 1000)
    np.testing.assert_array_equal(np.isnan(minute.levels), table[:, 0] == 0)
    np.testing.assert_allclose(minute.confidences, table[:, 1] / 255)
    np.testing.assert_allclose(minute.probabilities, table[:, 2:] / 255)
    blob = encode(offsets, rows.tobytes(), labels)
    times, confidences = decode_confidences(7, blob, updates=updates, labels=labels)
    assert times == minute.times.tolist()
    assert confidences == minute.confidences.tolist()


@given(st.floats(0, 1), st.none() | st.floats(-127, 0))
def test_quantising_is_exact_to_half_a_step(probability: float, level: float | None) -> None:
    row = bytes([quantise_level(level), quantise(probability), quantise(probability)])
    minute = decode(0, encode([0], row, 1), updates=1, labels=1)
    assert minute.probabilities[0, 0] == pytest.approx(probability, abs=0.5 / 255 + 1e-9)
    if level is None:
        assert np.isnan(minute.levels[0])
    else:
        assert minute.levels[0] == pytest.approx(level, abs=0.25 + 1e-9)


def test_a_minute_of_ten_genres_is_small() -> None:
    rng = np.random.default_rng(0)
    # Music does not change from second to second: a slow walk.
    walk = np.exp(0.2 * rng.normal(size=(60, 10)).cumsum(axis=0))
    shown = walk / walk.sum(axis=1, keepdims=True)
    rows = bytearray()
    for p in shown:
        rows += bytes([200, quantise(p.max()), *map(quantise, p.tolist())])
    assert len(encode([1000 * i for i in range(60)], rows, 10)) < 600


def test_damage_is_reported() -> None:
    blob = encode([0, 1000], bytes(2 * 5), 3)
    for data, updates in ((b"", 2), (b"xx", 2), (blob[:-4], 2), (blob, 3), (blob, 1), (blob, 0)):
        with pytest.raises(HistoryError, match="minute 7 is damaged"):
            decode(7, data, updates=updates, labels=3)


def test_a_decompression_bomb_is_rejected() -> None:
    import zlib

    bomb = zlib.compress(bytes(50_000_000))
    with pytest.raises(HistoryError, match="damaged"):
        decode(7, bomb, updates=60, labels=10)
    with pytest.raises(HistoryError, match="damaged"):
        decode(7, bomb, updates=10**9, labels=10)
