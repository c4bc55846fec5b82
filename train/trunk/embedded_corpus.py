"""The corpus as the trunk's embeddings: single clips, programmes of every fold, and talk."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.augmentation.audio import LEVEL_ONLY, Sound
from train.corpora.material_kinds import ALONE, LEVELS, OTHERS, QUIET, ROOM, STRAY, seed_of
from train.corpora.talk_files import SPEECH, TalkFile
from train.corpora.talk_files import noises as split_noises
from train.hashes import file_hash, joint_hash
from train.trunk import mel_adapter
from train.trunk.heads import Seconds, embedding
from train.trunk.musicnn import step
from train.trunk.onnx_graph import embedding_graph, is_front
from train.trunk.training_programmes import Embedded, Job, embed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.audio.features import MfccSpec
    from train.corpora.corpus import Clip, Corpus
    from train.trunk.checkpoint import Weights

    Floats = NDArray[np.float32]

_STRAYS: Final = 300
"""Largest number of stretches of noise without music; at most one per clip."""
_TALK: Final = 500
"""Kinds from here on are files without a genre: unchanged, then changed."""


@dataclass(frozen=True, slots=True)
class EmbeddedCorpus:
    """All embeddings that heads are trained and measured on."""

    corpus: Corpus
    clips: tuple[Clip, ...]
    kinds: dict[int, Seconds]
    """Seconds by kind of material, one fold after the other."""
    strays: Seconds
    """Seconds of noise without music, in no fold, with -1 for the clip."""
    sha256: str
    """Hash of the clips, as :attr:`train.corpora.dataset.Data.sha256`."""
    talk: tuple[TalkFile, ...] = ()
    """Files of speech, music and noise without genres."""
    of_talk: tuple[Seconds, ...] = ()
    """Their seconds, with the index in :attr:`talk` as the clip: unchanged, then one changed
    version per augmented programme. Empty without such files."""

    @property
    def seconds(self) -> float:
        """Length of all clips in seconds."""
        alone = self.kinds[ALONE]
        ends = np.append(alone.begins[1:], True)
        return float(alone.ages[ends].sum())


@dataclass(frozen=True, slots=True)
class Ears:
    """Trunks that hear the same frames."""

    graphs: tuple[bytes, ...]
    """Their embedding graphs, of one or more trunks each."""
    keys: tuple[str, ...]
    """A hash of every trunk."""
    embeddings: tuple[Callable[[Any], Floats], ...]
    """What turns a trunk's pooled features into its embedding."""
    spec: MfccSpec
    """Settings of the frames."""
    step_frames: int = 1
    """A call takes a multiple of so many frames."""


def ears_of(trunks: Sequence[Weights]) -> Ears:
    """Return the ears of trunks; those that have their front in common compute it once.

    Parameters
    ----------
    trunks
        The weights of the trunks.
    """
    together: list[list[Weights]] = []
    for trunk in trunks:
        if together and _same_front(together[-1][0], trunk):
            together[-1].append(trunk)
        else:
            together.append([trunk])
    return Ears(
        tuple(embedding_graph(some).SerializeToString() for some in together),
        tuple(map(_hash, trunks)),
        tuple(partial(embedding, weights) for weights in trunks),
        mel_adapter.SPEC,
        step(trunks[0]),
    )


def _same_front(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name]) for name in one if is_front(name)
    )


def jobs_of(
    corpus: Corpus,
    ears: Ears,
    sha256: str,
    talk: Sequence[TalkFile],
    programmes: int,
    *,
    quiet: bool = False,
) -> dict[tuple[int, int], Job]:
    """Return the embedding jobs by kind and fold.

    Every other recording of noise is used in the augmentation and without music, the rest in the
    simulated room. Speech over the music of a fold is from that fold too.

    Parameters
    ----------
    corpus
        The corpus.
    ears
        The trunks.
    sha256
        Hash of the corpus.
    talk
        Files of speech, music and noise without genres.
    programmes
        Number of augmented programmes of every fold.
    quiet
        Whether to play every clip 20 dB quieter, too.
    """
    keys = tuple(hashlib.sha256(f"{sha256} {key}".encode()).hexdigest() for key in ears.keys)
    noises, unheard = (tuple(file.path for file in part) for part in split_noises(talk))
    sound, way_of = Sound(), range(1, programmes + 1)
    jobs: dict[tuple[int, int], Job] = {}
    for fold in corpus.folds:
        clips = [(c.path, i) for i, c in enumerate(corpus.clips) if c.fold == fold]
        files = [(f.path, i) for i, f in enumerate(talk) if f.fold == fold]
        talks = tuple(f.path for f in talk if f.fold == fold and f.kind == SPEECH)

        def job(kind: int, items: list[tuple[Path, int]], fold: int = fold, **more: Any) -> Job:
            paths, indices = (tuple(column) for column in zip(*items, strict=True))
            return Job(
                ears.graphs,
                paths,
                indices,
                keys,
                seed_of(kind, fold),
                spec=ears.spec,
                step_frames=ears.step_frames,
                **more,
            )

        jobs[ALONE, fold] = job(ALONE, clips, style="alone")
        jobs[ROOM, fold] = job(ROOM, clips, style="room", noises=unheard)
        if quiet:
            jobs[QUIET, fold] = job(QUIET, clips, style="quiet")
        jobs[LEVELS, fold] = job(LEVELS, clips, style="programme", sound=LEVEL_ONLY)
        for way in way_of:
            jobs[way, fold] = job(
                way, clips, style="programme", sound=sound, noises=noises, talks=talks
            )
        if files:
            jobs[_TALK, fold] = job(_TALK, files, style="alone")
            for way in way_of:
                jobs[_TALK + way, fold] = job(
                    _TALK + way, files, style="changed", sound=sound, noises=noises
                )
    drawn, strays = seed_of(STRAY, 0), min(_STRAYS, len(corpus.clips))
    jobs[STRAY, 0] = Job(
        ears.graphs,
        (),
        (),
        keys,
        drawn,
        "stray",
        noises=noises,
        strays=strays,
        spec=ears.spec,
        step_frames=ears.step_frames,
    )
    others = [(path, i) for i, clip in enumerate(corpus.clips) for path in clip.variants]
    if others:
        paths, indices = (tuple(column) for column in zip(*others, strict=True))
        of_others = tuple(f"{key} others" for key in keys)
        jobs[OTHERS, 0] = Job(
            ears.graphs,
            paths,
            indices,
            of_others,
            0,
            "alone",
            spec=ears.spec,
            step_frames=ears.step_frames,
        )
    return jobs


