"""Prometheus metrics as a sink: computed from the daemon's events and served over HTTP."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from streamgenre.bus.endpoints import address_problem, http_address
from streamgenre.daemon.sinks import Sink
from streamgenre.errors import SettingsError
from streamgenre.events import DeadAir, Gap, Segment, SourceChange, Status, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamgenre.events import AnyEvent

    Family = CounterMetricFamily | GaugeMetricFamily

STATES: Final = ("music", "speech", "silence", "unknown")
SOURCE_STATES: Final = ("connecting", "live", "lost", "ended")


@dataclass(slots=True)
class _Station:
    """The latest events and the counts of one station."""

    update: Update | None = None
    status: Status | None = None
    source_state: str = "connecting"
    updates: int = 0
    gaps: Counter[str] = field(default_factory=Counter)
    """By reason."""
    lost_s: float = 0.0
    dead_air: bool = False
    segments: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By state and genre."""


class Metrics:
    """A Prometheus collector of events; its memory is bounded by stations and genres."""

    def __init__(self) -> None:
        self._stations: dict[str, _Station] = {}
        self._lock = threading.Lock()

    def take(self, event: AnyEvent) -> None:
        """Take an event of the daemon; one thread at a time."""
        with self._lock:
            station = self._stations.setdefault(event.station, _Station())
            match event:
                case Update():
                    station.update = event
                    station.updates += 1
                case Status():
                    station.status = event
                    station.source_state = event.source_state
                case SourceChange():
                    station.source_state = event.state
                case Gap():
                    station.gaps[event.reason] += 1
                    station.lost_s += event.seconds
                case DeadAir():
                    station.dead_air = event.active
                case Segment():
                    station.segments[event.state, event.genre or ""] += 1

    def forget(self, station: str) -> None:
        """Drop the metrics of a station."""
        with self._lock:
            self._stations.pop(station, None)

    def collect(self) -> Iterable[Family]:
        """Return the metrics as they are now; called by Prometheus's client library."""
        families: dict[str, Family] = {}

        def gauge(name: str, text: str, value: float, **labels: str) -> None:
            _add(families, GaugeMetricFamily, f"streamgenre_{name}", text, value, labels)

        def counter(name: str, text: str, value: float, **labels: str) -> None:
            _add(families, CounterMetricFamily, f"streamgenre_{name}", text, value, labels)

        with self._lock:
            for name, station in self._stations.items():
                _of_station(name, station, gauge, counter)
            latest = max(
                (s.status for s in self._stations.values() if s.status is not None),
                key=lambda status: status.uptime_s,
                default=None,
            )
        if latest is not None:
            _of_daemon(latest, gauge, counter)
        return families.values()


def _of_station(name: str, station: _Station, gauge: Any, counter: Any) -> None:
    counter("updates", "Updates sent", station.updates, station=name)
    for state in SOURCE_STATES:
        on = float(station.source_state == state)
        gauge("source_state", "1 for the state of the source", on, station=name, state=state)
    for reason, count in station.gaps.items():
        counter("gaps", "Gaps in the audio", count, station=name, reason=reason)
    counter("lost_seconds", "Audio known to be lost in seconds", station.lost_s, station=name)
    for (state, genre), count in station.segments.items():
        counter("segments", "Finished segments", count, station=name, state=state, genre=genre)
    gauge("dead_air", "1 during dead air", station.dead_air, station=name)
    update, status = station.update, station.status
    if update is not None:
        for state in STATES:
            on = float(update.state == state)
            gauge("state", "1 for the state that holds", on, station=name, state=state)
        for genre, probability in update.smoothed.items():
            text = "Smoothed probability of each genre, 0 to 1"
            gauge("probability", text, probability, station=name, genre=genre)
        gauge("confidence", "Smoothed probability of the decision", update.confidence, station=name)
        level = float("-inf") if update.level_dbfs is None else update.level_dbfs
        gauge("level_dbfs", "RMS level in dB relative to full scale", level, station=name)
        text = "UNIX seconds of the newest update"
        gauge("last_update_timestamp_seconds", text, update.time, station=name)
    if status is not None:
        for quantile, ms in (status.latency_ms or {}).items():
            text = "Time from the last sample of a hop to its update in seconds"
            gauge("latency_seconds", text, ms / 1000, station=name, quantile=quantile)
        text = "Model in use"
        gauge("model_info", text, 1, station=name, model=status.model, sha256=status.model_sha256)


def _of_daemon(status: Status, gauge: Any, counter: Any) -> None:
    gauge("uptime_seconds", "Seconds since the daemon started", status.uptime_s)
    gauge("cpu_share", "CPU time over wall time, 1 is one core", status.cpu_share)
    gauge("resident_memory_bytes", "Resident memory of the daemon", status.rss_bytes)
    gauge("open_files", "Open files, sockets and pipes", status.open_files)
    gauge("threads", "Threads", status.threads)
    gauge("subscribers", "Connections to the bus", status.subscribers)
    gauge(
        "subscribers_slow",
        "Connections that have taken nothing for a second or more",
        status.subscribers_slow,
    )
    counter(
        "events_dropped", "Events that at least one subscriber may have lost", status.events_dropped
    )
    counter("connections_refused", "Connections refused", status.connections_refused)


def _add(
    families: dict[str, Family],
    kind: type[Family],
    name: str,
    text: str,
    value: float,
    labels: dict[str, str],
) -> None:
    family = families.get(name)
    if family is None:
        family = families[name] = kind(name, text, labels=tuple(labels))
    family.add_metric(tuple(labels.values()), value)


class MetricsServer(Sink):
    """Serves the metrics of one daemon over HTTP, in threads of its own.

    Parameters
    ----------
    where
        ``HOST:PORT`` or ``:PORT``; the host is 127.0.0.1 by default.
    warn
        Takes a line for the user.

    Raises
    ------
    SettingsError
        If the address is malformed.
    """

    def __init__(self, where: str, warn: Callable[[str], None]) -> None:
        address = http_address(where)
        if address is None:
            raise SettingsError(f"--metrics {where}: {address_problem(where)}")
        self._where = where
        self._host, self.port = address
        self._warn = warn
        self._metrics = Metrics()

    def start(self) -> None:
        """Open the port; :attr:`port` is then the one that was bound, where it was 0.

        Raises
        ------
        SettingsError
            If the port is in use.
        """
        if self._host not in ("127.0.0.1", "::1", "localhost"):
            self._warn(
                f"--metrics {self._where}: anyone who reaches this port can read the metrics"
            )
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self._metrics)
        try:
            self._server, self._thread = start_http_server(self.port, self._host, registry)
        except OSError as error:
            raise SettingsError(
                f"--metrics {self._where}: {error.strerror or error}; take another port"
            ) from error
        self.port = self._server.server_port

    def take(self, event: AnyEvent) -> None:
        """Take an event of the daemon."""
        self._metrics.take(event)

    def forget(self, station: str) -> None:
        """Drop the metrics of a station."""
        self._metrics.forget(station)

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
