"""The heads' training material, and the linear head over the window.

The window's head is a multinomial regression, fitted to its optimum: no seeds, no epochs. The LSTM
(:mod:`train.trunk.lstm_memory`) takes that head's logits once per second. It is trained on logits
that were made without the clips in question (each fold's from a head fitted on the other folds).
Trained on a head's logits for its own training clips, it would learn to trust a confidence that new
music does not reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.output import softmax
from train.trunk.musicnn import normalisation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from train.trunk.checkpoint import Weights

    Floats = NDArray[np.float32]
    Ints = NDArray[np.integer[Any]]

STRENGTH: Final = 0.3
"""Strength of the window head's regularisation; chosen among 0.3, 1 and 3 on inner folds."""
_LEAST_STD: Final = 1e-3
_ROUNDS: Final = 150
NO_GENRE: Final = -1
"""Target of rows for which all genres shall be equally likely."""
MIN_AGE: Final = 2.0
"""Seconds a clip must have played before its window counts: two thirds of the window."""


def embedding(weights: Weights, pooled: NDArray[np.floating[Any]]) -> Floats:
    """Return pooled features with the trunk's units and tags, ``(…, 1506)`` to ``(…, 1756)``.

    Parameters
    ----------
    weights
        The trunk's weights.
    pooled
        Pooled features, shape ``(…, 1506)``.
    """
    features = pooled.astype(np.float32)
    scale, shift = normalisation(weights, 10)
    dense = features @ weights["dense/kernel"] + weights["dense/bias"]
    units = np.maximum(dense, 0) * scale + shift
    tags = units @ weights["dense_1/kernel"] + weights["dense_1/bias"]
    return np.concatenate([features, units, tags], axis=-1)


@dataclass(frozen=True, slots=True)
class Seconds:
    """Training material: one row per second of programme."""

    embedding: Floats
    """Shape ``(n, 1756)``."""
    clips: Ints
    """Index of the clip playing, -1 for none; shape ``(n,)``."""
    ages: Floats
    """Seconds since it began, shape ``(n,)``."""
    folds: Ints
    """Fold of the programme, shape ``(n,)``."""
    begins: NDArray[np.bool_]
    """Whether a programme (or a clip by itself) begins here, with no past; shape ``(n,)``."""


@dataclass(frozen=True, slots=True)
class Linear:
    """``logits = embedding @ kernel + bias``; scaling of the embedding included."""

    kernel: Floats
    """Shape ``(1756, labels)``."""
    bias: Floats
    """Shape ``(labels,)``."""
    strength: float
    """Strength of the regularisation it was fitted with."""

    def __call__(self, embedding: Floats) -> Floats:
        """Return logits."""
        logits: Floats = embedding @ self.kernel + self.bias
        return logits


def fit_linear(x: Floats, targets: Ints, weights: Floats, n_labels: int, strength: float) -> Linear:
    """Fit a multinomial regression with a quadratic penalty.

    Parameters
    ----------
    x
        Embeddings, shape ``(n, d)``; they are standardised here.
    targets
        Genres, shape ``(n,)``; :data:`NO_GENRE` where all shall be equally likely.
    weights
        Weight of each row, shape ``(n,)``.
    n_labels
        Number of genres.
    strength
        Weight of the penalty.
    """
    from scipy.optimize import minimize

    share = (weights / weights.sum()).astype(np.float32)
    mean = share @ x
    std = np.sqrt(np.maximum(share @ np.square(x - mean), 0)) + np.float32(_LEAST_STD)
    scaled = (x - mean) / std
    d = x.shape[1]
    wanted = np.eye(n_labels, dtype=np.float32)[targets]
    wanted[targets == NO_GENRE] = 1 / n_labels

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        kernel = flat[: d * n_labels].reshape(d, n_labels).astype(np.float32)
        p = softmax(scaled @ kernel + flat[d * n_labels :]).astype(np.float32)
        surprise = -(wanted * np.log(np.maximum(p, 1e-12))).sum(axis=1)
        value = (share * surprise).sum() + 0.5 * strength * np.square(kernel).sum()
        error = (p - wanted) * share[:, None]
        slope = scaled.T @ error + strength * kernel
        gradient = np.concatenate([slope.ravel(), error.sum(axis=0)]).astype(np.float64)
        return float(value), gradient

    start = np.zeros((d + 1) * n_labels)
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _ROUNDS}
    ).x.astype(np.float32)
    kernel = found[: d * n_labels].reshape(d, n_labels) / std[:, None]
    return Linear(kernel, found[d * n_labels :] - mean @ kernel, strength)


def row_weights(
    seconds: Seconds, targets: Ints, artists: Sequence[str], *, thinned: int = 1
) -> Floats:
    """Weight rows: genres equally, artists within a genre by the square root of their seconds.

    Parameters
    ----------
    seconds
        The rows.
    targets, artists
        Genre and artist of every clip of the corpus.
    thinned
        Every n-th row counts; windows overlap by two seconds of three.
    """
    weights = np.zeros(len(seconds.clips))
    usable = (seconds.clips >= 0) & (seconds.ages >= MIN_AGE)
    usable &= np.arange(len(usable)) % thinned == 0
    _, of_artist = np.unique(np.array(artists), return_inverse=True)
    playing = seconds.clips[usable]
    count = np.bincount(of_artist[playing], minlength=len(of_artist))
    weights[usable] = 1 / np.sqrt(count[of_artist[playing]])
    genre = targets[seconds.clips]
    for one in np.unique(genre[usable]):
        rows = usable & (genre == one)
        weights[rows] /= weights[rows].sum()
    return weights.astype(np.float32)


def subset(seconds: Seconds, rows: NDArray[np.bool_]) -> Seconds:
    """Return the selected rows.

    Parameters
    ----------
    seconds
        The rows.
    rows
        Which rows to keep, shape ``(n,)``.
    """
    return Seconds(
        seconds.embedding[rows], seconds.clips[rows], seconds.ages[rows], seconds.folds[rows],
        seconds.begins[rows],
    )  # fmt: skip


def joined(parts: Sequence[Seconds]) -> Seconds:
    """Concatenate seconds."""
    return Seconds(
        np.concatenate([part.embedding for part in parts]),
        np.concatenate([part.clips for part in parts]),
        np.concatenate([part.ages for part in parts]),
        np.concatenate([part.folds for part in parts]),
        np.concatenate([part.begins for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class Window:
    """The window's head, and heads fitted without one of its folds."""

    head: Linear
    without: dict[int, Linear]
    """Heads by the fold left out; empty unless requested."""


def fit_window(
    seconds: Seconds, targets: Ints, weights: Floats, n_labels: int, *, crossed: bool
) -> Window:
    """Fit the window's head.

    Parameters
    ----------
    seconds
        The rows; those without a clip have no genre.
    targets
        Genre of every clip.
    weights
        Weight of every row; rows without weight are not used.
    n_labels
        Number of genres.
    crossed
        Whether to also fit heads that leave one fold out.
    """
    used = weights > 0
    x, clip, fold = seconds.embedding[used], seconds.clips[used], seconds.folds[used]
    genre = np.where(clip >= 0, targets[clip], NO_GENRE)
    weight = weights[used]
    without = {
        int(one): fit_linear(
            x[fold != one], genre[fold != one], weight[fold != one], n_labels, STRENGTH
        )
        for one in (np.unique(fold[clip >= 0]) if crossed else ())
    }
    return Window(fit_linear(x, genre, weight, n_labels, STRENGTH), without)
