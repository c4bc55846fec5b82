from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.augmentation.log_mel import NONE, Augmentation, augment, crop
from train.fitting.batches import (
    RAMP_FRAMES,
    Material,
    Programmes,
    Sampler,
    material_of,
    window_batch,
)

STRONG = Augmentation(
    gain_db=20, equaliser_db=5, stretch=0.2, shift_bands=2, noise_probability=1,
    room_probability=1, masks=2,
)  # fmt: skip


def energies(n: int, seed: int = 0, level: float = -5.0) -> Any:
    return np.random.default_rng(seed).normal(level, 2, (n, 40)).astype(np.float32)


def material() -> Material:
    # Clip i is the constant i, so that every frame shows its origin.
    sizes = [60, 750, 62, 300]
    clips = [np.full((n, 40), i, np.float32) for i, n in enumerate(sizes)]
    return material_of(clips, [0, 0, 1, 1], ["a", "b", "", ""], 2)


@given(st.integers(1, 200), st.integers(1, 120), st.integers(0, 2**32), st.floats(0, 0.5))
def test_crops_have_the_length_asked_for(n: int, length: int, seed: int, stretch: float) -> None:
    piece = crop(energies(n), length, np.random.default_rng(seed), stretch=stretch)
    assert piece.shape == (length, 40)
    assert piece.dtype == np.float32


def test_a_crop_is_a_contiguous_part_of_the_clip() -> None:
    clip = np.arange(100, dtype=np.float32)[:, None].repeat(40, axis=1)
    piece = crop(clip, 30, np.random.default_rng(3))
    np.testing.assert_array_equal(np.diff(piece[:, 0]), 1)


@pytest.mark.parametrize("settings", [NONE, Augmentation(), STRONG])
def test_augmentation_keeps_shape_and_repeats_by_seed(settings: Augmentation) -> None:
    before = energies(75)
    once, again, other = (
        augment(before, np.random.default_rng(seed), settings) for seed in (1, 1, 2)
    )
    assert once.shape == before.shape
    assert once.dtype == np.float32
    assert np.isfinite(once).all()
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(before, energies(75))
    assert (settings is NONE) == np.array_equal(once, other)


def test_nothing_is_changed_without_augmentation() -> None:
    np.testing.assert_array_equal(
        augment(energies(75), np.random.default_rng(0), NONE), energies(75)
    )


def test_gain_is_one_constant_within_its_range() -> None:
    change = augment(energies(75), np.random.default_rng(0), replace(NONE, gain_db=20)) - energies(
        75
    )
    assert np.ptp(change) < 1e-5
    assert 0 < abs(float(change.mean())) <= 20 * np.log(10) / 10


def test_noise_and_rooms_only_add_power() -> None:
    for settings in (replace(NONE, noise_probability=1), replace(NONE, room_probability=1)):
        assert (
            augment(energies(75), np.random.default_rng(0), settings) >= energies(75) - 1e-5
        ).all()


def test_masks_hide_part_of_a_segment() -> None:
    masked = augment(energies(75), np.random.default_rng(0), replace(NONE, masks=3))
    hidden = (masked != energies(75)).mean()
    assert 0 < hidden < 0.9


def test_a_window_batch_has_the_expected_shape() -> None:
    sampler = Sampler(material(), np.random.default_rng(0), NONE, mix_probability=0)
    windows, labels = window_batch(sampler, 200, 75)
    assert windows.shape == (200, 75, 40)
    np.testing.assert_array_equal(labels.sum(axis=1), 1)
    np.testing.assert_array_equal(windows[:, 0, 0] >= 2, labels[:, 1] == 1)
    assert 70 < labels[:, 1].sum() < 130  # genres are even, however long their clips are
    assert set(np.unique(windows)) == {0, 1, 2, 3}


def test_mixed_windows_have_mixed_labels() -> None:
    sampler = Sampler(material(), np.random.default_rng(0), NONE, mix_probability=1)
    windows, labels = window_batch(sampler, 50, 75)
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    assert ((labels > 0.01) & (labels < 0.99)).any()
    assert len(np.unique(windows)) > 4


def test_noise_without_music_is_labelled_with_every_genre_equally() -> None:
    noises = (np.full((100, 40), 9, np.float32),)
    sampler = Sampler(
        replace(material(), noises=noises), np.random.default_rng(0), NONE, mix_probability=0
    )
    drawn = [sampler.segment(75) for _ in range(600)]
    drawn += [sampler.programme_item() for _ in range(600)]
    is_noise = np.array([bool((segment == 9).all()) for segment, _ in drawn])
    assert 0.06 < is_noise.mean() < 0.14
    for noisy, (segment, label) in zip(is_noise, drawn, strict=True):
        assert 50 <= len(segment) <= 500
        assert label.max() == pytest.approx(0.5 if noisy else 1)
        assert label.sum() == pytest.approx(1)


def test_programmes_continue_from_chunk_to_chunk() -> None:
    sampler = Sampler(material(), np.random.default_rng(5), NONE, mix_probability=0)
    programmes = Programmes(sampler, 6, fresh_probability=0.2)
    ages = None
    seen_fresh = seen_change = False
    for number in range(40):
        chunk = programmes.next_chunk(30)
        assert chunk.energies.shape == (6, 30, 40)
        assert chunk.labels.shape == (6, 30, 2)
        assert chunk.weights.shape == (6, 30)
        assert number > 0 or chunk.fresh.all()
        np.testing.assert_array_equal(chunk.energies[..., 0] >= 2, chunk.labels[..., 1] == 1)
        # A weight of zero marks the first frame of a new piece, and only that.
        starts = chunk.weights == 0
        assert starts[chunk.fresh, 0].all()
        jumps = np.diff(chunk.energies[..., 0], axis=1) != 0
        assert (starts[:, 1:] >= jumps).all()
        if ages is not None:
            on = ~chunk.fresh & ~starts[:, 0]
            expected = np.minimum(ages[on] + 1 / RAMP_FRAMES, 1)
            np.testing.assert_allclose(chunk.weights[on, 0], expected, atol=1e-5)
            seen_fresh |= bool(chunk.fresh.any())
            seen_change |= bool(starts[:, 1:].any())
        ages = chunk.weights[:, -1]
    assert seen_fresh
    assert seen_change


def test_programmes_repeat_by_seed() -> None:
    def play(seed: int) -> Any:
        programmes = Programmes(Sampler(material(), np.random.default_rng(seed), STRONG), 3)
        return np.concatenate([programmes.next_chunk(20).energies for _ in range(5)], axis=1)

    np.testing.assert_array_equal(play(1), play(1))
    assert not np.array_equal(play(1), play(2))
