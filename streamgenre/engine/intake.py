"""Intake of a station: from the source's ring to samples at the model's rate, with the gaps.

It also feeds the loudness meter and the stream's clock, with the samples as captured plus the
requested gain.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.audio.clock import StreamClock
from streamgenre.audio.level import sanitise
from streamgenre.audio.loudness import LoudnessMeter
from streamgenre.audio.mix import ChannelMixer
from streamgenre.audio.resample import Resampler
from streamgenre.audio.ring import Gap, GapReason
from streamgenre.engine.wall_clock import WallClock

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgenre.audio.ring import Ring
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
    wall
        The system's clock; None for one of its own.
    """

    def __init__(
        self, source: Source, rate: int, gain_db: float = 0.0, wall: WallClock | None = None
    ) -> None:
        self.source = source
        self.wall = wall or WallClock()
        """The system's clock."""
        self.clock = StreamClock(rate)
        self.replaced = 0
        """Number of samples replaced by 0 because they could not be audio, such as NaN."""
        self.loudness: LoudnessMeter | None = None
        """Meter of the samples read; None before the format is known."""
        self.waiting: deque[tuple[NDArray[np.float32] | Gap, int]] = deque()
        """What was read, in order: samples of shape ``(n,)``, n ≥ 0, and gaps, each with the
        position after it. The last samples before a position may still be in the resampler: they
        come with the next ones, or before a gap and at the end."""
        self.drained = False
        """Whether nothing more will come."""
        self._rate = rate
        self._gain = np.float32(10 ** (gain_db / 20))
        self._resampler: Resampler | None = None
        self._mixer = ChannelMixer(1)
        self._stored = 0  # samples read from the ring, at the rate of the source
        self._taken = 0  # the same with the lost ones
        self._origin = 0  # position of the source's first sample
        self._added = 0  # lost samples that the source does not count
        self._before = (0, 0)  # samples and lost samples of the sources before
        self._away_since: float | None = None  # monotonic seconds

    @property
    def begun(self) -> bool:
        """Whether a first sample has arrived or was lost."""
        return self.arrived_s > 0

    @property
    def samples(self) -> int:
        """Samples that the sources have brought."""
        return self._before[0] + (self.source.ring.written if self.source.ring else 0)

    @property
    def lost(self) -> int:
        """Samples that were lost, those still in the ring included."""
        ring = self.source.ring
        return self._before[1] + self._added + (ring.lost if ring else 0)

    @property
    def arrived_s(self) -> float:
        """Seconds of audio that have arrived, lost audio included."""
        ring = self.source.ring
        here = 0.0 if ring is None else (ring.written + ring.lost + self._added) / self.source.rate
        return self._origin / self._rate + here

    def position_of(self, sample: int) -> int:
        """Return the position of a sample that the source counts, lost ones included."""
        return self._origin + (sample + self._added) * self._rate // self.source.rate

    def sample_of(self, position: int) -> int:
        """Return how many samples the source counts before a position, lost ones included."""
        return -(-(position - self._origin) * self.source.rate // self._rate) - self._added

    def arrival(self, position: int, lost: int) -> float | None:
        """Return when the sample before a position arrived, in monotonic seconds.

        Parameters
        ----------
        position
            Position at the output rate.
        lost
            Lost samples of the source before it.

        Returns
        -------
        float or None
            None where it is not known.
        """
        ring, source = self.source.ring, self.source
        if ring is None or position <= self._origin:
            return None
        taken = -(-(position - self._origin) * source.rate // self._rate)
        return ring.arrival_time(taken - 1 - lost)

    def replace(self, source: Source) -> None:
        """Continue with another source; the time until its first sample is a gap."""
        since = self.source.ring.last_arrival if self.source.ring else None
        self._before = self.samples, self.lost
        self._origin, self._away_since = self._position, since or self._away_since
        self._stored = self._taken = self._added = 0
        self._resampler = None
        self.source = source

    def resume(self) -> None:
        """Count the time until the next sample as a gap: the source does not count it itself."""
        ring = self.source.ring
        if ring is not None and self._stored:
            self._away_since = ring.arrival_time(self._stored - 1) or ring.last_arrival

    def go_on(self, position: int, away_s: float, samples: int, lost: int) -> None:
        """Go on at a position that another process had reached; the time since then is a gap.

        Parameters
        ----------
        position
            The position at the output rate.
        away_s
            Seconds since the sample before it arrived.
        samples, lost
            Samples captured and lost before it, at the rate of the source.
        """
        self._origin, self._before = position, (samples, lost)
        self._away_since = time.monotonic() - away_s
        self.clock.observe(position, self._away_since, self.wall.offset)

    def read(self, end: int) -> bool:
        """Move what the ring has to :attr:`waiting`; return False where it has nothing now.

        Reads up to the position ``end`` or the next title at most.
        """
        source, ring = self.source, self.source.ring
        if ring is None:
            self.drained = source.state == "ended"
            return False
        if self._resampler is None:
            self._resampler = Resampler(source.rate, self._rate)
            self._mixer = ChannelMixer(source.channels)
            self.loudness = LoudnessMeter(source.rate, source.channels)
            if not source.real_time:
                self.clock.observe(0, time.monotonic(), self.wall.offset)
        if self._away_since is not None and ring.written > self._stored:
            return self._place_absence()
        item = ring.read(self._readable(ring, end))
        if item is None and source.deliver():
            return True
        if item is None:
            if ring.exhausted:
                self.drained = True
            if self.drained or source.state == "lost":
                self._flush()
            return bool(self.waiting)
        assert self.loudness is not None
        if isinstance(item, Gap):
            self._take_gap(item)
            return True
        self.replaced += sanitise(item)
        if self._gain != 1:
            item *= self._gain
        self.loudness.push(item)
        self._stored += len(item)
        self._taken += len(item)
        if source.real_time:
            self._observe_arrival()
        self.waiting.append((self._resampler.push(self._mixer.mix(item)), self._position))
        return True

    def _readable(self, ring: Ring, end: int) -> int:
        """Return how many samples to read now."""
        arrived = ring.written - self._stored  # first: a title is announced before its samples
        titles = self.source.titles
        ends = self.sample_of(end) + self._added - self._taken
        starts = titles[0].at + self._added - self._taken if titles else ends
        return min(arrived, ends, starts, round(_READ_S * self.source.rate))

    def _take_gap(self, gap: Gap) -> None:
        assert self.loudness is not None
        assert self._resampler is not None
        self.loudness.reset()
        self._flush()
        self._taken += gap.samples
        self.clock.interrupted()
        if not self.clock.anchored:  # the stream begins with a gap
            self.clock.observe(self._position, time.monotonic(), self.wall.offset)
        self.waiting.append((gap, self._position))

    def _place_absence(self) -> bool:
        """Place the gap before the first sample that came after the source was away."""
        assert self.source.ring is not None
        assert self._away_since is not None
        back = self.source.ring.arrival_time(self._stored) or time.monotonic()
        samples = int((back - self._away_since) * self.source.rate)
        self._away_since = None
        if samples > 0:
            self._added += samples
            self._take_gap(Gap(samples, GapReason.RECONNECT))
        return True

    @property
    def _position(self) -> int:
        """Position after the last sample or gap read."""
        if not self._taken:
            return self._origin
        return self._origin + self._taken * self._rate // self.source.rate

    def _flush(self) -> None:
        assert self._resampler is not None
        held = self._resampler.flush()
        if len(held):
            self.waiting.append((held, self._position))

    def _observe_arrival(self) -> None:
        assert self.source.ring is not None
        arrived = self.source.ring.arrival_time(self._stored - 1)
        if arrived is None and not self.clock.anchored:  # too many small writes ago
            arrived = time.monotonic()
        if arrived is not None:
            self.clock.observe(self._position, arrived, self.wall.offset)
