"""A station at work in the engine: with its model, its decisions, its reports, and its end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from streamgenre.audio.ring import LossReason
from streamgenre.engine.station import Break, Hop

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.engine.reporter import Reporter
    from streamgenre.engine.settings import EngineSettings
    from streamgenre.engine.station import Station
    from streamgenre.inference.dead_air import DeadAirWatch
    from streamgenre.inference.decision import Decider
    from streamgenre.inference.models import Model

POLL_S: Final = 0.01
"""Pause where a hop is due and its last block is about to arrive."""
FAST_POLL_S: Final = 0.001
"""The same for sources that play as fast as they are heard."""
EAGER_S: Final = 0.05
"""So long after a hop that came faster than time passes, the next one is looked for at once: a file
or pipe may bring more."""
CHUNK_S: Final = 0.25
"""Seconds of audio that a source may bring at a go."""
NEAR_S: Final = 0.05
"""Longest pause where a hop lacks less than that."""
LONGEST_POLL_S: Final = 0.25
"""Longest pause: changes of a source are seen within it."""


@dataclass(slots=True, eq=False)
class StationRunner:
    """A station with what the engine needs for it."""

    station: Station
    model: Model
    decider: Decider
    watch: DeadAirWatch
    report: Reporter
    settings: EngineSettings
    """What holds for every station."""
    hop: Hop | None = None
    """Complete, and waiting for its turn in the model."""
    look_at: float = 0.0
    """Monotonic seconds before which there is nothing to be seen."""
    failure: Exception | None = None
    """What the station ended of, where that was a fault."""
    ended: bool = False
    """Whether all is told of it."""
    then: Callable[[], None] | None = None
    """To be done behind its end, where it is to be removed."""
    _closing: threading.Thread | None = None
    _close_by: float = 0.0
    _lost_at: float | None = None  # monotonic seconds
    _pulled: float = field(default_factory=time.monotonic)
    _eager_until: float = 0.0

    @property
    def name(self) -> str:
        """Name of the station."""
        return self.station.name

    @property
    def poll_s(self) -> float:
        """Shortest pause between two looks in seconds."""
        return POLL_S if self.station.source.real_time else FAST_POLL_S

    def start(self) -> None:
        """Begin to capture."""
        try:
            self.station.source.start()
        except Exception as error:  # noqa: BLE001 - other stations go on
            self.fail(error)

    def look(self, now: float) -> bool:
        """See what there is; return whether there was anything."""
        self.tell_source()
        if self.station.source.successor is not None:
            self.station.source = self.station.source.successor
            self.tell_source()
        try:
            progressed = self._pull() if self.station.ready else False
            due = self.station.due_s()
        except Exception as error:  # noqa: BLE001 - other stations go on
            self.fail(error)
            return True
        if self.hop is not None:
            if now - self._pulled < self.settings.hop_s / 2:
                self._eager_until = now + EAGER_S
            self._pulled = now
        if self.hop is not None and (due <= 0 or not self.station.source.real_time):
            self.look_at = now  # once it is decided: the next one may be complete already
        else:
            # What is due may come earlier, with much else at a go.
            wait = max(min(due, NEAR_S), due - CHUNK_S)
            pause = self.poll_s if now < self._eager_until else max(wait, self.poll_s)
            self.look_at = now + min(pause, LONGEST_POLL_S)
        return progressed

    def _pull(self) -> bool:
        """Take what has come, up to the next hop; return whether there was anything."""
        progressed = False
        while (item := self.station.pull()) is not None:
            progressed = True
            if isinstance(item, Hop):
                self.hop = item
                return True
            if isinstance(item, Break):
                self._pass(item)
            else:
                self.report.title(item)
        if self.station.source.state == "lost":
            self._bear_loss()
        else:
            self._lost_at = None
        return progressed

    def _bear_loss(self) -> None:
        """End what was, of a source that may stay away for hours."""
        now = self.station.stream_time
        self.end_segment(now)
        self._lost_at = self._lost_at or time.monotonic()
        if time.monotonic() - self._lost_at >= self.settings.reset_gap_s:
            self._end_dead_air(now)

    def _pass(self, gap: Break) -> None:
        if gap.resets:
            self._end_dead_air(gap.start)
            self.begin_anew(gap.start)
        self.report.gap(gap)
        if gap.lost.reason is LossReason.RECONNECT and not self.station.title_due:
            self.report.nothing_playing()  # until the new stream says what is

    def _end_dead_air(self, end: float) -> None:
        """End a silence at a stream time in seconds, and tell it where it was dead air."""
        silence = self.watch.close(end)
        if silence is not None:
            self.report.dead_air(silence)

    def tell_source(self) -> None:
        """Tell what the source noted."""
        notices = self.station.source.state_changes
        while notices:
            if notices[0].state == "ended" and not self.station.finished:
                return  # what the source delivered before is not all heard yet
            self.report.source(notices.popleft())

    def end_segment(self, end: float) -> None:
        """End the open segment at a stream time in seconds."""
        stretch = self.decider.close(end)
        if stretch is not None:
            self.report.segment(stretch)

    def begin_anew(self, stream_time: float) -> None:
        """End the open segment, and forget what was heard."""
        self.end_segment(stream_time)
        self.decider.reset()
        self.model.reset(self.name)

    # ---- the end --------------------------------------------------------------------------------

    def fail(self, error: Exception) -> None:
        """End it because of a fault."""
        self.failure = error
        self.station.finished = True

    @property
    def listening(self) -> bool:
        """Whether there may be more to see: no hop waits for its turn, and no end has begun."""
        return self.hop is None and self._closing is None and not self.ended

    def close(self, patience: float) -> None:
        """Begin to end it: its source gets so many seconds to stop, in a thread of its own."""
        if self._closing is not None:
            return
        self._closing = threading.Thread(
            target=self.station.source.stop, name=f"stop-{self.name}", daemon=True
        )
        self._close_by = time.monotonic() + patience
        self._closing.start()

    def wait_closed(self) -> None:
        """Wait for the source to stop."""
        if self._closing is not None:
            self._closing.join(max(0.0, self._close_by - time.monotonic()))

    @property
    def closed(self) -> bool:
        """Whether the source has stopped, or has taken too long over it."""
        return self._closing is not None and (
            not self._closing.is_alive() or time.monotonic() >= self._close_by
        )

    def finish(self) -> None:
        """Tell the end, behind :attr:`closed`."""
        station = self.station
        self.end_segment(station.stream_time)
        self._end_dead_air(station.stream_time)
        station.finished = self.ended = True
        if self.failure is not None:
            station.source.state_changes.clear()
            station.source.set_state("ended", f"{self.failure}" or type(self.failure).__name__)
        elif station.source.state != "ended":
            station.source.set_state("ended", "did not stop in time")
        self.tell_source()
        self.model.reset(self.name)
        self.failure = self.failure or station.source.failure
