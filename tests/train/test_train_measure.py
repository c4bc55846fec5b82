from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgenre.inference import statistics

TARGETS = np.array([0, 0, 0, 0, 1, 2])
HITS = np.array([True, True, True, False, True, False])


def test_balanced_accuracy_matches_a_manual_calculation() -> None:
    assert statistics.balanced_accuracy(HITS, TARGETS) == pytest.approx((0.75 + 1 + 0) / 3)


def test_a_missing_genre_does_not_count() -> None:
    assert statistics.balanced_accuracy(HITS[:5], TARGETS[:5]) == pytest.approx((0.75 + 1) / 2)


def test_fold_accuracy_is_the_mean_of_the_folds() -> None:
    hits, targets = np.array([True, False, True]), np.array([0, 1, 0])
    assert statistics.fold_accuracy(hits, targets, np.array([1, 1, 2])) == pytest.approx(0.75)


def test_the_bootstrap_interval_contains_the_accuracy_and_is_narrow_when_certain() -> None:
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1], 100)
    folds = np.tile([1, 2], 100)
    clips = np.arange(200)
    hits = rng.random(200) < 0.6
    low, high = statistics.bootstrap_interval(hits, targets, folds, clips, rng=rng)
    assert low < statistics.fold_accuracy(hits, targets, folds) < high
    assert 0.08 < high - low < 0.2  # binomial: 2 × 1.96 × sqrt(0.24 / 200) = 0.136
    sure = statistics.bootstrap_interval(np.ones(200, bool), targets, folds, clips, rng=rng)
    assert sure == (1.0, 1.0)


def test_windows_of_one_clip_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    hits = np.repeat(np.random.default_rng(1).random(20) < 0.5, 10)
    zeros = np.zeros(200, int)
    together = statistics.bootstrap_interval(
        hits, zeros, zeros, np.repeat(np.arange(20), 10), rng=rng
    )
    apart = statistics.bootstrap_interval(hits, zeros, zeros, np.arange(200), rng=rng)
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])


def test_confusion_has_the_truth_in_rows() -> None:
    counts = statistics.confusion(np.array([0, 1, 1, 2]), np.array([0, 0, 0, 2]), 3)
    assert counts.tolist() == [[1, 2, 0], [0, 0, 0], [0, 0, 1]]


def test_genre_weights_balance_the_genres() -> None:
    weights = statistics.genre_weights(TARGETS)
    assert weights.sum() == pytest.approx(1)
    assert weights.tolist() == pytest.approx([1 / 12] * 4 + [1 / 3] * 2)


def test_calibration_error_matches_a_manual_calculation() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.45, 0.55]])
    targets = np.array([0, 1, 1, 0])
    # Bins of a tenth: 0.9 (one of two right), 0.6 (right), 0.55 (wrong).
    expected = (2 * abs(0.5 - 0.9) + abs(1 - 0.6) + abs(0 - 0.55)) / 4
    found = statistics.calibration_error(probabilities, targets, np.ones(4), bins=10)
    assert found == pytest.approx(expected)


def test_correct_certainty_has_no_calibration_error() -> None:
    found = statistics.calibration_error(np.eye(3), np.arange(3), np.ones(3))
    assert found == 0


@given(st.floats(0.3, 4))
def test_the_temperature_is_recovered(t: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 5))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = (p.cumsum(axis=1) > rng.random((4000, 1))).argmax(axis=1)
    found = statistics.fit_temperature(logits * t, targets, np.ones(4000))
    assert found == pytest.approx(t, rel=0.1)


def test_negative_log_likelihood_matches_a_manual_calculation() -> None:
    logits = np.log(np.array([[0.5, 0.5], [0.8, 0.2]]))
    found = statistics.negative_log_likelihood(logits, np.array([0, 1]), np.array([1.0, 3.0]), 1.0)
    assert found == pytest.approx(-(np.log(0.5) + 3 * np.log(0.2)) / 4)
