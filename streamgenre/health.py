"""How the daemon is doing: CPU, memory, files, threads, uptime, latency."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Final

import psutil

_LATENCIES: Final = 600
"""Updates over which latencies are taken: ten minutes of one station."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """One measurement of the daemon's process."""

    uptime_s: float
    """Seconds since the start."""
    cpu_share: float
    """CPU time over wall time since the measurement before; 1 is one full core."""
    rss_bytes: int
    """Resident memory in bytes."""
    open_files: int
    """Open file descriptors."""
    threads: int
    """Threads, those of libraries included."""


class Health:
    """Measures this process."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._started = time.monotonic()
        self._measured = self._started
        self._cpu = time.process_time()

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return round(time.monotonic() - self._started, 3)

    @property
    def age_s(self) -> float:
        """Seconds since the last measurement."""
        return time.monotonic() - self._measured

    def measure(self) -> Vitals:
        """Return the vitals now."""
        now, cpu = time.monotonic(), time.process_time()
        elapsed = max(now - self._measured, 1e-3)
        share = (cpu - self._cpu) / elapsed
        self._measured, self._cpu = now, cpu
        return Vitals(
            uptime_s=round(now - self._started, 3),
            cpu_share=round(share, 5),
            rss_bytes=self._process.memory_info().rss,
            open_files=self._process.num_fds(),
            threads=self._process.num_threads(),
        )


class Latencies:
    """Latencies of the last updates."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_LATENCIES)

    def add(self, seconds: float) -> None:
        """Note the latency of one update in seconds."""
        self._seconds.append(seconds)

    def percentiles_ms(self) -> dict[str, float] | None:
        """Return ``p50``, ``p99`` and ``max`` in milliseconds; None where nothing was noted."""
        if not self._seconds:
            return None
        ordered = sorted(self._seconds)
        last = len(ordered) - 1
        places = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        return {name: round(1000 * ordered[round(p * last)], 3) for name, p in places.items()}
