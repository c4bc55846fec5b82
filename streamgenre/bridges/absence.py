"""Stations that stop updating. Silence is not among them: the daemon itself reports dead air."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from streamgenre.events import SourceChange, Status, Update

if TYPE_CHECKING:
    from streamgenre.events import AnyEvent

MAX_STATIONS: Final = 10_000
"""Most stations that are watched."""
Reason: TypeAlias = Literal["source lost", "no updates"]


@dataclass(frozen=True, slots=True)
class Absence:
    """A station has stopped updating, or updates again."""

    station: str
    """Name of the station."""
    active: bool
    """True as the absence is found, false as it ends."""
    reason: Reason
    """Whether the daemon reported the source lost, or nothing at all came from it."""
    start_time: float
    """UNIX seconds since which the station has been absent."""
    seconds: float
    """How long it has been absent."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that is posted."""
        return {
            "v": 1,
            "type": "absence",
            "station": self.station,
            "active": self.active,
            "reason": self.reason,
            "start_time": round(self.start_time, 3),
            "seconds": round(self.seconds, 3),
        }


@dataclass(slots=True)
class _Station:
    heard: float
    """When the newest update arrived, monotonic seconds."""
    absent_since: float | None = None
    """Monotonic seconds; None while updates arrive."""
    reason: Reason = "no updates"
    reported: bool = False
    ended: bool = False


class AbsenceWatch:
    """Finds stations that stop updating, from their events and the clock.

    Parameters
    ----------
    after
        Seconds without updates, or with the source lost, after which a station is absent.
    """

    def __init__(self, after: float) -> None:
        self._after = after
        self._stations: dict[str, _Station] = {}
        self._removed: dict[str, _Station] = {}
        """Stations that were absent when they were removed: their absence is still to be ended."""

    def forget(self, station: str) -> None:
        """Forget a station that its daemon no longer has; an absence that was reported ends."""
        known = self._stations.pop(station, None)
        if known is not None and known.reported:
            self._removed[station] = known

    def take(self, event: AnyEvent, now: float) -> None:
        """Take an event.

        Parameters
        ----------
        event
            An event of any station; only updates, source changes and the status of a removed
            station matter.
        now
            When it arrived, monotonic seconds.
        """
        if isinstance(event, Status) and event.removed:
            self.forget(event.station)
        if not isinstance(event, Update | SourceChange):
            return
        if event.station not in self._stations and len(self._stations) >= MAX_STATIONS:
            return
        station = self._stations.setdefault(event.station, _Station(heard=now))
        if isinstance(event, Update):
            station.heard = now
            if station.absent_since is not None and not station.reported:
                station.absent_since = None
        else:
            station.ended = event.state == "ended"
            if event.state == "lost":
                self._mark(station, "source lost", now)

    def due(self, now: float, wall: float) -> list[Absence]:
        """Return the absences that have begun or ended since the last call.

        Parameters
        ----------
        now
            Monotonic seconds.
        wall
            The same moment in UNIX seconds.

        Returns
        -------
        list of Absence
            At most one a station, and the end of each absence of a removed station.
        """
        found = []
        for name, station in self._removed.items():
            seconds = now - (now if station.absent_since is None else station.absent_since)
            found.append(Absence(name, False, station.reason, wall - seconds, seconds))
        self._removed.clear()
        for name, station in self._stations.items():
            # No updates at all: the daemon hangs or is gone.
            if not station.ended and now - station.heard >= self._after:
                self._mark(station, "no updates", station.heard)
            since = station.absent_since
            if since is None:
                continue
            seconds = now - since
            if station.reported:
                if station.heard <= since:
                    continue
                station.reported, station.absent_since = False, None
                found.append(Absence(name, False, station.reason, wall - seconds, seconds))
            elif not station.ended and seconds >= self._after:
                station.reported = True
                found.append(Absence(name, True, station.reason, wall - seconds, seconds))
        return found

    def _mark(self, station: _Station, reason: Reason, since: float) -> None:
        if station.absent_since is None:
            station.absent_since, station.reason = since, reason
