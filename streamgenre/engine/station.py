"""One station: from the samples in its ring to the hops that the model looks at.

Positions count samples at the model's rate since the session began, lost samples included, so that
position / rate is stream time. Resampler and MFCC context restart after a gap, so that no frame
spans lost samples. A hop that lies within a gap brings no update.

A hop ends as soon as its last captured sample has arrived. The resampler then still holds some
milliseconds of it (40 at 44.1 kHz), always the same number: they come with the next hop. To wait
for them would be to wait for the next packet of a stream.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from streamgenre.audio.ring import Gap
from streamgenre.engine.analysis import Analysis
from streamgenre.engine.hops import Hop, PlacedGap
from streamgenre.engine.intake import Intake
from streamgenre.sources.base import Demand

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.audio.clock import StreamClock
    from streamgenre.audio.mfcc import MfccSpec
    from streamgenre.engine.resume import Resume
    from streamgenre.engine.settings import EngineSettings
    from streamgenre.engine.wall_clock import WallClock
    from streamgenre.sources.base import Source
    from streamgenre.sources.titles import Title


class Station:
    """The stages of one station from the source to the features.

    Parameters
    ----------
    name
        Name of the station.
    source
        Where its samples come from; started and stopped by the caller.
    spec
        MFCC parameters of the station's model.
    settings
        Hop, shortest gap that resets, and duration.
    gain_db
        Gain applied to the input in dB.
    wall
        The system's clock; None for one of its own.
    """

    def __init__(
        self, name: str, source: Source, spec: MfccSpec, settings: EngineSettings,
        gain_db: float = 0.0, wall: WallClock | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.finished = False
        self._settings = settings
        self._rate = spec.samplerate
        self._hop = round(settings.hop_s * self._rate)
        self._limit = (
            None if settings.duration_s is None else max(1, round(settings.duration_s * self._rate))
        )
        self._intake = Intake(source, self._rate, gain_db, wall)
        self.analysis = Analysis(spec, self.clock)
        """What is computed from the samples."""
        self._position = 0
        self._lost = 0  # lost samples before the position, at the rate of the source
        self._begin_hop(0)
        self._hops = 0

    @property
    def source(self) -> Source:
        """Where the samples come from; may be replaced before its first one."""
        return self._intake.source

    @source.setter
    def source(self, source: Source) -> None:
        self._intake.source = source

    @property
    def clock(self) -> StreamClock:
        """Translates positions into wall time."""
        return self._intake.clock

    @property
    def replaced(self) -> int:
        """Number of samples that could not be audio, such as NaN, and were replaced by 0."""
        return self._intake.replaced

    @property
    def samples(self) -> int:
        """Number of samples captured, at the rate of the source."""
        return self._intake.samples

    @property
    def samples_lost(self) -> int:
        """Number of samples known to be lost, at the rate of the source."""
        return self._intake.lost

    @property
    def stream_time(self) -> float:
        """Seconds of audio so far, lost audio included."""
        return self._position / self._rate

    @property
    def wall(self) -> float:
        """UNIX seconds of the present position; the present time before the first sample."""
        return self.clock.time_of(self._position) if self.clock.anchored else self.now

    @property
    def now(self) -> float:
        """UNIX seconds of the present time."""
        return self._intake.wall.now()

    def wall_of(self, stream_time: float, *, starts: bool = False) -> float:
        """Return the UNIX seconds of a stream time.

        Parameters
        ----------
        stream_time
            Stream time in seconds.
        starts
            Whether something starts there; else it ends there.
        """
        return self.clock.time_of(round(stream_time * self._rate), starts=starts)

    def clock_was_set(self, step: float) -> float:
        """Note that the system's clock was set by ``step`` seconds.

        The hop in progress is the first whose times are by the new clock. Returns its start in
        seconds of stream time.
        """
        self.clock.was_set(step, self._hop_start)
        return self._hop_start / self._rate

    def due_s(self) -> float:
        """Return the seconds of audio that the present hop still lacks.

        Not positive where all of it has arrived.
        """
        if self.source.ring is None:
            return self._settings.hop_s
        return self._hop_end / self._rate - self._intake.arrived_s

    @property
    def ready(self) -> bool:
        """Whether there may be something to pull."""
        source, ring = self.source, self.source.ring
        return (
            source.delivers
            or self.due_s() <= 0
            or source.state != "live"
            or bool(source.titles)
            or (ring is not None and 2 * ring.free < ring.capacity)  # a hop may be longer
        )

    def demand(self, reached: Callable[[], None]) -> None:
        """Let the source know when the present hop ends.

        ``reached`` is to be called then, if the source notifies.
        """
        source = self.source
        if source.rate:
            at = self._intake.sample_of(self._hop_end)
            if source.demand is None or source.demand.at != at:
                source.demand = Demand(at, self._settings.hop_s * source.rate, reached)

    def pull(self) -> Hop | PlacedGap | Title | None:
        """Return the next item; None where it has not arrived yet or there is no more.

        A title comes when its first sample is about to be heard, so that :attr:`stream_time` is
        its time.
        """
        while not self.finished:
            if self.title_due:
                return self.source.titles.popleft().title
            waiting = self._intake.waiting
            if not waiting:
                if self._intake.read(self._hop_end):
                    continue
                if self._intake.drained:
                    return self._finish()
                # No more of this hop will come: what was heard of it makes an update now.
                return self._close_hop() if self.source.state == "lost" else None
            item, end = waiting[0]
            if isinstance(item, Gap):
                # Where the gap cuts a hop off, what was heard of it makes an update first.
                hop = self._close_hop() if end >= self._hop_end else None
                if hop is not None:
                    return hop
                waiting.popleft()
                return self._place(item, end)
            waiting.popleft()
            self.analysis.push(item)
            self._position = end
            if self._limit is not None and self._position >= self._limit:
                return self._finish()
            if self._position >= self._hop_end:
                hop = self._close_hop()
                if hop is not None:
                    return hop
        return None

    @property
    def title_due(self) -> bool:
        """Whether a title begins at the present position."""
        at = self._next_title()
        return at is not None and at <= self._position

    def _next_title(self) -> int | None:
        """Return the position of the next title; None where none is known."""
        cues = self.source.titles
        return self._intake.position_of(cues[0].at) if cues and self._intake.begun else None

    # ---- hops out -------------------------------------------------------------------------------

    def _close_hop(self) -> Hop | None:
        """End the hop at its end or the present position; return None where it has no frame."""
        start, end = self._hop_start, min(self._position, self._hop_end)
        self._begin_hop(end)
        found, loudness = self.analysis.take(), self._intake.loudness
        if end == start or not len(found.frames):
            return None
        self._hops += 1
        return Hop(
            frames=found.frames,
            level_dbfs=found.level_dbfs,
            peak_dbfs=loudness.peak() if loudness else -math.inf,
            loudness_lufs=loudness.loudness() if loudness else None,
            start=start / self._rate,
            end=end / self._rate,
            wall=self.clock.time_of(end),
            arrival=self._intake.arrival(end, self._lost),
            samples=found.samples,
            spectrum=self.analysis.take_spectrum(),
        )

    def _begin_hop(self, start: int) -> None:
        """Begin a hop; it ends at the next position on the hop grid, at the latest at the end."""
        self._hop_start = start
        end = (start // self._hop + 1) * self._hop
        self._hop_end = end if self._limit is None else min(end, self._limit)

    def _place(self, gap: Gap, end: int) -> PlacedGap:
        """Move to the position after a gap; return the gap with its place."""
        start = self._position
        self._position = max(start, end)
        self.analysis.restart(self._position)
        self._lost += gap.samples
        if self._position >= self._hop_end:
            self._close_hop()
            self._begin_hop(self._position)  # after the gap
        if self._limit is not None and self._position >= self._limit:
            self.finished = True
        return PlacedGap(
            samples=gap.samples,
            reason=gap.reason,
            start=start / self._rate,
            end=self._position / self._rate,
            wall=self.clock.time_of(self._position),
            resets=self._position - start >= self._settings.reset_gap_s * self._rate,
        )

    def _finish(self) -> Hop | None:
        """End the stream; less than half a hop at the end is dropped, unless it is all there is."""
        self.finished = True
        heard = self._position - self._hop_start
        if heard == 0 or (2 * heard < self._hop and self._hops):
            return None
        if self._intake.drained:
            self.analysis.end()
        return self._close_hop()

    # ---- a session that goes on ----------------------------------------------------------------

    def go_on(self, resume: Resume) -> None:
        """Go on where another process was; before the first sample."""
        self._position = round(resume.stream_time * self._rate)
        self._begin_hop(self._position)
        if resume.away_s is not None:
            self._intake.go_on(self._position, resume.away_s, resume.samples, resume.samples_lost)
        self.clock.steps, self.clock.last_step_s = resume.clock_steps, resume.clock_step_s

    # ---- a source that hung ---------------------------------------------------------------------

    def replace(self, source: Source) -> None:
        """Continue with another source of the same input; the time until it brings audio is a gap.

        To be called where everything that the old one brought has been pulled.
        """
        self._intake.replace(source)
        self._lost = 0

    def resume(self, source: Source) -> None:
        """Count the time until the next sample as a gap, unless the source was replaced since."""
        if source is self.source:
            self._intake.resume()