def _hash(weights: Weights) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(weights[name].tobytes())
    return digest.hexdigest()


def embed_corpus(
    corpus: Corpus,
    trunks: Sequence[Weights],
    cache: Path,
    *,
    talk: Sequence[TalkFile] = (),
    programmes: int = 1,
    on_job: Callable[[int, int], None] = lambda done, total: None,
) -> list[EmbeddedCorpus]:
    """Embed the corpus with MSD_musicnn, on all cores, or read it from the cache.

    Parameters
    ----------
    corpus
        The corpus.
    trunks
        The weights of the trunks.
    cache
        Folder for the embeddings.
    talk
        Files of speech, music and noise without genres.
    programmes
        Number of augmented programmes of every fold.
    on_job
        Called with the number of jobs done and their number.

    Raises
    ------
    TrainError
        If a file cannot be read.
    """
    return embed_with(
        corpus, ears_of(trunks), cache, talk=talk, programmes=programmes, quiet=True, on_job=on_job
    )


def embed_with(
    corpus: Corpus,
    ears: Ears,
    cache: Path,
    *,
    talk: Sequence[TalkFile] = (),
    programmes: int = 1,
    quiet: bool = False,
    processes: int | None = None,
    on_job: Callable[[int, int], None] = lambda done, total: None,
) -> list[EmbeddedCorpus]:
    """Embed the corpus with any trunks, or read it from the cache.

    Parameters
    ----------
    corpus
        The corpus.
    ears
        The trunks.
    cache
        Folder for the embeddings.
    talk
        Files of speech, music and noise without genres.
    programmes
        Number of augmented programmes of every fold.
    quiet
        Whether to play every clip 20 dB quieter, too.
    processes
        Processes; None for one per core.
    on_job
        Called with the number of jobs done and their number.

    Raises
    ------
    TrainError
        If a file cannot be read.
    """
    sha256 = joint_hash(file_hash(clip.path) for clip in corpus.clips)
    jobs = jobs_of(corpus, ears, sha256, talk, programmes, quiet=quiet)
    done: dict[tuple[int, int], list[Embedded]] = {}
    # Spawned: TensorFlow's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes or os.cpu_count() or 1, mp_context=context) as pool:
        waiting = {pool.submit(embed, job, cache): name for name, job in jobs.items()}
        for future in as_completed(waiting):
            done[waiting[future]] = future.result()
            on_job(len(done), len(jobs))
    return [
        _of_trunk(corpus, embed_one, sha256, talk, {name: of[n] for name, of in done.items()})
        for n, embed_one in enumerate(ears.embeddings)
    ]


def _of_trunk(
    corpus: Corpus,
    embed_one: Callable[[Any], Floats],
    sha256: str,
    talk: Sequence[TalkFile],
    done: dict[tuple[int, int], Embedded],
) -> EmbeddedCorpus:
    of_clips = np.array([clip.fold for clip in corpus.clips])
    of_files = np.array([file.fold for file in talk])
    kinds = {
        kind: _joined(
            [done[name] for name in sorted(done) if name[0] == kind],
            of_files if kind >= _TALK else of_clips,
            embed_one,
            endless=ALONE < kind < _TALK,
        )
        for kind in sorted({kind for kind, _ in done if kind != STRAY})
    }
    stray = done[STRAY, 0]
    strays = Seconds(
        embed_one(stray.pooled), stray.clips, stray.ages, np.zeros(len(stray.clips), int),
        stray.ages == stray.ages.min(),
    )  # fmt: skip
    return EmbeddedCorpus(
        corpus,
        corpus.clips,
        {kind: seconds for kind, seconds in kinds.items() if kind < _TALK},
        strays,
        sha256,
        tuple(talk),
        tuple(seconds for kind, seconds in kinds.items() if kind >= _TALK),
    )


def _joined(
    parts: Sequence[Embedded], folds: Any, embed_one: Callable[[Any], Floats], *, endless: bool
) -> Seconds:
    clips = np.concatenate([part.clips for part in parts])
    ages = np.concatenate([part.ages for part in parts])
    if not endless:
        fold = folds[clips]
        begins = np.append(True, (clips[1:] != clips[:-1]) | (ages[1:] <= ages[:-1]))
    else:
        # All clips of a programme are of one fold, and so are its seconds without a clip.
        numbers = [folds[part.clips[part.clips >= 0][0]] for part in parts]
        fold = np.repeat(numbers, [len(part.clips) for part in parts])
        begins = np.concatenate([np.arange(len(part.clips)) == 0 for part in parts])
    pooled = np.concatenate([part.pooled for part in parts])
    return Seconds(embed_one(pooled), clips, ages, fold, begins)
