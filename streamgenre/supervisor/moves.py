"""Stations that move from one worker to another: which, and when.

A station leaves its worker only once the other one runs and has loaded its model, so that it misses
no more than the time to open its input again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from streamgenre.logger import get_logger
from streamgenre.supervisor.placement import moves, place_all
from streamgenre.worker.codec import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streamgenre.supervisor.member import Member
    from streamgenre.supervisor.placement import Costs
    from streamgenre.supervisor.record import StationRecord

REBALANCE_S: Final = 30.0
"""Seconds between two looks at whether a move pays."""
_FEWER: Final = "there are fewer workers"

_log = get_logger(__name__)


class Workers(Protocol):
    """What moves ask of the crew."""

    costs: Costs
    """What the stations cost."""

    @property
    def members(self) -> Sequence[Member]:
        """All workers."""

    @property
    def regular(self) -> list[Member]:
        """Workers that any station may be placed in."""

    def send(self, member: Member | None, head: Mapping[str, Any]) -> None:
        """Send a command to a worker, if it runs."""

    def close(self, record: StationRecord) -> None:
        """Have a station ended; its worker reports when it has."""


class Moves:
    """The moves of stations between the workers of a crew.

    Parameters
    ----------
    crew
        The workers.
    """

    def __init__(self, crew: Workers) -> None:
        self._crew = crew
        self._balanced = 0.0  # monotonic seconds

    def look(self, now: float) -> None:
        """Plan the moves that pay, and those away from workers that are to end.

        ``now`` is in monotonic seconds.
        """
        for member in self._crew.members:
            if member.retiring:
                self.empty(member)
        if now - self._balanced >= REBALANCE_S:
            self._balanced = now
            self._balance()

    def look_soon(self) -> None:
        """Look for moves that pay at the next :meth:`look`."""
        self._balanced = 0.0

    def empty(self, member: Member) -> None:
        """Plan to move all stations of a worker elsewhere."""
        for other in self._planned_to(member):
            other.planned = None
        stay = [
            record
            for record in member.records.values()
            if not record.ended and record.planned is None and record.moving is None
        ]
        targets = {each.name: each for each in self._crew.regular}
        loads = [each.load() for each in targets.values()]
        kinds = {record.name: record.kind for record in stay}
        chosen = place_all(kinds, loads, self._crew.costs)
        for record in stay:
            self._plan(record, targets[chosen[record.name].name], _FEWER)

    def _balance(self) -> None:
        members = {m.name: m for m in self._crew.regular if m.running and m.beat}
        loads = [member.load() for member in members.values()]
        movable = [
            record.name
            for member in members.values()
            for record in member.records.values()
            if not record.replayable
            and record.source_state == "live"
            and record.planned is None
            and record.moving is None
            and record.settings.input != "-"
        ]
        for name, source, target in moves(loads, self._crew.costs, movable):
            self._plan(members[source.name].records[name], members[target.name], "it has more time")

    def _plan(self, record: StationRecord, target: Member, why: str) -> None:
        detail = f"moves from worker {record.worker} to worker {target.name}: {why}"
        record.planned = target.name, detail
        self._prepare(target, record)

    def started(self, member: Member) -> None:
        """Have a worker that has started prepare what is to move to it."""
        for record in self._planned_to(member):
            self._prepare(member, record)

    def _prepare(self, target: Member, record: StationRecord) -> None:
        settings = to_json(record.settings)
        self._crew.send(target, {"do": "prepare", "station": record.name, "settings": settings})

    def ready(self, member: Member, station: str) -> None:
        """Have a station leave its worker, because another one is ready for it.

        Parameters
        ----------
        member
            The worker that is ready.
        station
            Name of the station.
        """
        for record in self._planned_to(member):
            if record.name == station and record.planned is not None:
                detail = record.planned[1]
                record.planned, record.moving = None, record.planned
                about = {"station": record.name, "worker": record.worker}
                _log.info("%s: %s", record.name, detail, extra=about)
                self._crew.close(record)
                return

    def _planned_to(self, member: Member) -> Iterator[StationRecord]:
        for other in self._crew.members:
            for record in tuple(other.records.values()):
                if record.planned is not None and record.planned[0] == member.name:
                    yield record
