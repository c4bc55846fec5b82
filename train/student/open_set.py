"""Music that is like none of a model's genres: which score tells it best, and the head that does.

Everything is judged by what it was not fitted on. A fold of the corpus holds artists of its own;
packages of free music are dealt to the same folds. For each fold, heads and distances are fitted on
the others.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference import statistics
from streamgenre.inference.models import softmax
from train.errors import TrainError
from train.student import open_figures, open_scores
from train.student.open_figures import Judged
from train.student.open_kinds import OTHERS, kinds_of
from train.student.open_scores import HEAD, NAMES, Material
from train.trunk.heads import Linear

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from train.student.open_windows import OpenWindows

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

OTHER: Final = -1
"""Genre of free music that is like none of the ten."""
FREE_KNOWN: Final = -2
"""Genre of free music that is of one of the ten."""
UNSURE: Final = -3
"""Genre of the rest, which is not used."""
WINDOWS: Final = (2, 5)
"""Seconds of an excerpt after which a window of three seconds ends that lies in it."""
KEPT: Final = 0.99
"""Share of the known music, clean, that the head gives a probability of at least one half."""
_FREE_SHARE: Final = 0.3
"""Weight of free music of one of the ten, as a share of that of a genre."""
_RATE: Final = {False: "clean", True: "degraded"}


@dataclass(frozen=True, slots=True)
class Rows:
    """Excerpts with what they are."""

    windows: OpenWindows
    labels: tuple[str, ...]
    """Genres of the corpus."""
    genres: Ints
    """Index of the genre, or :data:`OTHER`, :data:`FREE_KNOWN`, :data:`UNSURE`; shape ``(n,)``."""
    kinds: NDArray[np.str_]
    """Its name; of other music one of :data:`~train.student.open_kinds.OTHERS`."""
    folds: Ints
    """Fold that holds it out, shape ``(n,)``."""
    owners: NDArray[np.str_]
    """Artist of a clip, package of free music; shape ``(n,)``."""

    def of(self, chosen: Bools, seconds: Sequence[int] = WINDOWS) -> Floats:
        """Return the embeddings of some excerpts, shape ``(chosen * seconds, width)``."""
        found = self.windows.embedding[chosen][:, list(seconds)]
        flat: Floats = found.reshape(-1, found.shape[-1])
        return flat


def rows_of(windows: OpenWindows, artists: Mapping[str, str], labels: Sequence[str]) -> Rows:
    """Join what was heard with what it is.

    Parameters
    ----------
    windows
        What a model heard.
    artists
        Artist by clip of the corpus.
    labels
        Genres of the model.

    Raises
    ------
    TrainError
        If the corpus is another one, or the free music holds none of the other kinds.
    """
    kinds, free = kinds_of(windows), windows.folds <= 0
    strange = sorted(set(kinds[~free]) - set(labels))
    if strange:
        raise TrainError(
            f"the corpus of the shards has the genres {', '.join(strange)}, the model has not"
        )
    genres = np.full(len(kinds), UNSURE, np.int64)
    for number, label in enumerate(labels):
        genres[~free & (kinds == label)] = number
    genres[free & (kinds != "")] = FREE_KNOWN
    genres[free & np.isin(kinds, list(OTHERS))] = OTHER
    if not (genres == OTHER).any():
        raise TrainError(
            "the shards hold no music of other genres; run `python -m train trunk prepare` with "
            "--music FREE"
        )
    last = int(windows.folds.max())
    of_package = [zlib.crc32(name.encode()) % last + 1 for name in windows.sources]
    return Rows(
        windows, tuple(labels), genres, kinds,
        np.where(free, of_package, windows.folds),
        np.array([artists.get(name) or name for name in windows.sources]),
    )  # fmt: skip


def weights_of(rows: Rows, chosen: Bools) -> Floats:
    """Weight excerpts: genres equally, owners within one by the root of their excerpts.

    Clean and degraded excerpts weigh the same.

    Parameters
    ----------
    rows
        The excerpts.
    chosen
        Which of them to use, shape ``(n,)``.
    """
    weights = np.zeros(len(rows.genres), np.float32)
    for genre in np.unique(rows.genres[chosen]):
        for changed in (False, True):
            mine = chosen & (rows.genres == genre) & (rows.windows.degraded == changed)
            _, place, count = np.unique(rows.owners[mine], return_inverse=True, return_counts=True)
            each = 1 / np.sqrt(count[place])
            weights[mine] = each / max(each.sum(), 1e-9)
            weights[mine] *= _FREE_SHARE if genre == FREE_KNOWN else 1
    return weights


def material(rows: Rows, chosen: Bools, seconds: Sequence[int] = WINDOWS) -> Material:
    """Return rows to train on.

    Parameters
    ----------
    rows
        The excerpts.
    chosen
        Which of them to use, shape ``(n,)``.
    seconds
        Which rows of an excerpt.
    """
    return Material(
        rows.of(chosen, seconds),
        np.repeat(rows.genres[chosen], len(seconds)),
        np.repeat(weights_of(rows, chosen)[chosen], len(seconds)),
    )


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
