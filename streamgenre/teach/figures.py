"""How good a head is, from the answers for recordings that it was not fitted on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.statistics import balanced_accuracy, confusion
from streamgenre.teach.fitting import of_recordings

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.teach.fitting import Fitted

    Ints = NDArray[np.integer[Any]]

_DRAWS: Final = 2000
_LEVEL: Final = 0.95
_CONFUSED: Final = 0.7
"""Two genres whose recordings are told apart less often than this are named."""
_DOUBTED: Final = 0.6
"""Probability of another genre from which a recording may be mislabelled."""
_MOST_DOUBTED: Final = 20


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A balanced accuracy: the mean over the genres of the share that is right."""

    value: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end."""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"value": round(self.value, 4), "ci95": [round(self.low, 4), round(self.high, 4)]}


@dataclass(frozen=True, slots=True)
class Doubt:
    """A recording that sounds like another genre than it is labelled as."""

    path: Path
    genre: str
    likelier: str
    probability: float
    """Probability of the likelier genre, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the folds showed."""

    labels: tuple[str, ...]
    recordings: Accuracy
    """Of whole recordings, by their mean probabilities."""
    windows: Accuracy
    """Of single windows of three seconds."""
    counts: NDArray[np.int64]
    """Recordings by genre (row) and answer (column)."""
    artists: tuple[int, ...]
    """Known artists of each genre."""
    groups: tuple[int, ...]
    """Groups of each genre, which the folds keep together."""
    confused: tuple[tuple[str, str, float], ...]
    """Pairs of genres that are hard to tell apart, with the share that is told apart."""
    doubts: tuple[Doubt, ...]
    """Recordings that look mislabelled, the clearest first."""
    n_folds: int

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / len(self.labels)

    @property
    def recall(self) -> tuple[float, ...]:
        """Share of each genre's recordings that is right."""
        right = self.counts.diagonal() / np.maximum(1, self.counts.sum(axis=1))
        return tuple(float(each) for each in right)

    def as_dict(self) -> dict[str, Any]:
        """Return all for JSON."""
        return {
            "accuracy": self.recordings.as_dict() | {"chance": round(self.chance, 4)},
            "accuracy_of_windows": self.windows.as_dict(),
            "folds": self.n_folds,
            "genres": {
                label: {
                    "recordings": int(row.sum()),
                    "artists": artists,
                    "groups": groups,
                    "recall": round(recall, 4),
                }
                for label, row, artists, groups, recall in zip(
                    self.labels, self.counts, self.artists, self.groups, self.recall, strict=True
                )
            },
            "confusion": {"labels": list(self.labels), "counts": self.counts.tolist()},
            "hard_to_tell_apart": [
                {"genres": [a, b], "told_apart": round(told, 4)} for a, b, told in self.confused
            ],
            "maybe_mislabelled": [
                {
                    "path": str(each.path),
                    "genre": each.genre,
                    "likelier": each.likelier,
                    "probability": round(each.probability, 4),
                }
                for each in self.doubts
            ],
        }


def figures_of(fitted: Fitted, *, seed: int = 0) -> Figures:
    """Return the figures of a fit.

    Parameters
    ----------
    fitted
        The fit, with its held-out answers.
    seed
        Seed of the draws for the intervals.
    """
    material = fitted.material
    count, n_labels = len(material.recordings), len(material.labels)
    p = of_recordings(fitted.held_out, fitted.temperature, material.of, count)
    answers = p.argmax(axis=1)
    row_hits = fitted.held_out.argmax(axis=1) == material.row_targets
    rows = np.bincount(material.of, minlength=count)
    share = np.bincount(material.of, weights=row_hits, minlength=count) / np.maximum(1, rows)
    own = [material.targets == genre for genre in range(n_labels)]
    return Figures(
        labels=material.labels,
        recordings=_accuracy(answers == material.targets, material.targets, material.groups, seed),
        windows=_accuracy(share, material.targets, material.groups, seed),
        counts=confusion(answers, material.targets, n_labels),
        artists=tuple(
            len(
                {
                    each.artist.casefold()
                    for each, mine in zip(material.recordings, here, strict=True)
                    if mine and each.artist
                }
            )
            for here in own
        ),
        groups=tuple(len(np.unique(material.groups[here])) for here in own),
        confused=_confused(p, material.targets, material.labels),
        doubts=_doubts(fitted, p),
        n_folds=len(np.unique(fitted.folds)),
    )


def _accuracy(hits: NDArray[Any], targets: Ints, groups: Ints, seed: int) -> Accuracy:
    """Return the balanced accuracy and its interval; whole groups are drawn within their genre."""
    rng = np.random.default_rng(seed)
    genres = np.unique(targets)
    drawn = np.zeros(_DRAWS)
    for genre in genres:
        here = targets == genre
        _, group = np.unique(groups[here], return_inverse=True)
        sizes = np.bincount(group)
        right = np.bincount(group, weights=hits[here].astype(np.float64))
        times = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=_DRAWS)
        drawn += (times @ right) / (times @ sizes) / len(genres)
    low, high = np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    value = balanced_accuracy(hits, targets)
    if low == high:  # all are right, or none: draws cannot differ, and would promise certainty
        per_genre = [len(np.unique(groups[targets == genre])) for genre in genres]
        low, high = _wilson(value, len(genres) ** 2 / sum(1 / n for n in per_genre))
    return Accuracy(value, float(low), float(high))


def _wilson(share: float, count: float) -> tuple[float, float]:
    """Return Wilson's interval (95 %) of a share that was found among so many."""
    z2 = 1.96**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def _confused(
    p: NDArray[np.float64], targets: Ints, labels: tuple[str, ...]
) -> tuple[tuple[str, str, float], ...]:
    """Return the pairs of genres that are hard to tell apart, the hardest first.

    Of each pair only the recordings of the two and their two probabilities count.
    """
    found = []
    for a in range(len(labels)):
        for b in range(a + 1, len(labels)):
            told = [
                (p[targets == one, one] > p[targets == one, other]).mean()
                for one, other in ((a, b), (b, a))
            ]
            if np.mean(told) < _CONFUSED:
                found.append((labels[a], labels[b], float(np.mean(told))))
    return tuple(sorted(found, key=lambda each: each[2]))


def _doubts(fitted: Fitted, p: NDArray[np.float64]) -> tuple[Doubt, ...]:
    material = fitted.material
    found = []
    for at, (each, target) in enumerate(zip(material.recordings, material.targets, strict=True)):
        best = int(p[at].argmax())
        if best != target and p[at, best] >= _DOUBTED and each.sha256:
            found.append(Doubt(each.path, each.genre, material.labels[best], float(p[at, best])))
    # A genre that is hardly recognised at all has no labels to be doubted.
    right = Counter(
        material.labels[target]
        for target, answer in zip(material.targets, p.argmax(axis=1), strict=True)
        if target == answer
    )
    total = Counter(material.labels[target] for target in material.targets)
    found = [each for each in found if 2 * right[each.genre] >= total[each.genre]]
    return tuple(sorted(found, key=lambda each: -each.probability)[:_MOST_DOUBTED])
