"""The ring buffer between a capture thread and the engine.

One thread writes, one thread reads, and neither waits for the other. The writer allocates nothing
and takes no lock, so it may be PortAudio's callback. Samples that do not fit are dropped and
counted, and the reader gets a :class:`Gap` in their place: the positions that it counts (samples
read + samples lost) are those of the sound card.

This is safe for one writer and one reader because each counter has one owner, data is in place
before the counter that publishes it moves, and published gaps never change.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GAPS: Final = 256
"""Gaps that can wait for the reader; further ones are merged with the next loss."""
_ARRIVALS: Final = 1024
"""Writes whose arrival time is kept."""


class GapReason(StrEnum):
    """Why samples are missing."""

    OVERFLOW = "overflow"
    """The machine was too slow to take them."""
    RECONNECT = "reconnect"
    """The source was away."""
    SOURCE = "source"
    """The source itself reported the loss."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Lost samples at one place of the stream."""

    samples: int
    """Number of lost samples, at the rate of the source."""
    reason: GapReason
    """Why they are missing."""


class Ring:
    """Bounded single-producer single-consumer buffer of float32 samples.

    Parameters
    ----------
    capacity
        Samples per channel that fit, > 0.
    channels
        Columns of a block, > 0.
    """

    def __init__(self, capacity: int, channels: int) -> None:
        self.channels = channels
        self._data = np.zeros((capacity, channels), np.float32)
        self.capacity = capacity
        """Samples per channel that fit."""
        self._gap_at = np.zeros(_GAPS, np.int64)
        self._gap_samples = np.zeros(_GAPS, np.int64)
        self._gap_reason = [GapReason.OVERFLOW] * _GAPS
        self._arrival_end = np.zeros(_ARRIVALS, np.int64)
        self._arrival_time = np.zeros(_ARRIVALS, np.float64)
        # Owned by the writer.
        self._written = 0
        self._pending = 0  # lost, but not yet published as a gap
        self._pending_reason = GapReason.OVERFLOW
        self._lost = 0
        self._gaps_written = 0
        self._arrivals = 0
        self._closed = False
        # Owned by the reader.
        self._read = 0
        self._gaps_read = 0

    # ---- writer -------------------------------------------------------------------------------

    def write(self, block: NDArray[np.float32], arrived: float | None = None) -> int:
        """Store a block; samples that do not fit are lost and counted. Never blocks.

        Parameters
        ----------
        block
            Samples, shape ``(n, channels)``.
        arrived
            When the last of them arrived, in monotonic seconds; None for now.

        Returns
        -------
        Number of samples that fitted, 0 to ``n``.
        """
        n = len(block)
        room = self.free
        if self._pending and room > 0 and not self._publish_gap():
            room = 0
        fits = n if n <= room else room
        start = self._written % self.capacity
        first = min(fits, self.capacity - start)
        self._data[start : start + first] = block[:first]
        if fits > first:
            self._data[: fits - first] = block[first:fits]
        slot = self._arrivals % _ARRIVALS
        self._arrival_end[slot] = self._written + fits
        self._arrival_time[slot] = time.monotonic() if arrived is None else arrived
        self._arrivals += 1
        self._written += fits
        if fits < n:
            self.mark_lost(n - fits, GapReason.OVERFLOW)
        return fits

    def mark_lost(self, samples: int, reason: GapReason) -> None:
        """Record lost samples at the place where the next block will be written.

        Parameters
        ----------
        samples
            Number of lost samples; nothing happens unless it is > 0.
        reason
            Losses at one place are merged into one gap only where the reason is the same.
        """
        if samples <= 0:
            return
        if self._pending and reason is not self._pending_reason:
            self._publish_gap()
        self._pending += samples
        self._pending_reason = reason
        self._lost += samples
        if reason is not GapReason.OVERFLOW:  # an overflow may still grow
            self._publish_gap()

    def close(self) -> None:
        """Declare that nothing more will be written."""
        if self._pending:
            self._publish_gap()
        self._closed = True

    def _publish_gap(self) -> bool:
        if self._gaps_written - self._gaps_read >= _GAPS:
            return False
        slot = self._gaps_written % _GAPS
        self._gap_at[slot] = self._written
        self._gap_samples[slot] = self._pending
        self._gap_reason[slot] = self._pending_reason
        self._pending = 0
        self._gaps_written += 1
        return True

    @property
    def free(self) -> int:
        """Samples that fit now."""
        return self.capacity - (self._written - self._read)

    # ---- reader -------------------------------------------------------------------------------

    def read(self, max_samples: int) -> NDArray[np.float32] | Gap | None:
        """Take the next block or gap; return None where there is nothing yet.

        A block is a copy of shape ``(n, channels)``, 1 ≤ n ≤ ``max_samples``, and never spans a
        gap.
        """
        end = self._written
        if self._gaps_read < self._gaps_written:
            slot = self._gaps_read % _GAPS
            at = int(self._gap_at[slot])
            if at == self._read:
                gap = Gap(int(self._gap_samples[slot]), self._gap_reason[slot])
                self._gaps_read += 1
                return gap
            end = at
        n = min(end - self._read, max_samples)
        if n <= 0:
            return None
        start = self._read % self.capacity
        if start + n <= self.capacity:
            block = self._data[start : start + n].copy()
        else:
            block = np.concatenate([self._data[start:], self._data[: start + n - self.capacity]])
        self._read += n
        return block

    def arrival_time(self, sample: int) -> float | None:
        """Return when a stored sample arrived, in monotonic seconds; None where it is not known.

        ``sample`` counts stored samples from 0, lost ones excluded.
        """
        newest = self._arrivals
        oldest = max(0, newest - _ARRIVALS)
        write = oldest + bisect_left(
            range(oldest, newest),
            sample + 1,
            key=lambda number: self._arrival_end[number % _ARRIVALS],
        )
        if write == newest:
            return None
        arrived = float(self._arrival_time[write % _ARRIVALS])
        # The writer may have overwritten slots meanwhile, and may be busy with one now. It takes
        # the oldest first, so a search that met such a slot has ended at one.
        return arrived if self._arrivals - write < _ARRIVALS else None

    # ---- either -------------------------------------------------------------------------------

    @property
    def written(self) -> int:
        """Samples stored since the start."""
        return self._written

    @property
    def lost(self) -> int:
        """Samples lost since the start, unread gaps included."""
        return self._lost

    @property
    def last_arrival(self) -> float | None:
        """When the newest block arrived, in monotonic seconds; None before the first."""
        newest = self._arrivals
        return float(self._arrival_time[(newest - 1) % _ARRIVALS]) if newest else None

    @property
    def exhausted(self) -> bool:
        """Whether the ring is closed and everything has been read."""
        return (
            self._closed and self._read == self._written and self._gaps_read == self._gaps_written
        )


def as_block(samples: Any) -> NDArray[np.float32]:
    """Return samples as a C-ordered float32 block of shape ``(n, channels)``."""
    block = np.ascontiguousarray(samples, np.float32)
    return block[:, None] if block.ndim == 1 else block
