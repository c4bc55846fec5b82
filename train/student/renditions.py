"""The second stage: log-mel frames of every excerpt, clean and degraded, as bytes on disk.

A byte is :data:`STEP` nats. Degrading costs more than a step of training, so it is done once, by
``render``, and each epoch reads another copy. A copy belongs to its shard: ``frames/SHARD-N.npy``
(or ``frames-96``, see :mod:`.frame_kinds`), shape ``(n, frames, bands)``; copy 0 is clean.
``synthesised-….npy`` are excerpts of noise without teachers.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from train.errors import TrainError
from train.parallel import make_files
from train.student import shards
from train.student.degrade import Pool, degraded, interference
from train.student.excerpts import EXCERPT, FREE
from train.student.frame_kinds import KINDS, MEL_64

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from train.student.frame_kinds import FrameKind

    Floats = NDArray[np.float32]
    Bytes = NDArray[np.uint8]

SPEC: Final = MEL_64.spec
FRAMES: Final = MEL_64.frames
STEP: Final = 0.125
"""Nats of a step; half a decibel."""
LOWEST: Final = -26.0
"""Natural logarithm of a mel energy that byte 0 stands for."""
SYNTHESISED: Final = "synthesised"
_POOL: Final = 120
"""Recordings of each kind to mix in, drawn per shard."""


@dataclass(frozen=True, slots=True)
class _Job:
    path: Path
    """The copy to write."""
    shard: Path | None
    """Its shard; None for synthesised noise."""
    others: tuple[Path, ...]
    """Shards to mix in."""
    copy: int
    synthesised: int
    """Excerpts to synthesise, without a shard."""
    kind: str
    """Name of the kind of frames."""


def to_bytes(energies: Floats) -> Bytes:
    """Quantise log-mel energies in nats."""
    whole: Bytes = np.clip(np.round((energies - LOWEST) / STEP), 0, 255).astype(np.uint8)
    return whole


def to_energies(whole: Bytes) -> Floats:
    """Return the log-mel energies of :func:`to_bytes`, in nats."""
    return whole.astype(np.float32) * np.float32(STEP) + np.float32(LOWEST)


def copy_path(folder: Path, name: str, copy: int, kind: FrameKind = MEL_64) -> Path:
    """Return where a copy's frames are.

    Parameters
    ----------
    folder
        Folder of the training set.
    name
        The shard's name without its suffix.
    copy
        0 for the clean one.
    kind
        The kind of frames.
    """
    return folder / kind.name / f"{name}-{copy}.npy"


def render(
    folder: Path,
    copies: int,
    *,
    kind: FrameKind = MEL_64,
    synthesised: int = 480,
    processes: int = 1,
    on_total: Callable[[int], None] = lambda total: None,
    on_copy: Callable[[Path], None] = lambda path: None,
) -> None:
    """Write the copies that are missing.

    Parameters
    ----------
    folder
        Folder of the training set, with shards.
    copies
        Degraded copies of every excerpt.
    kind
        The kind of frames.
    synthesised
        Excerpts of synthesised noise in every copy.
    processes
        Processes, of one thread each.
    on_total
        Called with the number of copies that are to be made.
    on_copy
        Called after each.

    Raises
    ------
    TrainError
        If a shard is damaged, or a copy cannot be written.
    """
    found = shards.paths(folder)
    jobs = [
        _Job(copy_path(folder, path.stem, copy, kind), path, tuple(found), copy, 0, kind.name)
        for copy in range(copies + 1)
        for path in found
    ]
    jobs += [
        _Job(
            copy_path(folder, SYNTHESISED, copy, kind), None, tuple(found), copy, synthesised,
            kind.name,
        )
        for copy in range(1, copies + 1)
    ]  # fmt: skip
    (folder / kind.name).mkdir(exist_ok=True)
    make_files(
        _make, jobs, processes=processes, on_total=on_total, on_file=lambda path, _: on_copy(path)
    )


def _make(job: _Job) -> None:
    rng = np.random.default_rng([zlib.crc32(job.path.stem.encode()), job.copy])
    pool = pool_of(job.others, rng) if job.copy else Pool()
    role = job.path.stem.split("-")[0]
    if role != "music":  # no music where none is wanted, and no talk but in speech
        pool = Pool(pool.noises, pool.speech if role == "speech" else ())
    frames, energies = [], KINDS[job.kind].energies
    if job.shard is None:
        frames += [
            energies(degraded(interference(EXCERPT, rng, Pool()), rng, Pool()))
            for _ in range(job.synthesised)
        ]
    else:
        for audio in shards.read(job.shard).audio:
            samples = shards.decode_opus(audio)
            frames.append(energies(degraded(samples, rng, pool) if job.copy else samples))
    part = job.path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            np.save(file, to_bytes(np.stack(frames)))
        part.replace(job.path)
    except OSError as error:
        raise TrainError(f"{job.path}: cannot be written: {error.strerror}") from error


def pool_of(paths: Sequence[Path], rng: np.random.Generator) -> Pool:
    """Draw recordings to mix in, none of a fold that may be held out.

    Parameters
    ----------
    paths
        Shards.
    rng
        Source of everything drawn.
    """

    def drawn(*roles: str) -> list[Floats]:
        mine = [path for path in paths if path.stem.split("-")[0] in roles]
        found: list[Floats] = []
        for path in rng.permutation(np.array(mine, object))[:4]:
            shard = shards.read(path)
            rows = rng.permutation(np.flatnonzero(shard.folds == FREE))[: _POOL // 3]
            decoded = [shards.decode_opus(shard.audio[row]) for row in rows]
            found += [one for one in decoded if np.abs(one).max() > 1e-3]
        return found

    return Pool(drawn("ambience", "effects"), drawn("speech"), drawn("music"))
