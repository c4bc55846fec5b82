"""Running a model over clips as the daemon does, and the figures of the outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference import statistics
from streamgenre.inference.output import softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamgenre.inference.model import Model

    Frames = NDArray[np.float32]

WINDOW_SECONDS: Final = 3.0
HOP_SECONDS: Final = 1.0
LATER_SECONDS: Final = 10.0
_BATCH: Final = 16
_ENDLESS_ORDERS: Final = 4
"""Number of endless programmes, each with the clips in another random order."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A model's outputs for one held-out clip."""

    target: int
    """Index of the true genre."""
    fold: int
    """Fold of the clip."""
    clip: int
    """Number of the clip; variants of a clip share it."""
    windows: Frames
    """Logits of each 3 s window with a fresh state, shape ``(n_windows, labels)``."""
    hops: Frames
    """Logits after each hop from 3 s on, shape ``(n_hops, labels)``; a shorter clip has one."""
    endless: Frames
    """The same with the clips played one after the other and the state never reset, over all
    orders; shape ``(n, labels)``, no rows if not measured."""


def run_clips(
    model: Model,
    frames: Sequence[Frames],
    targets: Sequence[int],
    folds: Sequence[int],
    clips: Sequence[int],
    *,
    rng: np.random.Generator,
    endless: bool = True,
) -> list[Outcome]:
    """Run a model over clips: by window, by hop, and as an endless programme.

    Parameters
    ----------
    model
        A loaded model folder.
    frames
        MFCC frames of each clip, shape ``(n, numcep)``.
    targets, folds, clips
        One entry per clip, see :class:`Outcome`.
    rng
        Draws the orders of the endless programme.
    endless
        Whether to run the endless programme.
    """
    rate = model.manifest.features.frame_rate
    window, hop = round(WINDOW_SECONDS * rate), round(HOP_SECONDS * rate)
    of_windows = windows(model, frames)
    of_hops = _hops(model, frames, window, hop)
    of_endless = _endless(model, frames, window, hop, rng) if endless else [f[:0] for f in of_hops]
    return [
        Outcome(*parts)
        for parts in zip(
            targets, folds, clips, of_windows, of_hops, of_endless, strict=True
        )
    ]  # fmt: skip


def windows(model: Model, frames: Sequence[Frames]) -> list[Frames]:
    """Return the logits of every clip's 3 s windows, each with a fresh state.

    One entry per clip, shape ``(windows, labels)``; a shorter clip is one window.

    Parameters
    ----------
    model
        A loaded model folder.
    frames
        MFCC frames of each clip, shape ``(n, numcep)``.
    """
    window = round(WINDOW_SECONDS * model.manifest.features.frame_rate)
    pieces = [
        (clip, of_clip[start : start + window])
        for clip, of_clip in enumerate(frames)
        for start in range(0, max(1, len(of_clip) - window + 1), window)
    ]
    logits: list[list[Frames]] = [[] for _ in frames]
    for start in range(0, len(pieces), _BATCH):
        batch = pieces[start : start + _BATCH]
        names = [str(i) for i in range(len(batch))]
        rows = model.update(names, [piece for _, piece in batch]).logits
        for name, (clip, _), row in zip(names, batch, rows, strict=True):
            model.reset(name)
            logits[clip].append(row)
    return [np.stack(rows) for rows in logits]


def _cuts(n_frames: int, hop: int) -> list[slice]:
    """Cut a clip into hops; the remainder makes a shorter one."""
    return [slice(start, min(start + hop, n_frames)) for start in range(0, n_frames, hop)]


def _hops(model: Model, frames: Sequence[Frames], window: int, hop: int) -> list[Frames]:
    logits: list[list[Frames]] = [[] for _ in frames]
    for first in range(0, len(frames), _BATCH):
        batch = range(first, min(first + _BATCH, len(frames)))
        cuts = {clip: _cuts(len(frames[clip]), hop) for clip in batch}
        for number in range(max(len(c) for c in cuts.values())):
            playing = [clip for clip in batch if number < len(cuts[clip])]
            pieces = [frames[clip][cuts[clip][number]] for clip in playing]
            rows = model.update([str(clip) for clip in playing], pieces).logits
            for clip, row in zip(playing, rows, strict=True):
                if cuts[clip][number].stop >= min(window, len(frames[clip])):
                    logits[clip].append(row)
        for clip in batch:
            model.reset(str(clip))
    return [np.stack(rows) for rows in logits]


def _endless(
    model: Model, frames: Sequence[Frames], window: int, hop: int, rng: np.random.Generator
) -> list[Frames]:
    orders = [rng.permutation(len(frames)) for _ in range(_ENDLESS_ORDERS)]
    # One station per order; each plays all hops of its clips without a reset.
    programmes = [
        [(clip, cut) for clip in order for cut in _cuts(len(frames[clip]), hop)] for order in orders
    ]
    names = [str(i) for i in range(len(orders))]
    logits: list[list[Frames]] = [[] for _ in frames]
    for playing in zip(*programmes, strict=True):
        rows = model.update(names, [frames[clip][cut] for clip, cut in playing]).logits
        for (clip, cut), row in zip(playing, rows, strict=True):
            if cut.stop >= min(window, len(frames[clip])):
                logits[clip].append(row)
    for name in names:
        model.reset(name)
    return [np.stack(rows) for rows in logits]


