"""Files without a genre: speech, music and noise, and the folds that hold them out.

A corpus may have the folders ``speech``, ``music`` and ``noise`` beside its genres. Files whose
names differ only in a number (``news1``, ``news2``) count as one voice and stay in one fold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.teach.folds import make_folds
from train.corpora.corpus import audio_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NUMBER: Final = re.compile(r"\d+[a-z]?$")
SPEECH: Final = "speech"
MUSIC: Final = "music"
NOISE: Final = "noise"


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

    Empty without speech or without music: both are needed to learn from.

    Parameters
    ----------
    folder
        The corpus's folder.
    folds
        Numbers of the corpus's folds.
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
    assigned = make_folds(kinds, voices, n_folds=len(folds))
    return tuple(
        TalkFile(path, kind, folds[fold - 1])
        for (path, kind), fold in zip(found, assigned, strict=True)
    )


def noises(files: Sequence[TalkFile]) -> tuple[tuple[TalkFile, ...], tuple[TalkFile, ...]]:
    """Return the recordings of noise for training, and those for measuring."""
    of_noise = tuple(file for file in files if file.kind == NOISE)
    return of_noise[::2], of_noise[1::2]
