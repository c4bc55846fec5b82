"""Wall time of sample positions.

The sample position is the only clock: wall time is an anchor plus position / rate. Sound cards run
some hundred ppm fast or slow, so the anchor of a live stream is moved, slowly, after what the
arrival of the samples shows, and at once where the machine's clock was set or the stream jumped.
"""

from __future__ import annotations

import math
from typing import Final

WINDOW_S: Final = 30.0
"""Seconds of arrivals from which one correction is taken."""
MAX_SLEW_S: Final = 0.05
"""Largest correction at a time in seconds: follows clocks that are up to 1600 ppm wrong."""
JUMP_S: Final = 0.4
"""A deviation over this is no drift: the anchor is set anew at once."""


class StreamClock:
    """Translates positions of one stream into UNIX time.

    Parameters
    ----------
    rate
        Positions a second.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._anchor: float | None = None  # UNIX seconds of position 0
        self._window_ends = -math.inf
        self._smallest = math.inf

    def observe(self, position: int, wall: float) -> None:
        """Note that the sample before ``position`` had arrived at UNIX time ``wall``.

        Arrivals are only ever late (scheduling, block sizes), so the earliest of a window counts.
        """
        anchor = wall - position / self._rate
        if self._anchor is None or abs(anchor - self._anchor) > JUMP_S:
            self._anchor = anchor
            self._begin_window(wall)
            return
        self._smallest = min(self._smallest, anchor - self._anchor)
        if wall >= self._window_ends:
            self._anchor += max(-MAX_SLEW_S, min(MAX_SLEW_S, self._smallest))
            self._begin_window(wall)

    def _begin_window(self, wall: float) -> None:
        self._window_ends = wall + WINDOW_S
        self._smallest = math.inf

    @property
    def anchored(self) -> bool:
        """Whether anything was observed yet."""
        return self._anchor is not None

    def time_of(self, position: int) -> float:
        """Return the UNIX seconds of a position.

        Raises
        ------
        RuntimeError
            Before anything was observed.
        """
        if self._anchor is None:
            raise RuntimeError("nothing observed yet: a stream's wall time needs an anchor")
        return self._anchor + position / self._rate
