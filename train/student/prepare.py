"""The first stage: excerpts with their teachers' targets, as shards on disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from train.errors import TrainError
from train.parallel import make_files
from train.student import shards
from train.student.excerpts import Source, batches, cut
from train.student.teachers import Musicnn, Yamnet
from train.trunk import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Teachers:
    """Where the teachers are."""

    musicnn: Path
    """Folder of ``python -m train trunk``."""
    yamnet: Path
    """TFLite file."""


@dataclass(frozen=True, slots=True)
class _Job:
    path: Path
    sources: tuple[Source, ...]
    teachers: Teachers


def prepare(
    sources: Sequence[Source],
    teachers: Teachers,
    folder: Path,
    *,
    excerpts: int = 400,
    processes: int = 1,
    on_total: Callable[[int], None] = lambda total: None,
    on_shard: Callable[[Path, list[str]], None] = lambda path, problems: None,
) -> list[Path]:
    """Write the shards that are missing; return all of them.

    Parameters
    ----------
    sources
        What excerpts are cut from.
    teachers
        Where the teachers are.
    folder
        Where ``shards/ROLE-HASH.npz`` go.
    excerpts
        Excerpts of a shard, about; 400 are 20 MB.
    processes
        Processes, of one thread each.
    on_total
        Called with the number of shards that are to be made.
    on_shard
        Called after each shard, with a message for each file that could not be read.

    Raises
    ------
    TrainError
        If a teacher cannot be used or a shard cannot be written.
    """
    jobs = [
        _Job(folder / "shards" / f"{batch[0].role}-{_key(batch)}.npz", batch, teachers)
        for batch in batches(sources, excerpts)
    ]
    make_files(_make, jobs, processes=processes, on_total=on_total, on_file=on_shard)
    return [job.path for job in jobs if job.path.is_file()]


def _key(batch: Sequence[Source]) -> str:
    digest = hashlib.sha256()
    for source in batch:
        about = [source.name, *(path.name for path in source.paths), str(source.fold)]
        digest.update("\n".join([*about, f"{source.stride_s:.3f}", ""]).encode())
    return digest.hexdigest()[:16]


def _make(job: _Job) -> list[str]:
    """Write one shard; return a message for each source that could not be read."""
    music = job.sources[0].role == "music"
    musicnn = Musicnn(checkpoint.load(job.teachers.musicnn)) if music else None
    yamnet = Yamnet(job.teachers.yamnet)
    audio, names, folds, scores, embeddings, problems = [], [], [], [], [], []
    for source in job.sources:
        try:
            pieces = list(cut(source))
        except TrainError as error:
            problems.append(str(error))
            continue
        for samples in pieces:
            audio.append(shards.encode(samples))
            names.append(source.name)
            folds.append(source.fold)
            scores.append(yamnet(samples))
            if musicnn is not None:
                embeddings.append(musicnn(samples))
    if audio:
        shard = shards.Shard(
            job.sources[0].role,
            tuple(audio),
            tuple(names),
            np.array(folds),
            shards.half(scores),
            shards.half(embeddings) if embeddings else None,
        )
        shards.write(job.path, shard)
    return problems
