"""The head's regression against scipy, and the folds that it is measured on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from support.fuzzing import examples

from streamgenre.inference.output import softmax
from streamgenre.teach import regression
from streamgenre.teach.figures import _accuracy, figures_of
from streamgenre.teach.fitting import fit, folds_of
from streamgenre.teach.folds import joined_groups
from streamgenre.teach.material import Material, groups_of
from streamgenre.teach.recordings import Recording

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS = ("dub", "fado", "ragtime")


def material(
    per_genre: int = 12, width: int = 8, seed: int = 0, apart: float = 1.5, artists: int = 6
) -> Material:
    """Three genres as clouds around three points; three rows of each recording."""
    rng = np.random.default_rng(seed)
    centres = apart * rng.normal(size=(3, width))
    recordings, rows, targets = [], [], []
    for genre, label in enumerate(LABELS):
        for n in range(per_genre):
            artist = f"{label} artist {n % artists}"
            recordings.append(Recording(Path(f"{label}/{n}"), label, artist, f"{label}{n}"))
            rows.append(centres[genre] + rng.normal(size=width) + 0.3 * rng.normal(size=(3, width)))
            targets.append(genre)
    return Material(
        tuple(recordings),
        LABELS,
        np.concatenate(rows).astype(np.float32),
        np.repeat(np.arange(len(recordings)), 3),
        np.array(targets),
        np.array(groups_of(recordings)),
        tuple(30.0 for _ in recordings),
    )


@given(st.integers(0, 1000), st.sampled_from([1.0, 0.1, 0.01]))
@examples(5)
def test_the_fit_is_scipys_optimum(seed: int, strength: float) -> None:
    of = material(seed=seed)
    weights = np.random.default_rng(seed).uniform(0.1, 2, len(of.rows))
    share, wanted = weights / weights.sum(), np.eye(3)[of.row_targets]

    def loss(flat: NDArray[np.float64]) -> float:
        kernel, bias = flat[:-3].reshape(-1, 3), flat[-3:]
        p = softmax(of.rows.astype(np.float64) @ kernel + bias)
        surprise = -(wanted * np.log(p)).sum(axis=1)
        return float(share @ surprise + 0.5 * strength * np.square(kernel).sum())

    best = minimize(loss, np.zeros(8 * 3 + 3), method="L-BFGS-B", options={"maxiter": 2000})
    found = regression.fit(of.rows, of.row_targets, weights, 3, strength)
    flat = np.concatenate([found.kernel.ravel(), found.bias]).astype(np.float64)
    assert loss(flat) <= best.fun + 1e-5
    logits, expected = found.logits(of.rows), of.rows @ best.x[:-3].reshape(-1, 3) + best.x[-3:]
    assert np.abs(softmax(logits) - softmax(expected)).max() < 0.01


def test_the_order_of_rows_makes_no_difference() -> None:
    of = material()
    order = np.random.default_rng(1).permutation(len(of.rows))
    weights = of.weights()
    one = regression.fit(of.rows, of.row_targets, weights, 3, 0.1)
    other = regression.fit(of.rows[order], of.row_targets[order], weights[order], 3, 0.1)
    assert np.allclose(softmax(one.logits(of.rows)), softmax(other.logits(of.rows)), atol=2e-3)


def test_recordings_and_genres_count_the_same() -> None:
    """Ten more rows of one recording do not move the result by themselves."""
    of = material()
    more = np.concatenate([np.arange(len(of.rows)), np.repeat([0, 1, 2], 10)])
    longer = Material(
        of.recordings, of.labels, of.rows[more], of.of[more], of.targets, of.groups, of.seconds
    )
    one, other = (
        regression.fit(each.rows, each.row_targets, each.weights(), 3, 0.1) for each in (of, longer)
    )
    assert np.allclose(softmax(one.logits(of.rows)), softmax(other.logits(of.rows)), atol=5e-3)


def test_the_head_is_calibrated_and_tells_what_it_cannot_tell_apart() -> None:
    of = material(per_genre=20, apart=2.0)
    # Two genres become one and the same cloud.
    rows = of.rows.copy()
    rng = np.random.default_rng(5)
    mixed = of.row_targets < 2
    rows[mixed] = (rng.normal(size=(40, 8)) + rows[0])[of.of[mixed]] + 0.1 * rng.normal(
        size=(int(mixed.sum()), 8)
    )
    fitted = fit(Material(of.recordings, of.labels, rows, of.of, of.targets, of.groups, of.seconds))
    figures = figures_of(fitted)
    assert figures.confused[0][:2] == ("dub", "fado")
    assert figures.recall[2] > 0.9
    assert figures.recordings.low <= figures.recordings.value <= figures.recordings.high
    assert figures.chance == pytest.approx(1 / 3)
    probability = softmax(fitted.held_out / fitted.temperature)
    confident = probability.max(axis=1)
    right = probability.argmax(axis=1) == fitted.material.row_targets
    assert abs(confident.mean() - right.mean()) < 0.12


def test_a_wrong_label_is_found() -> None:
    of = material(per_genre=20, apart=3.0)
    targets = of.targets.copy()
    targets[3] = 2  # a dub that is in the folder of ragtime
    recordings = list(of.recordings)
    recordings[3] = Recording(Path("ragtime/odd"), "ragtime", "somebody", "odd")
    figures = figures_of(
        fit(Material(tuple(recordings), of.labels, of.rows, of.of, targets, of.groups, of.seconds))
    )
    assert [each.path.name for each in figures.doubts] == ["odd"]
    assert figures.doubts[0].likelier == "dub"


@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(5, 14))
@examples(40)
def test_no_group_is_on_two_sides(seed: int, artists: int, per_genre: int) -> None:
    of = material(per_genre=per_genre, seed=seed, artists=artists)
    folds = folds_of(of)
    for group in np.unique(of.groups):
        assert len(set(folds[of.groups == group].tolist())) == 1
    for fold in np.unique(folds):
        left = of.only(folds != fold)
        assert set(left.targets.tolist()) == {0, 1, 2}, "a genre is missing where it is fitted"


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=3), max_size=20))
@examples(60)
def test_what_shares_a_key_shares_a_group(keys: list[list[str]]) -> None:
    groups = joined_groups(keys)
    for one, of_one in zip(groups, keys, strict=True):
        for other, of_other in zip(groups, keys, strict=True):
            if set(of_one) & set(of_other):
                assert one == other
    assert len(set(groups)) >= sum(not each for each in keys)


def test_copies_and_artists_are_kept_together() -> None:
    named: list[Any] = [("a", "x"), ("A", "x"), ("b", "x"), ("", "x"), ("c", "y"), ("c", "y")]
    recordings = [Recording(Path(str(n)), genre, artist) for n, (artist, genre) in enumerate(named)]
    groups = groups_of(recordings, [(2, 3)])
    assert groups[0] == groups[1] != groups[2] == groups[3]
    # One artist is all of genre y: there artists cannot be kept apart.
    assert groups[4] != groups[5]


def test_a_few_recordings_that_are_all_right_promise_no_certainty() -> None:
    targets, groups = np.repeat(np.arange(3), 8), np.arange(24)
    found = _accuracy(np.ones(24), targets, groups, 0)
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(0.862, abs=0.001)  # Wilson's interval of 24 of 24
    assert _accuracy(np.zeros(24), targets, groups, 0).high == pytest.approx(0.138, abs=0.001)
