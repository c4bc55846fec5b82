"""What several commands read: the corpus, its frames and the note for the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from train.cache import cache_folder
from train.corpora import splitfile
from train.corpora.corpus import read_corpus
from train.errors import TrainError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection
    from pathlib import Path

    from streamgenre.audio.features import MfccSpec
    from train.corpora.corpus import Corpus
    from train.corpora.dataset import Data
    from train.progress import Progress


def read_corpus_option(options: argparse.Namespace, progress: Progress) -> Corpus:
    """Read the corpus of ``--corpus``, with the folds of ``--split`` if given; show warnings.

    Parameters
    ----------
    options
        The command's options: ``corpus`` and ``split``.
    progress
        Where warnings are shown.
    """
    if options.split:
        corpus = splitfile.read(options.split, options.corpus)
    else:
        corpus = read_corpus(options.corpus)
    for warning in corpus.warnings:
        progress.note(f"warning: {warning}")
    return corpus


def load_frames(
    options: argparse.Namespace,
    progress: Progress,
    corpus: Corpus,
    spec: MfccSpec,
    rooms_of: Collection[int],
) -> Data:
    """Read or compute the frames of a corpus; report files that cannot be read.

    Parameters
    ----------
    options
        The command's options: ``corpus`` and ``cache``.
    progress
        Where progress and problems are shown.
    corpus
        The corpus.
    spec
        Settings of the frames.
    rooms_of
        Folds whose clips are also played in a simulated room.
    """
    from train.corpora.dataset import load_data

    return load_data(
        corpus,
        options.corpus,
        spec,
        options.cache or cache_folder("frames"),
        rooms_of=rooms_of,
        on_total=progress.files,
        on_file=progress.step,
        on_problem=lambda problem: progress.note(f"skipped: {problem}"),
    )


def read_note(path: Path | None) -> str:
    """Return the text of ``--note``; empty if it was not given.

    Raises
    ------
    TrainError
        If the file cannot be read.
    """
    if path is None:
        return ""
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainError(f"--note {path}: {error}") from error
