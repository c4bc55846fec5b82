"""Pauses between attempts to get a source back."""

from __future__ import annotations

import random
import time


class Backoff:
    """Growing pauses with jitter, small again after a stable stretch.

    Parameters
    ----------
    first_s, longest_s
        First and longest pause in seconds; each is twice the one before.
    stable_s
        After so many seconds of success the pauses begin anew with the first.
    """

    def __init__(self, first_s: float, longest_s: float, stable_s: float = 30.0) -> None:
        self._first_s, self._longest_s, self._stable_s = first_s, longest_s, stable_s
        self._next_s = first_s
        self._began = time.monotonic()

    def begin(self) -> None:
        """Note that an attempt begins now."""
        self._began = time.monotonic()

    def next_s(self) -> float:
        """Return the pause in seconds after an attempt that has ended now."""
        if time.monotonic() - self._began > self._stable_s:
            self._next_s = self._first_s
        pause = self._next_s * random.uniform(0.8, 1.2)  # many daemons must not return in step
        self._next_s = min(2 * self._next_s, self._longest_s)
        return pause
