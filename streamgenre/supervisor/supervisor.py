"""Runs the stations of a daemon in workers.

One thread, that of :meth:`Supervisor.run`, does everything: it forwards the events of the workers,
starts and replaces workers, and moves stations between them. What a worker sends counts until its
link ends, in order; only then is it replaced. So no number in ``seq`` is missing, and nothing is
published twice.
"""

from __future__ import annotations

import os
import selectors
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from streamgenre.engine.faults import Faults
from streamgenre.engine.model_change import unknown_station
from streamgenre.engine.source_watch import TurnClock
from streamgenre.errors import SettingsError
from streamgenre.events.encoded import Encoded
from streamgenre.logger import get_logger
from streamgenre.supervisor.crew import Crew
from streamgenre.supervisor.endings import Endings, raise_if_all_failed
from streamgenre.supervisor.models import ModelSwitch, check_models
from streamgenre.supervisor.placement import worker_count
from streamgenre.supervisor.record import StationRecord
from streamgenre.supervisor.stamping import Stamp
from streamgenre.worker.log_lines import log_again
from streamgenre.worker.unit import station_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from streamgenre.clips.settings import ClipSettings
    from streamgenre.config import StationSettings
    from streamgenre.engine.settings import EngineSettings
    from streamgenre.supervisor.launching import Launcher
    from streamgenre.supervisor.member import Member

_POLL_S: Final = 0.25
"""Longest pause of the loop in seconds."""
_FEW: Final = 4
"""Events of up to so many stations are taken as soon as one comes."""
_COLLECT_S: Final = 0.02
"""Seconds in which more of them may come: to take them together costs every sink less."""
_STOP_S: Final = 1.7
"""Seconds that all workers together get to end."""

_log = get_logger(__name__)


