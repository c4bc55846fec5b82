"""The workers of a daemon, from the status events of its stations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WORKER_FIELDS: Final = (
    *("worker", "worker_cpu_share", "worker_rss_bytes", "worker_restarts", "station_cpu_share"),
)
"""Fields of a status event about the station's worker."""


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker, as its stations report it."""

    name: str
    """Its name."""
    stations: int
    """Number of its stations."""
    cpu_share: float
    """CPU time over wall time; 1 is one core."""
    rss_bytes: int
    """Resident memory in bytes."""
    restarts: int
    """How often it was replaced."""

    def __str__(self) -> str:
        stations = f"{self.stations} station{'' if self.stations == 1 else 's'}"
        text = f"{stations}, {100 * self.cpu_share:.0f} % of a core, {self.rss_bytes / 1e6:.0f} MB"
        if self.restarts:
            text += f", replaced {self.restarts} time{'' if self.restarts == 1 else 's'}"
        return text


def workers_of(stations: Iterable[Mapping[str, Any]]) -> list[WorkerView]:
    """Return the workers by name; none where the daemon has none.

    Parameters
    ----------
    stations
        For each station the fields :data:`WORKER_FIELDS` of its newest status.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for station in stations:
        if station.get("worker") is not None:
            found.setdefault(str(station["worker"]), []).append(station)
    return [
        WorkerView(
            name,
            len(own),
            max(each.get("worker_cpu_share") or 0.0 for each in own),
            max(each.get("worker_rss_bytes") or 0 for each in own),
            max(each.get("worker_restarts") or 0 for each in own),
        )
        for name, own in sorted(found.items(), key=lambda item: (len(item[0]), item[0]))
    ]
