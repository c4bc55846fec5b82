"""The corpus after the trunk: all clips by themselves, and programmes of every fold."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.errors import TrainError
from train.frames import Recording, corpus_hash
from train.trunk.graph import embedding_graph
from train.trunk.heads import Seconds, embedding
from train.trunk.programmes import Embedded, Job, embed
from train.trunk.sound import LEVEL_ONLY, Sound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from train.corpus import Clip, Corpus
    from train.trunk.checkpoint import Weights

OTHERS: Final = -2
"""Kind of material: other recordings of the clips, each by itself."""
ALONE: Final = -1
"""Kind of material: every clip by itself, as it is."""
LINE: Final = 0
"""Kind of material: a programme with nothing changed but levels. Kinds above are augmented."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that heads are trained and measured on."""

    corpus: Corpus
    clips: tuple[Clip, ...]
    kinds: dict[int, Seconds]
    """Seconds by kind of material, all folds one after the other."""
    sha256: str
    """Hash of the clips, as :attr:`train.workflow.Data.sha256`."""

    @property
    def seconds(self) -> float:
        """Length of all clips in seconds."""
        alone = self.kinds[ALONE]
        ends = np.append(alone.begins[1:], True)
        return float(alone.ages[ends].sum())


def jobs_of(
    corpus: Corpus, weights: Weights, sha256: str, noises: Sequence[Path], programmes: int
) -> dict[tuple[int, int], Job]:
    """Return what is to be embedded, by kind and fold."""
    graph = embedding_graph(weights).SerializeToString()
    digest = hashlib.sha256(sha256.encode())
    for name in sorted(weights):
        digest.update(weights[name].tobytes())
    key = digest.hexdigest()
    jobs: dict[tuple[int, int], Job] = {}
    for kind in range(ALONE, programmes + 1):
        for fold in corpus.folds:
            of_fold = [(c.path, i) for i, c in enumerate(corpus.clips) if c.fold == fold]
            paths, indices = (tuple(column) for column in zip(*of_fold, strict=True))
            sound = None if kind == ALONE else LEVEL_ONLY if kind == LINE else Sound()
            jobs[kind, fold] = Job(
                graph, paths, indices, key, 1000 * (kind + 1) + fold, sound,
                tuple(noises) if kind > LINE else (),
            )  # fmt: skip
    others = [(path, i) for i, clip in enumerate(corpus.clips) for path in clip.variants]
    if others:
        paths, indices = (tuple(column) for column in zip(*others, strict=True))
        jobs[OTHERS, 0] = Job(graph, paths, indices, key + " others", 0, None)
    return jobs


def hear(
    corpus: Corpus,
    weights: Weights,
    cache: Path,
    *,
    noises: Sequence[Path] = (),
    programmes: int = 2,
    on_job: Callable[[int, int], None] = lambda done, total: None,
) -> Heard:
    """Embed the corpus, on all cores, or read it from the cache.

    Parameters
    ----------
    corpus
        The corpus.
    weights
        The trunk's weights.
    cache
        Folder for the embeddings.
    noises
        Recordings of noise for the augmentation.
    programmes
        Number of augmented programmes of every fold.
    on_job
        Called with the number of jobs done and their number.

    Raises
    ------
    TrainError
        If a file cannot be read.
    """
    sha256 = corpus_hash(
        Recording(np.zeros((0, 1), np.float32), _hash(clip.path), 0.0) for clip in corpus.clips
    )
    jobs = jobs_of(corpus, weights, sha256, noises, programmes)
    done: dict[tuple[int, int], Embedded] = {}
    # Spawned: TensorFlow's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count() or 1, mp_context=context) as pool:
        waiting = {pool.submit(embed, job, cache): name for name, job in jobs.items()}
        for future in as_completed(waiting):
            done[waiting[future]] = future.result()
            on_job(len(done), len(jobs))
    folds = np.array([clip.fold for clip in corpus.clips])
    kinds = {
        kind: _joined(
            [done[name] for name in sorted(done) if name[0] == kind], folds, weights, kind
        )
        for kind in sorted({kind for kind, _ in done})
    }
    return Heard(corpus, corpus.clips, kinds, sha256)


def _joined(parts: Sequence[Embedded], folds: Any, weights: Weights, kind: int) -> Seconds:
    clips = np.concatenate([part.clips for part in parts])
    ages = np.concatenate([part.ages for part in parts])
    if kind < LINE:
        fold = folds[clips]
        begins = np.append(True, (clips[1:] != clips[:-1]) | (ages[1:] <= ages[:-1]))
    else:
        # All clips of a programme are of one fold; seconds without a clip are so too.
        numbers = [folds[part.clips[part.clips >= 0][0]] for part in parts]
        fold = np.repeat(numbers, [len(part.clips) for part in parts])
        begins = np.concatenate([np.arange(len(part.clips)) == 0 for part in parts])
    pooled = np.concatenate([part.pooled for part in parts])
    return Seconds(embedding(weights, pooled), clips, ages, fold, begins)


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise TrainError(f"{path}: {error.strerror}") from error