def temperature_of(outcomes: Sequence[Outcome]) -> float:
    """Fit the calibration temperature on the updates that a daemon would send.

    It is 1 without outcomes, as when the only measured fold is left out.
    """
    if not outcomes:
        return 1.0
    logits, targets, *_ = _flat(outcomes, "hops")
    return statistics.fit_temperature(logits, targets, statistics.genre_weights(targets))


def figures(
    outcomes: Sequence[Outcome],
    labels: Sequence[str],
    temperature: float,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the figures of outcomes: accuracies with intervals, confusion, calibration.

    All accuracies are means over the folds of the mean over the genres.

    Parameters
    ----------
    outcomes
        One entry per clip.
    labels
        Genres in the order of the logits.
    temperature
        Calibration temperature, above 0.
    seed
        Seed of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    later = round(LATER_SECONDS - WINDOW_SECONDS)  # hops are 1 s and begin at 3 s
    long = [o for o in outcomes if len(o.hops) > later]
    result: dict[str, Any] = {
        "chance": 1 / len(labels),
        "clips": len(outcomes),
        "window_seconds": WINDOW_SECONDS,
        "hop_seconds": HOP_SECONDS,
        "window": _accuracy(*_flat(outcomes, "windows"), labels, rng),
        "clip": _accuracy(*_clip_level(outcomes, temperature), labels, rng),
        "hop": _accuracy(*_flat(outcomes, "hops"), labels, rng),
    }
    if any(len(o.endless) for o in outcomes):
        result["endless_hop"] = _accuracy(*_flat(outcomes, "endless"), labels, rng)
    if long:
        stacked = np.stack([o.hops[later] for o in long])
        result["hop_after_10_s"] = _accuracy(stacked, *_keys(long, [1] * len(long)), labels, rng)
    result["calibration"] = _calibration(outcomes, temperature)
    logits, targets, *_ = _clip_level(outcomes, temperature)
    result["confusion"] = {
        "of": "clips; a row is a true genre, a column what it was taken for",
        "labels": list(labels),
        "counts": statistics.confusion(logits.argmax(axis=1), targets, len(labels)).tolist(),
    }
    return result


_Arrays = tuple[Any, Any, Any, Any]


def _keys(outcomes: Sequence[Outcome], repeats: Sequence[int]) -> tuple[Any, Any, Any]:
    return (
        np.repeat([o.target for o in outcomes], repeats),
        np.repeat([o.fold for o in outcomes], repeats),
        np.repeat([o.clip for o in outcomes], repeats),
    )


def _flat(outcomes: Sequence[Outcome], what: str) -> _Arrays:
    """Return logits, targets, folds and clips with one row per item."""
    logits = [getattr(outcome, what) for outcome in outcomes]
    return (np.concatenate(logits), *_keys(outcomes, [len(rows) for rows in logits]))


def _clip_level(outcomes: Sequence[Outcome], temperature: float) -> _Arrays:
    """Return each clip's mean probability over its hops instead of logits."""
    means = [softmax(o.hops / temperature).mean(axis=0) for o in outcomes]
    return (np.stack(means), *_keys(outcomes, [1] * len(outcomes)))


def _accuracy(
    scores: Any, targets: Any, folds: Any, clips: Any, labels: Sequence[str],
    rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    hits = scores.argmax(axis=1) == targets
    low, high = statistics.bootstrap_interval(hits, targets, folds, clips, rng=rng)
    by_genre = {
        labels[genre]: round(float(hits[targets == genre].mean()), 4)
        for genre in np.unique(targets)
    }
    return {
        "accuracy": round(statistics.fold_accuracy(hits, targets, folds), 4),
        "ci95": [round(low, 4), round(high, 4)],
        "items": len(hits),
        "by_fold": [
            round(statistics.balanced_accuracy(hits[folds == f], targets[folds == f]), 4)
            for f in np.unique(folds)
        ],
        "by_genre": by_genre,
    }


def _calibration(outcomes: Sequence[Outcome], temperature: float) -> dict[str, float]:
    logits, targets, folds, _ = _flat(outcomes, "hops")
    weights = statistics.genre_weights(targets)
    result = {
        "temperature": round(temperature, 4),
        "ece_at_1": statistics.calibration_error(softmax(logits), targets, weights),
        "ece": statistics.calibration_error(softmax(logits / temperature), targets, weights),
    }
    if len(np.unique(folds)) > 1:
        # The temperature of each fold is fitted without it: the effect of calibration on new music.
        probabilities = np.zeros(logits.shape)
        for fold in np.unique(folds):
            rest, held = folds != fold, folds == fold
            t = statistics.fit_temperature(
                logits[rest], targets[rest], statistics.genre_weights(targets[rest])
            )
            probabilities[held] = softmax(logits[held] / t)
        result["ece_cross_fitted"] = statistics.calibration_error(probabilities, targets, weights)
    return {name: round(value, 4) for name, value in result.items()}
