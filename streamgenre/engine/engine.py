"""The engine: one loop that takes the audio of all stations from their rings to events.

The loop runs round after round (:mod:`streamgenre.engine.scheduler`), ends stations, and between
two rounds calls the functions that other threads handed in.

A station that fails is reported and ends; the others go on. So does the loop after an error in a
function that another thread handed in: only the end of the event bus ends it. A source that hangs
is declared lost (:mod:`streamgenre.engine.source_watch`). Stopping a source, and whatever else may
take time, happens in other threads.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from streamgenre.audio.fair_lock import Participant
from streamgenre.engine.blas import one_blas_thread
from streamgenre.engine.clock_steps import follow_clock
from streamgenre.engine.faults import Faults
from streamgenre.engine.loss_policy import LossPolicy
from streamgenre.engine.phases import Phases
from streamgenre.engine.reporter import Reporter
from streamgenre.engine.runner import StationRunner, decide_and_publish, raise_if_all_failed
from streamgenre.engine.scheduler import Scheduler
from streamgenre.engine.source_watch import SourceWatch, TurnClock
from streamgenre.engine.station import Station
from streamgenre.engine.status_reports import StatusReports
from streamgenre.engine.wall_clock import WallClock
from streamgenre.engine.watched_spectra import WatchedSpectra
from streamgenre.errors import SettingsError
from streamgenre.inference.decision import Decider
from streamgenre.inference.settings import DecisionSettings
from streamgenre.system.memory import release_heap, unmap_idle_code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamgenre.clips.choosing import Chooser
    from streamgenre.engine.resume import Resume
    from streamgenre.engine.settings import EngineSettings
    from streamgenre.events import AnyEvent
    from streamgenre.inference.model import Model
    from streamgenre.sources.base import Source

_REMOVE_S: Final = 3.0
"""Seconds that the source of a removed station gets to stop."""
_STOP_S: Final = 1.2
"""Seconds that all sources together get to stop at the end."""
_SETTLED_S: Final = 10.0
"""Seconds after which memory that only the start needed is returned."""
_WATCH_EVERY_S: Final = 0.25
"""Seconds between two looks for sources that hang."""
_FEW: Final = 4
"""Up to so many stations are taken as soon as the audio of one has arrived."""
_COLLECT_S: Final = 0.02
"""Seconds in which more of them may bring theirs: a round costs less than one for each."""


class Engine:
    """Takes stations from their sources to events.

    All callbacks are called in the engine's thread.

    Parameters
    ----------
    publish
        Takes every event.
    settings
        What holds for every station.
    status_fields
        Takes the name of a station and returns further fields of its status event, such as those
        of the bus.
    on_failure
        Called with the name of a station that failed while others go on, and the error.
    on_turn
        Called in every turn of the loop, several times a second, once all stations have started.
    on_removed
        Called with the name of a removed station, after its last event.
    on_ended
        Called with the name of a station that has ended by itself, after its last event, and the
        error that ended it, if one did.
    stays
        Whether :meth:`run` continues while the engine has no stations.
    """

    def __init__(
        self,
        publish: Callable[[AnyEvent], None],
        settings: EngineSettings,
        status_fields: Callable[[str], Mapping[str, Any]] = lambda name: {},
        on_failure: Callable[[str, Exception], None] = lambda name, error: None,
        on_turn: Callable[[], None] = lambda: None,
        on_removed: Callable[[str], None] = lambda name: None,
        on_ended: Callable[[str, Exception | None], None] = lambda name, error: None,
        *,
        stays: bool = False,
    ) -> None:
        self._publish = publish
        self._on_failure = on_failure
        self._on_turn = on_turn
        self._on_removed = on_removed
        self._on_ended = on_ended
        self._stays = stays
        self._calls: deque[Callable[[], None]] = deque()
        self._called = threading.Event()  # ends a pause
        self._settings = settings
        self._runners: list[StationRunner] = []
        self._by_name: dict[str, StationRunner] = {}
        self._lock = Participant(urgent=True)
        self._scheduler = Scheduler(self._runners, settings.hop_s)
        self._running = False
        self._phases = Phases(settings.hop_s)
        self._turns = TurnClock()
        self._watch_at = 0.0  # of the turn clock
        self._wall = WallClock()
        self._faults = Faults()
        self._status = StatusReports(settings.status_s, status_fields, self._faults)
        self._settled = False
        self._spectra = WatchedSpectra(self._faults)

    # ---- stations -------------------------------------------------------------------------------

    def add(
        self, name: str, source: Source, model: Model, decision: DecisionSettings | None = None,
        *, gain_db: float = 0.0, reopen: Callable[[], Source] | None = None,
        resume: Resume | None = None, clips: Chooser | None = None,
    ) -> None:  # fmt: skip
        """Add a station, before :meth:`run` or in the engine's thread (see :meth:`call`).

        Parameters
        ----------
        name
            Name of the station in every event.
        source
            Not yet started.
        model
            Its model; stations may share one.
        decision
            How a genre is decided on; None for the defaults.
        gain_db
            Gain applied to the input in dB.
        reopen
            Returns a fresh source of the same input, not yet started, to replace one that hangs;
            None where there can be none.
        resume
            The session that goes on; None for a new one.
        clips
            Chooses clips of what the model is unsure of; None to keep none.

        Raises
        ------
        SettingsError
            If there is a station with this name.
        """
        if name in self._by_name:
            raise SettingsError(f"two stations are called {name!r}; give each a name of its own")
        features = model.manifest.features
        station = Station(name, source, features, self._settings, gain_db, self._wall)
        if resume is not None:
            station.go_on(resume)
        if source.live and (resume is None or resume.away_s is None):  # else it has its phase
            source.start_after_s = self._phases.wait_s(time.monotonic())
        station.analysis.keeps_samples = clips is not None
        runner = StationRunner(
            station=station,
            model=model,
            decider=Decider(model.manifest.labels, decision or DecisionSettings()),
            policy=LossPolicy(self._settings),
            report=Reporter(station, model.manifest, self._publish, resume),
            watch=SourceWatch(station, self._settings.lost_after_s, reopen),
            clips=clips,
        )
        runner.reached = partial(self._wake, runner)
        self._runners.append(runner)
        self._by_name[name] = runner
        self._spectra.show(runner)
        if self._running:
            runner.start()

    def remove(self, name: str, on_closed: Callable[[], None] | None = None) -> None:
        """Stop a station, publish its end and forget it; in the engine's thread.

        Parameters
        ----------
        name
            Name of the station; where there is none, ``on_closed`` is called at once.
        on_closed
            Puts another station in its place: called as soon as the source has stopped, in the
            engine's thread. Without it the station's last status says that it was removed.
        """
        runner = self.runner(name)
        if runner is None:
            if on_closed is not None:
                on_closed()
            return
        runner.removed, runner.on_closed = True, on_closed
        if runner.ended:
            self._status.send([runner])
            self._forget(runner)
            return
        decide_and_publish([runner])  # if a hop of it is complete
        runner.close(_REMOVE_S)

    def runner(self, name: str) -> StationRunner | None:
        """Return a station's runner, or None if there is none; for the engine's thread only."""
        return self._by_name.get(name)

    @property
    def runners(self) -> Sequence[StationRunner]:
        """What runs each station, ended ones included; in the engine's thread."""
        return self._runners

    @property
    def lossless(self) -> bool:
        """Whether no station plays in real time, so that the engine may wait for its readers."""
        return not any(runner.station.source.real_time for runner in self._runners)

    def is_live(self, name: str) -> bool:
        """Whether a station is live: its audio cannot be heard a second time."""
        runner = self._by_name.get(name)
        return runner is not None and runner.station.source.live

    @property
    def stuck(self) -> list[str]:
        """Names of the stations whose source hangs so often that it is not replaced any more."""
        return [runner.name for runner in self._open() if runner.watch.stuck]

    @property
    def failed(self) -> set[str]:
        """Names of the stations that an error has ended; any thread may ask."""
        return {r.name for r in tuple(self._runners) if r.ended and r.failure is not None}

    def watch_spectrum(self, names: frozenset[str]) -> None:
        """Choose the stations that publish their spectrum; any thread may call this.

        Parameters
        ----------
        names
            Beginnings of their names; an empty one stands for all stations, an empty set for none.
        """
        self._spectra.watch(names)
        self._called.set()

    def _forget(self, runner: StationRunner) -> None:
        self._runners.remove(runner)
        del self._by_name[runner.name]
        self._on_removed(runner.name)
        if runner.on_closed is not None:
            runner.on_closed()

    # ---- the loop -------------------------------------------------------------------------------

    def run(self, stopping: Callable[[], bool]) -> None:
        """Listen until every station has ended or ``stopping()`` is true, then end them all.

        However it ends, sources are stopped, open segments closed and the last events published.
        Meanwhile NumPy's BLAS is limited to one thread in the whole process.

        Raises
        ------
        StreamgenreError
            If every station ended with an error: that of the only station, else a summary.
        """
        with one_blas_thread():
            self._run(stopping)
        raise_if_all_failed(self._runners)

    def _run(self, stopping: Callable[[], bool]) -> None:
        self._running = True
        try:
            for runner in self._runners:
                runner.start()
            while (self._stays or self._calls or self._open()) and not stopping():
                if step := self._wall.check():
                    follow_clock(self._open(), step, self._status, self._faults)
                with self._faults.confined("reporting to the service manager"):
                    self._on_turn()
                for _ in range(len(self._calls)):  # those that come meanwhile wait a round
                    with self._faults.confined("a request to the engine"):
                        self._calls.popleft()()
                self._spectra.follow(self._runners)
                self._watch_sources()
                with self._lock:
                    progressed = self._scheduler.run_round()
                for runner in self._open():
                    self._finish_if_closed(runner)
                self._status.send_if_due(self._open())
                self._settle()
                if not progressed:
                    self._pause()
        finally:
            self._running = False
            self._end_all()

    def _wake(self, runner: StationRunner) -> None:
        """Poll a station soon: something of it has arrived; any thread may call this."""
        runner.arrived = True
        self._called.set()

    def _watch_sources(self) -> None:
        seconds = self._turns.turn()
        if seconds >= self._watch_at:
            self._watch_at = seconds + _WATCH_EVERY_S
            for runner in self._open():
                runner.watch_source(seconds)

    def _settle(self) -> None:
        """Return the memory of the start, once."""
        if not self._settled and self._status.uptime_s > _SETTLED_S:
            self._settled = True
            with self._faults.confined("returning memory"):
                release_heap()
                unmap_idle_code()

    def _pause(self) -> None:
        """Wait for the next round, which is better for several stations than for one."""
        woken = self._called.wait(self._scheduler.pause_s())
        if woken and not self._calls and len(self._runners) > _FEW:
            time.sleep(_COLLECT_S)
        self._called.clear()

    def _open(self) -> list[StationRunner]:
        return [runner for runner in self._runners if not runner.ended]

    def _finish_if_closed(self, runner: StationRunner) -> None:
        if runner.station.finished and runner.hop is None:
            runner.close(_REMOVE_S)
        if not runner.closed:
            return
        self._finish(runner)
        self._status.send([runner])
        if runner.removed:
            with self._faults.confined(f"the end of {runner.name}"):
                self._forget(runner)
            return
        if runner.failure is not None and len(self._runners) > 1:
            self._on_failure(runner.name, runner.failure)
        self._on_ended(runner.name, runner.failure)

    def _finish(self, runner: StationRunner) -> None:
        with self._faults.confined(f"the end of {runner.name}"):
            runner.finish()

    def _end_all(self) -> None:
        runners = self._open()
        for runner in runners:
            runner.close(_STOP_S)
        decide_and_publish(runners)  # the hops that are complete
        for runner in runners:
            runner.wait_closed()
        for runner in runners:
            self._finish(runner)
        self._status.send(runners)

    # ---- requests -------------------------------------------------------------------------------

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called in the engine's thread between two rounds; return at once."""
        self._calls.append(function)
        self._called.set()

    def describe(self) -> dict[str, Any]:
        """Return the state of engine and stations as a JSON object; in the engine's thread."""
        return {
            "uptime_s": self._status.uptime_s,
            "stations": [runner.report.describe() for runner in self._runners],
        }
