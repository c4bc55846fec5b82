"""What the daemon adds to the status events of its workers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from streamgenre.engine.faults import Faults
from streamgenre.engine.health import Health
from streamgenre.events import AnyEvent, SourceChange, Status
from streamgenre.events.encoded import Encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streamgenre.supervisor.crew import Crew
    from streamgenre.supervisor.record import StationRecord

_MEASURE_S: Final = 1.0
"""Seconds for which a measurement of the daemon's process is good."""
_LOOK_S: Final = 0.25
"""Seconds between two looks for stations without a worker whose status is due."""


class Stamp:
    """Completes the status events: the daemon with all its workers, the bus, and the worker.

    Parameters
    ----------
    period_s
        Seconds between two status events of a station.
    more
        Takes the name of a station and returns further fields of its status event.
    crew
        The workers.
    """

    def __init__(
        self, period_s: float, more: Callable[[str], Mapping[str, Any]], crew: Crew
    ) -> None:
        self._period_s = period_s
        self._more = more
        self._crew = crew
        self._faults = Faults()
        self._health = Health()
        self._vitals = self._health.measure()
        self._look_at = 0.0  # uptime
        self._sent: dict[str, float] = {}  # uptime at the last status of a station without a worker

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return self._health.uptime_s

    def stamped(self, record: StationRecord, encoded: Encoded) -> Encoded:
        """Return a status or a change of the source as it is published.

        Parameters
        ----------
        record
            The station.
        encoded
            The event as its worker sent it.
        """
        event = encoded.event
        assert isinstance(event, Status | SourceChange)
        changed: AnyEvent = record.patched(event)
        if isinstance(changed, Status):
            changed = self.status(record, changed)
        return encoded if changed is event else Encoded.of(changed)

    def status(self, record: StationRecord, status: Status) -> Status:
        """Return a status with what only the daemon knows.

        Parameters
        ----------
        record
            The station.
        status
            Its status as the worker sent it.
        """
        if self._health.age_s >= _MEASURE_S:
            self._vitals = self._health.measure()
        own = self._vitals
        beats = [member.beat for member in self._crew.members if member.beat]
        member = self._crew.member(record.worker)
        beat = member.beat if member else {}
        self._sent[record.name] = self._health.uptime_s
        return replace(
            status,
            uptime_s=self._health.uptime_s,
            cpu_share=round(own.cpu_share + sum(b["cpu_share"] for b in beats), 5),
            rss_bytes=own.rss_bytes + sum(b["rss_bytes"] for b in beats),
            open_files=own.open_files + sum(b["open_files"] for b in beats),
            threads=own.threads + sum(b["threads"] for b in beats),
            latency_ms=record.latencies.percentiles_ms(),
            removed=record.removing,
            worker=member.name if member else None,
            worker_cpu_share=beat.get("cpu_share"),
            worker_rss_bytes=beat.get("rss_bytes"),
            worker_restarts=max(0, member.restarts) if member else None,
            station_cpu_share=record.cpu_share,
            **self._more(record.name),
        )

    def send_if_due(
        self, records: Iterable[StationRecord], send: Callable[[StationRecord], None]
    ) -> None:
        """Send the status of stations that have no running worker, if it is time.

        Parameters
        ----------
        records
            The stations.
        send
            Sends the status of one.
        """
        now = self._health.uptime_s
        if now < self._look_at:
            return
        self._look_at = now + min(_LOOK_S, self._period_s)
        for record in records:
            member = self._crew.member(record.worker)
            if member is not None and member.beat:
                continue
            if now - self._sent.get(record.name, 0.0) >= self._period_s:
                with self._faults.confined(f"the status of {record.name}"):
                    send(record)
