"""Fits a head: its strength is chosen and its accuracy measured on folds, its temperature too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.head import LinearHead
from streamgenre.inference.output import softmax
from streamgenre.inference.statistics import fit_temperature, negative_log_likelihood
from streamgenre.teach import regression
from streamgenre.teach.folds import make_folds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from streamgenre.teach.material import Material

    Floats = NDArray[np.float32]
    Ints = NDArray[np.integer[Any]]

LEAST_RECORDINGS: Final = 5
"""Fewest recordings of a genre."""
FEW_RECORDINGS: Final = 20
"""Fewer recordings of a genre than this are pointed out."""
STRENGTHS: Final = (3.0, 1.0, 0.3, 0.1, 0.03)
"""Strengths of the penalty that are tried, the strongest first."""
MOST_FOLDS: Final = 5


@dataclass(frozen=True, slots=True)
class Fitted:
    """A head, and the answers that heads fitted without a recording gave for it."""

    head: LinearHead
    strength: float
    temperature: float
    folds: Ints
    """Fold of each recording, shape ``(recordings,)``; 0 for those that are in no fold."""
    held_out: Floats
    """Logits of each row by a head fitted without its group, shape ``(n, labels)``."""
    material: Material


def folds_of(material: Material, most: int = MOST_FOLDS) -> Ints:
    """Return the fold of each recording, from 1 on; groups are never on two sides.

    Every fold holds recordings of every genre, as far as the groups allow.

    Parameters
    ----------
    material
        The material.
    most
        Most folds.
    """
    groups = [
        len(np.unique(material.groups[material.targets == genre]))
        for genre in range(len(material.labels))
    ]
    n_folds = min(most, max(2, min(each for each in groups if each)))
    folds = make_folds(
        [material.labels[target] for target in material.targets],
        [f"{group:08}" for group in material.groups],
        n_folds=n_folds,
    )
    return np.array(folds)


def fit(
    material: Material,
    *,
    strengths: Sequence[float] = STRENGTHS,
    on_fit: Callable[[], None] = lambda: None,
) -> Fitted:
    """Fit a head on all recordings, with the strength that serves held-out recordings best.

    Parameters
    ----------
    material
        The material; each genre needs recordings of at least two groups.
    strengths
        Strengths that are tried, the strongest first.
    on_fit
        Called after each fold, and at the end: the number of folds plus one times.
    """
    folds = folds_of(material)
    weights = material.weights()
    targets = material.row_targets
    n_labels = len(material.labels)
    held_out = np.zeros((len(strengths), len(targets), n_labels), np.float32)
    for fold in np.unique(folds):
        test = folds[material.of] == fold
        part = material.only(folds != fold)
        scale = regression.scale_of(part.rows, part.weights())
        scaled = (part.rows - scale.mean) / scale.spread
        tested = (material.rows[test] - scale.mean) / scale.spread
        found = None
        for number, strength in enumerate(strengths):
            found = regression.fit(
                scaled, part.row_targets, part.weights(), n_labels, strength, found
            )
            held_out[number, test] = found.logits(tested)
        on_fit()
    # The one whose calibrated answers are best, by log likelihood.
    temperatures = [fit_temperature(logits, targets, weights) for logits in held_out]
    surprise = [
        negative_log_likelihood(logits, targets, weights, temperature)
        for logits, temperature in zip(held_out, temperatures, strict=True)
    ]
    best = int(np.argmin(surprise))
    scale = regression.scale_of(material.rows, weights)
    final = regression.fit(
        (material.rows - scale.mean) / scale.spread, targets, weights, n_labels, strengths[best]
    )
    on_fit()
    return Fitted(
        LinearHead(scale.mean, scale.spread, final.kernel, final.bias),
        strengths[best],
        round(temperatures[best], 4),
        folds,
        held_out[best],
        material,
    )


def of_recordings(logits: Floats, temperature: float, of: Ints, count: int) -> Any:
    """Return the mean probabilities of each recording's rows, shape ``(count, labels)``.

    Parameters
    ----------
    logits
        Logits of the rows, shape ``(n, labels)``.
    temperature
        Their temperature.
    of
        The recording of each row, shape ``(n,)``.
    count
        Number of recordings.
    """
    sums = np.zeros((count, logits.shape[1]))
    np.add.at(sums, of, softmax(logits / temperature))
    return sums / np.maximum(1, np.bincount(of, minlength=count))[:, None]
