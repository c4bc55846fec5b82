"""The workers of a supervisor: started, watched, replaced, and given their stations."""

from __future__ import annotations

import itertools
import selectors
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from streamgenre.logger import get_logger
from streamgenre.supervisor.member import Member
from streamgenre.supervisor.moves import Moves
from streamgenre.supervisor.placement import Costs, place_all
from streamgenre.supervisor.suspects import Group, Suspects
from streamgenre.worker.codec import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streamgenre.clips.settings import ClipSettings
    from streamgenre.engine.settings import EngineSettings
    from streamgenre.supervisor.launching import Launcher
    from streamgenre.supervisor.record import StationRecord

MAX_APART: Final = 16
"""Most workers with stations under suspicion that run at a time; the others wait."""
_LOOK_S: Final = 1.0
"""Seconds between two looks at the workers' memory and past."""
_EMPTY_S: Final = 10.0
"""Pause before a worker without stations is replaced, in seconds."""
_RETRY_S: Final = 5.0
"""Pause after a worker could not be started, in seconds."""

_log = get_logger(__name__)


class Owner(Protocol):
    """What the crew asks of its supervisor."""

    def read(self, member: Member) -> None:
        """Take what a worker has sent."""

    def lose(self, record: StationRecord, why: str) -> None:
        """Publish that a station has lost its worker, or ends if it is to leave."""


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
        self._clips = clips
        self._settings = settings
        self._launcher = launcher
        self._count = count
        self._owner = owner
        self._suspects = Suspects()
        self.costs = Costs()
        """What the stations cost."""
        self._members: list[Member] = []
        self.selector: selectors.BaseSelector | None = None
        """What waits for the workers' messages; set while the supervisor runs."""
        self.moves = Moves(self)
        """Stations on their way to another worker."""
        self._turns = itertools.count(1)
        self._looked = 0.0  # monotonic seconds
        self._stopping = False
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
        self._suspects.forget(record.name)
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
            self._members.append(Member(self._free_name()))

    def _free_name(self) -> str:
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
        self.reap()
        look = now - self._looked >= _LOOK_S
        for member in self.members:
            if member.handle is None:
                if now >= member.start_at and self._may_start(member):
                    self._start(member, turn_s, now)
                continue
            why = member.hangs(turn_s) or (self._too_large(member) if look else "")
            if why:
                self._kill(member, why)
        if look:
            self._looked = now
            self._follow_capacity()
            self._clear(now)
            self.moves.look(now)

    def _may_start(self, member: Member) -> bool:
        if not member.apart:
            return True
        if not member.records:  # they were removed
            self._members.remove(member)
            return False
        return sum(each.apart and each.running for each in self._members) < MAX_APART

    def _start(self, member: Member, turn_s: float, now: float) -> None:
        try:
            member.handle = self._launcher.start(member.name)
        except OSError as error:
            member.start_at = now + _RETRY_S
            member.waits_because = f"cannot be started: {error.strerror or error}"
            _log.error("worker %s %s", member.name, member.waits_because, extra=_about(member))
            return
        member.restarts += 1
        member.started, member.waits_because = now, ""
        member.heard(turn_s)
        assert self.selector is not None
        self.selector.register(member.handle.link, selectors.EVENT_READ)
        level = _log.getEffectiveLevel()
        engine = to_json(self._settings)
        head = {"do": "start", "name": member.name, "engine": engine, "level": level}
        if self._clips is not None:
            head["clips"] = to_json(self._clips)
        self.send(member, head)
        self._send_watched(member)
        for record in member.records.values():
            self._send_station(member, record)
        self.moves.started(member)

    def reap(self) -> None:
        """Replace the workers whose links have ended."""
        for member in self.members:
            if member.handle is not None and member.handle.link.ended:
                self._died(member, member.handle.end())

    def _kill(self, member: Member, why: str) -> None:
        assert member.handle is not None
        member.handle.end()
        # What it sent before still counts.
        for _ in range(1000):
            self._owner.read(member)
            if member.handle.link.ended:
                break
        self._died(member, why)

    def _died(self, member: Member, how: str) -> None:
        assert member.handle is not None
        assert self.selector is not None
        self.selector.unregister(member.handle.link)
        member.handle.link.close()
        innocent = member.handle.innocent
        member.ended()
        records = {name: r for name, r in member.records.items() if not r.ended}
        if self._stopping:
            return
        if member.retiring and not records:
            self._members.remove(member)
            return
        _log.warning(
            "worker %s %s; %d stations with it", member.name, how, len(records),
            extra=_about(member),
        )  # fmt: skip
        member.retiring = False  # it has stations again
        for record in records.values():
            record.planned, record.moving, record.stuck = None, None, False
        now = time.monotonic()
        if innocent:
            groups = [Group(tuple(records), 0.0)]
        else:
            groups = self._suspects.died(tuple(records), now, apart=member.apart)
        for group in groups:
            self._restart(member, group, {name: records[name] for name in group.stations}, how)
        if member.apart and not member.records:
            self._members.remove(member)
        elif not member.records:
            # Those that start with its stations come first.
            member.start_at = now + _EMPTY_S

    def _restart(
        self, member: Member, group: Group, records: dict[str, StationRecord], how: str
    ) -> None:
        """Have the stations of a worker that has died restarted."""
        target = member
        if group.apart:
            for name in records:
                del member.records[name]
            if member.apart and not member.records:
                target = member  # the last of its groups stays where it is
            else:
                target = Member(self._free_name(), apart=True)
                self._members.append(target)
            for name, record in records.items():
                record.worker = target.name
                target.records[name] = record
        target.start_at = time.monotonic() + group.pause_s
        why = f"its worker {how}"
        if group.named:
            (name,) = records
            why += f"; it ends every worker, and is tried again in {group.pause_s:g} s"
            target.waits_because = f"{name} ends every worker"
            _log.error("%s: %s", name, why, extra={"station": name, "worker": target.name})
        for record in records.values():
            self._owner.lose(record, why)

    def _too_large(self, member: Member) -> str:
        assert member.handle is not None
        limit = self._settings.worker_memory_mb
        seen = member.handle.rss_bytes()
        used = (member.beat.get("rss_bytes", 0) if seen is None else seen) / 1e6
        if used <= limit:
            return ""
        return f"took {used:.0f} MB of memory, more than worker_memory_mb = {limit}, and was ended"

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
        for member in self.members:
            if not member.apart or not member.running:
                continue
            if self._suspects.cleared(member.records, now - member.started):
                member.apart = False
                _log.info("worker %s: its stations are above suspicion", member.name,
                          extra=_about(member))  # fmt: skip
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
        self._stopping = True
        for member in self._members:
            self.send(member, {"do": "stop"})

    def kill(self) -> None:
        """End the workers that have not ended."""
        for member in self._members:
            if member.running:
                self._kill(member, "did not stop in time")


def _about(member: Member) -> dict[str, str]:
    return {"worker": member.name}
