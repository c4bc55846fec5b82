"""The status event: the condition of the daemon and of one station."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from streamgenre.events.event import Event
from streamgenre.events.field_types import (
    MAX_SECONDS,
    Count,
    HistoryState,
    Latency,
    Name,
    Seconds,
    Share,
    SourceState,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Event):
    """The condition of the daemon and one station; sent at least every 10 s and at the end."""

    TYPE = "status"

    uptime_s: Seconds
    """Seconds since the daemon started."""
    input: str
    """Name of the input, without credentials."""
    source_state: SourceState
    """State of the source."""
    samples: Count
    """Samples captured since the session began, at the rate of the source."""
    samples_lost: Count
    """Samples known to be lost since the session began, at the rate of the source."""
    samples_replaced: Count
    """Samples that were NaN or infinite and were replaced by 0."""
    updates: Count
    """Updates sent since the session began."""
    last_frame_age_s: Seconds | None
    """Seconds since the newest captured samples arrived; None before the first."""
    latency_ms: Annotated[dict[str, float], Latency] | None
    """Time in ms from the arrival of a hop's last sample until its update is sent, over the last
    updates; None before the first."""
    cpu_share: Share
    """CPU time of the daemon, its workers and its helper processes over wall time since the last
    status; 1 is one full core."""
    rss_bytes: Count
    """Resident memory of the daemon and its workers in bytes, plus the unshared memory of their
    helper processes."""
    model: str
    """Name of the model."""
    model_sha256: Annotated[str, ("pattern", "^[0-9a-f]{64}$")]
    """SHA-256 of the model's weights file; of a taught model, of all that its answers depend on."""
    subscribers: Count = 0
    """Connections with at least one subscription."""
    subscribers_slow: Count = 0
    """Those of them that have not taken what was sent to them for a second or more."""
    events_dropped: Count = 0
    """Events since the daemon's start that at least one subscriber may have lost because a queue
    was full."""
    connections_refused: Count = 0
    """Connections since the daemon's start that did not speak ZeroMQ, had no allowed key, or
    exceeded a limit."""
    open_files: Count = 0
    """Open files, sockets and pipes of the daemon and its workers; 0 if the daemon is too old to
    report it."""
    threads: Count = 0
    """Threads of the daemon and its workers; 0 if the daemon is too old to report it."""
    clock_drift_ppm: (
        Annotated[float, ("minimum", -1_000_000_000), ("maximum", 1_000_000_000)] | None
    ) = None
    """How much faster the clock of the source runs than the system's, in parts per million, over up
    to the last hour without a loss; None until it is measured, which takes five minutes."""
    clock_steps: Count = 0
    """Number of times that the system's clock was set since the session began, or that the machine
    slept. What was open then (segment, dead air) ended at the last time of the old clock; times
    after this status are by the new one."""
    clock_step_s: Annotated[float, ("minimum", -MAX_SECONDS), ("maximum", MAX_SECONDS)] | None = (
        None
    )
    """By how many seconds the system's clock was set the last time, negative where it was set back;
    None if it was not set since the session began."""
    history: Annotated[dict[str, Any], HistoryState] | None = None
    """State of the history: ``problem`` in words, rows ``buffered`` for the disk, rows ``lost``,
    and ``set_aside``, the name of a broken file; None where no history is kept."""
    worker: Name | None = None
    """Name of the worker process that listens to the station; None where the daemon itself does, or
    while it waits for one."""
    worker_cpu_share: Share | None = None
    """CPU time of that worker and its helper processes over wall time; None without a worker."""
    worker_rss_bytes: Count | None = None
    """Resident memory of that worker in bytes; None without a worker."""
    worker_restarts: Count | None = None
    """How often that worker was replaced since the daemon's start; None without a worker."""
    station_cpu_share: Share | None = None
    """CPU time that the station takes over wall time, as its worker measured it; None without a
    worker, and until it is measured."""
    removed: bool = False
    """Whether the station was removed from the daemon, for instance by a reload; then this is its
    last event."""
