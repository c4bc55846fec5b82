"""The music head: music of any kind against everything else, linear on the embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference import statistics
from streamgenre.inference.output import softmax
from train.student.excerpts import CHECK
from train.trunk import heads
from train.trunk.heads import Linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.student.music_windows import MusicWindows

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float32]

_SHARES: Final = {
    "corpus": 0.3,
    "music": 0.2,
    "speech": 0.12,
    "ambience": 0.14,
    "effects": 0.1,
    "synthesised": 0.14,
}
"""Weight of each kind of sound in training; clean and degraded count the same."""
STRENGTH: Final = 0.1
"""Strength of the head's regularisation."""
THRESHOLD: Final = 0.5
"""Probability above which a window counts as music in the figures."""


@dataclass(frozen=True, slots=True)
class MusicHead:
    """A trained head, its calibration, and how good it is on what it was not trained on."""

    linear: Linear
    """One logit, that of music."""
    temperature: float
    figures: dict[str, Any]


def train(windows: MusicWindows) -> MusicHead:
    """Fit the head on all folds; measure it, and its temperature, on each fold held out.

    Parameters
    ----------
    windows
        What the model hears.
    """
    logits = np.full(len(windows.music), np.nan, np.float32)
    checked = windows.folds == CHECK
    folds = [int(fold) for fold in np.unique(windows.folds) if fold > 0]
    for fold in folds:
        head = fit(windows, ~checked & (windows.folds != fold))
        rows = windows.folds == fold
        logits[rows] = head(windows.embedding[rows])[:, 0]
    head = fit(windows, ~checked)
    logits[checked] = head(windows.embedding[checked])[:, 0]
    held = ~np.isnan(logits)
    pairs = np.stack([np.zeros(int(held.sum()), np.float32), logits[held]], axis=1)
    truth = windows.music[held].astype(np.int64)
    weights = statistics.genre_weights(truth)
    temperature = statistics.fit_temperature(pairs, truth, weights)
    probabilities = softmax(pairs / temperature)
    return MusicHead(
        head,
        temperature,
        {
            "of": "3 s windows with a fresh state; of the corpus held out by fold, of free music, "
            "speech and noise from packages never trained on",
            "threshold": THRESHOLD,
            "ece": round(statistics.calibration_error(probabilities, truth, weights), 4),
            "called_music": _called(windows, held, probabilities[:, 1] > THRESHOLD),
        },
    )


def fit(windows: MusicWindows, rows: Bools) -> Linear:
    """Fit the head on some of the windows.

    Parameters
    ----------
    windows
        All windows.
    rows
        Which of them to use, shape ``(n,)``.
    """
    weights = np.zeros(len(rows), np.float32)
    for what, share in _SHARES.items():
        for changed in (False, True):
            mine = rows & (windows.what == what) & (windows.degraded == changed)
            weights[mine] = share / max(int(mine.sum()), 1)
    used = weights > 0
    both = heads.fit_linear(
        windows.embedding[used], windows.music[used].astype(np.int64), weights[used], 2, STRENGTH
    )
    return Linear(
        both.kernel[:, 1:] - both.kernel[:, :1], both.bias[1:] - both.bias[:1], both.strength
    )


def _called(windows: MusicWindows, held: Bools, music: Bools) -> dict[str, dict[str, Any]]:
    """Return by kind of sound the share that is called music, and of how many windows."""
    what, changed = windows.what[held], windows.degraded[held]
    found: dict[str, dict[str, Any]] = {}
    for name in _SHARES:
        for degraded in (False, True):
            mine = (what == name) & (changed == degraded)
            if mine.any():
                found[name + (", degraded" if degraded else "")] = {
                    "share": round(float(music[mine].mean()), 4),
                    "windows": int(mine.sum()),
                }
    return found
