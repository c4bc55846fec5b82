"""Which six seconds of which files a trunk is trained on.

Of the corpus every second is used. Of free music one excerpt in twenty seconds is, and no package
gives more than :data:`_MOST` of them, so that no soundtrack outweighs the rest. Short files of
speech and of effects are joined within their package.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from train.augmentation.room_acoustics import RATE
from train.corpora.corpus import AUDIO_SUFFIXES, audio_files
from train.corpora.free_music import ROLES, Role
from train.corpora.recordings import decode
from train.errors import TrainError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from train.corpora.corpus import Corpus
    from train.corpora.talk_files import TalkFile

    Samples = NDArray[np.float32]

EXCERPT_S: Final = 6.0
"""Seconds of an excerpt that teachers judge: two windows of three seconds."""
EXCERPT: Final = round(6.1 * RATE)
"""Samples of an excerpt; the rest completes the last frames."""
FREE: Final = 0
"""The fold of files that belong to no fold and are always trained on."""
CHECK: Final = -1
"""The fold of free music that is never trained on: it shows whether a student learns."""
_STRIDE_S: Final = 20.0
_MOST: Final = {"music": 240, "speech": 150, "ambience": 150, "effects": 40}
"""Excerpts of a package by role, at most."""
_JOINED_S: Final = 120.0
"""Seconds of short files that are joined."""
_CHECKED: Final = 12
"""Every so manieth package is of the fold :data:`CHECK`."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file, or short files in a row, that excerpts are cut from."""

    name: str
    """Where it is from: the package, or the clip of the corpus."""
    paths: tuple[Path, ...]
    role: Role
    fold: int
    """The fold that holds it out, :data:`FREE` or :data:`CHECK`."""
    seconds: float
    stride_s: float = EXCERPT_S
    """Seconds from one excerpt to the next."""

    @property
    def count(self) -> int:
        """Number of excerpts."""
        return max(1, int((self.seconds + 0.5) // self.stride_s))


def of_corpus(corpus: Corpus, talk: Sequence[TalkFile]) -> list[Source]:
    """Return the sources of a corpus with genres; its other recordings are never trained on.

    Parameters
    ----------
    corpus
        The corpus.
    talk
        Its files of speech, music and noise without genres. Every other recording of noise is left
        out: measuring needs noise that no model has heard.
    """
    found = [
        Source(clip.name, (clip.path,), "music", clip.fold, _seconds(clip.path))
        for clip in corpus.clips
    ]
    roles: dict[str, Role] = {"music": "music", "speech": "speech", "noise": "ambience"}
    noises = [file for file in talk if file.kind == "noise"]
    for file in talk:
        if file in noises[1::2]:
            continue
        name = f"{file.kind}/{file.path.stem}"
        fold = FREE if file.kind == "noise" else file.fold
        found.append(Source(name, (file.path,), roles[file.kind], fold, _seconds(file.path)))
    return found


def of_free_music(folder: Path) -> list[Source]:
    """Return the sources of a folder that ``train music fetch`` has filled.

    Raises
    ------
    TrainError
        If the folder holds no audio.
    """
    found: list[Source] = []
    for role in ROLES:
        packages = sorted(path for path in (folder / role).glob("*") if path.is_dir())
        for package in packages:
            found += _of_package(package, role)
    if not found:
        raise TrainError(
            f"{folder}: no folders {', '.join(ROLES)} with audio; "
            "`python -m train music fetch --folder DIR` fills one"
        )
    return found


def _of_package(package: Path, role: Role) -> list[Source]:
    files = [(path, _seconds(path)) for path in audio_files(package)]
    files = [(path, seconds) for path, seconds in files if seconds > 0]
    digest = hashlib.sha256(package.name.encode()).digest()
    fold = CHECK if digest[0] % _CHECKED == 0 else FREE
    if role in ("speech", "effects"):
        np.random.default_rng(digest[0]).shuffle(files)
        joined = _joined(files)
    else:
        joined = [((path,), seconds) for path, seconds in files]
    stride = _STRIDE_S if role == "music" else EXCERPT_S
    total = sum(seconds for _, seconds in joined)
    stride = max(stride, total / _MOST[role])
    return [
        Source(package.name, paths, role, fold, seconds, stride)
        for paths, seconds in joined
        if seconds >= EXCERPT_S / 2
    ]


def _joined(files: list[tuple[Path, float]]) -> list[tuple[tuple[Path, ...], float]]:
    found: list[tuple[tuple[Path, ...], float]] = []
    row: list[Path] = []
    length = 0.0
    for path, seconds in files:
        row.append(path)
        length += seconds
        if length >= _JOINED_S:
            found.append((tuple(row), length))
            row, length = [], 0.0
    return [*found, (tuple(row), length)] if row else found


def batches(sources: Sequence[Source], excerpts: int) -> list[tuple[Source, ...]]:
    """Group sources of one role into batches of about so many excerpts, one batch per shard.

    The packages of a role are spread evenly over its batches. Short work comes first: speech and
    noise, then the corpus, then free music.

    Parameters
    ----------
    sources
        The sources.
    excerpts
        Excerpts of a batch.
    """
    of_role: dict[tuple[str, bool], list[Source]] = defaultdict(list)
    for source in sources:
        of_role[source.role, source.fold > 0].append(source)
    found: list[tuple[Source, ...]] = []
    order = sorted(of_role, key=lambda key: (key[0] == "music", not key[1], key[0]))
    for mine in map(of_role.__getitem__, order):
        number = max(1, round(sum(source.count for source in mine) / excerpts))
        parts: list[list[Source]] = [[] for _ in range(number)]
        filled = [0] * number
        for source in mine:
            least = filled.index(min(filled))
            parts[least].append(source)
            filled[least] += source.count
        found += [tuple(part) for part in parts if part]
    return found


def cut(source: Source) -> Iterator[Samples]:
    """Decode a source and yield its excerpts, shape ``(97_600,)``; a short one is repeated.

    Raises
    ------
    TrainError
        If a file cannot be decoded.
    """
    samples = np.concatenate([decode(path, RATE) for path in source.paths])
    if len(samples) < EXCERPT:
        samples = np.resize(samples, EXCERPT)
    stride = round(source.stride_s * RATE)
    for start in range(max(0, stride - EXCERPT) // 2, len(samples), stride):
        piece = samples[start : start + EXCERPT]
        if len(piece) < EXCERPT:
            if len(piece) < EXCERPT // 2:
                return
            piece = samples[-EXCERPT:]
        yield piece


def _seconds(path: Path) -> float:
    """Return the length of a file without decoding it; 0 if it cannot be opened."""
    import av

    if path.suffix.lower() not in AUDIO_SUFFIXES:
        return 0.0
    try:
        with av.open(str(path)) as container:
            return (container.duration or 0) / 1e6
    except (OSError, ValueError):  # PyAV's errors are of these kinds
        return 0.0
