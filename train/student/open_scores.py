"""Scores for music that is like none of a model's genres, from its embedding alone.

Of the genres' probabilities: the largest, the lead of the largest, the entropy, the energy. Of the
embedding: the distance from the nearest genre (Mahalanobis with a shared covariance; as it is, and
relative to the distance from all music), and a linear head that was trained to tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.output import softmax
from train.trunk import heads
from train.trunk.heads import Linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]
    Ints = NDArray[np.int64]

OF_PROBABILITIES: Final = ("largest probability", "lead", "entropy", "energy")
"""Scores that need no more than the genres' logits."""
HEAD: Final = "head"
NAMES: Final = (*OF_PROBABILITIES, "distance", "relative distance", HEAD)
"""All scores; each is larger the less the music is like any genre."""
STRENGTH: Final = 1.0
"""Strength of the head's regularisation; 0.3 was as good, so the plainer one was taken."""
_SHRINKAGE: Final = 0.1
"""Share of the identity in the covariance of the standardised embedding."""


@dataclass(frozen=True, slots=True)
class Material:
    """Rows to train on."""

    embedding: NDArray[np.float32]
    """Shape ``(n, width)``."""
    genres: Ints
    """Index of the genre; -1 of other music, -2 of free music that is of one of the genres."""
    weights: NDArray[np.float32]
    """Weight of each row within the genres, and within the rest; shape ``(n,)``."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the scores are computed with."""

    genres: Linear
    """Head of the genres."""
    known: Linear
    """Head with one logit: how much the music is like one of the genres."""
    gaussians: Gaussians

    def logits(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the genres' logits, shape ``(n, labels)``."""
        return self.genres(embedding)

    def of(self, embedding: NDArray[np.float32], temperature: float) -> dict[str, Floats]:
        """Return the scores by name, each of shape ``(n,)``.

        Parameters
        ----------
        embedding
            Rows, shape ``(n, width)``.
        temperature
            Calibration of the genres' logits.
        """
        logits = self.logits(embedding) / temperature
        p = softmax(logits)
        first, second = -np.sort(-p, axis=1)[:, :2].T
        near, far = self.gaussians.distances(embedding)
        high = logits.max(axis=1)
        energy = high + np.log(np.exp(logits - high[:, None]).sum(axis=1))
        found = (
            *(-first, second - first, -(p * np.log(np.maximum(p, 1e-12))).sum(axis=1), -energy),
            *(near, near - far, -self.known(embedding)[:, 0]),
        )
        return dict(zip(NAMES, found, strict=True))


@dataclass(frozen=True, slots=True)
class Gaussians:
    """One Gaussian a genre with a shared covariance, and one of all music of the genres."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    within: NDArray[np.float32]
    """Whitens the standardised embedding by the covariance within genres, ``(width, width)``."""
    overall: NDArray[np.float32]
    """And by that of all."""
    centres: NDArray[np.float32]
    """Standardised, shape ``(labels, width)``."""

    def distances(self, embedding: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Return the squared distance from the nearest genre, and that from all music."""
        x = (embedding - self.mean) / self.spread
        white, centres = x @ self.within, self.centres @ self.within
        to_each = (white**2).sum(1)[:, None] - 2 * white @ centres.T + (centres**2).sum(1)
        return to_each.min(axis=1), ((x @ self.overall) ** 2).sum(axis=1)


def fit(material: Material, n_labels: int) -> Scores:
    """Fit everything that the scores need.

    Parameters
    ----------
    material
        The rows.
    n_labels
        Number of genres.
    """
    of_genre = material.genres >= 0
    x, genres = material.embedding[of_genre], material.genres[of_genre]
    weights = material.weights[of_genre]
    return Scores(
        heads.fit_linear(x, genres, weights, n_labels, heads.STRENGTH),
        fit_known(material),
        fit_gaussians(x, genres, weights, n_labels),
    )


def fit_known(material: Material) -> Linear:
    """Fit the head that tells music of the genres from other music; both weigh the same.

    Parameters
    ----------
    material
        The rows.
    """
    is_known = material.genres != -1
    weights = material.weights.copy()
    for side in (is_known, ~is_known):
        weights[side] /= weights[side].sum()
    both = heads.fit_linear(material.embedding, is_known.astype(np.int64), weights, 2, STRENGTH)
    return Linear(
        both.kernel[:, 1:] - both.kernel[:, :1], both.bias[1:] - both.bias[:1], both.strength
    )


def fit_gaussians(
    x: NDArray[np.float32], genres: Ints, weights: NDArray[np.float32], n_labels: int
) -> Gaussians:
    """Fit the Gaussians.

    Parameters
    ----------
    x
        Embeddings, shape ``(n, width)``.
    genres
        Index of the genre, shape ``(n,)``.
    weights
        Weight of each row, shape ``(n,)``.
    n_labels
        Number of genres.
    """
    share = (weights / weights.sum()).astype(np.float32)
    mean = share @ x
    spread = np.sqrt(np.maximum(share @ np.square(x - mean), 1e-6))
    scaled = (x - mean) / spread
    centres = np.stack(
        [
            share[genres == g] @ scaled[genres == g] / share[genres == g].sum()
            for g in range(n_labels)
        ]
    )

    def whitening(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        covariance = (rows * share[:, None]).T @ rows
        shrunk = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * np.eye(len(mean), dtype=np.float32)
        return np.linalg.cholesky(np.linalg.inv(shrunk)).astype(np.float32)

    return Gaussians(mean, spread, whitening(scaled - centres[genres]), whitening(scaled), centres)
