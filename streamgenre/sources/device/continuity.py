"""Detects samples that a sound card lost without reporting it."""

from __future__ import annotations

import math
from typing import Final

LOSS_S: Final = 0.25
"""Lasting delay in seconds, compared with the number of samples, that means lost samples; a
shorter delay is jitter or drift."""
CONFIRM_S: Final = 1.0
"""Seconds the delay must last: delayed samples without a loss arrive in a burst."""
DRIFT: Final = 1e-3
"""Largest relative deviation of a sound card's clock."""


class Continuity:
    """Compares the number of samples of one stream with the elapsed time.

    PortAudio reports a loss, but not the number of samples. If the whole process was paused, or a
    sound server dropped samples, it often reports nothing.

    Parameters
    ----------
    rate
        Sample rate in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._position = 0  # samples, including lost ones
        self._punctual = math.inf  # arrival minus position / rate of the most punctual sample
        self._arrived = 0.0
        self._late_since: float | None = None
        self._latest_s = math.inf  # shortest delay of any sample since then

    def missing(self, samples: int, arrived: float, *, dropped: int = 0, overflowed: bool) -> int:
        """Record a block; return the number of samples missing before it.

        Parameters
        ----------
        samples
            Number of samples in the block.
        arrived
            Arrival of its last sample in monotonic seconds.
        dropped
            Samples known to be missing before it; included in the result.
        overflowed
            Whether further samples are missing, an unknown number of them.
        """
        self._position += dropped + samples
        lag = arrived - self._position / self._rate
        # The samples of a slow card arrive later and later: the reference follows its drift.
        elapsed = max(0.0, arrived - self._arrived)
        self._arrived = arrived
        self._punctual = min(self._punctual + DRIFT * elapsed, lag)
        late_s = lag - self._punctual
        if overflowed:
            return dropped + self._count_missing(max(1, int(late_s * self._rate)))
        if late_s < LOSS_S:
            self._late_since = None
            return dropped
        stood_still = elapsed - samples / self._rate > LOSS_S  # a burst may follow
        if self._late_since is None or stood_still:
            self._late_since, self._latest_s = arrived, late_s
        self._latest_s = min(self._latest_s, late_s)
        if arrived - self._late_since < CONFIRM_S:
            return dropped
        return dropped + self._count_missing(int(self._latest_s * self._rate))

    def _count_missing(self, samples: int) -> int:
        self._position += samples
        self._late_since = None
        return samples
