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

    def split(self, station: str, new: Frames) -> tuple[Frames, Frames]:
        """Return the whole steps that there are with a station's new frames, and what is left over.

        Nothing changes until :meth:`keep`: a call that fails can be repeated.

        Parameters
        ----------
        station
            Its name.
        new
            Its new frames, shape ``(n, numcep)``.

        Returns
        -------
        whole : array
            A multiple of the step; perhaps none.
        rest : array
            Fewer frames than a step.
        """
        waiting = self._waiting.get(station)
        seen = new if waiting is None else np.concatenate([waiting, new])
        whole = len(seen) - len(seen) % self._step
        return seen[:whole], seen[whole:]

    def keep(self, station: str, rest: Frames) -> None:
        """Have frames wait for the next ones.

        Parameters
        ----------
        station
            Its name.
        rest
            What :meth:`split` left over.
        """
        if len(rest):
            self._waiting[station] = rest.copy()
        else:
            self._waiting.pop(station, None)

    def filled(self, frames: Frames) -> Frames:
        """Return one step made of fewer frames, at least one, repeated in their order."""
        return np.resize(frames, (self._step, frames.shape[1]))

    def forget(self, station: str) -> None:
        """Drop a station's waiting frames."""
        self._waiting.pop(station, None)
