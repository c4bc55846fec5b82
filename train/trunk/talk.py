"""Speech against everything else: a linear head on the same embedding.

The corpus may have the folders ``speech``, ``music`` and ``noise`` beside its genres. Speech
without music is the one side; the other is music, noise and every clip of a genre, rapped or toasted
ones too. Files whose names differ in a number only (``news1``, ``news2``) are taken for the same
voice and stay in one fold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.models import softmax
from train import measure
from train.corpus import audio_files, make_folds
from train.trunk import heads
from train.trunk.heads import Linear
from train.trunk.kinds import ALONE, OTHERS, ROOM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from train.trunk.heads import Floats, Seconds
    from train.trunk.material import Heard

SPEECH: Final = "speech"
MUSIC: Final = "music"
NOISE: Final = "noise"
_SHARES: Final = {SPEECH: 0.5, MUSIC: 0.15, NOISE: 0.1, "genres": 0.25}
"""How much each kind of file weighs in training."""
_STRENGTH: Final = 1.0
"""Strength of the head's regularisation."""
_THINNED: Final = 4
"""One second in so many of the genres' clips is enough."""
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
    voices = [f"{kind} {path.stem.rstrip('0123456789')}" for path, kind in found]
    dealt = make_folds(kinds, voices, n_folds=len(folds))
    return tuple(
        TalkFile(path, kind, folds[fold - 1])
        for (path, kind), fold in zip(found, dealt, strict=True)
    )


def fit(heard: Heard, folds: Sequence[int]) -> Linear:
    """Fit the head on some folds: one logit, that of speech without music.

    Parameters
    ----------
    heard
        The corpus after the trunk, with files of talk.
    folds
        The folds to train on.
    """
    parts, weights = [], []
    for seconds in heard.of_talk:
        held = heads.subset(seconds, np.isin(seconds.folds, folds))
        kinds = _kinds(heard)[held.clips]
        weight = np.zeros(len(kinds), np.float32)
        for kind in (SPEECH, MUSIC, NOISE):
            rows = (kinds == kind) & (held.ages >= heads.MIN_AGE)
            weight[rows] = _SHARES[kind] / max(rows.sum(), 1)
        parts.append(held.embedding[weight > 0])
        weights.append((kinds[weight > 0] == SPEECH, weight[weight > 0]))
    of_genres = [seconds for kind, seconds in heard.kinds.items() if kind >= ALONE]
    for seconds in of_genres:
        rows = np.isin(seconds.folds, folds) & (seconds.clips >= 0)
        rows = np.flatnonzero(rows & (seconds.ages >= heads.MIN_AGE))[::_THINNED]
        parts.append(seconds.embedding[rows])
        share = np.float32(_SHARES["genres"] * len(heard.of_talk) / len(of_genres))
        weights.append((np.zeros(len(rows), np.bool_), np.full(len(rows), share / len(rows))))
    targets, weight = (np.concatenate(column) for column in zip(*weights, strict=True))
    both = heads.fit_linear(
        np.concatenate(parts), targets.astype(np.int64), weight.astype(np.float32), 2, _STRENGTH
    )
    return Linear(
        both.kernel[:, 1:] - both.kernel[:, :1], both.bias[1:] - both.bias[:1], both.strength
    )


def _kinds(heard: Heard) -> NDArray[np.str_]:
    return np.array([file.kind for file in heard.talk])


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

    def listen(self, head: Linear, heard: Heard, fold: int) -> None:
        """Run a head over the 3 s windows of a fold held out."""
        for way, seconds in enumerate(heard.of_talk):
            names = np.char.add(_kinds(heard), ", changed" if way else "")
            self._listen(head, seconds, names, fold)
        genres = np.array([clip.genre for clip in heard.clips])
        for kind, prefix in ((ALONE, ""), (ROOM, "room "), (OTHERS, "others ")):
            if kind in heard.kinds:
                self._listen(head, heard.kinds[kind], np.char.add(prefix, genres), fold)

    def _listen(self, head: Linear, seconds: Seconds, names: Any, fold: int) -> None:
        whole = np.round(seconds.ages).astype(int) % WINDOW_SECONDS == 0
        rows = (seconds.folds == fold) & whole & (seconds.ages > WINDOW_SECONDS / 2)
        self.logits.append(head(seconds.embedding[rows])[:, 0])
        self.what.append(names[seconds.clips[rows]])
        self.folds.append(seconds.folds[rows])
        self.files.append(seconds.clips[rows])


def figures(measured: Measured) -> tuple[dict[str, Any], float]:
    """Sum up; return the figures and the temperature."""
    logits, what, folds, files = (
        np.concatenate(column)
        for column in (measured.logits, measured.what, measured.folds, measured.files)
    )
    speech = what == SPEECH
    plain = speech | (what == MUSIC)
    clear = speech[plain].astype(np.int64)
    hits = (logits[plain] > 0) == clear
    low, high = measure.bootstrap_interval(
        hits, clear, folds[plain], files[plain], rng=np.random.default_rng(0)
    )
    pairs = np.stack([np.zeros_like(logits), logits], axis=1)[plain]
    temperature = measure.fit_temperature(pairs, clear, measure.genre_weights(clear))
    probabilities = softmax(pairs / temperature)
    return {
        "of": "3 s windows, nothing heard before; files held out by fold, a voice in one fold only",
        "speech_against_music": {
            "accuracy": round(measure.fold_accuracy(hits, clear, folds[plain]), 4),
            "ci95": [round(low, 4), round(high, 4)],
            "chance": 0.5,
            "windows": len(hits),
        },
        "ece": round(
            measure.calibration_error(probabilities, clear, measure.genre_weights(clear)), 4
        ),
        "called_speech": {
            str(name): round(float((logits[what == name] > 0).mean()), 4)
            for name in sorted(set(what))
        },
    }, temperature
