"""The speech head: speech without music against everything else, linear on the embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.corpora.material_kinds import ALONE, OTHERS, ROOM
from train.corpora.talk_files import MUSIC, NOISE, SPEECH, noises
from train.evaluation.speech_detection import WINDOW_SECONDS, Measured
from train.trunk import heads
from train.trunk.heads import Linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from train.trunk.embedded_corpus import EmbeddedCorpus
    from train.trunk.heads import Seconds

_SHARES: Final = {SPEECH: 0.5, MUSIC: 0.15, NOISE: 0.1}
"""Weight of each kind of file in training; noise by itself (:attr:`EmbeddedCorpus.strays`) weighs
as much as recordings of it."""
_OF_GENRES: Final = 0.25
"""Weight of the genres' clips."""
_STRENGTH: Final = 1.0
"""Strength of the head's regularisation."""
_THINNED: Final = 4
"""Every n-th second of the genres' clips is used."""


def fit(embedded: EmbeddedCorpus, folds: Sequence[int]) -> Linear:
    """Fit the head on some folds: one logit, that of speech without music.

    Parameters
    ----------
    embedded
        The embedded corpus, with files of talk.
    folds
        The folds to train on.
    """
    parts, weights = [], []
    for seconds in embedded.of_talk:
        held = heads.subset(seconds, np.isin(seconds.folds, folds))
        kinds = _kinds(embedded)[held.clips]
        weight = np.zeros(len(kinds), np.float32)
        for kind, of_kind in _SHARES.items():
            rows = (kinds == kind) & (held.ages >= heads.MIN_AGE)
            weight[rows] = of_kind / max(rows.sum(), 1)
        parts.append(held.embedding[weight > 0])
        weights.append((kinds[weight > 0] == SPEECH, weight[weight > 0]))
    of_genres = [seconds for kind, seconds in embedded.kinds.items() if kind >= ALONE]
    for seconds in of_genres:
        rows = np.isin(seconds.folds, folds) & (seconds.clips >= 0)
        rows = np.flatnonzero(rows & (seconds.ages >= heads.MIN_AGE))[::_THINNED]
        parts.append(seconds.embedding[rows])
        share = np.float32(_OF_GENRES * len(embedded.of_talk) / len(of_genres))
        weights.append((np.zeros(len(rows), np.bool_), np.full(len(rows), share / len(rows))))
    full = embedded.strays.ages >= heads.MIN_AGE
    parts.append(embedded.strays.embedding[full])
    share = np.float32(_SHARES[NOISE] / full.sum())
    weights.append((np.zeros(full.sum(), np.bool_), np.full(full.sum(), share)))
    targets, weight = (np.concatenate(column) for column in zip(*weights, strict=True))
    both = heads.fit_linear(
        np.concatenate(parts), targets.astype(np.int64), weight.astype(np.float32), 2, _STRENGTH
    )
    return Linear(
        both.kernel[:, 1:] - both.kernel[:, :1], both.bias[1:] - both.bias[:1], both.strength
    )


def _kinds(embedded: EmbeddedCorpus) -> NDArray[np.str_]:
    return np.array([file.kind for file in embedded.talk])


def _windows(seconds: Seconds, fold: int) -> NDArray[np.bool_]:
    """Return which seconds of a fold end a 3 s window."""
    whole = np.round(seconds.ages).astype(int) % WINDOW_SECONDS == 0
    ends: NDArray[np.bool_] = (seconds.folds == fold) & whole & (seconds.ages > WINDOW_SECONDS / 2)
    return ends


def unheard_noise(embedded: EmbeddedCorpus, fold: int) -> Seconds:
    """Return the 3 s windows of a fold's noise unseen in training.

    Parameters
    ----------
    embedded
        The embedded corpus.
    fold
        The held-out fold.
    """
    of_files = embedded.of_talk[0]
    unheard = [embedded.talk.index(file) for file in noises(embedded.talk)[1]]
    return heads.subset(of_files, _windows(of_files, fold) & np.isin(of_files.clips, unheard))


def measure_fold(head: Linear, embedded: EmbeddedCorpus, fold: int, into: Measured) -> None:
    """Run a head over the 3 s windows of its held-out fold.

    Parameters
    ----------
    head
        The speech head.
    embedded
        The embedded corpus.
    fold
        The held-out fold.
    into
        Collects the outputs.
    """

    def windows(seconds: Seconds, names: Any) -> None:
        rows = _windows(seconds, fold)
        into.add(
            head(seconds.embedding[rows])[:, 0],
            names[seconds.clips[rows]],
            seconds.folds[rows],
            seconds.clips[rows],
        )

    for way, seconds in enumerate(embedded.of_talk):
        windows(seconds, np.char.add(_kinds(embedded), ", changed" if way else ""))
    genres = np.array([clip.genre for clip in embedded.clips])
    for kind, prefix in ((ALONE, ""), (ROOM, "room "), (OTHERS, "others ")):
        if kind in embedded.kinds:
            windows(embedded.kinds[kind], np.char.add(prefix, genres))
