"""The decisions of the last minutes of one station as runs, bounded in time and number."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

SPAN_S: Final = 1800.0
"""Seconds that are kept."""
MAX_RUNS: Final = 1800
"""Most runs that are kept: one a second at worst."""
MAX_GAPS: Final = 64
"""Most gaps that are kept for marking."""

_JOIN: Final = 0.25
"""Share of a hop that may lie between two updates of one run (times are rounded floats)."""


class Key(NamedTuple):
    """A decision."""

    state: str
    genre: str | None


class Run(NamedTuple):
    """A stretch of one decision."""

    start: float
    """UNIX seconds of the start."""
    end: float
    """UNIX seconds of the end."""
    key: Key


class Timeline:
    """The runs of the last :data:`SPAN_S` seconds, in order and without overlap."""

    def __init__(self) -> None:
        self.runs: deque[Run] = deque(maxlen=MAX_RUNS)
        self.gaps: deque[tuple[float, float]] = deque(maxlen=MAX_GAPS)

    def append(self, end: float, hop: float, key: Key) -> None:
        """Add what was decided for the ``hop`` seconds before ``end`` (UNIX seconds).

        A clock that was set back overwrites what it now covers.

        Parameters
        ----------
        end
            UNIX seconds of the end of the hop.
        hop
            Length of the hop in seconds, above 0.
        key
            The decision.
        """
        runs = self.runs
        start = end - hop
        while runs and runs[-1].start >= start:
            runs.pop()
        if runs:
            last = runs[-1]
            if last.key == key and start <= last.end + _JOIN * hop:
                runs[-1] = Run(last.start, end, key)
                self._forget(end)
                return
            if start < last.end:
                runs[-1] = Run(last.start, start, last.key)
            elif start < last.end + _JOIN * hop:
                start = last.end
        runs.append(Run(start, end, key))
        self._forget(end)

    def mark_gap(self, end: float, seconds: float) -> None:
        """Mark the ``seconds`` before ``end`` (UNIX seconds) as lost.

        Parameters
        ----------
        end
            UNIX seconds of the end of the gap.
        seconds
            Length of the gap, at least 0.
        """
        self.gaps.append((end - seconds, end))

    def cells(self, start: float, step: float, count: int) -> list[Key | None]:
        """Return what held longest in each of ``count`` cells of ``step`` seconds from ``start``.

        Of two that lasted equally long, the later one; None if nothing is known.

        Parameters
        ----------
        start
            UNIX seconds of the start of the first cell.
        step
            Seconds per cell, above 0.
        count
            Number of cells.

        Returns
        -------
        list[Key | None]
            One entry per cell.
        """
        covered: list[dict[Key, float]] = [{} for _ in range(count)]
        stop = start + step * count
        for run in reversed(self.runs):
            if run.start >= stop:
                continue
            if run.end <= start:
                break
            first = max(0, int((run.start - start) // step))
            last = min(count - 1, int((run.end - start) // step))
            for i in range(first, last + 1):
                low = start + i * step
                overlap = min(run.end, low + step) - max(run.start, low)
                if overlap > 0:
                    covered[i][run.key] = covered[i].get(run.key, 0.0) + overlap
        # Less than a tenth of a cell is a rounding error.
        return [
            max(held, key=held.__getitem__) if held and sum(held.values()) >= 0.1 * step else None
            for held in covered
        ]

    def gap_cells(self, start: float, step: float, count: int) -> set[int]:
        """Return the numbers of the cells, as in :meth:`cells`, in which samples were lost.

        Parameters
        ----------
        start
            UNIX seconds of the start of the first cell.
        step
            Seconds per cell, above 0.
        count
            Number of cells.

        Returns
        -------
        set[int]
            Numbers from 0 to ``count`` - 1.
        """
        marked: set[int] = set()
        for low, high in self.gaps:
            first = int((low - start) // step)
            # A gap that ends on an edge belongs to the cell before it, even if it has no length.
            last = -int(-(high - start) // step) - 1
            marked.update(range(max(0, min(first, last)), min(count - 1, last) + 1))
        return marked

    def _forget(self, now: float) -> None:
        while self.runs and self.runs[0].end < now - SPAN_S:
            self.runs.popleft()
        while self.gaps and self.gaps[0][1] < now - SPAN_S:
            self.gaps.popleft()
