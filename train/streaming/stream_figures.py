"""Figures of the daemon on programmes: accuracy by second, lag after a change, wrong flips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference import statistics
from train.streaming.playback import KINDS, STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from train.streaming.playback import Playback

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

_MUSIC: Final = STATES.index("music")
_SPEECH: Final = STATES.index("speech")
_UNKNOWN: Final = STATES.index("unknown")
LAGS: Final = 30
"""Length of the lag curve in seconds."""
_BINS: Final = 10


def figures(played: Sequence[Playback], labels: Sequence[str], *, seed: int = 0) -> dict[str, Any]:
    """Return the figures of one programme per fold.

    Parameters
    ----------
    played
        Truth and output; one entry per fold.
    labels
        Genres in the order of the model's output.
    seed
        Seed of the confidence intervals.
    """
    music = [h.genres >= 0 for h in played]
    genres = _joined([h.genres[m] for h, m in zip(played, music, strict=True)])
    clips = _joined([h.clips[m] for h, m in zip(played, music, strict=True)])
    folds = _joined([np.full(m.sum(), n + 1) for n, m in enumerate(music)])
    decisions = _joined([h.decisions[m] for h, m in zip(played, music, strict=True)])
    states = _joined([h.states[m] for h, m in zip(played, music, strict=True)])
    probabilities = _joined([h.probabilities[m] for h, m in zip(played, music, strict=True)])
    smoothed = _joined([h.smoothed[m] for h, m in zip(played, music, strict=True)])

    def accuracy(hits: Bools) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        low, high = statistics.bootstrap_interval(hits, genres, folds, clips, rng=rng)
        return {
            "accuracy": round(statistics.fold_accuracy(hits, genres, folds), 4),
            "ci95": [round(low, 4), round(high, 4)],
            "by_fold": [
                round(statistics.balanced_accuracy(hits[folds == f], genres[folds == f]), 4)
                for f in np.unique(folds)
            ],
            "by_genre": {
                labels[g]: round(float(hits[genres == g].mean()), 4) for g in np.unique(genres)
            },
        }

    weights = statistics.genre_weights(genres)
    return {
        "chance": round(1 / len(labels), 4),
        "seconds": {
            kind: int(sum((h.kinds == n).sum() for h in played)) for n, kind in enumerate(KINDS)
        },
        "second": accuracy(decisions == genres),
        "hop": accuracy(probabilities.argmax(axis=1) == genres),
        "lag": _lags(played),
        "flips_a_minute": _flips(played),
        "unknown": round(float(weights @ (states == _UNKNOWN)), 4),
        "calibration": {
            name: {
                "ece": round(statistics.calibration_error(p, genres, weights), 4),
                "brier": round(_brier(p, genres, weights), 4),
                "bins": _reliability(p, genres, weights),
            }
            for name, p in (("hop", probabilities), ("smoothed", smoothed))
        },
        "speech": _speech(played),
        "confusion": {
            "of": "seconds of music; a row is a true genre, a column the decision, "
            "the last column seconds without a genre",
            "labels": list(labels),
            "counts": _confusion(decisions, genres, len(labels)),
        },
    }


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts)


def _pieces(played: Playback) -> list[Ints]:
    """Return the rows of every piece of music."""
    return [
        np.flatnonzero(played.pieces == n) for n in np.unique(played.pieces[played.pieces >= 0])
    ]


def _lags(played: Sequence[Playback]) -> dict[str, Any]:
    """Return the seconds from a change to the first right decision, and the share right by age."""
    lags: list[float] = []
    right = np.zeros(LAGS)
    there = np.zeros(LAGS)
    for h in played:
        for rows in _pieces(h):
            hits = h.decisions[rows] == h.genres[rows]
            lags.append(float(h.ages[rows[hits.argmax()]]) if hits.any() else np.inf)
            ages = np.floor(h.ages[rows]).astype(int)
            young = (ages >= 0) & (ages < LAGS)
            np.add.at(right, ages[young], hits[young])
            np.add.at(there, ages[young], 1)
    median, p90 = np.quantile(lags, [0.5, 0.9], method="higher")
    return {
        "pieces": len(lags),
        "median_s": _finite(median),
        "p90_s": _finite(p90),
        "never": round(float(np.mean(np.isinf(lags))), 4),
        "right_by_age": [round(float(v), 4) for v in right / np.maximum(there, 1)],
    }


def _finite(seconds: float) -> float | None:
    return round(float(seconds), 1) if np.isfinite(seconds) else None


def _flips(played: Sequence[Playback]) -> float:
    """Return the changes of the decision to a wrong genre within a piece, per minute of music."""
    flips, seconds = 0, 0
    for h in played:
        for rows in _pieces(h):
            decided = h.decisions[rows]
            wrong = (decided[1:] >= 0) & (decided[1:] != h.genres[rows][1:])
            flips += int((wrong & (decided[1:] != decided[:-1])).sum())
            seconds += len(rows)
    return round(flips / max(seconds / 60, 1e-9), 3)


def _brier(p: NDArray[np.float64], genres: Ints, weights: NDArray[np.float64]) -> float:
    wanted = np.eye(p.shape[1])[genres]
    return float(weights @ np.square(p - wanted).sum(axis=1))


def _reliability(
    p: NDArray[np.float64], genres: Ints, weights: NDArray[np.float64]
) -> list[list[float]]:
    """Return mean confidence, accuracy and weight of the bins that are not empty."""
    sure, hits = p.max(axis=1), p.argmax(axis=1) == genres
    of_bin = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    rows = []
    for n in range(_BINS):
        inside = of_bin == n
        if inside.any():
            w = weights[inside]
            rows.append(
                [
                    round(float(w @ sure[inside] / w.sum()), 4),
                    round(float(w @ hits[inside] / w.sum()), 4),
                    round(float(w.sum()), 4),
                ]
            )
    return rows


def _speech(played: Sequence[Playback]) -> dict[str, Any]:
    talk = _joined([h.states[h.kinds == KINDS.index("talk")] for h in played])
    music = _joined([h.states[h.genres >= 0] for h in played])
    return {
        "talk_called_speech": round(float((talk == _SPEECH).mean()), 4) if len(talk) else None,
        "talk_called_music": round(float((talk == _MUSIC).mean()), 4) if len(talk) else None,
        "music_called_speech": round(float((music == _SPEECH).mean()), 4),
    }


def _confusion(decisions: Ints, genres: Ints, n_labels: int) -> list[list[int]]:
    columns = np.where(decisions < 0, n_labels, decisions)
    counts = np.zeros((n_labels, n_labels + 1), np.int64)
    np.add.at(counts, (genres, columns), 1)
    return [[int(count) for count in row] for row in counts]
