"""Growing pauses between attempts to open a source."""

from __future__ import annotations

import math
import random
import time


class Backoff:
    """Pauses that double, with jitter, and are reset after a stable period.

    Parameters
    ----------
    first_s, longest_s
        First and longest pause in seconds; each is twice the previous one.
    stable_s
        Seconds an attempt must last for the pauses to be reset to the first.
    """

    def __init__(self, first_s: float, longest_s: float, stable_s: float = 30.0) -> None:
        self._first_s, self._longest_s, self._stable_s = first_s, longest_s, stable_s
        self._next_s = first_s
        self._began = time.monotonic()

    def begin(self) -> None:
        """Mark the start of an attempt."""
        self._began = time.monotonic()

    def next_s(self, brought_s: float = math.inf) -> float:
        """Return the pause in seconds after the attempt that has just ended.

        Parameters
        ----------
        brought_s
            Seconds of audio that it brought, where that is counted: an attempt that lasted without
            audio was not stable.
        """
        if min(time.monotonic() - self._began, brought_s) > self._stable_s:
            self._next_s = self._first_s
        pause = self._next_s * random.uniform(0.8, 1.2)  # keeps daemons from retrying in step
        self._next_s = min(2 * self._next_s, self._longest_s)
        return pause
