"""Training and measuring heads on the trunk."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import LOGITS
from train.corpora.material_kinds import ALONE, LEVELS, OTHERS, QUIET, ROOM
from train.evaluation import clip_outcomes
from train.evaluation.held_out import HeldOut
from train.trunk import heads, lstm_memory, speech_head
from train.trunk.programme_figures import programme_figures

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from train.trunk.embedded_corpus import EmbeddedCorpus
    from train.trunk.heads import Linear, Seconds, Window

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float32]

AUGMENTED: Final = 0.25
"""Weight of the augmented programmes in the training of the window's head, relative to the
unchanged clips. A higher weight trades clean music for the simulated room: on the folds, at a
strength of 1, 3 s windows clean and in the room were 0.81 and 0.35 at 0, 0.80 and 0.45 at 0.25,
0.79 and 0.47 at 0.5, 0.78 and 0.50 at 1; at a strength of 0.3, 0.25 gave 0.78 and 0.49.
"""
LEVELLED: Final = 0.5
"""The same for programmes in which only levels change: a station is not as loud as a CD, and the
trunk misclassifies quiet rock."""
_THINNED: Final = 2
"""Every n-th augmented second is used."""
_STRAY: Final = 0.2
"""Weight of noise without music, relative to all music; it is trained as "no genre". Without it
hiss is taken for metal and rumble for classical, and so is music with such noise. In a trial with
2200 windows per fold, 0.1 to 0.3 raised recordings over the air from 0.41 to 0.43 and did not
change clean windows or those in the simulated room."""


@dataclass(frozen=True, slots=True)
class HeadRecipe:
    """A head that can be trained on the trunk by name."""

    name: str
    description: str
    """What the model is, for the model card."""
    remembers: bool
    """Whether there is an LSTM over the seconds."""
    defaults: lstm_memory.Settings = field(default_factory=lstm_memory.Settings)


_TRUNK: Final = (
    "the pretrained trunk MSD_musicnn (Pons and Serra, 2019) over the last 3 s, run incrementally "
    "from MFCC frames"
)
RECIPES: Final = {
    "lstm": HeadRecipe(
        "lstm",
        f"{_TRUNK}; a linear head on its pooled features, units and tags; and an LSTM over the "
        "seconds, with one step per update, whose logits are added",
        remembers=True,
    ),
    "cnn": HeadRecipe(
        "cnn",
        f"{_TRUNK}, and a linear head on its pooled features, units and tags; it remembers "
        "nothing older than 3 s",
        remembers=False,
    ),
}


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained head."""

    window: Linear
    memory: Any
    """The LSTM in Keras, or None."""
    speech: Linear | None = None
    """The speech head, one logit; None without recordings of speech."""

    def logits(self, seconds: Seconds, begins: Bools | None = None) -> Floats:
        """Return logits of seconds, with a fresh state where ``begins`` is true.

        Parameters
        ----------
        seconds
            Embeddings, one row per second.
        begins
            Rows with a fresh state, shape ``(n,)``; None for those of ``seconds``.
        """
        of_window = self.window(seconds.embedding)
        if self.memory is None:
            return of_window
        return lstm_memory.run(self.memory, of_window, seconds.begins if begins is None else begins)


def fit(
    embedded: EmbeddedCorpus,
    recipe: HeadRecipe,
    settings: lstm_memory.Settings,
    folds: tuple[int, ...],
    *,
    on_epoch: Callable[[int, float], None] = lambda number, loss: None,
) -> Fitted:
    """Train on the clips of some folds.

    Parameters
    ----------
    embedded
        The embedded corpus.
    recipe
        The head to train.
    settings
        How the LSTM is trained.
    folds
        The folds to train on.
    on_epoch
        Called with the number and the loss of every epoch.
    """
    targets, artists = _keys(embedded)
    kinds = {
        kind: heads.subset(seconds, np.isin(seconds.folds, folds))
        for kind, seconds in embedded.kinds.items()
        if kind >= ALONE
    }
    changed = sum(kind > LEVELS for kind in kinds)
    weights = [
        heads.row_weights(seconds, targets, artists, thinned=1 if kind == ALONE else _THINNED)
        * np.float32({ALONE: 1.0, LEVELS: LEVELLED}.get(kind, AUGMENTED / changed))
        for kind, seconds in kinds.items()
    ]
    rows = heads.joined(list(kinds.values()))
    window = heads.fit_window(
        heads.joined([rows, embedded.strays]),
        targets,
        np.concatenate([*weights, _stray_weights(embedded.strays, sum(w.sum() for w in weights))]),
        len(embedded.corpus.labels),
        crossed=recipe.remembers,
    )
    speech = speech_head.fit(embedded, folds) if embedded.of_talk else None
    if not recipe.remembers:
        return Fitted(window.head, None, speech)
    remembered = lstm_memory.fit(
        _pieces(rows, window, targets, artists), settings, on_epoch=on_epoch
    )
    return Fitted(window.head, remembered, speech)


def _stray_weights(strays: Seconds, of_music: float) -> Floats:
    """Weigh seconds of noise that fill the trunk's window."""
    full = strays.ages > clip_outcomes.WINDOW_SECONDS - 0.5
    weights: Floats = (full * (_STRAY * of_music / full.sum())).astype(np.float32)
    return weights


