"""Features of the trunk's front for windows of the corpus, clean and changed, kept on disk.

The front is nine tenths of the trunk's work. The training of the later layers
(:mod:`.microphone_training`) reads its features many times, so they are computed once, on all
cores.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import FRAMES
from train.augmentation.audio import through_a_microphone
from train.augmentation.room_acoustics import RATE
from train.corpora.recordings import decode, frames_of
from train.corpora.talk_files import MUSIC
from train.corpora.talk_files import noises as split_noises
from train.errors import TrainError
from train.hashes import file_hash, joint_hash
from train.trunk import mel_adapter
from train.trunk.musicnn import FRAMES as WINDOW
from train.trunk.musicnn import front_width
from train.trunk.onnx_graph import front_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from train.corpora.corpus import Corpus
    from train.corpora.talk_files import TalkFile
    from train.trunk.checkpoint import Weights

    Floats = NDArray[np.float32]

_VERSION: Final = 1
"""Raise it with every change here or in ``augmentation.audio`` that changes the features."""
_PIECE_S: Final = 10
"""Seconds of a recording with one and the same change."""
_BATCH: Final = 32
_FILES: Final = 8
"""Files per job of a process."""


@dataclass(frozen=True, slots=True)
class FrontFeatures:
    """The front's features for windows of 187 frames, clean and changed."""

    features: NDArray[np.float16]
    """Shape ``(n, 1 + versions, 187, filters)``, on disk; the first version is the clean one."""
    folds: NDArray[np.int64]
    """The fold that holds a window out, shape ``(n,)``."""
    key: str
    """Hash of everything they depend on."""


@dataclass(frozen=True, slots=True)
class _Job:
    graph: bytes
    files: tuple[tuple[int, Path], ...]
    """Number and path of each recording."""
    noises: tuple[Path, ...]
    versions: int
    seed: int


def front_features(
    corpus: Corpus,
    weights: Weights,
    cache: Path,
    *,
    versions: int,
    seed: int,
    talk: Sequence[TalkFile] = (),
    on_job: Callable[[int, int], None] = lambda done, total: None,
) -> FrontFeatures:
    """Run the front over the corpus and over music without genres, or read the cache.

    Parameters
    ----------
    corpus
        The corpus.
    weights
        The published trunk's weights.
    cache
        Folder for the features: 24 kB per window and version, without the dead filters.
    versions
        Changed copies of every window.
    seed
        Seed of the changes.
    talk
        Files of music and noise without genres; every other recording of noise is used.
    on_job
        Called with the number of jobs done and their number.

    Raises
    ------
    TrainError
        If a file cannot be read or the cache cannot be written.
    """
    files = [(clip.path, clip.fold) for clip in corpus.clips]
    files += [(file.path, file.fold) for file in talk if file.kind == MUSIC]
    noises = tuple(file.path for file in split_noises(talk)[0])
    graph, width = front_graph(weights).SerializeToString(), front_width(weights)
    key = _key(graph, [path for path, _ in files], noises, (versions, seed))
    with suppress(OSError, ValueError):
        return _open(cache, key, versions, width)
    numbered = list(enumerate(path for path, _ in files))
    jobs = [
        _Job(graph, tuple(numbered[at : at + _FILES]), noises, versions, seed)
        for at in range(0, len(numbered), _FILES)
    ]
    context = multiprocessing.get_context("spawn")  # TensorFlow's threads do not survive a fork
    counts: list[int] = []
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=cache, prefix="part-") as part,
            ProcessPoolExecutor(os.cpu_count() or 1, mp_context=context) as pool,
        ):
            with (Path(part) / "features").open("wb") as file:
                for done, of_files in enumerate(pool.map(_fronts, jobs), 1):
                    for features in of_files:
                        features.tofile(file)
                        counts.append(len(features))
                    on_job(done, len(jobs))
            np.save(_paths(cache, key)[1], np.repeat([fold for _, fold in files], counts))
            (Path(part) / "features").replace(_paths(cache, key)[0])
    except OSError as error:
        raise TrainError(f"cannot write the cache {cache}: {error.strerror}") from error
    return _open(cache, key, versions, width)


def _key(
    graph: bytes, paths: Sequence[Path], noises: Sequence[Path], drawn: tuple[int, int]
) -> str:
    about = [
        _VERSION, hashlib.sha256(graph).hexdigest(), joint_hash(file_hash(path) for path in paths),
        [path.name for path in noises], drawn,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]


def _paths(cache: Path, key: str) -> tuple[Path, Path]:
    """Return where features and folds are kept."""
    return cache / f"fronts-{key}.f16", cache / f"fronts-{key}.npy"


def _open(cache: Path, key: str, versions: int, width: int) -> FrontFeatures:
    features, folds = _paths(cache, key)
    of_windows = np.load(folds, allow_pickle=False)
    shape = (len(of_windows), 1 + versions, WINDOW, width)
    return FrontFeatures(np.memmap(features, np.float16, mode="r", shape=shape), of_windows, key)


def _fronts(job: _Job) -> list[NDArray[np.float16]]:
    """Return the features of each file's windows."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(job.graph, options, providers=["CPUExecutionProvider"])
    noises = [decode(path, RATE) for path in job.noises]
    found = []
    for number, path in job.files:
        rng = np.random.default_rng([job.seed, number])
        windows = _windows(decode(path, RATE), job.versions, rng, noises)
        flat = windows.reshape(-1, *windows.shape[2:])
        parts = []
        for at in range(0, len(flat), _BATCH):
            batch = flat[at : at + _BATCH]
            fresh = {
                given.name: np.zeros((len(batch), *given.shape[1:]), np.float32)
                for given in session.get_inputs()
                if given.name != FRAMES
            }
            (front,) = session.run(["front"], {FRAMES: batch, **fresh})
            parts.append(np.clip(front, -60_000, 60_000).astype(np.float16))
        shape = (*windows.shape[:2], *front.shape[1:])
        found.append(np.concatenate(parts).reshape(shape))
    return found


def _windows(samples: Floats, versions: int, rng: np.random.Generator, noises: Any) -> Floats:
    """Return MFCC frames of windows and their changed copies, ``(n, 1 + versions, 187, 160)``."""
    spec = mel_adapter.SPEC
    least = round((spec.winlen + (WINDOW - 1) * spec.winstep) * RATE)
    found = []
    for start in range(0, max(1, len(samples)), _PIECE_S * RATE):
        piece = samples[start : start + _PIECE_S * RATE]
        if start and len(piece) < least:
            continue
        piece = np.resize(piece, max(least, len(piece)))  # a short one is repeated
        all_versions = [piece, *(through_a_microphone(piece, rng, noises) for _ in range(versions))]
        frames = [frames_of(version[: len(piece)], spec) for version in all_versions]
        n = min(map(len, frames)) // WINDOW
        cut = [one[: n * WINDOW].reshape(n, WINDOW, -1) for one in frames]
        found.append(np.stack(cut, axis=1))
    return np.concatenate(found)
