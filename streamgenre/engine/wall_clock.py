"""The system's clock as the engine sees it, and the moments at which it is set.

A Raspberry Pi has no clock battery: it boots in the past, and a time service sets its clock by
months once the network is there. Time zones and daylight saving time do not matter here: UNIX time
knows neither.

All times of events are monotonic time plus one offset that is read once in every turn of the
engine's loop. So no event has a time of the new clock before the engine knows that the clock was
set, and has ended what was open at the last time of the old one.
"""

from __future__ import annotations

import time

from streamgenre.audio.clock import STEP_S, wall_offset
from streamgenre.logger import get_logger

_ASLEEP_S = 1.0
"""Most seconds by which a step and the time asleep differ where one is the other."""
_log = get_logger(__name__)


class WallClock:
    """UNIX time by monotonic time plus an offset."""

    def __init__(self) -> None:
        self.offset = wall_offset()
        """UNIX time less monotonic time in seconds, at the last check."""
        self._asleep = _asleep_s()

    def now(self) -> float:
        """Return the UNIX seconds of the present, by the clock of the last check."""
        return time.monotonic() + self.offset

    def check(self) -> float:
        """Read the clock; return by how many seconds it was set since the last check, else 0.

        A time service that slews the clock is followed without being reported. A machine that slept
        counts as one whose clock was set: monotonic time stands still meanwhile.
        """
        offset, asleep = wall_offset(), _asleep_s()
        step, slept = offset - self.offset, asleep - self._asleep
        self.offset, self._asleep = offset, asleep
        if abs(step) <= STEP_S:
            return 0.0
        if slept > STEP_S and abs(step - slept) < _ASLEEP_S:
            _log.warning("the machine slept for %.1f s: what was open before it has ended", slept)
        else:
            _log.warning(
                "the system's clock was set by %+.1f s: what was open has ended by the old clock, "
                "and begins again by the new one",
                step,
            )
        return step


def _asleep_s() -> float:
    """Return the seconds for which the machine was suspended since its boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
