"""Wall time of sample positions, and the drift of a source's own clock.

The sample position is the only clock: wall time is an anchor plus position / rate. Sound cards run
some hundred ppm fast or slow, so the anchor of a live stream follows the arrival times of the
samples slowly, by at most :data:`MAX_SLEW_S` every :data:`WINDOW_S`. It moves at once in three
cases only: the system's clock was set (wall time left the monotonic clock), samples came earlier
than they could have, or all of them are late for :data:`CONFIRM_S` (some are missing without a
reported gap). When the system's clock is set, the positions before keep the times of the old clock.
"""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Final

from streamgenre.logger import get_logger

WINDOW_S: Final = 30.0
"""Seconds of arrivals from which one correction is taken."""
MAX_SLEW_S: Final = 0.05
"""Largest correction in one window in seconds: follows clocks that are up to 1600 ppm off."""
JUMP_S: Final = 0.4
"""Smallest deviation of the arrivals in seconds that is not drift."""
CONFIRM_S: Final = 2.0
"""Seconds for which arrivals must be late before the anchor moves: a process that was held up also
reads late, but then catches up."""
STEP_S: Final = 0.1
"""Smallest jump against the monotonic clock in seconds that counts as the system's clock being set;
time services slew more slowly than that."""
DRIFT_AFTER_S: Final = 300.0
"""Seconds without a gap after which the drift is known."""
_DRIFT_WINDOWS: Final = 120
"""Windows over which the drift is measured: the last hour."""

_MAX_STEPS: Final = 16
"""Settings of the system's clock that are remembered."""

_log = get_logger(__name__)


def wall_offset() -> float:
    """Return UNIX time less monotonic time in seconds, both read at the same moment."""
    while True:
        before = time.monotonic()
        wall = time.time()
        after = time.monotonic()
        if after - before < 0.001:  # else the process was held up in between
            return wall - after


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
        self._offset = 0.0
        self._window_ends = -math.inf
        self._smallest = math.inf
        self._late_since: float | None = None
        self._least_late = math.inf
        self._punctual: deque[tuple[float, float]] = deque(maxlen=_DRIFT_WINDOWS)
        self.drift_ppm: float | None = None
        """How much faster the source's clock runs than the system's, in millionths; None until it
        is known."""
        self.steps = 0
        """How many times the system's clock was set."""
        self.last_step_s: float | None = None
        """By how many seconds it was set the last time; None if it was not."""
        # The clocks before, oldest first: first position that they do not time, and anchor.
        self._before: deque[tuple[int, float]] = deque(maxlen=_MAX_STEPS)

    def observe(self, position: int, arrived: float, offset: float) -> None:
        """Note that the sample before ``position`` had arrived.

        Arrivals are only ever late (scheduling, block sizes), so the earliest of a window counts.

        Parameters
        ----------
        position
            Samples before it, lost ones included.
        arrived
            Monotonic seconds.
        offset
            UNIX time less monotonic time now, see :func:`wall_offset`.
        """
        anchor = arrived + offset - position / self._rate
        if self._anchor is None:
            self._anchor, self._offset = anchor, offset
            self._begin_window(arrived)
            return
        step, self._offset = offset - self._offset, offset
        if abs(step) > STEP_S:
            _log.warning("the system's clock was set by %+.1f s; times follow it", step)
            self._move(step)
        late = anchor - self._anchor
        if late < -JUMP_S or self._surely_late(late, arrived):
            self._anchor += late if late < 0 else self._least_late
            self._late_since = None
            self._punctual.clear()
            self._begin_window(arrived)
            return
        self._smallest = min(self._smallest, late)
        if arrived >= self._window_ends:
            self._measure_drift(arrived, self._smallest)
            self._anchor += max(-MAX_SLEW_S, min(MAX_SLEW_S, self._smallest))
            self._begin_window(arrived)

    def was_set(self, step: float, at: int) -> None:
        """Note that the system's clock was set; the offset then observed has changed likewise.

        Parameters
        ----------
        step
            By how many seconds; negative where it was set back.
        at
            First position whose time is by the new clock.
        """
        if self._anchor is not None:
            self._before.append((at, self._anchor))
        self._offset += step
        self._move(step)

    def _move(self, step: float) -> None:
        self.steps += 1
        self.last_step_s = step
        if self._anchor is not None:
            self._anchor += step
        self._smallest = self._least_late = math.inf

    def interrupted(self) -> None:
        """Note a gap: its length is not exact enough to measure a drift across it."""
        self._punctual.clear()
        self._smallest = math.inf

    def _surely_late(self, late: float, arrived: float) -> bool:
        if late < JUMP_S:
            self._late_since = None
            return False
        if self._late_since is None:
            self._late_since, self._least_late = arrived, late
        self._least_late = min(self._least_late, late)
        return arrived - self._late_since >= CONFIRM_S

    def _begin_window(self, arrived: float) -> None:
        self._window_ends = arrived + WINDOW_S
        self._smallest = math.inf

    def _measure_drift(self, arrived: float, smallest: float) -> None:
        """Fit a line through the apparent monotonic times of position 0."""
        assert self._anchor is not None
        if not math.isfinite(smallest):
            return
        self._punctual.append((arrived, self._anchor + smallest - self._offset))
        began, first = self._punctual[0]
        if arrived - began < DRIFT_AFTER_S:
            return
        times = [t - began for t, _ in self._punctual]
        starts = [start - first for _, start in self._punctual]
        n = len(times)
        mean_time, mean_start = sum(times) / n, sum(starts) / n
        spread = sum((t - mean_time) ** 2 for t in times)
        slope = (
            sum((t - mean_time) * (s - mean_start) for t, s in zip(times, starts, strict=True))
            / spread
        )
        self.drift_ppm = round(-1e6 * slope, 1)

    @property
    def anchored(self) -> bool:
        """Whether anything has been observed."""
        return self._anchor is not None

    def time_of(self, position: int, *, starts: bool = False) -> float:
        """Return the UNIX seconds of a position, by the clock of its time.

        Parameters
        ----------
        position
            The position.
        starts
            Whether something starts there; else it ends there. This decides at the very position
            where the clock was set.

        Raises
        ------
        RuntimeError
            Before anything was observed.
        """
        if self._anchor is None:
            raise RuntimeError("nothing observed yet: a stream's wall time needs an anchor")
        for end, anchor in self._before:
            if position < end or (position == end and not starts):
                return anchor + position / self._rate
        return self._anchor + position / self._rate
