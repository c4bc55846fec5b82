"""Clips as FLAC: lossless, so that a model hears what it heard."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.errors import InputError
from streamgenre.sources.container import open_container

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MAX_BYTES: Final = 20_000_000
"""Largest file that is read as a clip."""


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return samples from -1 to 1 as 16-bit ones; louder ones are clipped."""
    scaled = np.rint(np.clip(samples, -1, 32767 / 32768) * 32768)
    return scaled.astype(np.int16)


def encode(samples: NDArray[np.int16], rate: int) -> bytes:
    """Return mono samples as a FLAC file.

    Parameters
    ----------
    samples
        Shape ``(n,)``.
    rate
        Sample rate in Hz.
    """
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def decode(path: Path) -> tuple[NDArray[np.float32], int]:
    """Return the samples of a clip.

    Parameters
    ----------
    path
        The FLAC file.

    Returns
    -------
    samples : ndarray
        Mono, shape ``(n,)``, -1 to 1.
    rate : int
        Sample rate in Hz.

    Raises
    ------
    InputError
        If the file is missing, damaged or not a clip.
    """
    import av

    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError(f"{path}: was deleted meanwhile") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise InputError(f"{path}: larger than any clip")
    try:
        with open_container(io.BytesIO(data), demuxer="flac") as container:
            stream = container.streams.audio[0]
            parts = [frame.to_ndarray() for frame in container.decode(stream)]
            rate = stream.rate
    except (InputError, OSError, av.FFmpegError, IndexError, ValueError) as error:
        raise InputError(f"{path}: damaged: it is not a FLAC file that can be decoded") from error
    if not parts:
        raise InputError(f"{path}: damaged: it has no audio")
    joined = np.concatenate(parts, axis=1)[0]
    if joined.dtype != np.int16:
        raise InputError(f"{path}: not a clip: expected 16 bits a sample")
    return joined.astype(np.float32) / 32768, rate
