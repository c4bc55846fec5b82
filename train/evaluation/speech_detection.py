"""Speech against everything else: the files to learn it from, and how well it was learnt.

The corpus may have the folders ``speech``, ``music`` and ``noise`` beside its genres. Speech
without music is the one side; the other is music, noise and every clip of a genre, rapped and
toasted ones too. Files whose names differ in a number only (``news1``, ``news2``) are taken for the
same voice and stay in one fold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.models import softmax
from train.corpora.corpus import audio_files, make_folds
from train.evaluation import statistics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_NUMBER: Final = re.compile(r"\d+[a-z]?$")
SPEECH: Final = "speech"
MUSIC: Final = "music"
NOISE: Final = "noise"
WINDOW_SECONDS: Final = 3


@dataclass(frozen=True, slots=True)
class TalkFile:
    """A file without a genre."""

    path: Path
    """The audio file."""
    kind: str
    """``speech``, ``music`` or ``noise``."""
    fold: int
    """The fold that holds it out."""


def read_talk(folder: Path, folds: Sequence[int]) -> tuple[TalkFile, ...]:
    """Return the files of a corpus's folders ``speech``, ``music`` and ``noise``.

    Without files of speech or without music there is nothing to learn from: the result is empty.
    """
    found = [
        (path, kind)
        for kind in (SPEECH, MUSIC, NOISE)
        if (folder / kind).is_dir()
        for path in audio_files(folder / kind)
        if path.parent == folder / kind
    ]
    kinds = [kind for _, kind in found]
    if not {SPEECH, MUSIC} <= set(kinds):
        return ()
    voices = [f"{kind} {_NUMBER.sub('', path.stem)}" for path, kind in found]
    dealt = make_folds(kinds, voices, n_folds=len(folds))
    return tuple(
        TalkFile(path, kind, folds[fold - 1])
        for (path, kind), fold in zip(found, dealt, strict=True)
    )


def noises(files: Sequence[TalkFile]) -> tuple[tuple[TalkFile, ...], tuple[TalkFile, ...]]:
    """Return the recordings of noise that are trained with, and those only measured with."""
    of_noise = tuple(file for file in files if file.kind == NOISE)
    return of_noise[::2], of_noise[1::2]


@dataclass(slots=True)
class Measured:
    """What heads said to windows of folds that they were not trained on."""

    logits: list[Floats] = field(default_factory=list)
    what: list[NDArray[np.str_]] = field(default_factory=list)
    """``speech``, ``music``, ``noise``, with ``, changed`` where augmented; else a genre, ``room
    GENRE`` in the simulated room or ``others GENRE`` for other recordings."""
    folds: list[NDArray[np.integer[Any]]] = field(default_factory=list)
    files: list[NDArray[np.integer[Any]]] = field(default_factory=list)
    """Number of the file or clip, to draw whole ones anew."""

    def add(self, logits: Floats, what: Any, folds: Any, files: Any) -> None:
        """Add windows: their logits, what they are, the fold that held them out, their file."""
        self.logits.append(logits)
        self.what.append(np.asarray(what, dtype=np.str_))
        self.folds.append(np.asarray(folds))
        self.files.append(np.asarray(files))

    def plain(self) -> tuple[Floats, Any, Any, Any]:
        """Return logits, whether it is speech, folds and files of unchanged speech and music."""
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

    It is 1 where none are left.
    """
    logits, clear, folds, _ = measured.plain()
    rows = folds != (-1 if without is None else without)
    if not rows.any():
        return 1.0
    return statistics.fit_temperature(
        _pairs(logits[rows]), clear[rows], statistics.genre_weights(clear[rows])
    )


def figures(measured: Measured) -> dict[str, Any]:
    """Sum up: speech against music, and how often each kind of sound is called speech."""
    logits, clear, folds, files = measured.plain()
    hits = (logits > 0) == clear
    low, high = statistics.bootstrap_interval(
        hits, clear, folds, files, rng=np.random.default_rng(0)
    )
    probabilities = softmax(_pairs(logits) / temperature_of(measured))
    every, what = np.concatenate(measured.logits), np.concatenate(measured.what)
    return {
        "of": "3 s windows, nothing heard before; files held out by fold, a voice in one fold only",
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
