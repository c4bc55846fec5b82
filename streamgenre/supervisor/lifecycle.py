"""Life cycle of workers: they are started, watched, and replaced when they die, hang or leak."""

from __future__ import annotations

import selectors
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from streamgenre.logger import get_logger
from streamgenre.supervisor.member import Member
from streamgenre.supervisor.suspects import Group, Suspects
from streamgenre.worker.codec import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamgenre.clips.settings import ClipSettings
    from streamgenre.engine.settings import EngineSettings
    from streamgenre.supervisor.launching import Launcher
    from streamgenre.supervisor.record import StationRecord

MAX_APART: Final = 16
"""Most workers with stations under suspicion that run at a time; the others wait."""
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


class Roster(Protocol):
    """What it asks of the crew."""

    @property
    def members(self) -> Sequence[Member]:
        """All workers."""

    def add(self, member: Member) -> None:
        """Add a worker, which is not started yet."""

    def remove(self, member: Member) -> None:
        """Forget a worker that does not run."""

    def free_name(self) -> str:
        """Return a name that no worker has."""

    def started(self, member: Member) -> None:
        """Give a worker that has just started its stations."""

    def send(self, member: Member | None, head: Mapping[str, Any]) -> None:
        """Send a command to a worker, if it runs."""


class Lifecycle:
    """Starts the workers of a crew and replaces them.

    Parameters
    ----------
    settings
        The engine's settings.
    launcher
        Starts workers.
    roster
        The crew.
    owner
        The supervisor.
    clips
        Whether the workers keep clips, where, and how many; None to keep none.
    """

    def __init__(
        self,
        settings: EngineSettings,
        launcher: Launcher,
        roster: Roster,
        owner: Owner,
        clips: ClipSettings | None = None,
    ) -> None:
        self._clips = clips
        self._settings = settings
        self._launcher = launcher
        self._roster = roster
        self._owner = owner
        self.suspects = Suspects()
        """The stations that may be what kills their worker."""
        self.selector: selectors.BaseSelector | None = None
        """What waits for the workers' messages; set while the supervisor runs."""
        self.stopping = False
        """Whether workers that end are not replaced."""

    def check(self, member: Member, turn_s: float, now: float, *, memory: bool) -> None:
        """Start a worker if that is due, or replace it if it hangs or is too large.

        Parameters
        ----------
        member
            The worker.
        turn_s
            Seconds of the supervisor's turn clock.
        now
            Monotonic seconds.
        memory
            Whether to look at its memory.
        """
        if member.handle is None:
            if now >= member.start_at and self._may_start(member):
                self._start(member, turn_s, now)
            return
        why = member.hangs(turn_s) or (self._too_large(member) if memory else "")
        if why:
            self.kill(member, why)

    def _may_start(self, member: Member) -> bool:
        if not member.apart:
            return True
        if not member.records:  # they were removed
            self._roster.remove(member)
            return False
        return sum(each.apart and each.running for each in self._roster.members) < MAX_APART

    def _start(self, member: Member, turn_s: float, now: float) -> None:
        try:
            member.handle = self._launcher.start(member.name)
        except OSError as error:
            member.start_at = now + _RETRY_S
            member.waits_because = f"cannot be started: {error.strerror or error}"
            _log.error("worker %s %s", member.name, member.waits_because, extra=about(member))
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
        self._roster.send(member, head)
        self._roster.started(member)

    def reap(self) -> None:
        """Replace the workers whose links have ended."""
        for member in self._roster.members:
            if member.handle is not None and member.handle.link.ended:
                self._died(member, member.handle.end())

    def kill(self, member: Member, why: str) -> None:
        """End a worker, and replace it.

        Parameters
        ----------
        member
            A worker that runs.
        why
            What is the matter with it, in words.
        """
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
        if self.stopping:
            return
        if member.retiring and not records:
            self._roster.remove(member)
            return
        _log.warning(
            "worker %s %s; %d stations with it", member.name, how, len(records),
            extra=about(member),
        )  # fmt: skip
        member.retiring = False  # it has stations again
        for record in records.values():
            record.planned, record.moving, record.stuck = None, None, False
        now = time.monotonic()
        if innocent:
            groups = [Group(tuple(records), 0.0)]
        else:
            groups = self.suspects.died(tuple(records), now, apart=member.apart)
        for group in groups:
            self._restart(member, group, {name: records[name] for name in group.stations}, how)
        if member.apart and not member.records:
            self._roster.remove(member)
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
                target = Member(self._roster.free_name(), apart=True)
                self._roster.add(target)
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


def about(member: Member) -> dict[str, str]:
    """Return the fields of log lines about a worker."""
    return {"worker": member.name}
