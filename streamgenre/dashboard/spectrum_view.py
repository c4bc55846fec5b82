"""The last rows of a station's spectrum, as the dashboard keeps them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from streamgenre.display.sound_check import SoundCheck

if TYPE_CHECKING:
    from streamgenre.events import Spectrum

MAX_COLUMNS: Final = 1000
"""Rows of a spectrum that are kept; no terminal shows more columns."""
_STEP_S: Final = 0.01
"""Difference in time up to which two events follow each other."""


class SpectrumView:
    """The last rows of a station's spectrum."""

    def __init__(self) -> None:
        self._columns: deque[bytes | None] = deque(maxlen=MAX_COLUMNS)  # None: nothing was heard
        self.newest: Spectrum | None = None
        """The event that came last; None before the first."""
        self._arrival = 0.0
        self.check = SoundCheck()
        """What the last seconds sound like."""

    def take(self, found: Spectrum, arrival: float) -> None:
        """Take a spectrum.

        Parameters
        ----------
        found
            The event.
        arrival
            When it arrived, by the reader's clock.
        """
        self.check.take(found)
        before = self.newest
        if before is not None:
            if before.edges_hz != found.edges_hz:
                self._columns.clear()
            missing = found.stream_time - found.rows * found.row_s - before.stream_time
            if missing > _STEP_S:
                self._columns.extend([None] * min(MAX_COLUMNS, round(missing / found.row_s)))
        for start in range(0, len(found.levels), found.bands):
            self._columns.append(found.levels[start : start + found.bands])
        self.newest, self._arrival = found, arrival

    def columns(self, width: int, now: float) -> list[bytes | None]:
        """Return the columns of this moment: those of an event appear one after another.

        Parameters
        ----------
        width
            Most columns, the newest last; None is one in which nothing was heard.
        now
            Seconds on the clock by which events arrived.
        """
        newest = self.newest
        if newest is None:
            return []
        due = int(max(0.0, now - self._arrival) / newest.row_s)
        later = max(0, newest.rows - 1 - due)
        columns = list(self._columns)
        return columns[: len(columns) - later][-width:]
