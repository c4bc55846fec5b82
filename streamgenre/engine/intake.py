"""Intake of a station: from the source's ring to samples at the model's rate, with the gaps.

It also feeds the loudness meter and the stream's clock, with the samples as captured plus the
requested gain.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.audio.clock import StreamClock, wall_offset
from streamgenre.audio.level import sanitise
from streamgenre.audio.loudness import LoudnessMeter
from streamgenre.audio.resample import Resampler
from streamgenre.audio.ring import Gap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgenre.sources.base import Source

_READ_S: Final = 1.0
"""Most seconds read from the ring at once."""


class Intake:
    """Reads the samples of one source and resamples them.

    Parameters
    ----------
    source
        Where they come from; may be replaced by its successor before the first sample.
    rate
        Output rate in Hz; positions count samples at this rate, lost ones included.
    gain_db
        Gain in dB applied to the samples first; those above full scale are not clipped.
    """

    def __init__(self, source: Source, rate: int, gain_db: float = 0.0) -> None:
        self.source = source
        self.clock = StreamClock(rate)
        self.replaced = 0
        """Number of samples replaced by 0 because they could not be audio, such as NaN."""
        self.loudness: LoudnessMeter | None = None
        """Meter of the samples read; None before the format is known."""
        self.waiting: deque[NDArray[np.float32] | tuple[Gap, int]] = deque()
        """What was read, in order: samples of shape ``(n,)``, n ≥ 1, and gaps, each with the
        position after it."""
        self.drained = False
        """Whether nothing more will come."""
        self._rate = rate
        self._gain = np.float32(10 ** (gain_db / 20))
        self._resampler: Resampler | None = None
        self._stored = 0  # samples read from the ring, at the rate of the source
        self._taken = 0  # the same with the lost ones

    @property
    def begun(self) -> bool:
        """Whether there was a first sample, stored or lost."""
        return self._taken > 0

    def read(self) -> bool:
        """Move what the ring has to :attr:`waiting`; return False where it has nothing now."""
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
        if isinstance(item, Gap):
            self.loudness.reset()
            self._queue(self._resampler.flush())
            self._taken += item.samples
            self.clock.interrupted()
            if not self.clock.anchored:  # the stream begins with a gap
                self.clock.observe(self._position, time.monotonic(), wall_offset())
            self.waiting.append((item, self._position))
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
        """Position after the last sample or gap read."""
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

    Column by column: NumPy's mean over such a short axis costs twenty times as much.
    """
    mono: NDArray[np.float32] = block[:, 0].copy()
    for column in block.T[1:]:
        mono += column
    if block.shape[1] > 1:
        mono *= np.float32(1 / block.shape[1])
    return mono
