"""The one loop between the rings and the bus, for all stations at once.

It goes from round to round (``rounds.py``), sees to the ends of stations, and does between two
rounds what others ask for.

A station that fails is told and ends; the others do not notice. Starting and stopping a source, and
whatever else may take time, is done by other threads.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from streamgenre.audio.fair_lock import Turn
from streamgenre.engine.batch import decide
from streamgenre.engine.health import Health
from streamgenre.engine.reporter import Reporter
from streamgenre.engine.runner import StationRunner
from streamgenre.engine.scheduler import Scheduler
from streamgenre.engine.station import Station
from streamgenre.errors import ControlError, InputError, SettingsError, nearest
from streamgenre.inference.dead_air import DeadAirWatch
from streamgenre.inference.decision import Decider, DecisionSettings
from streamgenre.sources.device.client import helper_pids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamgenre.engine.settings import EngineSettings
    from streamgenre.events import AnyEvent
    from streamgenre.inference.models import Model
    from streamgenre.sources.base import Source

_FIRST_STATUS_S: Final = 1.0
"""The first status comes early, but not so early that it tells of the start-up alone."""
_REMOVE_S: Final = 3.0
"""Patience with the source of a station that is removed."""
_STOP_S: Final = 1.2
"""Patience with all sources together at the end."""


def _nothing() -> None:
    """Take the place of a station that is removed."""


class Engine:
    """Drives stations from their sources to events.

    Parameters
    ----------
    publish
        Takes every event; called in the engine's thread only.
    settings
        What holds for every station.
    status_fields
        Returns fields for the status event of a station, by its name, that the engine does not
        know: how bus and history are doing.
    on_failure
        Told of a station that failed while others go on: its name, and why.
    on_turn
        Called with every turn of the loop, several times a second, from when all stations are
        started.
    on_removed
        Told of the name of a station that was removed, behind its last event.
    """

    def __init__(
        self,
        publish: Callable[[AnyEvent], None],
        settings: EngineSettings,
        status_fields: Callable[[str], Mapping[str, Any]] = lambda name: {},
        on_failure: Callable[[str, Exception], None] = lambda name, error: None,
        on_turn: Callable[[], None] = lambda: None,
        on_removed: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._publish = publish
        self._status_fields = status_fields
        self._on_failure = on_failure
        self._on_turn = on_turn
        self._on_removed = on_removed
        self._calls: deque[Callable[[], None]] = deque()
        self._settings = settings
        self._runners: list[StationRunner] = []
        self._turn = Turn(urgent=True)
        self._scheduler = Scheduler(self._runners)
        self._running = False
        self._health = Health(helper_pids)

    # ---- stations -------------------------------------------------------------------------------

    def add(
        self, name: str, source: Source, model: Model, decision: DecisionSettings | None = None,
        *, gain_db: float = 0.0,
    ) -> None:  # fmt: skip
        """Add a station, before :meth:`run` or in the engine's thread (see :meth:`call`).

        Stations that are given the same model share it; ``gain_db`` is put on the input.

        Raises
        ------
        SettingsError
            If there is a station of this name.
        """
        if any(runner.name == name for runner in self._runners):
            raise SettingsError(f"two stations are called {name!r}; give each a name of its own")
        station = Station(name, source, model.manifest.features, self._settings, gain_db)
        runner = StationRunner(
            station=station,
            model=model,
            decider=Decider(model.manifest.labels, decision or DecisionSettings()),
            watch=DeadAirWatch(self._settings.dead_air_s or None),
            report=Reporter(station, model.manifest, self._publish),
            settings=self._settings,
        )
        self._runners.append(runner)
        if self._running:
            runner.start()

    def remove(self, name: str, then: Callable[[], None] = _nothing) -> None:
        """Stop a station, tell its end and forget it; in the engine's thread.

        ``then`` puts another into its place: it is called as soon as the source has stopped, in the
        engine's thread too. Without it the station's last status says that it was removed.
        """
        runner = next((runner for runner in self._runners if runner.name == name), None)
        if runner is None:
            then()
            return
        runner.then = then
        if runner.ended:
            self._send_status([runner])
            self._forget(runner)
            return
        decide([runner])  # if a hop of it is complete
        runner.close(_REMOVE_S)

    def keeps(self, name: str) -> bool:
        """Whether what a station delivers is heard once and will not come again."""
        return any(runner.name == name and runner.station.source.live for runner in self._runners)

    def _forget(self, runner: StationRunner) -> None:
        self._runners.remove(runner)
        self._on_removed(runner.name)
        if runner.then is not None:
            runner.then()

    # ---- the loop -------------------------------------------------------------------------------

    def run(self, stopping: Callable[[], bool]) -> None:
        """Listen until every station has ended or ``stopping()`` is true, then end them all.

        However it ends, sources are stopped, open segments closed and the last events sent.

        Raises
        ------
        StreamgenreError
            If no station ended but by a fault.
        """
        self._running = True
        try:
            for runner in self._runners:
                runner.start()
            status_after = min(_FIRST_STATUS_S, self._settings.status_s)
            while (self._calls or self._open()) and not stopping():
                self._on_turn()
                while self._calls:
                    self._calls.popleft()()
                with self._turn:
                    progressed = self._scheduler.take()
                for runner in self._open():
                    self._see_to_end(runner)
                if self._health.age_s >= status_after:
                    status_after = self._settings.status_s
                    self._send_status(self._open())
                if not progressed:
                    time.sleep(self._scheduler.pause_s())
        finally:
            self._running = False
            self._end_all()
        self._raise_failure()

    def _open(self) -> list[StationRunner]:
        return [runner for runner in self._runners if not runner.ended]

    def _see_to_end(self, runner: StationRunner) -> None:
        if runner.station.finished and runner.hop is None:
            runner.close(_REMOVE_S)
        if not runner.closed:
            return
        runner.finish()
        self._send_status([runner])
        if runner.failure is not None and len(self._runners) > 1 and runner.then is None:
            self._on_failure(runner.name, runner.failure)
        if runner.then is not None:
            self._forget(runner)

    def _send_status(self, runners: list[StationRunner]) -> None:
        if not runners:
            return
        vitals = self._health.measure()
        for runner in runners:
            removed = runner.ended and runner.then is _nothing
            more = self._status_fields(runner.name)
            runner.report.status(vitals, more, removed=removed)

    def _end_all(self) -> None:
        runners = self._open()
        for runner in runners:
            runner.close(_STOP_S)
        decide(runners)  # what is complete of them
        for runner in runners:
            runner.wait_closed()
        for runner in runners:
            runner.finish()
        self._send_status(runners)

    def _raise_failure(self) -> None:
        failures = [runner.failure for runner in self._runners if runner.failure is not None]
        if not failures or len(failures) < len(self._runners):
            return
        if len(failures) == 1:
            raise failures[0]
        raise InputError(
            f"all {len(failures)} stations have failed; the first of them: {failures[0]}"
        ) from failures[0]

    # ---- requests -------------------------------------------------------------------------------

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called in the engine's thread, between two rounds; returns at once."""
        self._calls.append(function)

    def describe(self) -> dict[str, Any]:
        """Return how engine and stations are doing, as JSON has it; in the engine's thread."""
        return {
            "uptime_s": self._health.uptime_s,
            "stations": [runner.report.describe() for runner in self._runners],
        }

    def reset(self, station: str) -> None:
        """Let model and decision of a station begin anew; in the engine's thread.

        Raises
        ------
        ControlError
            If there is no such station.
        """
        runners = {runner.name: runner for runner in self._runners if not runner.station.finished}
        if station not in runners:
            listed = ", ".join(map(repr, runners)) or "none"
            raise ControlError(
                f"no station {station!r}: there are {listed}{nearest(station, runners)}"
            )
        runners[station].begin_anew(runners[station].station.stream_time)

    def use_model(self, model: Model) -> None:
        """Let all stations go on with another model; in the engine's thread.

        Raises
        ------
        ControlError
            If it looks at other features than the present one; then nothing has changed.
        """
        runners = [runner for runner in self._runners if not runner.station.finished]
        for runner in runners:
            if runner.model.manifest.features != model.manifest.features:
                raise ControlError(
                    f"model {model.manifest.name} looks at other features than "
                    f"{runner.model.manifest.name}; start the daemon with --model "
                    f"{model.manifest.name}"
                )
        for runner in runners:
            runner.begin_anew(runner.station.stream_time)
            runner.model = model
            runner.decider = Decider(model.manifest.labels, runner.decider.settings)
            runner.report.manifest = model.manifest
