"""The one loop between the rings and the bus, for all stations at once.

A tick takes at most one hop from every station, runs each model once over all stations that share
it, decides, and sends the events. Between ticks the loop sleeps until the next hop can be complete.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from streamgenre.deadair import DeadAirWatch
from streamgenre.decision import Decider, DecisionSettings
from streamgenre.errors import ControlError, SettingsError, nearest
from streamgenre.health import Health
from streamgenre.reports import StationReport
from streamgenre.sources.base import Notice
from streamgenre.station import Hop, Station
from streamgenre.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from streamgenre.config import EngineSettings
    from streamgenre.events import AnyEvent
    from streamgenre.models import Model
    from streamgenre.sources.base import Source
    from streamgenre.station import Break

_POLL_S: Final = 0.01
"""Pause where a hop is due and its last block is about to arrive."""
_EAGER_S: Final = 0.05
"""So long after something came, the loop looks again at once: a file or pipe may bring more."""
_FIRST_STATUS_S: Final = 1.0
"""The first status comes early, but not so early that it tells of the start-up alone."""
_LONGEST_POLL_S: Final = 0.25
"""Longest pause: changes of a source and the wish to stop are seen within it."""


@dataclass(slots=True, eq=False)
class _Seat:
    """A station with what the engine needs for it."""

    station: Station
    model: Model
    decider: Decider
    watch: DeadAirWatch
    report: StationReport


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
    """

    def __init__(
        self,
        publish: Callable[[AnyEvent], None],
        settings: EngineSettings,
        traffic: Callable[[], Traffic] = Traffic,
    ) -> None:
        self._publish = publish
        self._traffic = traffic
        self._calls: deque[Callable[[], None]] = deque()
        self._settings = settings
        self._seats: list[_Seat] = []
        self._health = Health()

    def add(
        self, name: str, source: Source, model: Model, decision: DecisionSettings | None = None
    ) -> None:
        """Add a station, before :meth:`run`; stations that are given the same model share it."""
        if any(seat.station.name == name for seat in self._seats):
            raise SettingsError(f"two stations are called {name!r}; give each a name of its own")
        station = Station(name, source, model.manifest.features, self._settings)
        self._seats.append(
            _Seat(
                station=station,
                model=model,
                decider=Decider(model.manifest.labels, decision or DecisionSettings()),
                watch=DeadAirWatch(self._settings.dead_air_s),
                report=StationReport(station, model.manifest, self._publish),
            )
        )

    def run(self, stopping: Callable[[], bool]) -> None:
        """Listen until every station has ended or ``stopping()`` is true, then end them all.

        However it ends, sources are stopped, open segments closed and the last events sent.
        """
        open_seats = list(self._seats)
        try:
            for seat in open_seats:
                seat.station.source.start()
            eager_until = 0.0
            status_after = min(_FIRST_STATUS_S, self._settings.status_s)
            while open_seats and not stopping():
                while self._calls:
                    self._calls.popleft()()
                progressed = self._tick(open_seats)
                for seat in [s for s in open_seats if s.station.finished]:
                    open_seats.remove(seat)
                    self._end([seat])
                if self._health.age_s >= status_after:
                    status_after = self._settings.status_s
                    self._send_status(open_seats)
                if progressed:
                    eager_until = time.monotonic() + _EAGER_S
                else:
                    eager = time.monotonic() < eager_until
                    time.sleep(_POLL_S if eager else _pause(open_seats))
        finally:
            self._end(open_seats)

    # ---- requests -------------------------------------------------------------------------------

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called in the engine's thread, between two ticks; returns at once."""
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
        seat = next((seat for seat in self._seats if seat.station.name == station), None)
        if seat is None or seat.station.finished:
            names = [seat.station.name for seat in self._seats if not seat.station.finished]
            listed = ", ".join(map(repr, names)) or "none"
            raise ControlError(
                f"no station {station!r}: there are {listed}{nearest(station, names)}"
            )
        _begin_anew(seat, seat.station.stream_time)

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
            _begin_anew(seat, seat.station.stream_time)
            seat.model = model
            seat.decider = Decider(model.manifest.labels, seat.decider.settings)
            seat.report.manifest = model.manifest

    # ---- one tick -------------------------------------------------------------------------------

    def _tick(self, seats: list[_Seat]) -> bool:
        """Take at most one hop of every station; return whether there was anything to do."""
        hops: list[tuple[_Seat, Hop]] = []
        progressed = False
        for seat in seats:
            _tell_source(seat)
            while (item := seat.station.pull()) is not None:
                progressed = True
                if isinstance(item, Hop):
                    hops.append((seat, item))
                    break
                _on_break(seat, item)
            if item is None and seat.station.source.state == "lost":
                _end_segment(seat, seat.station.stream_time)  # it may stay away for hours
        self._decide(hops)
        return progressed

    def _decide(self, hops: list[tuple[_Seat, Hop]]) -> None:
        by_model: dict[int, list[tuple[_Seat, Hop]]] = {}
        for seat, hop in hops:
            # Silence is not shown to the model: it never learnt any.
            if not seat.decider.is_silent(hop.level_dbfs):
                by_model.setdefault(id(seat.model), []).append((seat, hop))
        probabilities: dict[str, NDArray[np.float64]] = {}
        speech: dict[str, float] = {}
        for batch in by_model.values():
            model = batch[0][0].model
            names = [seat.station.name for seat, _ in batch]
            output = model.update(names, [hop.frames for _, hop in batch])
            probabilities |= dict(zip(names, model.probabilities(output), strict=True))
            told = model.speech(output)
            if told is not None:
                speech |= dict(zip(names, told.tolist(), strict=True))
        for seat, hop in hops:
            name = seat.station.name
            decision = seat.decider.step(
                probabilities.get(name), start=hop.start, end=hop.end, speech=speech.get(name)
            )
            silent = seat.decider.is_silent(hop.level_dbfs)
            dead_air = seat.watch.step(silent, hop.start, hop.end, hop.wall)
            if dead_air is not None:
                seat.report.dead_air(dead_air)
            if seat.decider.in_silence:
                seat.model.reset(seat.station.name)  # what follows a silence is something new
            if decision.finished is not None:
                seat.report.segment(decision.finished)
            seat.report.update(hop, decision)

    def _send_status(self, seats: list[_Seat]) -> None:
        vitals, traffic = self._health.measure(), self._traffic()
        for seat in seats:
            seat.report.status(vitals, traffic)

    def _end(self, seats: list[_Seat]) -> None:
        for seat in seats:
            seat.station.source.stop()
        for seat in seats:
            _end_segment(seat, seat.station.stream_time)
            dead_air = seat.watch.close(seat.station.stream_time)
            if dead_air is not None:
                seat.report.dead_air(dead_air)
            seat.station.finished = True
            _tell_source(seat)
            seat.model.reset(seat.station.name)
        self._send_status(seats)
        for seat in seats:
            if seat.station.source.failure is not None:
                raise seat.station.source.failure


def _pause(seats: list[_Seat]) -> float:
    """Return how long nothing can be due, in seconds."""
    due = (seat.station.due_s() for seat in seats)
    return max(_POLL_S, min([*due, _LONGEST_POLL_S]))


def _end_segment(seat: _Seat, end: float) -> None:
    stretch = seat.decider.close(end)
    if stretch is not None:
        seat.report.segment(stretch)


def _tell_source(seat: _Seat) -> None:
    notices = seat.station.source.notices
    while notices:
        notice = notices[0]
        if isinstance(notice, Notice) and notice.state == "ended" and not seat.station.finished:
            return  # what the source delivered before is not all heard yet
        notices.popleft()
        if isinstance(notice, Notice):
            seat.report.source(notice)
        else:
            seat.report.title(notice)


def _on_break(seat: _Seat, gap: Break) -> None:
    if gap.resets:
        _begin_anew(seat, gap.start)
    seat.report.gap(gap)


def _begin_anew(seat: _Seat, stream_time: float) -> None:
    """End the open segment, and forget what was heard."""
    _end_segment(seat, stream_time)
    seat.decider.reset()
    seat.model.reset(seat.station.name)
