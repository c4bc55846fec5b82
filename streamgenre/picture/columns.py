"""Sums up an endless signal in a bounded number of columns, whatever its length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST: Final = 2048
"""Most columns; twice as many are held before neighbours are merged."""


class Columns:
    """Means of equally long stretches of rows; their length doubles as the signal grows.

    Parameters
    ----------
    width
        Values in a row.
    """

    def __init__(self, width: int) -> None:
        self._sums = np.zeros((2 * MOST, width))
        self._low = np.full((2 * MOST, width), np.inf)
        self._high = np.full((2 * MOST, width), -np.inf)
        self._counts = np.zeros(2 * MOST)
        self._length = 1  # rows in a column
        self.rows = 0
        """Number of rows so far."""

    def push(self, rows: NDArray[np.floating]) -> None:
        """Take the next rows, shape ``(n, width)``, finite."""
        while len(rows):
            if self.rows >= len(self._sums) * self._length:
                self._merge()
            # Column by column, since reduceat needs the limits of each.
            room = len(self._sums) * self._length - self.rows
            some = rows[:room]
            where = (self.rows + np.arange(len(some))) // self._length
            first, starts = np.unique(where, return_index=True)
            self._sums[first] += np.add.reduceat(some, starts, axis=0)
            self._counts[first] += np.diff([*starts, len(some)])
            self._low[first] = np.minimum(
                self._low[first], np.minimum.reduceat(some, starts, axis=0)
            )
            self._high[first] = np.maximum(
                self._high[first], np.maximum.reduceat(some, starts, axis=0)
            )
            self.rows += len(some)
            rows = rows[len(some) :]

    def _merge(self) -> None:
        half = len(self._sums) // 2
        for array, reduce, empty in (
            (self._sums, np.add, 0.0),
            (self._low, np.minimum, np.inf),
            (self._high, np.maximum, -np.inf),
            (self._counts, np.add, 0.0),
        ):
            array[:half] = reduce(array[0::2], array[1::2])
            array[half:] = empty
        self._length *= 2

    @property
    def filled(self) -> int:
        """Number of columns."""
        return -(-self.rows // self._length)

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean of each column, shape ``(filled, width)``."""
        found: NDArray[np.float64] = self._sums[: self.filled] / self._counts[: self.filled, None]
        return found

    @property
    def limits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Least and largest value of each column, shapes ``(filled, width)``."""
        return self._low[: self.filled], self._high[: self.filled]
