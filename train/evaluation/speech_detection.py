"""Speech detection: how well speech without music is separated from everything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference import statistics
from streamgenre.inference.output import softmax
from train.corpora.talk_files import MUSIC, SPEECH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from streamgenre.inference.model import Model

    Floats = NDArray[np.float32]

WINDOW_SECONDS: Final = 3


@dataclass(slots=True)
class Measured:
    """Outputs of speech heads on held-out windows."""

    logits: list[Floats] = field(default_factory=list)
    what: list[NDArray[np.str_]] = field(default_factory=list)
    """``speech``, ``music``, ``noise``, with ``, changed`` where augmented; else a genre, ``room
    GENRE`` in the simulated room or ``others GENRE`` for other recordings."""
    folds: list[NDArray[np.integer[Any]]] = field(default_factory=list)
    files: list[NDArray[np.integer[Any]]] = field(default_factory=list)
    """Number of the file or clip; the bootstrap draws whole files."""

    def add(self, logits: Floats, what: Any, folds: Any, files: Any) -> None:
        """Add windows: their logits, what they are, the fold that held them out, their file.

        Parameters
        ----------
        logits
            Speech logits, shape ``(n,)``.
        what
            Kind of sound of each window.
        folds
            Fold of each window.
        files
            Number of the file of each window.
        """
        self.logits.append(logits)
        self.what.append(np.asarray(what, dtype=np.str_))
        self.folds.append(np.asarray(folds))
        self.files.append(np.asarray(files))

    def plain(self) -> tuple[Floats, Any, Any, Any]:
        """Return logits, speech flags, folds and files of unchanged speech and music."""
        logits, what, folds, files = (
            np.concatenate(column) for column in (self.logits, self.what, self.folds, self.files)
        )
        rows = (what == SPEECH) | (what == MUSIC)
        return logits[rows], (what[rows] == SPEECH).astype(np.int64), folds[rows], files[rows]


def _pairs(logits: Floats) -> Floats:
    """Return logits of "no speech" and "speech", shape ``(n, 2)``."""
    return np.stack([np.zeros_like(logits), logits], axis=1)


def temperature_of(measured: Measured, *, without: int | None = None) -> float:
    """Fit the temperature on windows of speech and music; a fold may be left out.

    It is 1 if none are left.

    Parameters
    ----------
    measured
        Outputs on held-out windows.
    without
        The fold to leave out.
    """
    logits, clear, folds, _ = measured.plain()
    rows = folds != (-1 if without is None else without)
    if not rows.any():
        return 1.0
    return statistics.fit_temperature(
        _pairs(logits[rows]), clear[rows], statistics.genre_weights(clear[rows])
    )


def figures(measured: Measured) -> dict[str, Any]:
    """Return the figures: speech against music, and the share of each kind called speech."""
    logits, clear, folds, files = measured.plain()
    hits = (logits > 0) == clear
    low, high = statistics.bootstrap_interval(
        hits, clear, folds, files, rng=np.random.default_rng(0)
    )
    probabilities = softmax(_pairs(logits) / temperature_of(measured))
    every, what = np.concatenate(measured.logits), np.concatenate(measured.what)
    return {
        "of": "3 s windows with a fresh state; files held out by fold, a voice in one fold only",
        "against_music": {
            "accuracy": round(statistics.fold_accuracy(hits, clear, folds), 4),
            "ci95": [round(low, 4), round(high, 4)],
            "by_fold": [
                round(statistics.balanced_accuracy(hits[folds == f], clear[folds == f]), 4)
                for f in np.unique(folds)
            ],
            "windows": len(hits),
        },
        "chance": 0.5,
        "ece": round(
            statistics.calibration_error(probabilities, clear, statistics.genre_weights(clear)), 4
        ),
        "called_speech": {
            str(name): round(float((every[what == name] > 0).mean()), 4)
            for name in sorted(set(what))
        },
    }


def measure_files(
    model: Model, files: Sequence[tuple[int, str, int, Floats]], into: Measured
) -> None:
    """Run a model with a speech output over 3 s windows of held-out files.

    Parameters
    ----------
    model
        A loaded model folder.
    files
        A unique number, the kind, the fold and the frames of each file.
    into
        Collects the windows.
    """
    window = round(WINDOW_SECONDS * model.manifest.features.frame_rate)
    for number, what, fold, frames in files:
        pieces = [
            frames[start : start + window]
            for start in range(0, max(1, len(frames) - window + 1), window)
        ]
        names = [str(n) for n in range(len(pieces))]
        logits = model.update(names, pieces).speech
        for name in names:
            model.reset(name)
        assert logits is not None
        count = len(pieces)
        into.add(logits, [what] * count, np.full(count, fold), np.full(count, number))
