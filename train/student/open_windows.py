"""What a model hears, second by second, of music with genres and of free music.

The excerpts are those of the shards of ``train trunk prepare``, played one after another to the
model as the daemon does; from them its decision on music of other genres is measured.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.audio.features import MfccStream
from streamgenre.inference.models import load_model
from train.augmentation.room_acoustics import RATE
from train.cache import joined, made_arrays, write_arrays
from train.errors import TrainError
from train.student import shards
from train.student.degrade import Pool, degraded
from train.student.excerpts import EXCERPT_S
from train.student.music_windows import trunk_hash
from train.student.renditions import pool_of
from train.student.teachers import TAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.inference.manifest import Manifest

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

SECONDS: Final = int(EXCERPT_S)
"""Rows of an excerpt, one after each second."""
_MOST: Final = 36
"""Excerpts of a package of free music, at most, evenly spaced."""


@dataclass(frozen=True, slots=True)
class OpenWindows:
    """Excerpts of music, one row each."""

    embedding: Floats
    """After each second, shape ``(n, 6, width)``."""
    sources: NDArray[np.str_]
    """Clip of the corpus, or package; shape ``(n,)``."""
    folds: Ints
    """Fold of the clip; 0 or -1 of free music."""
    degraded: NDArray[np.bool_]
    yamnet: Floats
    """YAMNet's scores of the clean excerpt, shape ``(n, 521)``."""
    tags: Floats
    """MSD_musicnn's probabilities of :data:`~train.student.teachers.TAGS`, ``(n, 50)``."""


@dataclass(frozen=True, slots=True)
class _Job:
    path: Path
    shard: Path
    places: tuple[int, ...]
    others: tuple[Path, ...]
    manifest: Manifest


def hear(
    manifest: Manifest,
    folder: Path,
    *,
    most: int | None = None,
    processes: int = 1,
    on_total: Callable[[int], None] = lambda total: None,
    on_shard: Callable[[Path], None] = lambda path: None,
) -> OpenWindows:
    """Return what a model hears in the shards of music; what was heard before is kept.

    Parameters
    ----------
    manifest
        A model with the output ``embedding``.
    folder
        Folder of the training set.
    most
        Shards of music to hear, in the order of their names; None for all.
    processes
        Processes, of one thread each.
    on_total
        Called with the number of shards still to be heard.
    on_shard
        Called after each.

    Raises
    ------
    TrainError
        If the model has no embedding, no shard has music, a shard is damaged, or the embeddings
        cannot be written.
    """
    if not manifest.embedding_width:
        raise TrainError(
            f"{manifest.folder}: has no output `embedding`; `python -m train add-embedding` adds it"
        )
    every = tuple(shards.paths(folder))
    chosen = _chosen([path for path in every if path.name.startswith("music-")])
    chosen = dict(list(chosen.items())[:most])
    kept = folder / "openset" / trunk_hash(manifest)[:16]
    jobs = [
        _Job(kept / f"{path.stem}.npz", path, places, every, manifest)
        for path, places in chosen.items()
    ]
    if not jobs:
        raise TrainError(f"{folder}: no shards of music; run `python -m train trunk prepare` first")
    made = made_arrays(_make, jobs, processes=processes, on_total=on_total, on_file=on_shard)
    of = partial(joined, made)
    return OpenWindows(
        of("embedding", np.float32), of("sources", np.str_), of("folds", np.int64),
        of("degraded", np.bool_), of("yamnet", np.float32), of("tags", np.float32),
    )  # fmt: skip


def _chosen(paths: Iterable[Path]) -> dict[Path, tuple[int, ...]]:
    """Return the places in each shard that are heard: the corpus whole, some of each package."""
    of: dict[str, list[tuple[Path, int]]] = defaultdict(list)
    found: dict[Path, list[int]] = {}
    for path in paths:
        shard = shards.read(path)
        found[path] = []
        for place, (source, fold) in enumerate(zip(shard.sources, shard.folds, strict=True)):
            if fold <= 0:
                of[source].append((path, place))
            elif "/" not in source:  # the others have no genre
                found[path].append(place)
    for places in of.values():
        count = min(len(places), _MOST)
        for at in np.linspace(0, len(places) - 1, count).round().astype(int).tolist():
            path, place = places[at]
            found[path].append(place)
    return {path: tuple(sorted(places)) for path, places in found.items() if places}


def _make(job: _Job) -> None:
    """Hear the chosen excerpts of one shard, and every other one degraded too."""
    rng = np.random.default_rng(zlib.crc32(job.shard.stem.encode()))
    pool: Pool = pool_of(job.others, rng)
    shard = shards.read(job.shard)
    if shard.embedding is None:
        raise TrainError(f"{job.shard} lacks the teacher's answers; run `train trunk prepare`")
    model = load_model(str(job.manifest.folder), trusted=True)
    model.keep_embeddings()
    embedding: list[NDArray[np.float16]] = []
    places, changed = [], []
    for change in (False, True):
        before = ""
        for place in job.places[:: 2 if change else 1]:
            samples = shards.decode_opus(shard.audio[place])
            if change:
                samples = degraded(samples, rng, pool)
            if shard.sources[place] != before:
                before = shard.sources[place]
                model.reset(before)
                stream = MfccStream(job.manifest.features)
            rows: list[Any] = []
            for second in range(SECONDS):
                frames = stream.push(samples[second * RATE : (second + 1) * RATE])
                output = model.update([before], [frames])
                rows.append(output.embedding)
            embedding.append(np.concatenate(rows).astype(np.float16))
            places.append(place)
            changed.append(change)
    teacher = shard.embedding[places][..., -len(TAGS) :].astype(np.float32)
    write_arrays(
        job.path,
        {
            "embedding": np.stack(embedding),
            "sources": np.array(shard.sources)[places],
            "folds": shard.folds[places],
            "degraded": np.array(changed),
            "yamnet": shard.yamnet[places].astype(np.float32).mean(axis=1).astype(np.float16),
            "tags": (1 / (1 + np.exp(-teacher))).mean(axis=1).astype(np.float16),
        },
    )
