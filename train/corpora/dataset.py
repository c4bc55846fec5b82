"""A corpus with the frames of all its audio, for training and measuring."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.audio.resample import Resampler
from train.augmentation.audio import excerpt_of, simulated_room, stray_noise
from train.augmentation.room_acoustics import RATE
from train.corpora.material_kinds import ROOM, STRAY, seed_of
from train.corpora.recordings import Recording, corpus_hash, decode, frames_of, load_recordings
from train.corpora.talk_files import noises as split_noises
from train.corpora.talk_files import read_talk
from train.errors import TrainError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.audio.features import MfccSpec
    from train.corpora.corpus import Clip, Corpus
    from train.corpora.talk_files import TalkFile

    Frames = NDArray[np.float32]


_STRAYS: Final = 100
"""Largest number of stretches of noise without music; at most one per clip."""


@dataclass(frozen=True, slots=True)
class Data:
    """A corpus with the frames of all clips that could be read."""

    corpus: Corpus
    clips: tuple[Clip, ...]
    """The clips that could be read."""
    recordings: dict[Path, Recording]
    """Frames by audio file, variants included."""
    spec: MfccSpec
    talk: tuple[TalkFile, ...] = ()
    """Files of speech, music and noise without a genre that could be read."""
    rooms: dict[Path, Frames] = field(default_factory=dict)
    """Frames of clips in a simulated room, by audio file."""

    @property
    def sha256(self) -> str:
        """Hash of the clips; variants do not count."""
        return corpus_hash(self.recordings[clip.path] for clip in self.clips)

    @property
    def seconds(self) -> float:
        """Length of all clips in seconds."""
        return sum(self.recordings[clip.path].seconds for clip in self.clips)


def load_data(
    corpus: Corpus,
    folder: Path,
    spec: MfccSpec,
    cache: Path,
    *,
    rooms_of: Collection[int],
    on_total: Callable[[int], None] = lambda total: None,
    on_file: Callable[[], None] = lambda: None,
    on_problem: Callable[[str], None] = lambda text: None,
) -> Data:
    """Read a corpus's audio, and render the clips of some folds in a simulated room.

    Parameters
    ----------
    corpus, folder
        The clips and their folder.
    spec
        Settings of the frames.
    cache
        Folder to keep frames in.
    rooms_of
        Folds whose clips are also rendered in a room.
    on_total, on_file, on_problem
        Called with the number of files and rooms, after each of them, and with a message for each
        file that cannot be read.

    Raises
    ------
    TrainError
        If no clip can be read.
    """
    files = read_talk(folder, corpus.folds)
    paths = [path for clip in corpus.clips for path in (clip.path, *clip.variants)]
    paths += [file.path for file in files]
    on_total(len(paths) + sum(clip.fold in rooms_of for clip in corpus.clips))
    recordings, problems = load_recordings(paths, spec, cache, on_file=on_file)
    for problem in problems:
        on_problem(problem)
    clips = tuple(clip for clip in corpus.clips if clip.path in recordings)
    if not clips:
        raise TrainError(f"{folder}: none of its {len(paths)} files could be read")
    talk = tuple(file for file in files if file.path in recordings)
    noises = [decode(file.path, RATE) for file in split_noises(talk)[1]]
    rooms = {}
    for number, clip in enumerate(corpus.clips):
        if clip.fold in rooms_of:
            if clip.path in recordings:
                rooms[clip.path] = _in_a_room(clip, number, noises, spec)
            on_file()
    return Data(corpus, clips, recordings, spec, talk, rooms)


def _in_a_room(clip: Clip, number: int, noises: list[Frames], spec: MfccSpec) -> Frames:
    """Return a clip's frames in the same room as in :mod:`~train.trunk.embedded_corpus`."""
    rng = np.random.default_rng([seed_of(ROOM, clip.fold), number])
    return _frames(simulated_room(excerpt_of(decode(clip.path, RATE), rng), rng, noises), spec)


def stray_noise_of(data: Data) -> list[Frames]:
    """Return frames of noise without music: stretches of 4 s, recorded and synthesised.

    Each has the shape ``(n, numcep)``.
    """
    rng = np.random.default_rng(seed_of(STRAY, 0))
    noises = [decode(file.path, RATE) for file in split_noises(data.talk)[0]]
    return [
        _frames(stray_noise(rng, noises), data.spec) for _ in range(min(_STRAYS, len(data.clips)))
    ]


def _frames(samples: NDArray[np.float32], spec: MfccSpec) -> Frames:
    resampler = Resampler(RATE, spec.samplerate)
    return frames_of(np.concatenate([resampler.push(samples), resampler.flush()]), spec)


def check_data(data: Data, *, folds: bool = True) -> None:
    """Check that there is enough to train with.

    Parameters
    ----------
    data
        The corpus.
    folds
        Whether models are trained on folds, too.

    Raises
    ------
    TrainError
        If a genre or a fold has too little; the message names it.
    """
    for label in data.corpus.labels:
        of_genre = [clip for clip in data.clips if clip.genre == label]
        if not of_genre:
            raise TrainError(f"genre {label}: none of its files could be read")
        if folds and len({clip.fold for clip in of_genre}) < 2:
            raise TrainError(
                f"genre {label}: all of its {len(of_genre)} clips are in one fold, so that holding "
                "it out leaves nothing to train on; add artists, or train with --no-folds"
            )
