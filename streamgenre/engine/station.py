"""One station: from the samples in its ring to the hops that the model looks at.

Positions count samples at the model's rate since the session began, lost samples included, so that
position / rate is stream time. The rule for a gap: resampler and MFCC context begin anew behind it,
so that no frame spans lost samples; a gap shorter than ``reset_gap_s`` leaves model and decision as
they are, a longer one resets them. Hops of which nothing was heard bring no update.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamgenre.audio.features import MfccStream
from streamgenre.audio.level import LevelMeter
from streamgenre.engine.intake import Gap, Intake

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgenre.audio.clock import StreamClock
    from streamgenre.audio.features import MfccSpec
    from streamgenre.audio.ring import Lost
    from streamgenre.engine.settings import EngineSettings
    from streamgenre.sources.base import Source
    from streamgenre.sources.titles import Title


@dataclass(frozen=True, slots=True)
class Hop:
    """What was heard of one station from one update to the next."""

    frames: NDArray[np.float32]
    """New MFCC frames, shape ``(n, numcep)``, n ≥ 1."""
    level_dbfs: float
    """RMS level, ``-inf`` for digital silence."""
    peak_dbfs: float
    """Largest sample of any channel since the last hop, ``-inf`` for digital silence."""
    loudness_lufs: float | None
    """Short-term loudness of the captured channels; None before 3 s and below the gate."""
    start: float
    """Stream time in seconds."""
    end: float
    """Stream time in seconds."""
    wall: float
    """UNIX seconds of the end."""
    arrival: float | None
    """Monotonic seconds at which the last sample arrived; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Break:
    """A gap in what was heard."""

    lost: Lost
    """How many samples, and why."""
    start: float
    """Stream time in seconds."""
    end: float
    """Stream time in seconds."""
    wall: float
    """UNIX seconds of the end."""
    resets: bool
    """Whether it is so long that model and decision begin anew."""


