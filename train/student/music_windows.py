"""What a model's trunk hears in windows of music, of speech and of noise, clean and degraded.

The windows are those of the shards of ``train trunk prepare``. A model that was trained on genres
alone learns from them whether there is any music.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.inference.manifest import EMBEDDING, FRAMES
from train.cache import joined, made_arrays, write_arrays
from train.corpora.recordings import frames_of
from train.errors import TrainError
from train.student import shards
from train.student.degrade import Pool, degraded, interference
from train.student.excerpts import EXCERPT, FREE
from train.student.renditions import SYNTHESISED, pool_of
from train.student.teachers import windows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.inference.manifest import Manifest

    Floats = NDArray[np.float32]

_THINNED: Final = {"music": 6, "speech": 2}
"""Every so manieth excerpt of a role is used, clean and degraded; others all."""
_MUSIC_CLASS: Final = 132
_SURELY: Final = 0.3
"""YAMNet's score of music above which a window of music is used."""
_HARDLY: Final = 0.1
"""And below which one of anything else is."""


@dataclass(frozen=True, slots=True)
class MusicWindows:
    """Windows of three seconds."""

    embedding: Floats
    """Shape ``(n, width)``."""
    music: NDArray[np.bool_]
    """Whether there is music, shape ``(n,)``."""
    what: NDArray[np.str_]
    """``corpus``, ``music``, ``speech``, ``ambience``, ``effects`` or ``synthesised``."""
    degraded: NDArray[np.bool_]
    folds: NDArray[np.int64]
    """Fold that holds the window out: 0 for none, -1 for the free files never trained on."""


@dataclass(frozen=True, slots=True)
class _Job:
    path: Path
    shard: Path | None
    """None for synthesised noise."""
    others: tuple[Path, ...]
    manifest: Manifest
    synthesised: int


def hear(
    manifest: Manifest,
    folder: Path,
    *,
    synthesised: int = 480,
    processes: int = 1,
    on_total: Callable[[int], None] = lambda total: None,
    on_shard: Callable[[Path], None] = lambda path: None,
) -> MusicWindows:
    """Return what a model hears in the shards; what was heard before is kept.

    Parameters
    ----------
    manifest
        A model with the output ``embedding``.
    folder
        Folder of the training set.
    synthesised
        Excerpts of synthesised noise.
    processes
        Processes, of one thread each.
    on_total
        Called with the number of shards still to be heard.
    on_shard
        Called after each.

    Raises
    ------
    TrainError
        If there are no shards, one is damaged, or the embeddings cannot be written.
    """
    found = tuple(shards.paths(folder))
    if not found:
        raise TrainError(f"{folder}: no shards; run `python -m train trunk prepare` first")
    kept = folder / "answers" / trunk_hash(manifest)[:16]
    jobs = [_Job(kept / f"{path.stem}.npz", path, found, manifest, synthesised) for path in found]
    jobs.append(_Job(kept / f"{SYNTHESISED}.npz", None, found, manifest, synthesised))
    made = made_arrays(_make, jobs, processes=processes, on_total=on_total, on_file=on_shard)
    of = partial(joined, made)
    return MusicWindows(
        of("embedding", np.float32), of("music", np.bool_), of("what", np.str_),
        of("degraded", np.bool_), of("folds", np.int64),
    )  # fmt: skip


def trunk_hash(manifest: Manifest) -> str:
    """Return a hash of the weights that a model's embedding depends on, not of its heads."""
    import onnx

    graph = onnx.load(str(manifest.weights)).graph
    makers = {name: node for node in graph.node for name in node.output}
    open_names, used = [EMBEDDING], set()
    while open_names:
        name = open_names.pop()
        if name not in used:
            used.add(name)
            open_names += list(makers[name].input) if name in makers else []
    digest = hashlib.sha256()
    for tensor in sorted(graph.initializer, key=lambda tensor: tensor.name):
        if tensor.name in used:
            digest.update(tensor.SerializeToString())
    return digest.hexdigest()


def _make(job: _Job) -> None:
    """Hear one shard and keep the embeddings of its usable windows."""
    rng = np.random.default_rng(zlib.crc32(job.path.stem.encode()))
    trunk, pool = _Trunk(job.manifest), pool_of(job.others, rng)
    embedding, music, what, changed, folds = [], [], [], [], []

    def add(samples: Floats, is_music: bool, name: str, is_changed: bool, fold: int) -> None:
        for row in trunk(samples):
            embedding.append(row.astype(np.float16))
            music.append(is_music)
            what.append(name)
            changed.append(is_changed)
            folds.append(fold)

    if job.shard is None:
        for number in range(job.synthesised):
            samples = degraded(interference(EXCERPT, rng, Pool()), rng, Pool())
            add(samples, False, SYNTHESISED, True, FREE if number % 4 else -1)
    else:
        shard = shards.read(job.shard)
        is_music = shard.role == "music"
        if not is_music:  # no music where none is wanted, and no talk but in speech
            pool = Pool(pool.noises, pool.speech if shard.role == "speech" else ())
        score = shard.yamnet[:, :, _MUSIC_CLASS].astype(np.float32)
        sure = (score > _SURELY if is_music else score < _HARDLY).all(axis=1)
        for place in np.flatnonzero(sure)[:: _THINNED.get(shard.role, 1)].tolist():
            fold = int(shard.folds[place])
            name = "corpus" if is_music and fold > 0 else shard.role
            samples = shards.decode_opus(shard.audio[place])
            add(samples, is_music, name, False, fold)
            add(degraded(samples, rng, pool), is_music, name, True, fold)
    write_arrays(
        job.path,
        {
            "embedding": np.array(embedding, np.float16).reshape(-1, job.manifest.embedding_width),
            "music": np.array(music), "what": np.array(what),
            "degraded": np.array(changed), "folds": np.array(folds),
        },
    )  # fmt: skip


class _Trunk:
    """A model's embedding of the windows of an excerpt."""

    def __init__(self, manifest: Manifest) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._spec, self._step = manifest.features, manifest.step_frames
        self._states = manifest.states
        self._session = onnxruntime.InferenceSession(
            str(manifest.weights), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, samples: Floats) -> Floats:
        """Return the embeddings, shape ``(2, width)``."""
        frames = np.stack([frames_of(part, self._spec) for part in windows(samples)])
        frames = frames[:, frames.shape[1] % self._step :]  # whole steps, up to the last frame
        fresh = {s.input: np.zeros((len(frames), *s.shape), np.float32) for s in self._states}
        (found,) = self._session.run([EMBEDDING], {FRAMES: frames, **fresh})
        last: Floats = found[:, -1]
        return last