def _pieces(rows: Seconds, window: Window, targets: Any, artists: list[str]) -> lstm_memory.Rows:
    """Sort settled seconds into pieces by clip; artists count by the square root of their clips."""
    settled = (rows.clips >= 0) & (rows.ages >= clip_outcomes.WINDOW_SECONDS - 0.5)
    breaks = (np.diff(rows.clips) != 0) | (np.diff(rows.ages) < 0) | rows.begins[1:]
    pieces: dict[int, list[Any]] = {}
    for piece in np.split(np.arange(len(rows.clips)), np.flatnonzero(breaks) + 1):
        kept = piece[settled[piece]]
        if len(kept):
            pieces.setdefault(int(rows.clips[piece[0]]), []).append(kept)
    clips = sorted(pieces)
    genre = targets[clips]
    names = np.array([artists[clip] for clip in clips])
    _, of_artist, count = np.unique(names, return_inverse=True, return_counts=True)
    shares = 1 / np.sqrt(count[of_artist])
    for one in np.unique(genre):
        shares[genre == one] /= shares[genre == one].sum()
    return lstm_memory.Rows(
        _crossed(window, rows), tuple(tuple(pieces[clip]) for clip in clips), genre,
        shares / shares.sum(),
    )  # fmt: skip


def _crossed(window: Window, programmes: Seconds) -> Floats:
    """Return logits of every fold's programmes from the head trained without that fold."""
    logits = np.zeros((len(programmes.folds), len(window.head.bias)), np.float32)
    for fold in np.unique(programmes.folds):
        rows = programmes.folds == fold
        logits[rows] = window.without[int(fold)](programmes.embedding[rows])
    return logits


def _keys(embedded: EmbeddedCorpus) -> tuple[NDArray[np.int64], list[str]]:
    labels = embedded.corpus.labels
    targets = np.array([labels.index(clip.genre) for clip in embedded.clips])
    artists = [
        clip.artist.casefold() or f"unknown {index}" for index, clip in enumerate(embedded.clips)
    ]
    return targets, artists


@dataclass(slots=True)
class Measured(HeldOut):
    """Outputs of models on held-out clips and programmes."""

    quiet: list[clip_outcomes.Outcome] = field(default_factory=list)
    """The clips 20 dB quieter."""
    programmes: dict[int, list[tuple[Seconds, Floats]]] = field(default_factory=dict)
    """Seconds of held-out folds and their logits, by kind."""


def measure_fold(fitted: Fitted, embedded: EmbeddedCorpus, fold: int, into: Measured) -> None:
    """Run a head over all material of its held-out fold.

    Parameters
    ----------
    fitted
        The trained head.
    embedded
        The embedded corpus.
    fold
        The held-out fold.
    into
        Collects the outputs.
    """
    targets, _ = _keys(embedded)
    for kind, seconds in embedded.kinds.items():
        if kind > ALONE:
            held = heads.subset(seconds, seconds.folds == fold)
            into.programmes.setdefault(kind, []).append((held, fitted.logits(held)))
    if fitted.speech is not None:
        speech_head.measure_fold(fitted.speech, embedded, fold, into.speech)
    if embedded.of_talk:
        noise = speech_head.unheard_noise(embedded, fold)
        if len(noise.clips):
            into.noise.append(fitted.logits(noise, np.ones(len(noise.clips), np.bool_)))
    for kind, outcomes in (
        (ALONE, into.clips),
        (OTHERS, into.variants),
        (ROOM, into.room),
        (QUIET, into.quiet),
    ):
        if kind in embedded.kinds:
            seconds = embedded.kinds[kind]
            held = heads.subset(seconds, seconds.folds == fold)
            outcomes += _outcomes(fitted, held, targets, fold)


def _outcomes(
    fitted: Fitted, held: Seconds, targets: Any, fold: int
) -> list[clip_outcomes.Outcome]:
    hops = fitted.logits(held)
    fresh = fitted.logits(held, np.ones(len(held.clips), np.bool_))
    bounds = [*np.flatnonzero(held.begins), len(held.clips)]
    outcomes: list[clip_outcomes.Outcome] = []
    for begin, end in itertools.pairwise(bounds):
        first = min(begin + round(clip_outcomes.WINDOW_SECONDS) - 1, end - 1)
        clip = int(held.clips[begin])
        outcomes.append(
            clip_outcomes.Outcome(
                int(targets[clip]),
                fold,
                clip,
                fresh[first : end : round(clip_outcomes.WINDOW_SECONDS)],
                hops[first:end],
                hops[:0],
            )
        )
    return outcomes


def figures(measured: Measured, embedded: EmbeddedCorpus) -> dict[str, Any]:
    """Return the figures over all folds.

    Parameters
    ----------
    measured
        Outputs on all folds.
    embedded
        The embedded corpus.
    """
    temperature = measured.temperatures()[LOGITS]
    result = measured.figures(embedded.corpus.labels, temperature)
    if measured.quiet:
        result["quiet"] = clip_outcomes.figures(measured.quiet, embedded.corpus.labels, temperature)
    targets, _ = _keys(embedded)
    result["programmes"] = {
        "levels" if kind == LEVELS else f"augmented {kind}": programme_figures(parts, targets)
        for kind, parts in sorted(measured.programmes.items())
    }
    return result
