"""Finds missing audio by the timestamps of packets and decoded frames."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fractions import Fraction

MIN_MISSING_S: Final = 0.1
"""A shorter jump of the timestamps of packets, in seconds, is rounding."""
MAX_MISSING_S: Final = 30.0
"""A longer jump of the timestamps, in seconds, is a new time base."""
_LEAD_S: Final = 2.0
"""Seconds for which timestamps may lag behind what was decoded before they are believed again."""


class Timeline:
    """Finds missing audio: by the timestamps of packets, and the length of what was decoded.

    The packets' own length is not used. Where the format changes within a stream, FFmpeg states it,
    and the timestamps between those that the stream contains, at the rate of the old format:
    timestamps may lag behind for a while.

    Parameters
    ----------
    time_base
        Seconds of one unit of the timestamps; None if they mean nothing.
    least_s
        A shorter jump of the timestamps, in seconds, is rounding.
    """

    def __init__(self, time_base: Fraction | None, least_s: float = MIN_MISSING_S) -> None:
        # Of the stream, once: PyAV would make a Fraction for each packet, at the cost of decoding.
        self._unit = None if time_base is None else (time_base.numerator, time_base.denominator)
        self._least_s = least_s
        self._end: float | None = None  # end in seconds of what was decoded
        self._decoded = False
        self._lead = math.inf  # least seconds that it was ahead of the timestamps
        self._lead_since = 0.0  # timestamp in seconds

    def missing_s(self, packet: Any) -> float:
        """Return the seconds of audio missing before a packet or decoded frame.

        Timestamps that jump back or far ahead start a new time base: nothing is missing.
        """
        pts = packet.pts
        if pts is None or self._unit is None:
            return 0.0
        start = pts * self._unit[0] / self._unit[1]
        jump = 0.0 if self._end is None else start - self._end
        if self._end is None or jump >= 0.0 or jump < -MAX_MISSING_S:
            self._begin(start)
            if not self._decoded:  # a decoder may give its first samples late
                return 0.0
            return jump if self._least_s <= jump <= MAX_MISSING_S else 0.0
        self._lead = min(self._lead, -jump)
        if not 0.0 <= start - self._lead_since < _LEAD_S:
            self._begin(self._end - self._lead, start)  # it is not behind: another clock
        return 0.0

    def _begin(self, end: float, start: float | None = None) -> None:
        self._end = end
        self._lead = math.inf
        self._lead_since = end if start is None else start

    def decoded(self, seconds: float, *, heard: bool = True) -> None:
        """Add the length of samples that were decoded from the newest packet.

        Parameters
        ----------
        seconds
            Their length.
        heard
            False if they are known to be missing.
        """
        self._decoded = self._decoded or heard
        if self._end is not None:
            self._end += seconds
