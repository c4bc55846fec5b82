"""Dead air: a station that should be heard and is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from streamgenre.events import SourceChange, Update

if TYPE_CHECKING:
    from streamgenre.events import AnyEvent

Reason: TypeAlias = Literal["silence", "source lost", "no updates"]


@dataclass(frozen=True, slots=True)
class DeadAir:
    """Dead air has begun or is over."""

    station: str
    """Name of the station."""
    over: bool
    """Whether it is over."""
    reason: Reason
    """Why it was declared."""
    time: float
    """UNIX seconds since when nothing was heard."""
    seconds: float
    """How long it has lasted so far."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object that is posted."""
        return {
            "v": 1,
            "type": "dead-air",
            "station": self.station,
            "over": self.over,
            "reason": self.reason,
            "time": round(self.time, 3),
            "seconds": round(self.seconds, 3),
        }


@dataclass(slots=True)
class _Station:
    quiet_since: float | None = None
    """Monotonic seconds; None while it is heard."""
    reason: Reason = "no updates"
    heard: float = 0.0
    """When the newest update came, monotonic seconds."""
    told: bool = False
    ended: bool = False


class DeadAirWatch:
    """Finds dead air from the events of all stations and the clock.

    Parameters
    ----------
    after
        Seconds without anything to be heard that are dead air.
    """

    def __init__(self, after: float) -> None:
        self._after = after
        self._stations: dict[str, _Station] = {}

    def take(self, event: AnyEvent, now: float) -> None:
        """Take in an event that came at ``now``, monotonic seconds."""
        if isinstance(event, Update):
            station = self._stations.setdefault(event.station, _Station())
            station.heard = now
            if event.state == "silence":
                self._quiet(station, "silence", now)
            else:
                station.quiet_since = None
        elif isinstance(event, SourceChange):
            station = self._stations.setdefault(event.station, _Station(heard=now))
            station.ended = event.state == "ended"
            if event.state == "lost":
                self._quiet(station, "source lost", now)

    def due(self, now: float, wall: float) -> list[DeadAir]:
        """Return what has begun or ended by ``now``, monotonic seconds; ``wall`` is UNIX time."""
        found = []
        for name, station in self._stations.items():
            # No updates at all: a daemon that hangs, or is gone.
            if not station.ended and now - station.heard >= self._after:
                self._quiet(station, "no updates", station.heard)
            since = station.quiet_since
            if since is not None and not station.told and not station.ended:
                if now - since >= self._after:
                    station.told = True
                    seconds = now - since
                    found.append(DeadAir(name, False, station.reason, wall - seconds, seconds))
            elif since is None and station.told:
                station.told = False
                found.append(DeadAir(name, True, station.reason, wall, 0.0))
        return found

    def _quiet(self, station: _Station, reason: Reason, since: float) -> None:
        if station.quiet_since is None:
            station.quiet_since, station.reason = since, reason
