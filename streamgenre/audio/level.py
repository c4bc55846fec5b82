"""Level of a stretch of samples in dB relative to full scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT: Final = 100.0
"""Largest magnitude that can be audio: 40 dB above full scale."""


class LevelMeter:
    """RMS level over everything since the last reading.

    0 dBFS is a square wave of full scale, so a sine of full scale reads -3.01 dBFS. Digital silence
    is ``-inf``, never 0.
    """

    def __init__(self) -> None:
        self._energy = 0.0
        self._samples = 0

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take samples in [-1, 1], shape ``(n,)``."""
        self._energy += float(np.dot(samples, samples))
        self._samples += len(samples)

    def read(self) -> float:
        """Return the level in dBFS since the last reading, ``-inf`` for digital silence."""
        mean = self._energy / self._samples if self._samples else 0.0
        self._energy, self._samples = 0.0, 0
        return 10 * math.log10(mean) if mean > 0 else -math.inf


def sanitise(samples: NDArray[np.float32]) -> int:
    """Replace samples that cannot be audio by 0, in place; return their number.

    These are NaN, infinity and anything over :data:`LIMIT` (raw bytes read in the wrong format).
    One NaN would stay in the resampler's filter, and in a recurrent model's state for ever.
    """
    # Two reductions are enough for a clean block; NaN wins both and fails the comparison.
    if samples.size == 0 or (samples.max() <= LIMIT and samples.min() >= -LIMIT):
        return 0
    bad = ~(np.abs(samples) <= LIMIT)
    samples[bad] = 0.0
    return int(np.count_nonzero(bad))
