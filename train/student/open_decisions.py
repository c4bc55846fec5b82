"""What the decision stage makes of it by the second: what `unknown` costs, and what it gains."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference import statistics
from streamgenre.inference.decision import Answer, Decider
from streamgenre.inference.output import softmax
from streamgenre.inference.settings import DecisionSettings
from train.student.open_kinds import OTHERS
from train.student.open_rows import FREE_KNOWN, OTHER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.student.open_rows import Rows
    from train.student.open_set import Judgement

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

UNKNOWN: Final = -1
"""Decision of a second without a genre."""


def decide(
    rows: Rows, judgement: Judgement, known: Floats | None, settings: DecisionSettings
) -> Ints:
    """Return the decided genre of every second, shape ``(n, 6)``.

    Excerpts of one clip or package follow each other, as on the air.

    Parameters
    ----------
    rows
        The excerpts.
    judgement
        What was said of them.
    known
        Probability of known music after each second, shape ``(n, 6)``; None to decide from the
        genres alone.
    settings
        Settings of the decision stage.
    """
    genres = softmax(judgement.logits / judgement.temperature)
    decided = np.full(genres.shape[:2], UNKNOWN, np.int64)
    before, decider, time = "", Decider(rows.labels, settings), 0.0
    for row, source in enumerate(rows.windows.sources):
        stretch = f"{source}/{rows.windows.degraded[row]}"
        if stretch != before:
            before, decider, time = stretch, Decider(rows.labels, settings), 0.0
        for second in range(genres.shape[1]):
            likely = None if known is None else float(known[row, second])
            answer = Answer(genres[row, second], known=likely)
            found = decider.step(answer, start=time, end=time + 1)
            time += 1
            if found.genre is not None:
                decided[row, second] = rows.labels.index(found.genre)
    return decided


def figures(rows: Rows, judgement: Judgement, known: Floats) -> dict[str, Any]:
    """Return the shares by the second with the daemon's settings, without and with the head.

    Parameters
    ----------
    rows
        The excerpts.
    judgement
        What was said of them.
    known
        Probability of known music after each second, shape ``(n, 6)``.
    """
    settings = DecisionSettings()
    chosen = {
        "genres alone": decide(rows, judgement, None, settings),
        "with the head": decide(rows, judgement, known, settings),
    }
    return {
        "settings": {
            name: value
            for name, value in dataclasses.asdict(settings).items()
            if name in ("smoothing_s", "enter", "keep", "margin") or name.startswith("known")
        },
        **{name: shares(rows, decided) for name, decided in chosen.items()},
    }


def shares(rows: Rows, decided: Ints) -> dict[str, Any]:
    """Return by clean and degraded: seconds right, and called unknown, of each sort of music.

    Parameters
    ----------
    rows
        The excerpts.
    decided
        Genre of every second, shape ``(n, 6)``.
    """
    found: dict[str, Any] = {}
    for changed, name in ((False, "clean"), (True, "degraded")):
        here = rows.windows.degraded == changed
        known = here & (rows.genres >= 0)
        truth = np.repeat(rows.genres[known], decided.shape[1])
        weights = statistics.genre_weights(truth)
        unknown = (decided[known] == UNKNOWN).reshape(-1)

        def share(mine: NDArray[np.bool_]) -> float | None:
            return round(float((decided[mine] == UNKNOWN).mean()), 4) if mine.any() else None

        found[name] = {
            "right": round(
                statistics.balanced_accuracy(decided[known].reshape(-1) == truth, truth), 4
            ),
            "known_called_unknown": round(float(weights @ unknown), 4),
            "by_genre": {
                rows.labels[genre]: round(float(unknown[truth == genre].mean()), 4)
                for genre in np.unique(truth)
            },
            "free_known_called_unknown": share(here & (rows.genres == FREE_KNOWN)),
            "other_called_unknown": share(here & (rows.genres == OTHER)),
            "other_by_kind": {
                kind: share(here & (rows.genres == OTHER) & (rows.kinds == kind)) for kind in OTHERS
            },
            "all_free_called_unknown": share(here & (rows.windows.folds <= 0)),
        }
    return found
