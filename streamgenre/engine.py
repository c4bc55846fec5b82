"""The one loop between the rings and the bus, for all stations at once.

It goes from round to round (``rounds.py``), sees to the ends of stations, and does between two
rounds what others ask for.

A station that fails is told and ends; the others do not notice. Starting and stopping a source, and
whatever else may take time, is done by other threads.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from streamgenre.batch import decide
from streamgenre.deadair import DeadAirWatch
from streamgenre.decision import Decider, DecisionSettings
from streamgenre.errors import ControlError, InputError, SettingsError, nearest
from streamgenre.health import Health
from streamgenre.reports import StationReport
from streamgenre.rounds import Rounds
from streamgenre.seat import Seat
from streamgenre.sources import helper
from streamgenre.station import Station
from streamgenre.traffic import Traffic
from streamgenre.turns import Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.config import EngineSettings
    from streamgenre.events import AnyEvent
    from streamgenre.models import Model
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
    traffic
        Tells how the bus is doing.
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
        traffic: Callable[[], Traffic] = Traffic,
        on_failure: Callable[[str, Exception], None] = lambda name, error: None,
        on_turn: Callable[[], None] = lambda: None,
        on_removed: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._publish = publish
        self._traffic = traffic
        self._on_failure = on_failure
        self._on_turn = on_turn
        self._on_removed = on_removed
        self._calls: deque[Callable[[], None]] = deque()
        self._settings = settings
        self._seats: list[Seat] = []
        self._turn = Turn(urgent=True)
        self._rounds = Rounds(self._seats)
        self._running = False
        self._health = Health(helper.running)

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
        if any(seat.name == name for seat in self._seats):
            raise SettingsError(f"two stations are called {name!r}; give each a name of its own")
        station = Station(name, source, model.manifest.features, self._settings, gain_db)
        seat = Seat(
            station=station,
            model=model,
            decider=Decider(model.manifest.labels, decision or DecisionSettings()),
            watch=DeadAirWatch(self._settings.dead_air_s or None),
            report=StationReport(station, model.manifest, self._publish),
            settings=self._settings,
        )
        self._seats.append(seat)
        if self._running:
            seat.start()

    def remove(self, name: str, then: Callable[[], None] = _nothing) -> None:
        """Stop a station, tell its end and forget it; in the engine's thread.

        ``then`` puts another into its place: it is called as soon as the source has stopped, in the
        engine's thread too. Without it the station's last status says that it was removed.
        """
        seat = next((seat for seat in self._seats if seat.name == name), None)
        if seat is None:
            then()
            return
        seat.then = then
        if seat.ended:
            self._send_status([seat])
            self._forget(seat)
            return
        decide([seat])  # if a hop of it is complete
        seat.close(_REMOVE_S)

    def keeps(self, name: str) -> bool:
        """Whether what a station delivers is heard once and will not come again."""
        return any(seat.name == name and seat.station.source.live for seat in self._seats)

    def _forget(self, seat: Seat) -> None:
        self._seats.remove(seat)
        self._on_removed(seat.name)
        if seat.then is not None:
            seat.then()

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
            for seat in self._seats:
                seat.start()
            status_after = min(_FIRST_STATUS_S, self._settings.status_s)
            while (self._calls or self._open()) and not stopping():
                self._on_turn()
                while self._calls:
                    self._calls.popleft()()
                with self._turn:
                    progressed = self._rounds.take()
                for seat in self._open():
                    self._see_to_end(seat)
                if self._health.age_s >= status_after:
                    status_after = self._settings.status_s
                    self._send_status(self._open())
                if not progressed:
                    time.sleep(self._rounds.pause_s())
        finally:
            self._running = False
            self._end_all()
        self._raise_failure()

    def _open(self) -> list[Seat]:
        return [seat for seat in self._seats if not seat.ended]

    def _see_to_end(self, seat: Seat) -> None:
        if seat.station.finished and seat.hop is None:
            seat.close(_REMOVE_S)
        if not seat.closed:
            return
        seat.finish()
        self._send_status([seat])
        if seat.failure is not None and len(self._seats) > 1 and seat.then is None:
            self._on_failure(seat.name, seat.failure)
        if seat.then is not None:
            self._forget(seat)

    def _send_status(self, seats: list[Seat]) -> None:
        if not seats:
            return
        vitals, traffic = self._health.measure(), self._traffic()
        for seat in seats:
            removed = seat.ended and seat.then is _nothing
            seat.report.status(vitals, traffic, removed=removed)

    def _end_all(self) -> None:
        seats = self._open()
        for seat in seats:
            seat.close(_STOP_S)
        decide(seats)  # what is complete of them
        for seat in seats:
            seat.wait_closed()
        for seat in seats:
            seat.finish()
        self._send_status(seats)

    def _raise_failure(self) -> None:
        failures = [seat.failure for seat in self._seats if seat.failure is not None]
        if not failures or len(failures) < len(self._seats):
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
            "bus": asdict(self._traffic()),
            "stations": [seat.report.describe() for seat in self._seats],
        }

    def reset(self, station: str) -> None:
        """Let model and decision of a station begin anew; in the engine's thread.

        Raises
        ------
        ControlError
            If there is no such station.
        """
        seats = {seat.name: seat for seat in self._seats if not seat.station.finished}
        if station not in seats:
            listed = ", ".join(map(repr, seats)) or "none"
            raise ControlError(
                f"no station {station!r}: there are {listed}{nearest(station, seats)}"
            )
        seats[station].begin_anew(seats[station].station.stream_time)

    def use_model(self, model: Model) -> None:
        """Let all stations go on with another model; in the engine's thread.

        Raises
        ------
        ControlError
            If it looks at other features than the present one; then nothing has changed.
        """
        seats = [seat for seat in self._seats if not seat.station.finished]
        for seat in seats:
            if seat.model.manifest.features != model.manifest.features:
                raise ControlError(
                    f"model {model.manifest.name} looks at other features than "
                    f"{seat.model.manifest.name}; start the daemon with --model "
                    f"{model.manifest.name}"
                )
        for seat in seats:
            seat.begin_anew(seat.station.stream_time)
            seat.model = model
            seat.decider = Decider(model.manifest.labels, seat.decider.settings)
            seat.report.manifest = model.manifest