class Supervisor:
    """The host of a daemon with workers.

    All callbacks are called in the thread of :meth:`run`.

    Parameters
    ----------
    publish
        Takes every event.
    settings
        What holds for every station, and the limits of workers.
    launcher
        Starts workers.
    count
        Number of workers, at least 1.
    status_fields
        Takes the name of a station and returns further fields of its status event.
    on_failure
        Called with the name of a station that failed while others go on, and the error.
    on_turn
        Called in every turn of the loop.
    on_removed
        Called with the name of a removed station, after its last event.
    clips
        Whether the workers keep clips, where, and how many; None to keep none.
    """

    def __init__(
        self,
        publish: Callable[[Encoded], None],
        settings: EngineSettings,
        launcher: Launcher,
        count: int,
        status_fields: Callable[[str], Mapping[str, Any]] = lambda name: {},
        on_failure: Callable[[str, Exception], None] = lambda name, error: None,
        on_turn: Callable[[], None] = lambda: None,
        on_removed: Callable[[str], None] = lambda name: None,
        clips: ClipSettings | None = None,
    ) -> None:
        self._publish = publish
        self._on_turn = on_turn
        self._records: dict[str, StationRecord] = {}
        self._calls: deque[Callable[[], None]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._faults = Faults()
        self._turns = TurnClock()
        self._crew = Crew(settings, launcher, count, self, clips)
        self._stamp = Stamp(settings.status_s, status_fields, self._crew)
        self._endings = Endings(
            self._records, self._crew, publish, self._say, on_failure, on_removed
        )
        self._switch: ModelSwitch | None = None
        self._running = False

    # ---- stations -------------------------------------------------------------------------------

    def prepare(self, stations: Iterable[StationSettings]) -> None:
        """See :meth:`streamgenre.supervisor.host.Host.prepare`."""
        check_models(settings.model for settings in stations)

    def add(self, settings: StationSettings, *, open_at_once: bool = False) -> str:
        """See :meth:`streamgenre.supervisor.host.Host.add`; inputs are opened in the worker."""
        del open_at_once
        name = station_name(settings)
        if name in self._records:
            raise SettingsError(f"two stations are called {name!r}; give each a name of its own")
        self._records[name] = StationRecord(name, settings)
        return name

    def replace(self, name: str, settings: StationSettings) -> None:
        """See :meth:`streamgenre.supervisor.host.Host.replace`."""
        record = self._records.get(name)
        if record is None:
            record = self._records[name] = StationRecord(name, settings)
            self._crew.place([record])
            return
        record.successor, record.removing = settings, False
        record.planned = record.moving = None
        self._crew.close(record)

    def remove(self, name: str) -> None:
        """See :meth:`streamgenre.supervisor.host.Host.remove`."""
        record = self._records.get(name)
        if record is None:
            return
        record.removing, record.successor = True, None
        record.planned = record.moving = None
        self._crew.close(record)

    @property
    def lossless(self) -> bool:
        """See :meth:`streamgenre.supervisor.host.Host.lossless`."""
        return not any(record.real_time for record in self._records.values())

    @property
    def failed(self) -> Collection[str]:
        """See :meth:`streamgenre.supervisor.host.Host.failed`."""
        records = tuple(self._records.values())
        return {record.name for record in records if record.ended and record.failure is not None}

    @property
    def stuck(self) -> Collection[str]:
        """See :meth:`streamgenre.supervisor.host.Host.stuck`."""
        return {record.name for record in tuple(self._records.values()) if record.stuck}

    def watch_spectrum(self, names: frozenset[str]) -> None:
        """See :meth:`streamgenre.supervisor.host.Host.watch_spectrum`."""
        self.call(lambda: self._crew.watch_spectrum(names))

    def resize(self, settings: EngineSettings, stations: int) -> bool:
        """See :meth:`streamgenre.supervisor.host.Host.resize`."""
        count = worker_count(settings, stations)
        if count == 0:
            return settings.workers == "auto"  # it stays as it is
        self.call(lambda: self._crew.resize(count))
        return True

    def is_live(self, name: str) -> bool:
        """See :meth:`streamgenre.supervisor.host.Host.is_live`."""
        record = self._records.get(name)
        return record is not None and not record.replayable

    # ---- the loop -------------------------------------------------------------------------------

    def run(self, stopping: Callable[[], bool]) -> None:
        """See :meth:`streamgenre.supervisor.host.Host.run`."""
        self._running = True
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            self._crew.lifecycle.selector = selector
            try:
                self._crew.place(list(self._records.values()))
                while (self._calls or self._open()) and not stopping():
                    self._turn(_POLL_S)
            finally:
                self._running = False
                self._end_all()
        raise_if_all_failed(self._records.values())

    def _open(self) -> list[StationRecord]:
        return [record for record in self._records.values() if not record.ended]

    def _turn(self, pause_s: float) -> None:
        with self._faults.confined("reporting to the service manager"):
            self._on_turn()
        for _ in range(len(self._calls)):  # those that come meanwhile wait a round
            with self._faults.confined("a request to the supervisor"):
                self._calls.popleft()()
        self._crew.watch(self._turns.turn(), time.monotonic())
        if self._switch is not None:
            self._switch.only(member.name for member in self._crew.members if member.running)
        self._stamp.send_if_due(self._open(), self._say)
        self._read(pause_s)

    def _read(self, pause_s: float) -> None:
        """Wait until something comes, and take everything that has."""
        selector = self._crew.lifecycle.selector
        assert selector is not None
        ready = selector.select(pause_s)
        if ready and len(self._records) > _FEW:
            time.sleep(_COLLECT_S)
        for key, _ in ready:
            if key.fileobj == self._wake:
                os.eventfd_read(self._wake)
        # All of them: the descriptor of a link need not be readable while it has messages.
        for member in self._crew.members:
            self.read(member)

    def read(self, member: Member) -> None:
        """Take what a worker has sent."""
        handle = member.handle
        if handle is None:
            return
        messages = handle.link.arrived()
        if messages:
            member.heard(self._turns.seconds)
        for head, body in messages:
            with self._faults.confined(f"a message of worker {member.name}"):
                self._take(member, head, body, handle.link.clock_offset_s)

    def _take(
        self, member: Member, head: dict[str, Any], body: bytes, clock_offset_s: float
    ) -> None:
        match head["do"]:
            case "event":
                self._forward(member, head, body, clock_offset_s)
            case "beat":
                self._crew.take_beat(member, head)
            case "log":
                log_again(head, member.name)
            case "removed" | "ended":
                record = member.records.get(head["station"])
                if record is not None and head["turn"] == record.turn:
                    record.failure = head.get("failure")
                    self._endings.ended(record)
            case "prepared":
                self._crew.moves.ready(member, head["station"])
            case "done" if self._switch is not None:
                self._switch.answered(member, head["id"], head["error"])

    def _forward(
        self, member: Member, head: dict[str, Any], body: bytes, clock_offset_s: float
    ) -> None:
        record = member.records.get(head["station"])
        if record is None:
            return  # a station that it should not have any more
        size = head.get("json", len(body))
        encoded = Encoded(head["type"], head["station"], body[:size], body[size:])
        if encoded.type in ("source", "status"):
            encoded = self._stamp.stamped(record, encoded)
        record.take(head, encoded, clock_offset_s)
        self._publish(encoded)

    def lose(self, record: StationRecord, why: str) -> None:
        """See :meth:`streamgenre.supervisor.endings.Endings.lose`."""
        self._endings.lose(record, why)

    def _say(self, record: StationRecord) -> None:
        """Publish the status of a station without a worker."""
        self._publish(Encoded.of(self._stamp.status(record, record.status())))

    def _end_all(self) -> None:
        """End all workers, and what they could not end themselves."""
        ends = time.monotonic() + _STOP_S
        for record in self._open():
            member = self._crew.member(record.worker)
            if member is None or not member.running:
                self._endings.finish(record, "stopped")
        self._crew.stop()
        while self._crew.running and time.monotonic() < ends:
            self._read(min(0.05, max(0.0, ends - time.monotonic())))
            self._crew.lifecycle.reap()
        self._crew.kill()
        for record in self._open():
            self._endings.finish(record, "did not stop in time")
        os.close(self._wake)
        self._wake = -1

    # ---- requests -------------------------------------------------------------------------------

    def call(self, function: Callable[[], None]) -> None:
        """See :meth:`streamgenre.supervisor.host.Host.call`."""
        self._calls.append(function)
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    def describe(self) -> dict[str, Any]:
        """See :meth:`streamgenre.supervisor.host.Host.describe`."""
        return {
            "uptime_s": self._stamp.uptime_s,
            "stations": [record.describe() for record in self._records.values()],
            "workers": self._crew.describe(),
        }

    def reset(self, station: str) -> None:
        """See :meth:`streamgenre.supervisor.host.Host.reset`."""
        there = {record.name: record for record in self._open()}
        if station not in there:
            raise unknown_station(station, there)
        self._crew.send(
            self._crew.member(there[station].worker), {"do": "reset", "station": station}
        )

    def use_model(self, name: str, station: str | None = None) -> None:
        """See :meth:`streamgenre.supervisor.host.Host.use_model`."""
        switch = ModelSwitch(name, {each.name: each.settings for each in self._open()}, station)

        def begin() -> None:
            self._switch = switch
            switch.begin(self._crew.members, self._open(), self._crew.send)

        self.call(begin)
        switch.wait()
