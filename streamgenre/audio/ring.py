"""The ring buffer between a capture thread and the engine.

One thread writes, one thread reads, and neither ever waits for the other. The writer allocates
nothing and takes no lock, so it may be PortAudio's callback. What does not fit is dropped and
counted, and the reader learns at which place how many samples are missing: the positions that it
counts (samples read + samples lost) are those of the sound card.

Safe for one writer and one reader because each counter has one owner, data is in place before the
counter that publishes it moves, and published marks are never changed.
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

_MARKS: Final = 256
"""Losses that can wait for the reader; further ones are merged with what is dropped next."""
_ARRIVALS: Final = 1024
"""Writes whose arrival time is remembered."""


class LossReason(StrEnum):
    """Why samples are missing."""

    OVERFLOW = "overflow"
    """The machine was too slow to take them."""
    RECONNECT = "reconnect"
    """The source was away."""
    SOURCE = "source"
    """The source itself reported the loss."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Samples missing at this place of the stream."""

    samples: int
    """How many, at the rate of the source."""
    reason: LossReason
    """Why."""


class Ring:
    """Bounded single-producer single-consumer buffer of float32 samples.

    Parameters
    ----------
    capacity
        Samples a channel that fit.
    channels
        Columns of a block.
    """

    def __init__(self, capacity: int, channels: int) -> None:
        self.channels = channels
        self._data = np.zeros((capacity, channels), np.float32)
        self._capacity = capacity
        self._mark_at = np.zeros(_MARKS, np.int64)
        self._mark_samples = np.zeros(_MARKS, np.int64)
        self._mark_reason = [LossReason.OVERFLOW] * _MARKS
        self._arrival_end = np.zeros(_ARRIVALS, np.int64)
        self._arrival_time = np.zeros(_ARRIVALS, np.float64)
        # Owned by the writer.
        self._written = 0
        self._pending = 0  # lost, but not yet marked
        self._pending_reason = LossReason.OVERFLOW
        self._lost = 0
        self._marks_written = 0
        self._arrivals = 0
        self._closed = False
        # Owned by the reader.
        self._read = 0
        self._marks_read = 0

    # ---- writer -------------------------------------------------------------------------------

    def write(self, block: NDArray[np.float32], arrived: float | None = None) -> int:
        """Store a block of shape ``(n, channels)``; return how many samples fitted.

        The others are lost and counted. Never blocks. ``arrived`` is when its last sample did, on
        the monotonic clock in seconds; None for now.
        """
        n = len(block)
        room = self.free
        if self._pending and room > 0 and not self._publish_mark():
            room = 0
        fits = n if n <= room else room
        start = self._written % self._capacity
        first = min(fits, self._capacity - start)
        self._data[start : start + first] = block[:first]
        if fits > first:
            self._data[: fits - first] = block[first:fits]
        slot = self._arrivals % _ARRIVALS
        self._arrival_end[slot] = self._written + fits
        self._arrival_time[slot] = time.monotonic() if arrived is None else arrived
        self._arrivals += 1
        self._written += fits
        if fits < n:
            self.mark_lost(n - fits, LossReason.OVERFLOW)
        return fits

    def mark_lost(self, samples: int, reason: LossReason) -> None:
        """Count samples as lost at the place where the next block will be written."""
        if samples <= 0:
            return
        if self._pending and reason is not self._pending_reason:
            self._publish_mark()
        self._pending += samples
        self._pending_reason = reason
        self._lost += samples
        if reason is not LossReason.OVERFLOW:  # that one may still be growing
            self._publish_mark()

    def close(self) -> None:
        """Say that nothing more will be written."""
        if self._pending:
            self._publish_mark()
        self._closed = True

    def _publish_mark(self) -> bool:
        if self._marks_written - self._marks_read >= _MARKS:
            return False
        slot = self._marks_written % _MARKS
        self._mark_at[slot] = self._written
        self._mark_samples[slot] = self._pending
        self._mark_reason[slot] = self._pending_reason
        self._pending = 0
        self._marks_written += 1
        return True

    @property
    def free(self) -> int:
        """Samples that would fit now."""
        return self._capacity - (self._written - self._read)

    # ---- reader -------------------------------------------------------------------------------

    def read(self, max_samples: int) -> NDArray[np.float32] | Lost | None:
        """Take what comes next: a block, a loss, or None where there is nothing yet.

        A block is a copy of shape ``(n, channels)``, 1 ≤ n ≤ ``max_samples``, and never spans a
        loss.
        """
        end = self._written
        if self._marks_read < self._marks_written:
            slot = self._marks_read % _MARKS
            at = int(self._mark_at[slot])
            if at == self._read:
                lost = Lost(int(self._mark_samples[slot]), self._mark_reason[slot])
                self._marks_read += 1
                return lost
            end = at
        n = min(end - self._read, max_samples)
        if n <= 0:
            return None
        start = self._read % self._capacity
        if start + n <= self._capacity:
            block = self._data[start : start + n].copy()
        else:
            block = np.concatenate([self._data[start:], self._data[: start + n - self._capacity]])
        self._read += n
        return block

    def arrival_time(self, sample: int) -> float | None:
        """Return when the given stored sample arrived, on the monotonic clock in seconds.

        ``sample`` counts stored samples, lost ones left out; None where it is no longer known.
        """
        newest = self._arrivals
        count = min(newest, _ARRIVALS - 1)  # the writer may be busy with the oldest slot
        found = bisect_left(
            range(newest - count, newest),
            sample + 1,
            key=lambda write: self._arrival_end[write % _ARRIVALS],
        )
        write = newest - count + found
        return float(self._arrival_time[write % _ARRIVALS]) if write < newest else None

    # ---- either -------------------------------------------------------------------------------

    @property
    def written(self) -> int:
        """Samples stored since the beginning."""
        return self._written

    @property
    def lost(self) -> int:
        """Samples lost since the beginning, those not yet read included."""
        return self._lost

    @property
    def last_arrival(self) -> float | None:
        """When the newest block arrived, on the monotonic clock in seconds; None before it."""
        newest = self._arrivals
        return float(self._arrival_time[(newest - 1) % _ARRIVALS]) if newest else None

    @property
    def exhausted(self) -> bool:
        """Whether the ring is closed and all is read."""
        return (
            self._closed and self._read == self._written and self._marks_read == self._marks_written
        )


def as_block(samples: Any) -> NDArray[np.float32]:
    """Return samples as a C-ordered float32 block of shape ``(n, channels)``."""
    block = np.ascontiguousarray(samples, np.float32)
    return block[:, None] if block.ndim == 1 else block
