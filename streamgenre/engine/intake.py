"""The way in: from a source's ring to samples at the model's rate, in order, with the gaps between.

Loudness and the stream's clock are fed on the way, with the samples as they were captured but for
the gain that was asked for.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.audio.clock import StreamClock, wall_offset
from streamgenre.audio.level import sanitise
from streamgenre.audio.loudness import LoudnessMeter
from streamgenre.audio.resample import Resampler
from streamgenre.audio.ring import Lost

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgenre.sources.base import Source

_READ_S: Final = 1.0
"""Most seconds taken from the ring at a time."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A loss on its way to the hops."""

    lost: Lost
    end: int
    """Position behind it."""


class Intake:
    """Takes the samples of one source as they come.

    Parameters
    ----------
    source
        Where they come from; may be replaced by its successor before the first of them.
    rate
        Samples a second that are wanted; positions count those, lost ones included.
    gain_db
        Put on the samples before anything is done with them; what is louder than full scale then is
        not clipped.
    """

    def __init__(self, source: Source, rate: int, gain_db: float = 0.0) -> None:
        self.source = source
        self.clock = StreamClock(rate)
        self.replaced = 0
        """Samples that were no numbers and were replaced by 0."""
        self.loudness: LoudnessMeter | None = None
        """Of what was taken; None before the format is known."""
        self.waiting: deque[NDArray[np.float32] | Gap] = deque()
        """What was read and is to be heard: samples of shape ``(n,)``, n ≥ 1, and gaps."""
        self.drained = False
        """Whether nothing more will come."""
        self._rate = rate
        self._gain = np.float32(10 ** (gain_db / 20))
        self._resampler: Resampler | None = None
        self._stored = 0  # samples taken from the ring, at the rate of the source
        self._taken = 0  # the same with the lost ones

    @property
    def begun(self) -> bool:
        """Whether there was a first sample, be it lost."""
        return self._taken > 0

    def read(self) -> bool:
        """Add what the ring has to what waits; False where it has nothing now."""
        source, ring = self.source, self.source.ring
        if ring is None:
            self.drained = source.state == "ended"
            return False
        if self._resampler is None:
            self._resampler = Resampler(source.rate, self._rate)
            self.loudness = LoudnessMeter(source.rate, source.channels)
            if not source.real_time:
                self.clock.observe(0, time.monotonic(), wall_offset())
        item = ring.read(round(_READ_S * source.rate))
        if item is None:
            if ring.exhausted:
                self.drained = True
            if self.drained or source.state == "lost":
                self._queue(self._resampler.flush())
            return bool(self.waiting)
        assert self.loudness is not None
        if isinstance(item, Lost):
            self.loudness.reset()
            self._queue(self._resampler.flush())
            self._taken += item.samples
            self.clock.interrupted()
            if not self.clock.anchored:  # the very first thing is a loss
                self.clock.observe(self._position, time.monotonic(), wall_offset())
            self.waiting.append(Gap(item, self._position))
            return True
        self.replaced += sanitise(item)
        if self._gain != 1:
            item *= self._gain
        self.loudness.push(item)
        self._stored += len(item)
        self._taken += len(item)
        if source.real_time:
            self._observe_arrival()
        self._queue(self._resampler.push(_mixed(item)))
        return True

    @property
    def _position(self) -> int:
        """Where what was taken ends, at the wanted rate."""
        return self._taken * self._rate // self.source.rate

    def _queue(self, samples: NDArray[np.float32]) -> None:
        if len(samples):
            self.waiting.append(samples)

    def _observe_arrival(self) -> None:
        assert self.source.ring is not None
        arrived = self.source.ring.arrival_time(self._stored - 1)
        if arrived is not None:
            self.clock.observe(self._position, arrived, wall_offset())


def _mixed(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of the channels, shape ``(n,)``.

    Column by column: numpy's own mean over so short an axis costs twenty times as much.
    """
    mono: NDArray[np.float32] = block[:, 0].copy()
    for column in block.T[1:]:
        mono += column
    if block.shape[1] > 1:
        mono *= np.float32(1 / block.shape[1])
    return mono
