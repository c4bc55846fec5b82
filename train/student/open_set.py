"""Music that is like none of a model's genres: which score tells it best, and the head that does.

Everything is judged by what it was not fitted on: for each fold, heads and distances are fitted on
the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference import statistics
from streamgenre.inference.output import softmax
from train.student import open_figures, open_scores
from train.student.open_figures import Judged
from train.student.open_kinds import OTHERS
from train.student.open_rows import FREE_KNOWN, OTHER, UNSURE, WINDOWS, material, weights_of
from train.student.open_scores import HEAD, NAMES
from train.trunk.heads import Linear

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from train.student.open_rows import Rows

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float32]

KEPT: Final = 0.99
"""Share of the known music, clean, that the head gives a probability of at least one half."""
_RATE: Final = {False: "clean", True: "degraded"}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What heads that were fitted without each fold say of it."""

    logits: Floats
    """Of the genres after each second, shape ``(n, 6, labels)``."""
    known: Floats
    """Of the head after each second, shape ``(n, 6)``."""
    scores: dict[str, Floats]
    """Of each window, shape ``(n, 2)``."""
    kind_unheard: Floats
    """Score of the head that heard nothing of the window's kind either; of other music only."""
    temperature: float
    """Calibration of the genres."""


def judge(rows: Rows, on_fit: Callable[[], None] = lambda: None) -> Judgement:
    """Judge every fold by what was fitted without it.

    Parameters
    ----------
    rows
        The excerpts.
    on_fit
        Called after each fold.
    """
    n, seconds = rows.windows.embedding.shape[:2]
    every = tuple(range(seconds))
    logits = np.zeros((n, seconds, len(rows.labels)), np.float32)
    known, unheard = np.zeros((n, seconds), np.float32), np.zeros((n, len(WINDOWS)), np.float32)
    used = rows.genres != UNSURE
    fitted = {}
    for fold in np.unique(rows.folds).tolist():
        held, rest = rows.folds == fold, used & (rows.folds != fold)
        one = fitted[fold] = open_scores.fit(material(rows, rest), len(rows.labels))
        heard = rows.of(held, every)
        logits[held] = one.logits(heard).reshape(-1, seconds, len(rows.labels))
        known[held] = one.known(heard)[:, 0].reshape(-1, seconds)
        for kind in OTHERS:
            mine = held & (rows.genres == OTHER) & (rows.kinds == kind)
            if mine.any():
                others = rest & (rows.kinds != kind)
                without = open_scores.fit_known(material(rows, others))
                unheard[mine] = -without(rows.of(mine))[:, 0].reshape(-1, len(WINDOWS))
        on_fit()
    clean = (rows.genres >= 0) & ~rows.windows.degraded
    truth = np.repeat(rows.genres[clean], len(WINDOWS))
    temperature = statistics.fit_temperature(
        logits[clean][:, list(WINDOWS)].reshape(-1, len(rows.labels)),
        truth,
        statistics.genre_weights(truth),
    )
    scores = {name: np.zeros((n, len(WINDOWS)), np.float32) for name in NAMES}
    for fold, one in fitted.items():
        held = rows.folds == fold
        for name, score in one.of(rows.of(held), temperature).items():
            scores[name][held] = score.reshape(-1, len(WINDOWS))
    return Judgement(logits, known, scores, unheard, temperature)


