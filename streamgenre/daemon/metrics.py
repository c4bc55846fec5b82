"""Prometheus metrics as a sink: computed from the daemon's events and served over HTTP.

A series is there only while its value is true: what describes the sound of a station is absent
while the station is not live, and everything of a station that was removed.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from streamgenre import __version__
from streamgenre.bus.endpoints import address_problem, http_address
from streamgenre.daemon.metrics_server import HttpServer
from streamgenre.daemon.sinks import Sink
from streamgenre.errors import SettingsError
from streamgenre.events import DeadAir, Gap, Segment, SourceChange, Status, Update
from streamgenre.events.json_text import encodable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamgenre.events import AnyEvent

    Family = CounterMetricFamily | GaugeMetricFamily

STATES: Final = ("music", "speech", "noise", "silence", "unknown")
SOURCE_STATES: Final = ("connecting", "live", "lost", "ended")
_STALE_S: Final = 30.0
"""Seconds after which an update no longer says what is heard now, or three times the time between
updates if that is longer."""
_CACHE_S: Final = 1.0
"""Longest time that a text is served again when no event has come meanwhile."""


@dataclass(slots=True)
class _Station:
    """The latest events and the counts of one station."""

    update: Update | None = None
    status: Status | None = None
    source_state: str = ""
    """Empty until the daemon sets it."""
    updates: int = 0
    gaps: Counter[str] = field(default_factory=Counter)
    """By reason."""
    lost_s: float = 0.0
    dead_air: bool = False
    segments: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By state and genre."""
    last_update: float = 0.0
    """UNIX seconds of the newest update."""
    updated: float = 0.0
    """Monotonic time of the newest update."""
    interval_s: float = 0.0
    """Seconds between the two newest updates."""

    @property
    def live(self) -> bool:
        """Whether the newest update says what is heard now."""
        fresh = time.monotonic() - self.updated < max(_STALE_S, 3 * self.interval_s)
        return self.source_state in ("", "live") and fresh

    def take(self, update: Update) -> None:
        """Take an update."""
        now = time.monotonic()
        self.interval_s = now - self.updated if self.updates else 0.0
        self.update, self.updated, self.last_update = update, now, update.time
        self.updates += 1


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
                    station.take(event)
                case Status() if event.removed:
                    del self._stations[event.station]
                case Status():
                    station.status = event
                    station.source_state = event.source_state
                case SourceChange():
                    if event.state != station.source_state:
                        station.update, station.dead_air = None, False
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
        families: dict[str, tuple[Family, set[tuple[str, ...]]]] = {}

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
        gauge("build_info", "Version of the daemon", 1, version=__version__)
        if latest is not None:
            _of_daemon(latest, gauge, counter)
        return [family for family, _ in families.values()]


def _of_station(name: str, station: _Station, gauge: Any, counter: Any) -> None:
    for state in SOURCE_STATES:
        on = float((station.source_state or "connecting") == state)
        gauge("source_state", "1 for the state of the source", on, station=name, state=state)
    counter("updates", "Updates sent", station.updates, station=name)
    for reason, count in station.gaps.items():
        counter("gaps", "Gaps in the audio", count, station=name, reason=reason)
    counter("lost_seconds", "Audio known to be lost in seconds", station.lost_s, station=name)
    for (state, genre), count in station.segments.items():
        counter("segments", "Finished segments", count, station=name, state=state, genre=genre)
    if station.last_update:
        text = "UNIX seconds of the newest update"
        gauge("last_update_timestamp_seconds", text, station.last_update, station=name)
    if station.update is not None and station.live:
        _of_sound(name, station.update, station, gauge)
    if (status := station.status) is not None:
        text = "Model in use"
        gauge("model_info", text, 1, station=name, model=status.model, sha256=status.model_sha256)


def _of_sound(name: str, update: Update, station: _Station, gauge: Any) -> None:
    """Add what describes the sound that is heard now."""
    gauge("dead_air", "1 during dead air", station.dead_air, station=name)
    for state in STATES:
        on = float(update.state == state)
        gauge("state", "1 for the state that holds", on, station=name, state=state)
    for genre, probability in update.smoothed.items():
        text = "Smoothed probability of each genre, 0 to 1"
        gauge("probability", text, probability, station=name, genre=genre)
    for tag, probability in (update.tags or {}).items():
        text = "Smoothed probability of the likeliest tags, 0 to 1"
        gauge("tag_probability", text, probability, station=name, tag=tag)
    gauge("confidence", "Smoothed probability of the decision", update.confidence, station=name)
    if update.level_dbfs is not None:
        text = "RMS level in dB relative to full scale; absent during digital silence"
        gauge("level_dbfs", text, update.level_dbfs, station=name)
    latency = (station.status.latency_ms if station.status else None) or {}
    for statistic, ms in latency.items():
        text = "Time from the last sample of a hop to its update in seconds, over the last updates"
        gauge("latency_seconds", text, ms / 1000, station=name, statistic=statistic)


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
    families: dict[str, tuple[Family, set[tuple[str, ...]]]],
    kind: type[Family],
    name: str,
    text: str,
    value: float,
    labels: dict[str, str],
) -> None:
    if name not in families:
        families[name] = kind(name, text, labels=tuple(labels)), set()
    family, there = families[name]
    values = tuple(map(encodable, labels.values()))
    # One series twice, or one that is no number, would cost the whole scrape.
    if values not in there and math.isfinite(value):
        there.add(values)
        family.add_metric(values, value)


class MetricsServer(Sink):
    """Serves the metrics of one daemon over HTTP, in a thread of its own.

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
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._metrics)
        self._changes = 0
        self._cached: tuple[int, float, bytes] = (-1, 0.0, b"")

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
        try:
            self._server = HttpServer(self._host, self.port, self._text)
        except OSError as error:
            raise SettingsError(
                f"--metrics {self._where}: {error.strerror or error}; take another port"
            ) from error
        self._host, self.port = self._server.address

    def take(self, event: AnyEvent) -> None:
        """Take an event of the daemon."""
        self._metrics.take(event)
        self._changes += 1

    def forget(self, station: str) -> None:
        """Drop the metrics of a station."""
        self._metrics.forget(station)
        self._changes += 1

    def stop(self) -> None:
        """Close the port."""
        self._server.stop()

    def _text(self) -> bytes:
        """Return the metrics; computed once for each event, however often clients ask."""
        changes, now = self._changes, time.monotonic()
        known, ends, text = self._cached
        if known != changes or now >= ends:
            text = generate_latest(self._registry)
            self._cached = changes, now + _CACHE_S, text
        return text
