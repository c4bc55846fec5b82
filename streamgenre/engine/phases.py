"""When the streams of an engine start: in groups, spread over a second.

A server that sends a burst to many clients at once has all their hops end at the same moment, every
second: each then waits for the decoding of all the others. The hops keep their distance from each
other for as long as the streams run, so it is enough to start them apart. The streams of a group
fill batches together.
"""

from __future__ import annotations

from typing import Final

from streamgenre.inference.models import MAX_ROWS

GROUP: Final = 2 * MAX_ROWS
"""Streams that start together. Servers send in pieces, so the hops of a group are complete at some
distance from each other: a group of one batch would seldom fill it."""
_SPREAD_S: Final = 1.0
"""Longest time in seconds over which starts are spread, however long a hop is."""
_GOLDEN: Final = 0.618_033_988_75
"""The multiples of this, without their whole part, are spread evenly however many there are."""


class Phases:
    """The phases of the streams' hops.

    Parameters
    ----------
    hop_s
        Length of a hop in seconds.
    """

    def __init__(self, hop_s: float) -> None:
        self._period_s = min(hop_s, _SPREAD_S)
        self._started = 0
        self._origin: float | None = None  # monotonic seconds of phase 0

    def wait_s(self, now: float) -> float:
        """Return the seconds from ``now`` until the next stream should start.

        ``now`` is in monotonic seconds. The result is 0 for the first group, and less than a
        second.
        """
        group = self._started // GROUP
        self._started += 1
        if self._origin is None:
            self._origin = now
        if not group:
            return 0.0
        return (self._origin + group * _GOLDEN * self._period_s - now) % self._period_s
