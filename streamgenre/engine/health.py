"""Health of the daemon and its helper processes: CPU, memory, files, threads, uptime, latency."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LATENCIES: Final = 600
"""Latencies kept: those of ten minutes of one station."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """One measurement of the daemon's process."""

    uptime_s: float
    """Seconds since the start."""
    cpu_share: float
    """CPU time over wall time since the previous measurement; 1 is one full core."""
    rss_bytes: int
    """Resident memory in bytes, including the unshared memory of helper processes."""
    open_files: int
    """Open file descriptors."""
    threads: int
    """Threads, including those of libraries."""


class Health:
    """Measures this process and its helpers.

    Parameters
    ----------
    helpers
        Returns the process ids of the helpers that run now.
    """

    def __init__(self, helpers: Callable[[], Iterable[int]] = tuple) -> None:
        self._helpers = helpers
        self._helpers_cpu: dict[int, float] = {}  # seconds at the last measurement, by process id
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
        """Measure and return the vitals."""
        now, cpu = time.monotonic(), time.process_time()
        elapsed = max(now - self._measured, 1e-3)
        helpers_cpu, helpers_rss = self._measure_helpers()
        share = (cpu - self._cpu + helpers_cpu) / elapsed
        self._measured, self._cpu = now, cpu
        return Vitals(
            uptime_s=round(now - self._started, 3),
            cpu_share=round(share, 5),
            rss_bytes=self._process.memory_info().rss + helpers_rss,
            open_files=self._process.num_fds(),
            threads=self._process.num_threads(),
        )

    def _measure_helpers(self) -> tuple[float, int]:
        """Return the CPU seconds since the last measurement, and the memory in bytes."""
        used, rss = 0.0, 0
        before, self._helpers_cpu = self._helpers_cpu, {}
        for pid in self._helpers():
            with suppress(psutil.Error):  # it has just ended
                helper = psutil.Process(pid)
                times, memory = helper.cpu_times(), helper.memory_info()
                self._helpers_cpu[pid] = times.user + times.system
                used += self._helpers_cpu[pid] - before.get(pid, 0.0)
                rss += memory.rss - getattr(memory, "shared", 0)
        return used, rss


class Latencies:
    """Latencies of the last updates."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_LATENCIES)

    def add(self, seconds: float) -> None:
        """Add the latency of one update in seconds."""
        self._seconds.append(seconds)

    def percentiles_ms(self) -> dict[str, float] | None:
        """Return ``p50``, ``p99`` and ``max`` in milliseconds; None where there are none."""
        if not self._seconds:
            return None
        ordered = sorted(self._seconds)
        last = len(ordered) - 1
        places = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        return {name: round(1000 * ordered[round(p * last)], 3) for name, p in places.items()}
