"""How well a student agrees with its teachers on what it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.student.lessons import MASKS
from train.student.teachers import CLASSES, EMBEDDING
from train.trunk.musicnn import TAGS, UNITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.student.lessons import Lessons

    Floats = NDArray[np.float32]

IN_A_ROW: Final = 2
"""Excerpts that a student hears without a reset: it must not take the last piece's sound for this
one's."""
_BATCH_EVALUATED: Final = 64


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well a student does on free music and speech that it was not trained on."""

    units: float
    """Mean correlation with the teacher's units."""
    tags: float
    """Mean correlation with the teacher's tags."""
    music: float
    """Area under the curve of music against the rest."""

    def __str__(self) -> str:
        """Return a short line."""
        return f"units {self.units:.3f}, tags {self.tags:.3f}, music {self.music:.3f}"


def agreement(model: Any, lessons: Lessons, rows: list[int]) -> Agreement:
    """Measure a student on rows, on their last degraded copy.

    Parameters
    ----------
    model
        The network.
    lessons
        The training set.
    rows
        Rows that it was not trained on.
    """
    from keras import ops

    rows = rows[: len(rows) // IN_A_ROW * IN_A_ROW]
    if not rows:
        return Agreement(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(0)
    found, wanted = [], []
    for at in range(0, len(rows), _BATCH_EVALUATED):
        part = rows[at : at + _BATCH_EVALUATED]
        heard = model(in_a_row(lessons.frames(part, 99, rng)), training=False)
        found.append(ops.convert_to_numpy(heard))
        wanted.append(in_a_row(lessons.targets(part)))
    answers, targets = (
        np.concatenate([one.reshape(-1, one.shape[-1]) for one in part]) for part in (found, wanted)
    )
    music = targets[:, -MASKS] > 0
    units = slice(EMBEDDING - UNITS - TAGS, EMBEDDING - TAGS)
    tags = slice(EMBEDDING - TAGS, EMBEDDING)
    taught = targets[:, -MASKS + 2] > 0
    at = EMBEDDING + CLASSES
    return Agreement(
        correlation(answers[music, units], targets[music, units]),
        correlation(answers[music, tags], targets[music, tags]),
        area(answers[taught, at], targets[taught, at] > 0.5),
    )


def in_a_row(values: Floats) -> Floats:
    """Join excerpts or their windows along time, ``(2 n, time, …)`` to ``(n, 2 time, …)``."""
    joined: Floats = values.reshape(-1, IN_A_ROW * values.shape[1], values.shape[2])
    return joined


def correlation(found: Floats, wanted: Floats) -> float:
    """Return the mean correlation of the columns.

    Parameters
    ----------
    found, wanted
        Shape ``(n, columns)``.
    """
    if len(found) < 2:
        return float("nan")
    a, b = found - found.mean(axis=0), wanted - wanted.mean(axis=0)
    norm = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0)) + 1e-9
    return float(((a * b).sum(axis=0) / norm).mean())


def area(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """Return the area under the receiver's curve; NaN with only one kind of rows.

    Parameters
    ----------
    scores
        Shape ``(n,)``.
    positive
        Which rows should have the higher scores, shape ``(n,)``.
    """
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores, kind="stable")] = np.arange(1, len(scores) + 1)
    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        return float("nan")
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * few))