def compare(rows: Rows, judgement: Judgement, *, rounds: int = 300) -> dict[str, Any]:
    """Return the figures of every score, clean and degraded.

    Parameters
    ----------
    rows
        The excerpts.
    judgement
        What was said of them.
    rounds
        Draws for the intervals.
    """
    found: dict[str, Any] = {}
    right = judgement.logits[:, list(WINDOWS)].argmax(axis=2) == rows.genres[:, None]
    for changed, name in _RATE.items():
        here = rows.windows.degraded == changed
        known, other = here & (rows.genres >= 0), here & (rows.genres == OTHER)
        both = known | other
        weights = weights_of(rows, both)
        judged = Judged(
            _twice(known[both]), right[both].reshape(-1), _twice(rows.owners[both]),
            _twice(weights[both]).astype(np.float64),
        )  # fmt: skip
        of_score = {
            score: open_figures.figures(values[both].reshape(-1), judged, rounds=rounds)
            for score, values in judgement.scores.items()
        }
        found[name] = {
            "windows": {
                "known": 2 * int(known.sum()),
                "other": {kind: 2 * int((other & (rows.kinds == kind)).sum()) for kind in OTHERS},
                "free, of one of the genres": 2 * int((here & (rows.genres == FREE_KNOWN)).sum()),
            },
            "accuracy": round(
                statistics.balanced_accuracy(
                    right[known].reshape(-1), np.repeat(rows.genres[known], len(WINDOWS))
                ),
                4,
            ),
            "scores": of_score,
            "head_by_kind": _by_kind(rows, judgement, here),
        }
    return found


def _by_kind(rows: Rows, judgement: Judgement, here: Bools) -> dict[str, Any]:
    """Return what the head does to each kind at :data:`open_figures.KEPT`, and the kind unheard."""
    head = judgement.scores[HEAD]
    known = here & (rows.genres >= 0)
    weights = weights_of(rows, known)
    most = open_figures.threshold(
        head[known].reshape(-1), _twice(weights[known]), open_figures.KEPT
    )
    found: dict[str, Any] = {}
    for kind in OTHERS:
        mine = here & (rows.genres == OTHER) & (rows.kinds == kind)
        if mine.any():
            found[kind] = {
                "called": round(float((head[mine] <= most).mean()), 4),
                "called_kind_unheard": round(
                    float((judgement.kind_unheard[mine] <= most).mean()), 4
                ),
                "windows": 2 * int(mine.sum()),
                "packages": len(set(rows.owners[mine])),
            }
    mine = here & (rows.genres == FREE_KNOWN)
    if mine.any():
        found["free, of one of the genres"] = {
            "called": round(float((head[mine] <= most).mean()), 4),
            "windows": 2 * int(mine.sum()),
            "packages": len(set(rows.owners[mine])),
        }
    return found


def calibration(rows: Rows, judgement: Judgement) -> tuple[float, float]:
    """Return what is added to the head's logit, and the temperature of the sum.

    With that, clean music of the genres reaches one half in a share of :data:`KEPT` of its windows.

    Parameters
    ----------
    rows
        The excerpts.
    judgement
        What was said of them.
    """
    used = (rows.genres >= OTHER) & ~rows.windows.degraded
    logits = judgement.known[used][:, list(WINDOWS)].reshape(-1)
    is_known = _twice(rows.genres[used] >= 0).astype(np.int64)
    weights = _twice(weights_of(rows, used)[used]).astype(np.float64)
    for side in (0, 1):
        weights[is_known == side] /= weights[is_known == side].sum()
    pairs = np.stack([np.zeros_like(logits), logits], axis=1)
    temperature = statistics.fit_temperature(pairs, is_known, weights)
    mine = is_known == 1
    most = open_figures.threshold(-logits[mine], weights[mine], KEPT)
    return most, temperature


def final_head(rows: Rows, added: float) -> Linear:
    """Return the head on all folds.

    Parameters
    ----------
    rows
        The excerpts.
    added
        What is added to its logit.
    """
    head = open_scores.fit_known(material(rows, rows.genres != UNSURE))
    return Linear(head.kernel, head.bias + np.float32(added), head.strength)


def probabilities(judgement: Judgement, added: float, temperature: float) -> NDArray[np.float64]:
    """Return the probability of known music after each second, shape ``(n, 6)``.

    Parameters
    ----------
    judgement
        What was said of the excerpts.
    added, temperature
        What :func:`calibration` returns.
    """
    logits = (judgement.known + added) / temperature
    return softmax(np.stack([np.zeros_like(logits), logits], axis=-1))[..., 1]


def _twice(values: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(values, len(WINDOWS))
