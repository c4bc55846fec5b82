"""Converts decoded audio to one rate and number of channels, in pieces of bounded size.

FFmpeg's own converter is not used: it changes the level when it mixes channels, knows no layout for
most numbers of channels, and returns a whole frame at once, however long it becomes at the new
rate. Here channels are mixed by their mean, and no array exceeds a few megabytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.audio.mix import ChannelMixer
from streamgenre.audio.resample import Resampler
from streamgenre.audio.ring import as_block

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

MIN_RATE: Final = 4_000
MAX_RATE: Final = 768_000
MAX_CHANNELS: Final = 64
MAX_KEPT_CHANNELS: Final = 8
"""Audio with more channels is mixed to one: 7.1 is the largest common layout."""
MAX_SAMPLES_A_SECOND: Final = 400_000
"""Largest rate × channels of a source, which bounds its ring to 16 MB: stereo at 192 kHz, and eight
channels at 48 kHz."""
_PIECE: Final = 65_536
"""Most samples per channel that are converted, or result, at once."""
_MAX_PLANES: Final = 8
"""PyAV finds the planes of a frame by a terminator that FFmpeg guarantees only up to here."""
_FORMATS: Final = {
    name + planar: (dtype, 1.0 if dtype.startswith("f") else 2.0 ** (1 - 8 * int(dtype[1:])))
    for name, dtype in {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}.items()
    for planar in ("", "p")
}
"""Sample formats that NumPy reads: its type, and what makes the full scale 1."""


@dataclass(frozen=True, slots=True)
class Format:
    """Sample rate and number of channels of blocks."""

    rate: int
    """Samples a second."""
    channels: int
    """Number of channels."""

    @property
    def plausible(self) -> bool:
        """Whether the rate and the number of channels can be those of audio."""
        return MIN_RATE <= self.rate <= MAX_RATE and 1 <= self.channels <= MAX_CHANNELS

    def bounded(self) -> Format:
        """Return the format in which a source delivers such audio.

        More than :data:`MAX_KEPT_CHANNELS` channels become one. A rate at which there would be more
        than :data:`MAX_SAMPLES_A_SECOND` over all channels is divided by a whole number.
        """
        channels = self.channels if self.channels <= MAX_KEPT_CHANNELS else 1
        divisor = -(-self.rate * channels // MAX_SAMPLES_A_SECOND)
        return Format(self.rate // divisor, channels)


class Converter:
    """Converts audio whose format may change at any time.

    Channels are kept if their number is the wanted one. Otherwise all that are in use are mixed to
    their mean, which becomes the signal of each wanted channel: the level does not depend on the
    layout.

    Parameters
    ----------
    wanted
        Format of the blocks.
    """

    def __init__(self, wanted: Format) -> None:
        self._wanted = wanted
        self._given: Format | None = None
        self._mixer = ChannelMixer(wanted.channels)
        self._resampler: Resampler | None = None

    def convert(
        self, frames: Sequence[Any], loudest: float | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of decoded frames, shape ``(n, channels)``.

        Parameters
        ----------
        frames
            PyAV's frames, of one format.
        loudest
            Largest sample that can be audio, where 1 is full scale; None for no limit.

        Raises
        ------
        av.FFmpegError
            If the sample format or the channel layout is not usable.
        ValueError
            If a sample is larger than ``loudest``.
        """
        samples, scale = _samples(frames)
        if loudest is not None and samples.dtype.kind == "f" and samples.size:
            peak = max(float(samples.max()), -float(samples.min()))
            if not peak * scale <= loudest:
                raise ValueError(f"a sample of {peak * scale:.1f} times full scale")
        yield from self.push(samples, frames[0].sample_rate, scale)

    def push(
        self, samples: NDArray[Any], rate: int, scale: float = 1.0
    ) -> Iterator[NDArray[np.float32]]:
        """Yield samples in the wanted format, shape ``(n, wanted channels)``.

        Parameters
        ----------
        samples
            Samples of any type, shape ``(n, channels)``; unsigned ones have their zero at 128.
        rate
            Their rate in Hz.
        scale
            Factor that makes their full scale 1.
        """
        given = Format(rate, samples.shape[1])
        if given != self._given:
            yield from self.flush()
            self._given = given
            self._mixer = ChannelMixer(given.channels)
        keeps = given.channels == self._wanted.channels
        if rate != self._wanted.rate and self._resampler is None:
            self._resampler = Resampler(rate, self._wanted.rate, given.channels if keeps else 1)
        step = max(1, min(_PIECE, _PIECE * rate // self._wanted.rate))
        for start in range(0, len(samples), step):
            piece = _as_float(samples[start : start + step], scale)
            if not keeps:
                piece = self._mixer.mix(piece)[:, None]
            if self._resampler is not None:
                piece = self._resampler.push(piece[:, 0] if piece.shape[1] == 1 else piece)
            yield from self._widened(piece)

    def flush(self) -> Iterator[NDArray[np.float32]]:
        """Yield the samples held back at the end of a signal."""
        if self._resampler is not None:
            held = self._resampler.flush()
            self._resampler = None
            yield from self._widened(held)

    def _widened(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        if len(samples):
            block = as_block(samples) if samples.ndim == 1 else samples
            if block.shape[1] != self._wanted.channels:
                block = block.repeat(self._wanted.channels, axis=1)
            yield block


def _samples(frames: Sequence[Any]) -> tuple[NDArray[Any], float]:
    """Return the samples of frames, shape ``(n, channels)``, and the factor for full scale 1."""
    channels, kind = frames[0].layout.nb_channels, frames[0].format
    if kind.name not in _FORMATS or (kind.is_planar and channels > _MAX_PLANES):
        return np.concatenate([_packed(frame, channels) for frame in frames]), 1.0
    dtype, scale = _FORMATS[kind.name]
    samples = np.empty((sum(frame.samples for frame in frames), channels), dtype)
    start = 0
    for frame in frames:
        # What PyAV's to_ndarray does, but without a copy and a stack for each frame.
        end, count = start + frame.samples, frame.samples * (1 if kind.is_planar else channels)
        planes = [np.frombuffer(plane, dtype, count) for plane in frame.planes]
        if kind.is_planar:
            for channel, plane in enumerate(planes):
                samples[start:end, channel] = plane
        else:
            samples[start:end] = planes[0].reshape(-1, channels)
        start = end
    return samples, scale


def _packed(frame: Any, channels: int) -> NDArray[np.float32]:
    """Return the samples of a frame that NumPy cannot read as it is."""
    import av

    frame.pts = None
    packer = av.AudioResampler(format="flt", layout=frame.layout, rate=frame.sample_rate)
    parts = [part.to_ndarray().reshape(-1, channels) for part in packer.resample(frame)]
    return np.concatenate(parts or [np.zeros((0, channels), np.float32)])


def _as_float(samples: NDArray[Any], scale: float) -> NDArray[np.float32]:
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - np.float32(128)) * np.float32(scale)
    with np.errstate(over="ignore"):  # doubles that are no audio become infinite
        floats: NDArray[np.float32] = samples.astype(np.float32, copy=False)
    return floats if scale == 1.0 else floats * np.float32(scale)
