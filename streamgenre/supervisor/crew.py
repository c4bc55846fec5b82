"""The workers of a supervisor: started, watched, replaced, and given their stations."""

from __future__ import annotations

import itertools
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from streamgenre.logger import get_logger
from streamgenre.supervisor.lifecycle import Lifecycle, Owner, about
from streamgenre.supervisor.member import Member
from streamgenre.supervisor.moves import Moves
from streamgenre.supervisor.placement import Costs, place_all
from streamgenre.worker.codec import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streamgenre.clips.settings import ClipSettings
    from streamgenre.engine.settings import EngineSettings
    from streamgenre.supervisor.launching import Launcher
    from streamgenre.supervisor.record import StationRecord

_LOOK_S: Final = 1.0
"""Seconds between two looks at the workers' memory and past."""

_log = get_logger(__name__)


class Crew:
    """All workers of one supervisor.

    Parameters
    ----------
    settings
        The engine's settings.
    launcher
        Starts workers.
    count
        Number of workers, not counting those with stations under suspicion.
    owner
        The supervisor.
    clips
        Whether the workers keep clips, where, and how many; None to keep none.
    """

    def __init__(
        self,
        settings: EngineSettings,
        launcher: Launcher,
        count: int,
        owner: Owner,
        clips: ClipSettings | None = None,
    ) -> None:
        self._launcher = launcher
        self._count = count
        self._owner = owner
        self.costs = Costs()
        """What the stations cost."""
        self._members: list[Member] = []
        self.lifecycle = Lifecycle(settings, launcher, self, owner, clips)
        """Starts and replaces the workers."""
        self.moves = Moves(self)
        """Stations on their way to another worker."""
        self._turns = itertools.count(1)
        self._looked = 0.0  # monotonic seconds
        self._watched: list[str] = []

    @property
    def members(self) -> tuple[Member, ...]:
        """All workers."""
        return tuple(self._members)

    def member(self, name: str | None) -> Member | None:
        """Return the worker of a name; None if there is none."""
        return next((member for member in self._members if member.name == name), None)

    @property
    def running(self) -> bool:
        """Whether any worker runs."""
        return any(member.running for member in self._members)

    def describe(self) -> list[dict[str, Any]]:
        """Return the state of each worker as a JSON object."""
        now = time.monotonic()
        return [member.describe(now) for member in self._members]

    # ---- stations -------------------------------------------------------------------------------

    def place(self, records: Iterable[StationRecord]) -> None:
        """Give new stations to workers."""
        self._fill()
        regular = {member.name: member for member in self.regular}
        loads = [member.load() for member in regular.values()]
        stations = {record.name: record for record in records}
        kinds = {name: record.kind for name, record in stations.items()}
        for name, load in place_all(kinds, loads, self.costs).items():
            self.hand_over(stations[name], regular[load.name])

    def hand_over(self, record: StationRecord, member: Member | None) -> None:
        """Have a worker listen to a station, now or as soon as it runs.

        Parameters
        ----------
        record
            The station.
        member
            The worker; None for another one, if it was given up meanwhile.
        """
        if member is None or member.retiring:
            member = min(self.regular, key=lambda each: self.costs.load(each.load()))
        record.worker = member.name
        member.records[record.name] = record
        if member.running:
            self._send_station(member, record)

    def close(self, record: StationRecord) -> None:
        """Have a station ended; its worker reports when it has."""
        member = self.member(record.worker)
        if member is None or not member.running or record.ended:
            # Nothing listens to it: it can end at once.
            self._owner.lose(record, "stopped")
        else:
            self.send(member, {"do": "remove", "station": record.name, "turn": record.turn})

    def watch_spectrum(self, names: frozenset[str]) -> None:
        """Choose the stations that publish their spectrum, by the beginnings of their names."""
        self._watched = sorted(names)
        for member in self._members:
            self._send_watched(member)

    def _send_watched(self, member: Member) -> None:
        self.send(member, {"do": "spectrum", "names": self._watched})

    def forget(self, record: StationRecord) -> None:
        """Forget the past of a station."""
        self.lifecycle.suspects.forget(record.name)
        self.costs.forget(record.name)

    def _send_station(self, member: Member, record: StationRecord) -> None:
        record.turn = next(self._turns)
        self.send(
            member,
            {
                "do": "add",
                "station": record.name,
                "turn": record.turn,
                "at": time.monotonic(),
                "settings": to_json(record.settings),
                "resume": to_json(record.resume()),
            },
        )

    def send(self, member: Member | None, head: Mapping[str, Any]) -> None:
        """Send a command to a worker, if it runs.

        Parameters
        ----------
        member
            The worker.
        head
            The command.
        """
        if member is None or member.handle is None:
            return
        with suppress(OSError):  # it has ended, or hangs: seen by `watch`
            member.handle.link.send(head)

    # ---- workers --------------------------------------------------------------------------------

    @property
    def regular(self) -> list[Member]:
        """Workers that any station may be placed in."""
        return [m for m in self._members if not m.apart and not m.retiring]

    def _fill(self) -> None:
        """Have as many workers as there should be."""
        while len(self.regular) < self._count:
            self.add(Member(self.free_name()))

    def add(self, member: Member) -> None:
        """Add a worker, which is not started yet."""
        self._members.append(member)

    def remove(self, member: Member) -> None:
        """Forget a worker that does not run."""
        self._members.remove(member)

    def started(self, member: Member) -> None:
        """Give a worker that has just started its stations."""
        self._send_watched(member)
        for record in member.records.values():
            self._send_station(member, record)
        self.moves.started(member)

    def free_name(self) -> str:
        """Return a name that no worker has."""
        names = {member.name for member in self._members}
        number = 1
        while str(number) in names:
            number += 1
        return str(number)

    def watch(self, turn_s: float, now: float) -> None:
        """Start what is due, and replace what has ended, hangs or is too large.

        Parameters
        ----------
        turn_s
            Seconds of the supervisor's turn clock.
        now
            Monotonic seconds.
        """
        self.lifecycle.reap()
        look = now - self._looked >= _LOOK_S
        for member in self.members:
            self.lifecycle.check(member, turn_s, now, memory=look)
        if look:
            self._looked = now
            self._follow_capacity()
            self._clear(now)
            self.moves.look(now)

    def take_beat(self, member: Member, beat: Mapping[str, Any]) -> None:
        """Take a heartbeat of a worker."""
        if "stations" in beat:
            for name, share in member.costs(beat, time.monotonic()).items():
                record = member.records[name]
                self.costs.measured(name, record.kind, share)
                record.cpu_share = round(self.costs.of(name, record.kind), 5)
        member.beat = beat
        for name, record in member.records.items():
            record.stuck = name in beat["stuck"]

    # ---- how many -------------------------------------------------------------------------------

    def _clear(self, now: float) -> None:
        """End the suspicion of stations that have lived apart for long enough."""
        waits = any(m.apart and not m.running and m.start_at <= now for m in self._members)
        for member in self.members:
            if not member.apart or not member.running:
                continue
            lived_s = now - member.started
            if self.lifecycle.suspects.cleared(member.records, lived_s, others_wait=waits):
                member.apart = False
                _log.info("worker %s: its stations are above suspicion", member.name,
                          extra=about(member))  # fmt: skip
        surplus = [m for m in self.regular if m.running]
        if len(self.regular) > self._count and surplus:
            newest = min(reversed(surplus), key=lambda each: len(each.records))
            newest.retiring = True
            self.moves.empty(newest)

    def _follow_capacity(self) -> None:
        """Have as many workers as the launcher has room for, and end those that are empty."""
        room = self._launcher.capacity()
        if room is not None and room > 0 and room != self._count:
            _log.info("%d workers instead of %d", room, self._count)
            self.resize(room)
        for member in self.members:
            if member.retiring and member.running and not member.records:
                self.send(member, {"do": "stop"})

    def resize(self, count: int) -> None:
        """Change the number of workers; stations are moved as that pays."""
        self._count = count
        self._fill()
        self.moves.look_soon()

    # ---- the end --------------------------------------------------------------------------------

    def stop(self) -> None:
        """Have all workers end."""
        self.lifecycle.stopping = True
        for member in self._members:
            self.send(member, {"do": "stop"})

    def kill(self) -> None:
        """End the workers that have not ended."""
        for member in self._members:
            if member.running:
                self.lifecycle.kill(member, "did not stop in time")


def _about(member: Member) -> dict[str, str]:
    return {"worker": member.name}
