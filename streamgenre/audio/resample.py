"""Streaming resampler (soxr) from a source's rate to the model's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import soxr

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUALITY: Final = "MQ"
"""16-bit quality: its error is below the noise of any input here, at half the cost of HQ."""


class Resampler:
    """Converts a float32 stream from one rate to another.

    Output sample k is at time k / ``rate_out`` of the input: soxr compensates the delay of its
    filter by holding back some milliseconds of samples.

    Parameters
    ----------
    rate_in, rate_out
        Rates in Hz.
    channels
        Number of channels, > 0.
    """

    def __init__(self, rate_in: int, rate_out: int, channels: int = 1) -> None:
        self.rate_in, self.rate_out = rate_in, rate_out
        self._nothing = np.zeros((0,) if channels == 1 else (0, channels), np.float32)
        self._fresh = True  # no samples are held back
        self._stream = (
            None
            if rate_in == rate_out
            else soxr.ResampleStream(rate_in, rate_out, channels, dtype="float32", quality=QUALITY)
        )

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take samples, return what is ready at the new rate.

        The shape is ``(n,)`` for one channel, else ``(n, channels)``.
        """
        if self._stream is None:
            return samples
        self._fresh = False
        out: NDArray[np.float32] = self._stream.resample_chunk(samples)
        return out

    def flush(self) -> NDArray[np.float32]:
        """End the signal: return the samples held back and reset."""
        if self._stream is None or self._fresh:
            return self._nothing
        self._fresh = True
        out: NDArray[np.float32] = self._stream.resample_chunk(self._nothing, last=True)
        self._stream.clear()
        return out
