"""Streaming resampler (soxr) from a source's rate to the model's."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import soxr

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUALITY: Final = "MQ"
"""16-bit quality: its error is below the noise of any input here, at half the cost of HQ."""


_PIECES_S: Final = 0.002
"""Seconds of the pieces in which the delay of a stream is measured."""
_AT_ONCE_S: Final = 0.25
"""Seconds that soxr is given at once: for each stream it keeps memory for several times as much."""
_MEASURED_S: Final = 4.0
"""Seconds over which it is measured: many of soxr's blocks."""


class Resampler:
    """Converts a float32 stream from one rate to another.

    Output sample k is at time k / ``rate_out`` of the input. soxr works in blocks and has given
    more or less of what it was fed, depending on where in a block it is. Here a constant number of
    samples (:attr:`delay`) is held back, so that what has come out depends on nothing but how much
    went in.

    Parameters
    ----------
    rate_in, rate_out
        Rates in Hz.
    channels
        Number of channels, > 0.
    """

    def __init__(self, rate_in: int, rate_out: int, channels: int = 1) -> None:
        self.rate_in, self.rate_out = rate_in, rate_out
        self.delay = _delay(rate_in, rate_out)
        """Samples at the new rate that are held back until :meth:`flush`."""
        self._piece = max(1, round(_AT_ONCE_S * rate_in))
        self._nothing = np.zeros((0,) if channels == 1 else (0, channels), np.float32)
        self._kept = self._nothing  # given by soxr, held back here
        self._taken = self._given = 0
        self._stream = (
            None
            if rate_in == rate_out
            else soxr.ResampleStream(rate_in, rate_out, channels, dtype="float32", quality=QUALITY)
        )

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take samples, return those at the new rate up to :attr:`delay` before their end.

        The shape is ``(n,)`` for one channel, else ``(n, channels)``.
        """
        if self._stream is None:
            return samples
        self._taken += len(samples)
        pieces = [
            self._stream.resample_chunk(samples[start : start + self._piece])
            for start in range(0, len(samples), self._piece)
        ]
        ready = np.concatenate([self._kept, *pieces])
        due = self._taken * self.rate_out // self.rate_in - self.delay - self._given
        out, self._kept = ready[: max(0, due)], ready[max(0, due) :].copy()
        self._given += len(out)
        return out

    def flush(self) -> NDArray[np.float32]:
        """End the signal: return the samples held back and reset."""
        if self._stream is None or not self._taken:
            return self._nothing
        last = self._stream.resample_chunk(self._nothing, last=True)
        out: NDArray[np.float32] = np.concatenate([self._kept, last])
        self._stream.clear()
        self._kept, self._taken, self._given = self._nothing, 0, 0
        return out


@lru_cache(maxsize=64)
def _delay(rate_in: int, rate_out: int) -> int:
    """Return the most samples that soxr ever owes between these rates."""
    if rate_in == rate_out:
        return 0
    stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality=QUALITY)
    piece = np.zeros(max(1, round(_PIECES_S * rate_in)), np.float32)
    given, most = 0, 0
    for number in range(round(_MEASURED_S / _PIECES_S)):
        most = max(most, (number + 1) * len(piece) * rate_out // rate_in - given)
        given += len(stream.resample_chunk(piece))
    return most
