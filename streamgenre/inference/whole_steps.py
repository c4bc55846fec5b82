"""Frames in whole steps, for models that take several frames at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frames = NDArray[np.float32]


class WholeSteps:
    """Each station's frames in multiples of a step; what is left over waits for the next ones.

    Parameters
    ----------
    step
        Frames of a step.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        self._waiting: dict[str, Frames] = {}

    def take(self, station: str, new: Frames) -> Frames:
        """Return the whole steps that there are with a station's new frames; perhaps none.

        Parameters
        ----------
        station
            Its name.
        new
            Its new frames, shape ``(n, numcep)``.
        """
        if self._step == 1:
            return new
        waiting = self._waiting.pop(station, None)
        seen = new if waiting is None else np.concatenate([waiting, new])
        whole = len(seen) - len(seen) % self._step
        if whole < len(seen):
            self._waiting[station] = seen[whole:].copy()
        return seen[:whole]

    def repeated(self, station: str) -> Frames:
        """Return one step made of a station's waiting frames, repeated in their order."""
        waiting = self._waiting[station]
        return np.resize(waiting, (self._step, waiting.shape[1]))

    def forget(self, station: str) -> None:
        """Drop a station's waiting frames."""
        self._waiting.pop(station, None)
