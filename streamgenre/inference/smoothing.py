"""Exponential smoothing over seconds of audio."""

from __future__ import annotations

import math
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", float, NDArray[np.float64])


class Smoother(Generic[Value]):
    """Smooths numbers or arrays exponentially, beginning with their plain mean.

    The first hop counts in full, so that no initial value has to fade.

    Parameters
    ----------
    time_constant_s
        Seconds after which a value has lost 63 % of its weight; 0 for no smoothing.
    """

    def __init__(self, time_constant_s: float) -> None:
        self._time_constant_s = time_constant_s
        self.reset()

    def reset(self) -> None:
        """Forget what was added."""
        self.value: Value | None = None
        """The smoothed value; None before the first."""
        self._seconds = 0.0

    def add(self, value: Value, seconds: float) -> None:
        """Add a value.

        Parameters
        ----------
        value
            The value.
        seconds
            For how many seconds it counts; 0 or less for not at all.
        """
        if seconds <= 0:
            return
        tau = self._time_constant_s
        forget = 1 - math.exp(-seconds / tau) if tau > 0 else 1.0
        weight = max(forget, seconds / (self._seconds + seconds))
        self._seconds = min(self._seconds + seconds, 1e6)
        before = value if self.value is None else self.value
        self.value = (1 - weight) * before + weight * value
