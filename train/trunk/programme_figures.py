"""Figures of a model on a programme: accuracy by second, lag after a change, wrong flips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.statistics import fold_accuracy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from train.trunk.heads import Seconds

    Floats = NDArray[np.float32]

_LONG_ENOUGH: Final = 5
"""Seconds that a piece must last to count for lag and flips."""


def programme_figures(
    parts: Sequence[tuple[Seconds, Floats]], targets: NDArray[np.integer[Any]]
) -> dict[str, Any]:
    """Return the figures of programmes, before the decision stage, which holds back wrong answers.

    Parameters
    ----------
    parts
        Seconds of a programme, and the model's logits without a reset in between.
    targets
        Genre of every clip.

    Returns
    -------
    ``second``: accuracy of every second with music, mean over folds and genres. ``lag_median`` and
    ``lag_p90``: seconds from a change to the first right answer; a piece without one counts as
    infinite (None). ``wrong_flips_a_minute``: changes of the answer to a wrong one within a piece.
    """
    hits, genres, folds = [], [], []
    lags: list[float] = []
    flips = minutes = 0.0
    for seconds, logits in parts:
        answers = logits.argmax(axis=1)
        music = seconds.clips >= 0
        wanted = np.where(music, targets[seconds.clips], -1)
        hits.append((answers == wanted)[music])
        genres.append(wanted[music])
        folds.append(seconds.folds[music])
        cuts = np.flatnonzero((np.diff(seconds.clips) != 0) | (np.diff(seconds.ages) < 0)) + 1
        for piece in np.split(np.arange(len(answers)), cuts):
            if len(piece) < _LONG_ENOUGH or not music[piece[0]]:
                continue
            right = answers[piece] == wanted[piece]
            lags.append(float(seconds.ages[piece[right.argmax()]]) if right.any() else np.inf)
            flips += float(((answers[piece][1:] != answers[piece][:-1]) & ~right[1:]).sum())
            minutes += len(piece) / 60
    median, p90 = np.quantile(lags, [0.5, 0.9], method="higher")
    return {
        "second": round(
            fold_accuracy(np.concatenate(hits), np.concatenate(genres), np.concatenate(folds)), 4
        ),
        "seconds": int(sum(len(of_part) for of_part in hits)),
        "lag_median": round(float(median), 1) if np.isfinite(median) else None,
        "lag_p90": round(float(p90), 1) if np.isfinite(p90) else None,
        "wrong_flips_a_minute": round(flips / max(minutes, 1e-9), 2),
    }
