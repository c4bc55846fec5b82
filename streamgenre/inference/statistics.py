"""Statistics of classifiers: balanced accuracy, its confidence interval, calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streamgenre.inference.output import softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Ints = NDArray[np.integer[Any]]
    Bools = NDArray[np.bool_]


def balanced_accuracy(hits: Bools, targets: Ints) -> float:
    """Return the mean over the genres of the share of hits; absent genres are left out.

    Parameters
    ----------
    hits
        Whether each item was classified correctly, shape ``(n,)``.
    targets
        Its genre's index, shape ``(n,)``.
    """
    return float(np.mean([hits[targets == genre].mean() for genre in np.unique(targets)]))


def fold_accuracy(hits: Bools, targets: Ints, folds: Ints) -> float:
    """Return the mean over the folds of the balanced accuracy in each.

    Parameters
    ----------
    hits
        Whether each item was classified correctly, shape ``(n,)``.
    targets
        Index of the true genre, shape ``(n,)``.
    folds
        Fold of each item, shape ``(n,)``.
    """
    return float(
        np.mean(
            [balanced_accuracy(hits[folds == f], targets[folds == f]) for f in np.unique(folds)]
        )
    )


def bootstrap_interval(
    hits: Bools,
    targets: Ints,
    folds: Ints,
    clips: Ints,
    *,
    rng: np.random.Generator,
    rounds: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return a bootstrap confidence interval of :func:`fold_accuracy`.

    Whole clips are drawn with replacement within their fold and genre: the windows of one clip are
    not independent observations.

    Parameters
    ----------
    hits, targets, folds
        As for :func:`fold_accuracy`.
    clips
        The clip of each item, shape ``(n,)``.
    rng
        Source of the draws.
    rounds
        Number of draws.
    level
        Share of the draws inside the interval, in (0, 1).
    """
    accuracy = np.zeros(rounds)
    fold_numbers = np.unique(folds)
    for fold in fold_numbers:
        here = folds == fold
        genres = np.unique(targets[here])
        for genre in genres:
            items = here & (targets == genre)
            _, position = np.unique(clips[items], return_inverse=True)
            sizes = np.bincount(position)
            right = np.bincount(position, weights=hits[items].astype(np.float64))
            drawn = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=rounds)
            accuracy += (drawn @ right) / (drawn @ sizes) / len(genres) / len(fold_numbers)
    low, high = np.quantile(accuracy, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def confusion(predicted: Ints, targets: Ints, n_labels: int) -> NDArray[np.int64]:
    """Count items by true genre (row) and predicted genre (column).

    Parameters
    ----------
    predicted
        Index of the predicted genre, shape ``(n,)``.
    targets
        Index of the true genre, shape ``(n,)``.
    n_labels
        Number of genres.
    """
    counts = np.zeros((n_labels, n_labels), np.int64)
    np.add.at(counts, (targets, predicted), 1)
    return counts


def genre_weights(targets: Ints) -> NDArray[np.float64]:
    """Return a weight for each item so that all genres count equally; the weights sum to 1."""
    _, position, counts = np.unique(targets, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1.0 / counts[position] / len(counts)
    return weights


def calibration_error(
    probabilities: Floats, targets: Ints, weights: Floats, *, bins: int = 15
) -> float:
    """Return the expected calibration error, 0 to 1.

    Items are put into bins of equal width by the probability of the predicted genre; the error is
    the weighted mean distance of each bin's accuracy from its mean probability.

    Parameters
    ----------
    probabilities
        Shape ``(n, labels)``.
    targets
        Index of the true genre, shape ``(n,)``.
    weights
        Weight of each item, shape ``(n,)``.
    bins
        Number of bins.
    """
    confidence = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == targets
    of_bin = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(of_bin, weights=weights * (hits - confidence), minlength=bins)
    return float(np.abs(gap).sum() / weights.sum())


def negative_log_likelihood(logits: Floats, targets: Ints, weights: Floats, t: float) -> float:
    """Return the weighted mean of -log p(target) at a temperature, in nats.

    Parameters
    ----------
    logits
        Shape ``(n, labels)``.
    targets
        Index of the true genre, shape ``(n,)``.
    weights
        Weight of each item, shape ``(n,)``.
    t
        Temperature, above 0.
    """
    p = softmax(logits / t)[np.arange(len(targets)), targets]
    return float(-(weights * np.log(np.maximum(p, 1e-300))).sum() / weights.sum())


def fit_temperature(
    logits: Floats, targets: Ints, weights: Floats, *, low: float = 0.1, high: float = 10.0
) -> float:
    """Return the temperature that makes the targets most likely, within [low, high].

    The likelihood has one maximum along the logarithm of the temperature: golden-section search.

    Parameters
    ----------
    logits
        Shape ``(n, labels)``.
    targets
        Index of the true genre, shape ``(n,)``.
    weights
        Weight of each item, shape ``(n,)``.
    low
        Lowest temperature, above 0.
    high
        Highest temperature.
    """
    golden = (np.sqrt(5) - 1) / 2
    a, b = np.log(low), np.log(high)
    while b - a > 1e-4:
        left, right = b - golden * (b - a), a + golden * (b - a)
        if negative_log_likelihood(
            logits, targets, weights, float(np.exp(left))
        ) < negative_log_likelihood(logits, targets, weights, float(np.exp(right))):
            b = right
        else:
            a = left
    return float(np.exp((a + b) / 2))
