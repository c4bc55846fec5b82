"""The life cycle of one station in the engine: start, poll, publish, close, finish."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamgenre.engine.batch import PendingHop, decide
from streamgenre.engine.faults import log_traceback, reason, start_quietly
from streamgenre.engine.hops import Hop, PlacedGap
from streamgenre.engine.poll_schedule import PollSchedule
from streamgenre.errors import BusError, InputError
from streamgenre.inference.decision import Decider

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from streamgenre.clips.choosing import Chooser
    from streamgenre.engine.batch import HopResult
    from streamgenre.engine.loss_policy import LossPolicy
    from streamgenre.engine.reporter import Reporter
    from streamgenre.engine.source_watch import SourceWatch
    from streamgenre.engine.station import Station
    from streamgenre.inference.dead_air import Silence
    from streamgenre.inference.model import Model


@dataclass(slots=True, eq=False)
class StationRunner:
    """Runs one station from the start of its source to its last event."""

    station: Station
    model: Model
    decider: Decider
    policy: LossPolicy
    report: Reporter
    watch: SourceWatch
    clips: Chooser | None = None
    """Chooses clips of what the model is unsure of; None where none are kept."""
    schedule: PollSchedule = field(default_factory=PollSchedule)
    """When the scheduler polls it next."""
    hop: Hop | None = None
    """A complete hop that waits for the model."""
    reached: Callable[[], None] = lambda: None
    """To be called by any thread when there is something to poll for."""
    arrived: bool = False
    """Whether it was called since the last poll."""
    due_s: float = 0.0
    """Seconds of audio that the next hop lacked at the last poll."""
    due_at: float = 0.0
    """Monotonic seconds at which that audio will have arrived."""
    failure: Exception | None = None
    """The error that ended the station, if one did."""
    ended: bool = False
    """Whether its last event but the status is published."""
    cpu_s: float = 0.0
    """CPU seconds of the engine's thread for this station."""
    removed: bool = False
    """Whether it is to be removed from the engine once it has ended."""
    on_closed: Callable[[], None] | None = None
    """Called after the end of a removed station, to put another in its place."""
    _closing: threading.Thread | None = None
    _close_by: float = 0.0  # monotonic seconds

    @property
    def name(self) -> str:
        """Name of the station."""
        return self.station.name

    @property
    def listening(self) -> bool:
        """Whether to poll it: no hop waits for the model, and the station is not closing."""
        return self.hop is None and self._closing is None and not self.ended

    def start(self) -> None:
        """Start the source."""
        try:
            self.station.source.start()
        except Exception as error:  # noqa: BLE001 - other stations go on
            self.fail(error)

    def poll(self) -> bool:
        """Take what has arrived, up to the next complete hop; return whether anything had."""
        self.arrived = False
        try:
            self.publish_source_changes()
            if self.station.source.successor is not None:
                self.station.source = self.station.source.successor
                self.publish_source_changes()
            ready = self.station.ready and not self.watch.holds
            progressed = self._pull() if ready else False
            self._plan()
        except BusError:
            raise
        except Exception as error:  # noqa: BLE001 - other stations go on
            self.fail(error)
            return True
        return progressed

    def _plan(self) -> None:
        """Note when the next hop can be complete, and let the source know where it ends."""
        source = self.station.source
        self.due_s = self.station.due_s()
        newest = source.ring.last_arrival if source.ring else None
        self.due_at = self.due_s + (time.monotonic() if newest is None else newest)
        self.station.demand(self.reached)

    def watch_source(self, seconds: float) -> None:
        """Declare a source that hangs lost, and get it back.

        ``seconds`` are those of the engine's :class:`~streamgenre.engine.source_watch.TurnClock`.
        """
        if self._closing is not None or self.ended or self.station.finished:
            return
        declared = self.watch.declares_lost
        try:
            self.watch.check(seconds)
            if self.watch.declares_lost and not declared:
                # What came before the silence may still wait for the end of its hop. It is taken
                # now: the gap is counted from after it.
                self.arrived = True
        except Exception as error:  # noqa: BLE001 - other stations go on
            self.fail(error)

    def _pull(self) -> bool:
        progressed = False
        while (item := self.station.pull()) is not None:
            progressed = True
            if isinstance(item, Hop):
                self.hop = item
                return True
            if isinstance(item, PlacedGap):
                self._take_gap(item)
            else:
                self.report.title(item)
                if self.clips is not None:
                    self.clips.title(item.artist, item.title)
        if self.station.source.state == "lost":
            now = self.station.stream_time
            self._end_segment(now)
            self._report_silence(self.policy.source_lost(now))
        else:
            self.policy.source_present()
        return progressed

    def _take_gap(self, gap: PlacedGap) -> None:
        effect = self.policy.gap(gap, title_follows=self.station.title_due)
        self._report_silence(effect.silence)
        if self.clips is not None:
            self.clips.break_off()
        if effect.resets:
            self.reset(gap.start)
        self.report.gap(gap)
        if effect.title_unknown:
            self.report.title_unknown()

    def publish_result(self, result: HopResult) -> None:
        """Publish what came of its complete hop and make room for the next one."""
        self.hop = None
        if isinstance(result.outcome, Exception):
            self.fail(result.outcome)
            return
        try:
            self._report_silence(self.policy.hop(result.hop, silent=result.silent))
            if result.outcome.finished is not None:
                self.report.segment(result.outcome.finished)
            self.report.update(result.hop, result.outcome)
            for rows in result.hop.spectrum:
                self.report.spectrum(rows)
            self._choose_clip(result)
        except BusError:
            raise
        except Exception as error:  # noqa: BLE001 - other stations go on
            self.fail(error)

    def _choose_clip(self, result: HopResult) -> None:
        outcome, hop = result.outcome, result.hop
        if self.clips is None or hop.samples is None or isinstance(outcome, Exception):
            return
        if self.station.source.may_be_microphone and not self.clips.named:
            self.clips.break_off()
            return
        try:
            self.clips.hop(hop.samples, outcome, hop.wall, self.model.manifest)
        except Exception as error:  # noqa: BLE001 - listening goes on without clips
            log_traceback(f"keeping clips of {self.name}", error)
            self.clips, self.station.analysis.keeps_samples = None, False

    def publish_source_changes(self) -> None:
        """Publish the changes of state that the source noted."""
        notices = self.station.source.state_changes
        while notices:
            if notices[0].state == "ended" and not self.station.finished:
                return  # samples from before the end are still to be heard
            self.report.source(notices.popleft())

    def _report_silence(self, silence: Silence | None) -> None:
        if silence is not None:
            self.report.dead_air(silence)

    def _end_segment(self, end: float) -> None:
        """End the open segment at a stream time in seconds."""
        stretch = self.decider.close(end)
        if stretch is not None:
            self.report.segment(stretch)

    def reset(self, stream_time: float) -> None:
        """End the segment at a stream time in seconds, and reset model and decision."""
        self._end_segment(stream_time)
        self.decider.reset()
        self.model.reset(self.name)
        if self.clips is not None:
            self.clips.break_off()

    def clock_was_set(self, step: float) -> list[Silence]:
        """Publish the end of what is open, by the system's clock before it was set.

        Model and decision go on: the audio has no gap. Returns the dead air that goes on.

        ``step`` is by how many seconds it was set.
        """
        at = self.station.clock_was_set(step)
        stretch = self.decider.divide(at)
        if stretch is not None:
            self.report.segment(stretch)
        silences = self.policy.clock_was_set(at, step)
        for silence in silences[:1]:
            self.report.dead_air(silence)
        return silences[1:]

    def continue_by_new_clock(self, silences: Sequence[Silence]) -> None:
        """Publish what goes on after the system's clock was set: title and dead air."""
        self.report.title_again()
        for silence in silences:
            self.report.dead_air(silence)

    def use_model(self, model: Model) -> None:
        """Go on with another model for the same features."""
        self.reset(self.station.stream_time)
        self.model = model
        self.decider = Decider(model.manifest.labels, self.decider.settings)
        self.report.manifest = model.manifest

    # ---- the end --------------------------------------------------------------------------------

    def fail(self, error: Exception) -> None:
        """End the station because of an error."""
        log_traceback(self.name, error)
        self.failure = error
        self.station.finished = True

    def close(self, patience_s: float) -> None:
        """Begin to stop the source, in a thread of its own; nothing if that has begun.

        ``patience_s`` is how long the source may take, in seconds.
        """
        if self._closing is not None:
            return
        self._close_by = time.monotonic() + patience_s
        self._closing = start_quietly(f"stop {self.name}", self.station.source.stop)

    def wait_closed(self) -> None:
        """Wait until the source has stopped or its time for that is over."""
        if self._closing is not None:
            self._closing.join(max(0.0, self._close_by - time.monotonic()))

    @property
    def closed(self) -> bool:
        """Whether the source has stopped, or has taken too long to."""
        return self._closing is not None and (
            not self._closing.is_alive() or time.monotonic() >= self._close_by
        )

    def finish(self) -> None:
        """Publish the end of the station, once it is :attr:`closed`."""
        station = self.station
        station.finished = self.ended = True
        self._end_segment(station.stream_time)
        self._report_silence(self.policy.end(station.stream_time))
        if self.failure is not None:
            station.source.state_changes.clear()
            station.source.set_state("ended", reason(self.failure))
        elif station.source.state != "ended":
            station.source.set_state("ended", "did not stop in time")
        self.publish_source_changes()
        self.model.reset(self.name)
        self.failure = self.failure or station.source.failure


def decide_and_publish(runners: Sequence[StationRunner]) -> None:
    """Decide on the complete hops of some stations and publish the results."""
    complete = [(runner, runner.hop) for runner in runners if runner.hop is not None]
    pending = [PendingHop(each.name, hop, each.model, each.decider) for each, hop in complete]
    for (runner, _), result in zip(complete, decide(pending), strict=True):
        runner.publish_result(result)


def raise_if_all_failed(runners: Sequence[StationRunner]) -> None:
    """Raise the error of the only station, or a summary, if every station ended with an error.

    Raises
    ------
    StreamgenreError
        In that case.
    """
    failures = [runner.failure for runner in runners if runner.failure is not None]
    if not failures or len(failures) < len(runners):
        return
    if len(failures) == 1:
        raise failures[0]
    raise InputError(
        f"all {len(failures)} stations have failed; the first of them: {reason(failures[0])}"
    ) from failures[0]
