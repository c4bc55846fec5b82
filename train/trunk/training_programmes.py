"""Programmes as a station plays them, run through adapter and trunk as in the daemon.

A programme is made of the clips of one fold: stretches of them follow each other in a random order,
with cuts, crossfades and short silences, each stretch with a level and an augmentation of its own.
It runs through the incremental graph without a reset, so that training also covers embeddings in
which one piece gives way to the next.

Everything is drawn from a seed and kept in a cache: the trunk does not change.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from streamgenre.audio.features import MfccSpec, MfccStream
from streamgenre.inference.manifest import FRAMES
from train.augmentation.audio import (
    LEVEL_ONLY,
    STRAY_S,
    Sound,
    change,
    excerpt_of,
    simulated_room,
    stray_noise,
)  # fmt: skip
from train.augmentation.room_acoustics import RATE
from train.cache import read_arrays, write_arrays
from train.corpora.recordings import decode
from train.errors import TrainError
from train.recipes.recipe import NEXT
from train.trunk import mel_adapter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_VERSION: Final = 3
"""Raise it with every change here, in ``augmentation.audio`` or in ``onnx_graph`` that changes the
embeddings."""
_SHORTEST: Final = 5.0
_LONGEST: Final = 30.0
"""Length of one stretch of a clip in seconds; shorter clips are repeated to fill it."""
_CROSSFADE: Final = 0.35
_SILENCE: Final = 0.06
"""Share of the changes that are a crossfade, or a silence."""


Style = Literal["alone", "changed", "quiet", "room", "programme", "stray"]


@dataclass(frozen=True, slots=True)
class Embedded:
    """The embeddings of a programme, one row per second."""

    pooled: NDArray[np.float16]
    """The trunk's pooled and normalised features, shape ``(n, 1506)`` (of MSD_musicnn)."""
    clips: NDArray[np.int32]
    """Index of the clip that plays at the end of the second; -1 for none; shape ``(n,)``."""
    ages: Floats
    """Seconds since that clip began, shape ``(n,)``."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job for :func:`embed`; small enough to send to another process."""

    graphs: tuple[bytes, ...]
    """Embedding graphs of one or more trunks each, serialised."""
    paths: tuple[Path, ...]
    """The fold's audio files."""
    indices: tuple[int, ...]
    """Their numbers in the corpus."""
    keys: tuple[str, ...]
    """A hash of the trunk and the audio files, for every trunk."""
    seed: int
    """Seed of everything drawn."""
    style: Style
    """``programme``: one endless programme. Otherwise every file by itself, with a reset before
    each: ``alone`` unchanged, ``quiet`` 20 dB quieter, ``changed`` augmented, ``room`` in a
    simulated room. ``stray``: noise
    without music instead of files."""
    sound: Sound | None = None
    """The augmentation of a programme or of changed files."""
    noises: tuple[Path, ...] = ()
    """Recordings of noise."""
    talks: tuple[Path, ...] = ()
    """Recordings of speech to mix with the music."""
    strays: int = 0
    """Stretches of noise without music."""
    spec: MfccSpec = mel_adapter.SPEC
    """Settings of the frames that the graphs take."""
    step_frames: int = 1
    """A call takes a multiple of so many frames."""


