"""Finds samples that a sound card lost without a word."""

from __future__ import annotations

import math
from typing import Final

LOSS_S: Final = 0.25
"""Samples that come so much later than their number says, and go on to, are late because others
before them are missing. Less is jitter and drift."""
CONFIRM_S: Final = 1.0
"""So long they have to be late: what was only held up comes in a burst."""
DRIFT: Final = 1e-3
"""Largest deviation of a sound card's clock, as a share."""


class Continuity:
    """Compares the number of samples of one stream with the time that has passed.

    PortAudio tells of a loss, but not how many samples it was; where the whole process stood
    still, or a sound server dropped them, it often does not even tell.

    Parameters
    ----------
    rate
        Samples a second.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._position = 0  # samples, lost ones included
        self._punctual = math.inf  # arrival less position / rate of the most punctual sample
        self._arrived = 0.0
        self._late_since: float | None = None
        self._latest_s = math.inf  # the least that any sample was late since then

    def missing(self, samples: int, arrived: float, *, told: int = 0, overflowed: bool) -> int:
        """Take note of a block; return how many samples are missing before it, those told included.

        Parameters
        ----------
        samples
            In the block.
        arrived
            Monotonic seconds of the arrival of its last sample.
        told
            Samples that are known to be missing before it.
        overflowed
            Whether more are missing, nobody knows how many.
        """
        self._position += told + samples
        lag = arrived - self._position / self._rate
        # A slow card's samples come ever later: what counts as punctual may follow it.
        elapsed = max(0.0, arrived - self._arrived)
        self._arrived = arrived
        self._punctual = min(self._punctual + DRIFT * elapsed, lag)
        late_s = lag - self._punctual
        if overflowed:
            return told + self._pass_over(max(1, int(late_s * self._rate)))
        if late_s < LOSS_S:
            self._late_since = None
            return told
        stood_still = elapsed - samples / self._rate > LOSS_S  # a burst may follow
        if self._late_since is None or stood_still:
            self._late_since, self._latest_s = arrived, late_s
        self._latest_s = min(self._latest_s, late_s)
        if arrived - self._late_since < CONFIRM_S:
            return told
        return told + self._pass_over(int(self._latest_s * self._rate))

    def _pass_over(self, samples: int) -> int:
        self._position += samples
        self._late_since = None
        return samples
