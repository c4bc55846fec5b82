"""Reads raw PCM from standard input."""

from __future__ import annotations

import os
import select
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import numpy as np

from streamgenre.audio.ring import as_block
from streamgenre.errors import InputError, SettingsError
from streamgenre.limits import Range, check
from streamgenre.sources.decoding import MAX_CHANNELS, MAX_RATE, MIN_RATE
from streamgenre.sources.paced import PacedSource, Stall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FORMATS: Final[dict[str, tuple[str, float]]] = {
    "s16le": ("<i2", 2.0**15),
    "s16be": (">i2", 2.0**15),
    "s32le": ("<i4", 2.0**31),
    "s32be": (">i4", 2.0**31),
    "f32le": ("<f4", 1.0),
    "f32be": (">f4", 1.0),
}
"""NumPy type and full scale of each sample format; the names are FFmpeg's."""


STALL_S: Final = 5.0
"""Seconds without data after which the pipe counts as lost, until data arrives again."""


@dataclass(frozen=True, slots=True)
class RawFormat:
    """Rate, channels and sample format of raw PCM."""

    rate: Annotated[int, Range(MIN_RATE, MAX_RATE, "Hz")] = 44_100
    """Sample rate in Hz."""
    channels: Annotated[int, Range(1, MAX_CHANNELS, "channels")] = 2
    """Number of interleaved channels."""
    format: Literal["s16le", "s16be", "s32le", "s32be", "f32le", "f32be"] = "s16le"
    """FFmpeg's name of the sample format."""

    def __post_init__(self) -> None:
        check(self)
        if self.format not in FORMATS:
            raise SettingsError(f"format {self.format}: expected one of {', '.join(FORMATS)}")


def open_stdin(raw: RawFormat) -> PacedSource:
    """Return a source that reads raw PCM from standard input until its end.

    Raises
    ------
    InputError
        If standard input is a terminal.
    """
    if sys.stdin is None:
        raise InputError("--input -: standard input is closed; pipe raw PCM into it")
    if sys.stdin.isatty():
        raise InputError(
            "--input -: standard input is a terminal; pipe raw PCM into it, for example "
            "`ffmpeg -i URL -f s16le -ac 2 -ar 44100 - | streamgenre listen --input -`"
        )
    # The pipe sets the pace, whether it is live or not.
    return PacedSource(
        "stdin",
        raw.rate,
        raw.channels,
        read_raw(sys.stdin.fileno(), raw),
        pace="fast",
        real_time=True,
        live=True,
    )


def read_raw(descriptor: int, raw: RawFormat) -> Iterator[NDArray[np.float32] | Stall]:
    """Yield the samples of a file descriptor as blocks, and a stall after each ``STALL_S``.

    Parameters
    ----------
    descriptor
        A readable file descriptor.
    raw
        Format of its bytes.

    Yields
    ------
    ndarray or Stall
        A block of the shape ``(n, channels)``; a stall if nothing arrived for ``STALL_S``.

    Raises
    ------
    InputError
        If the input ends without a sample.
    """
    dtype, scale = FORMATS[raw.format]
    frame = np.dtype(dtype).itemsize * raw.channels
    kept = b""
    empty = True
    while True:
        while not select.select([descriptor], [], [], STALL_S)[0]:
            yield Stall(STALL_S)
        chunk = os.read(descriptor, 65_536)
        if not chunk:
            break
        data = kept + chunk
        whole = len(data) - len(data) % frame
        kept = data[whole:]
        if whole:
            empty = False
            samples = np.frombuffer(data[:whole], dtype).reshape(-1, raw.channels)
            yield as_block(samples.astype(np.float32) / np.float32(scale))
    if empty:
        raise InputError("standard input ended without a single sample")