class Trunks:
    """Embedding graphs, run on one endless signal.

    Parameters
    ----------
    graphs
        The graphs: frames and states in; ``pooled``, ``(1, trunks, width)``, and states out.
    spec
        Settings of the frames.
    step_frames
        A call takes a multiple of so many frames; the rest waits for the next call.
    """

    def __init__(
        self, graphs: tuple[bytes, ...], spec: MfccSpec = mel_adapter.SPEC, step_frames: int = 1
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._sessions = [
            onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            for graph in graphs
        ]
        self._spec, self._step = spec, step_frames
        self._shapes = [
            {given.name: (1, *given.shape[1:]) for given in session.get_inputs()}
            for session in self._sessions
        ]
        for shapes in self._shapes:
            del shapes[FRAMES]
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._stream = MfccStream(self._spec)
        self._waiting = np.empty((0, self._spec.numcep), np.float32)
        self._states = [
            {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
            for shapes in self._shapes
        ]

    def push(self, samples: Floats) -> Floats | None:
        """Take the next samples; return ``pooled``, ``(trunks, width)``, if there were frames."""
        frames = np.concatenate([self._waiting, self._stream.push(samples)])
        whole = len(frames) - len(frames) % self._step
        frames, self._waiting = frames[:whole], frames[whole:]
        if not whole:
            return None
        rows = []
        for number, session in enumerate(self._sessions):
            feed = self._states[number]
            wanted = ["pooled", *(name + NEXT for name in feed)]
            pooled, *states = session.run(wanted, feed | {FRAMES: frames[None]})
            self._states[number] = dict(zip(feed, states, strict=True))
            rows.append(pooled[0])
        return np.concatenate(rows)


def embed(job: Job, cache: Path) -> list[Embedded]:
    """Return a programme's embeddings by each of the trunks, from the cache if they are there.

    Parameters
    ----------
    job
        The programme or the files to embed.
    cache
        Folder to keep the embeddings in.

    Raises
    ------
    TrainError
        If a clip cannot be decoded or the cache cannot be written.
    """
    entries = [cache / f"programme-{_digest(job, key)}.npz" for key in job.keys]
    kept = [found for found in map(_read, entries) if found is not None]
    if len(kept) == len(entries):
        return kept
    make = {"programme": _programme, "stray": _strays}.get(job.style, _alone)
    found = make(job)
    for entry, embedded in zip(entries, found, strict=True):
        _write(entry, embedded)
    return found


def _digest(job: Job, key: str) -> str:
    about = [
        _VERSION, key, job.indices, job.strays, job.seed, job.style,
        job.sound and asdict(job.sound), [path.name for path in (*job.noises, *job.talks)],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]


def _alone(job: Job) -> list[Embedded]:
    """Play every file by itself."""
    trunks = Trunks(job.graphs, job.spec, job.step_frames)
    noises, talks = ([decode(path, RATE) for path in paths] for paths in (job.noises, job.talks))
    rows: list[tuple[Floats, int, float]] = []
    for path, index in zip(job.paths, job.indices, strict=True):
        trunks.reset()
        samples = decode(path, RATE)
        if job.style == "quiet":
            samples = samples / np.float32(10)
        elif job.style != "alone":
            rng = np.random.default_rng([job.seed, index])
            samples = excerpt_of(samples, rng)
            if job.style == "room":
                samples = simulated_room(samples, rng, noises)
            else:
                samples = change(samples, rng, job.sound or LEVEL_ONLY, noises, talks)
        for start in range(0, len(samples), RATE):
            second = samples[start : start + RATE]
            row = trunks.push(second)
            # A remainder at the end counts as a second if it is longer than half a second.
            if row is not None and (len(second) > RATE // 2 or start == 0):
                rows.append((row, index, (start + len(second)) / RATE))
    return _gathered(rows)


def _strays(job: Job) -> list[Embedded]:
    """Play stretches of noise without music, with a reset before each."""
    rng = np.random.default_rng(job.seed)
    trunks = Trunks(job.graphs, job.spec, job.step_frames)
    noises = [decode(path, RATE) for path in job.noises]
    rows: list[tuple[Floats, int, float]] = []
    for _ in range(job.strays):
        trunks.reset()
        samples = stray_noise(rng, noises)
        for second in range(STRAY_S):
            row = trunks.push(samples[second * RATE : (second + 1) * RATE])
            assert row is not None  # a second holds 62 frames
            rows.append((row, -1, float(second + 1)))
    return _gathered(rows)


def _programme(job: Job) -> list[Embedded]:
    rng = np.random.default_rng(job.seed)
    noises, talks = ([decode(path, RATE) for path in paths] for paths in (job.noises, job.talks))
    sound = job.sound or LEVEL_ONLY
    trunks = Trunks(job.graphs, job.spec, job.step_frames)
    rows: list[tuple[Floats, int, float]] = []
    waiting = np.zeros(0, np.float32)
    playing = np.zeros(0, np.int32)  # the clip of every waiting sample
    ages = np.zeros(0, np.float32)
    for piece, index in _pieces(job, sound, rng, noises, talks):
        age = (np.arange(len(piece)) / RATE).astype(np.float32)
        fade = _fade(rng, min(len(waiting), len(piece)))
        if fade > 0:
            up = np.linspace(0, 1, fade, dtype=np.float32)
            piece[:fade] = waiting[-fade:] * np.sqrt(1 - up) + piece[:fade] * np.sqrt(up)
            # The new clip counts from where it is louder.
            waiting, half = waiting[:-fade], fade // 2
            of_piece = np.full(len(piece), index, np.int32)
            of_piece[:half] = playing[-fade : -fade + half]
            age[:half] = ages[-fade : -fade + half]
            age[half:] -= half / RATE
            playing, ages = playing[:-fade], ages[:-fade]
        else:
            of_piece = np.full(len(piece), index, np.int32)
            silence = np.zeros(-fade, np.float32)
            waiting = np.concatenate([waiting, silence])
            playing = np.concatenate([playing, np.full(-fade, -1, np.int32)])
            ages = np.concatenate([ages, silence])
        waiting = np.concatenate([waiting, piece])
        playing = np.concatenate([playing, of_piece])
        ages = np.concatenate([ages, age])
        # Enough is kept back for the next crossfade.
        while len(waiting) > 5 * RATE:
            row = trunks.push(waiting[:RATE])
            if row is not None:
                rows.append((row, int(playing[RATE - 1]), float(ages[RATE - 1])))
            waiting, playing, ages = waiting[RATE:], playing[RATE:], ages[RATE:]
    return _gathered(rows)


def _fade(rng: np.random.Generator, room: int) -> int:
    """Draw a change: samples of a crossfade, 0 for a cut, negative for a silence."""
    kind = rng.random()
    if kind < _CROSSFADE:
        return min(int(rng.uniform(0.3, 3.5) * RATE), room)
    return -int(rng.uniform(0.3, 3) * RATE) if kind < _CROSSFADE + _SILENCE else 0


def _pieces(
    job: Job, sound: Sound, rng: np.random.Generator, noises: Sequence[Floats],
    talks: Sequence[Floats],
) -> Any:  # fmt: skip
    """Yield stretches of clips, each with its clip's index; every clip is played about once."""
    order: list[tuple[int, float]] = []
    for n in rng.permutation(len(job.paths)):
        # Full clips are cut in two or three stretches, each with an augmentation of its own.
        order += [(int(n), at) for at in np.arange(3) / 3]
    rng.shuffle(order)
    decoded: dict[int, Floats] = {}
    for n, at in order:
        if n not in decoded:
            decoded[n] = decode(job.paths[n], RATE)
        samples = decoded[n]
        third = len(samples) // 3
        if len(samples) < 2 * _SHORTEST * RATE:
            # A short excerpt is played as a whole, once or twice, instead of in thirds.
            if at > 0.5:
                continue
            samples = np.tile(samples, int(rng.integers(1, 4)))
        else:
            start = int(at * len(samples))
            length = int(rng.uniform(0.7, 1.3) * third)
            samples = samples[start : start + max(length, int(_SHORTEST * RATE))]
        samples = samples[: int(_LONGEST * RATE)]
        yield change(samples, rng, sound, noises, talks), job.indices[n]


def _gathered(rows: Sequence[tuple[Floats, int, float]]) -> list[Embedded]:
    if not rows:
        raise TrainError("a fold holds no second of audio")
    pooled, clips, ages = zip(*rows, strict=True)
    # Features of music are far within the range of float16; those of a click may not be.
    of_trunks = np.clip(np.stack(pooled, axis=1), -60_000, 60_000).astype(np.float16)
    about = np.array(clips, np.int32), np.array(ages, np.float32)
    return [Embedded(of_trunk, *about) for of_trunk in of_trunks]


def _read(entry: Path) -> Embedded | None:
    kept = read_arrays(entry)
    if kept is None or not {"pooled", "clips", "ages"} <= kept.keys():
        return None
    return Embedded(kept["pooled"], kept["clips"], kept["ages"])


def _write(entry: Path, embedded: Embedded) -> None:
    write_arrays(entry, {"pooled": embedded.pooled, "clips": embedded.clips, "ages": embedded.ages})
