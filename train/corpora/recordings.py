"""MFCC frames of audio files, computed once and kept in a cache.

The frames come from the :class:`streamgenre.audio.features.MfccStream` that the daemon uses, in
float32, so training and listening use the same frames.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.audio.features import MfccSpec, MfccStream, cepstral_matrix
from streamgenre.audio.resample import Resampler
from streamgenre.errors import StreamgenreError
from streamgenre.sources.files.file import decode as daemon_decode
from train.cache import read_arrays, write_arrays
from train.errors import TrainError
from train.hashes import file_hash, joint_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    Frames = NDArray[np.float32]

SPEC: Final = MfccSpec(
    samplerate=16_000,
    winlen=0.064,
    winstep=0.04,
    numcep=40,
    nfilt=40,
    nfft=1024,
    lowfreq=30.0,
    highfreq=None,
    preemph=0.0,
    ceplifter=0,
    append_energy=False,
    winfunc="hann",
)
"""25 frames per second; as many cepstra as filters, so that a graph can invert the transform."""

_BLOCK_SECONDS: Final = 1.0
_CACHE_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class Recording:
    """The frames of one audio file."""

    frames: Frames
    """MFCC frames, shape ``(n, numcep)``."""
    sha256: str
    """Hash of the file that they were computed from."""
    seconds: float
    """Length of the audio in seconds."""


def decode(path: Path, samplerate: int) -> NDArray[np.float32]:
    """Decode an audio file to mono at a rate in Hz as the daemon does, shape ``(n,)``.

    Parameters
    ----------
    path
        The audio file.
    samplerate
        Sample rate of the result in Hz.

    Raises
    ------
    TrainError
        If the file cannot be read or holds no audio.
    """
    rate, channels = decode_blocks(path)
    signal = channels.mean(axis=1, dtype=np.float32)
    resampler = Resampler(rate, samplerate)
    return np.concatenate([resampler.push(signal), resampler.flush()])


def decode_blocks(path: Path) -> tuple[int, NDArray[np.float32]]:
    """Return a file's sample rate in Hz and its samples, shape ``(n, channels)``.

    Raises
    ------
    TrainError
        If the file cannot be read, holds no audio or samples that are not finite.
    """
    try:
        decoded = list(daemon_decode(path))
    except StreamgenreError as error:
        raise TrainError(f"{path}: cannot be decoded: {error}") from error
    if not decoded:
        raise TrainError(f"{path}: holds no audio samples")
    signal = np.concatenate([block for _, block in decoded])
    if not np.isfinite(signal).all():
        raise TrainError(f"{path}: holds samples that are not finite")
    return decoded[0][0].rate, signal


def frames_of(samples: NDArray[np.float32], spec: MfccSpec) -> Frames:
    """Return all complete MFCC frames of a signal, shape ``(n, numcep)``.

    Parameters
    ----------
    samples
        Mono at the sample rate of ``spec``, shape ``(n,)``.
    spec
        Settings of the frames.
    """
    stream = MfccStream(spec)
    block = int(_BLOCK_SECONDS * spec.samplerate)
    parts = [stream.push(samples[i : i + block]) for i in range(0, len(samples), block)]
    return np.concatenate(parts) if parts else np.zeros((0, spec.numcep), np.float32)


def log_mel(frames: Frames, spec: MfccSpec) -> Frames:
    """Turn cepstra into log-mel energies; requires ``numcep == nfilt``, no lifter, no energy.

    Parameters
    ----------
    frames
        Cepstra, shape ``(n, numcep)``.
    spec
        Settings of the frames.
    """
    # The transform is then orthonormal: its transpose is its inverse.
    energies: Frames = frames @ cepstral_matrix(spec).T.astype(np.float32)
    return energies


def cepstra(energies: Frames, spec: MfccSpec) -> Frames:
    """Turn log-mel energies into cepstra; the inverse of :func:`log_mel`.

    Parameters
    ----------
    energies
        Log-mel energies, shape ``(n, nfilt)``.
    spec
        Settings of the frames.
    """
    frames: Frames = energies @ cepstral_matrix(spec).astype(np.float32)
    return frames


def load_recording(path: Path, spec: MfccSpec, cache: Path | None) -> Recording:
    """Return the frames of an audio file, from the cache if they are there.

    Parameters
    ----------
    path
        The audio file.
    spec
        Settings of the frames.
    cache
        Folder to keep frames in; None to always compute them.

    Raises
    ------
    TrainError
        If the file cannot be read, holds no audio or is shorter than one frame.
    """
    sha256 = file_hash(path)
    settings = json.dumps([_CACHE_VERSION, asdict(spec)], sort_keys=True)
    key = f"{sha256[:32]}-{hashlib.sha256(settings.encode()).hexdigest()[:16]}.npz"
    entry = None if cache is None else cache / key
    if entry is not None and (kept := read_arrays(entry)) is not None and "frames" in kept:
        return Recording(kept["frames"], sha256, float(kept["seconds"]))
    samples = decode(path, spec.samplerate)
    frames = frames_of(samples, spec)
    if not len(frames):
        raise TrainError(f"{path}: {len(samples)} samples are shorter than one frame")
    seconds = len(samples) / spec.samplerate
    if entry is not None:
        arrays = {"frames": frames, "seconds": np.float64(seconds)}
        write_arrays(entry, arrays, advice="give another folder with --cache")
    return Recording(frames, sha256, seconds)


def load_recordings(
    paths: Iterable[Path],
    spec: MfccSpec,
    cache: Path | None,
    *,
    on_file: Callable[[], None] = lambda: None,
) -> tuple[dict[Path, Recording], list[str]]:
    """Load many files; return the recordings and a message for each unreadable file.

    Parameters
    ----------
    paths
        Audio files.
    spec
        Settings of the frames.
    cache
        Folder to keep frames in; None to always compute them.
    on_file
        Called after each file.
    """
    recordings: dict[Path, Recording] = {}
    problems: list[str] = []
    for path in paths:
        try:
            recordings[path] = load_recording(path, spec, cache)
        except TrainError as error:
            problems.append(str(error))
        on_file()
    return recordings, problems


def corpus_hash(recordings: Iterable[Recording]) -> str:
    """Return the SHA-256 over the sorted hashes of a corpus's files, whatever their names."""
    return joint_hash(recording.sha256 for recording in recordings)