class Station:
    """The stages of one station up to the features.

    Parameters
    ----------
    name
        Name of the station.
    source
        Where its samples come from; started and stopped by the caller.
    spec
        What an MFCC frame is for the station's model.
    settings
        Hop, gap rule and duration.
    gain_db
        Put on the input.
    """

    def __init__(
        self, name: str, source: Source, spec: MfccSpec, settings: EngineSettings,
        gain_db: float = 0.0,
    ) -> None:  # fmt: skip
        self.name = name
        self.finished = False
        self._settings = settings
        self._rate = spec.samplerate
        self._hop = round(settings.hop_s * self._rate)
        self._limit = (
            None if settings.duration_s is None else max(1, round(settings.duration_s * self._rate))
        )
        self._intake = Intake(source, self._rate, gain_db)
        self._mfcc = MfccStream(spec)
        self._meter = LevelMeter()
        self._position = 0
        self._passed_lost = 0  # lost samples before the position, at the rate of the source
        self._hop_start = 0
        self._hop_end = self._end_of_hop()
        self._hops = 0
        self._heard: list[NDArray[np.float32]] = []  # samples of this hop
        self._frames: list[NDArray[np.float32]] = []  # frames of this hop, where a gap is in it

    @property
    def source(self) -> Source:
        """Where the samples come from; may be replaced before its first one."""
        return self._intake.source

    @source.setter
    def source(self, source: Source) -> None:
        self._intake.source = source

    @property
    def clock(self) -> StreamClock:
        """What tells the wall time of a position."""
        return self._intake.clock

    @property
    def replaced(self) -> int:
        """Number of samples that were no numbers and were replaced by 0."""
        return self._intake.replaced

    @property
    def stream_time(self) -> float:
        """Seconds of audio so far, lost audio included."""
        return self._position / self._rate

    @property
    def wall(self) -> float:
        """UNIX seconds of the present position; of now before the first sample."""
        return self.clock.time_of(self._position) if self._intake.begun else time.time()

    def wall_of(self, stream_time: float) -> float:
        """Return the UNIX seconds of a stream time in seconds."""
        return self.clock.time_of(round(stream_time * self._rate))

    def due_s(self) -> float:
        """Return the seconds of audio that the present hop still lacks.

        Negative where they have arrived, but the resampler holds the last of them back.
        """
        ring = self.source.ring
        if ring is None:
            return self._settings.hop_s
        arrived = (ring.written + ring.lost) / self.source.rate
        return self._hop_end / self._rate - arrived

    @property
    def ready(self) -> bool:
        """Whether there may be something to pull."""
        source = self.source
        return self.due_s() <= 0 or source.state != "live" or bool(source.titles)

    def pull(self) -> Hop | Break | Title | None:
        """Return what comes next; None where it has not arrived yet or there is no more.

        A title comes when its first sample is about to be heard, so that :attr:`stream_time` is
        its time.
        """
        while not self.finished:
            if self.title_due:
                return self.source.titles.popleft().title
            title_at = self._next_title()
            waiting = self._intake.waiting
            if not waiting:
                if self._intake.read():
                    continue  # what was read may still be in the resampler
                if self._intake.drained:
                    return self._finish()
                # Nothing more will come of this hop: what was heard of it is told now.
                return self._close_hop() if self.source.state == "lost" else None
            item = waiting[0]
            if isinstance(item, Gap):
                # What was heard of a hop that the gap breaks off is an update before the gap.
                hop = self._close_hop() if item.end >= self._hop_end else None
                if hop is not None:
                    return hop
                waiting.popleft()
                return self._pass(item)
            room = min(self._hop_end, title_at or self._hop_end) - self._position
            self._hear(item[:room])
            if len(item) > room:
                waiting[0] = item[room:]
            else:
                waiting.popleft()
            if self._position == self._limit:
                return self._finish()
            if self._position == self._hop_end:
                hop = self._close_hop()
                if hop is not None:
                    return hop
        return None

    @property
    def title_due(self) -> bool:
        """Whether a title holds from right here on."""
        at = self._next_title()
        return at is not None and at <= self._position

    def _next_title(self) -> int | None:
        """Return the position of the next title; None where there is none to come."""
        cues = self.source.titles
        return cues[0].at * self._rate // self.source.rate if cues and self._intake.begun else None

    # ---- hops out -------------------------------------------------------------------------------

    def _hear(self, samples: NDArray[np.float32]) -> None:
        self._heard.append(samples)
        self._position += len(samples)

    def _digest(self) -> None:
        """Make frames of what was heard.

        All of a hop at once: it costs a fraction of doing it block by block, and the frames do not
        depend on the blocks even in the last bit.
        """
        if self._heard:
            samples = np.concatenate(self._heard)
            self._heard = []
            self._meter.push(samples)
            self._frames.append(self._mfcc.push(samples))

    def _close_hop(self) -> Hop | None:
        """End the hop at the present position; None where not one frame of it was heard."""
        start, self._hop_start = self._hop_start, self._position
        self._hop_end = self._end_of_hop()
        self._digest()
        level, loudness = self._meter.read(), self._intake.loudness
        parts, self._frames = self._frames, []
        if not any(map(len, parts)):
            return None
        self._hops += 1
        return Hop(
            frames=np.concatenate(parts),
            level_dbfs=level,
            peak_dbfs=loudness.peak() if loudness else -math.inf,
            loudness_lufs=loudness.loudness() if loudness else None,
            start=start / self._rate,
            end=self._position / self._rate,
            wall=self.clock.time_of(self._position),
            arrival=self._arrival(),
        )

    def _end_of_hop(self) -> int:
        """Return the next position of the hop grid, or of the end where that comes first."""
        end = (self._position // self._hop + 1) * self._hop
        return end if self._limit is None else min(end, self._limit)

    def _pass(self, gap: Gap) -> Break:
        """Move on behind a gap."""
        start = self._position
        self._digest()
        self._mfcc.reset()
        self._position = max(start, gap.end)
        self._passed_lost += gap.lost.samples
        if self._position >= self._hop_end:
            self._close_hop()  # starts the next one behind the gap
        if self._limit is not None and self._position >= self._limit:
            self.finished = True
        return Break(
            lost=gap.lost,
            start=start / self._rate,
            end=self._position / self._rate,
            wall=self.clock.time_of(self._position),
            resets=self._position - start >= self._settings.reset_gap_s * self._rate,
        )

    def _finish(self) -> Hop | None:
        """End the stream; the last hop may be short, but not a mere splinter."""
        self.finished = True
        heard = self._position - self._hop_start
        if heard == 0 or (2 * heard < self._hop and self._hops):
            return None
        self._digest()
        if self._intake.drained:
            self._frames.append(self._mfcc.flush())
        return self._close_hop()

    def _arrival(self) -> float | None:
        """Return when the sample before the present position arrived, monotonic seconds."""
        ring = self.source.ring
        if ring is None:
            return None
        taken = -(-self._position * self.source.rate // self._rate)
        return ring.arrival_time(taken - 1 - self._passed_lost)
