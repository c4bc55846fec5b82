"""Which worker listens to which station: by measured cost, and moved only when that pays.

The cost of a station is the share of a core that it takes. It is measured in its worker; until then
the mean of the measured stations of its kind counts (a file or a stream, and its model), else a
guess. Stations of one model stay together until they fill a batch, because one run of a model then
serves several.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from streamgenre.inference.models import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streamgenre.engine.settings import EngineSettings

Kind: TypeAlias = tuple[str, bool]
"""Model of a station, and whether it plays files."""

GUESS: Final = 0.02
"""Cost of a station of which nothing is known, as a share of a core."""
MIN_STATIONS: Final = 16
"""Fewest stations for which ``auto`` starts workers."""
_TOGETHER: Final = 0.05
"""Share of a core by which a worker may be busier than another and still get a station, if its
batches of the station's model are not full."""
BUSY: Final = 0.7
"""Load from which on a worker gives stations away."""
_GAIN: Final = 0.2
"""Least share of a core by which two workers' loads must come closer for a move to pay."""
MAX_MOVES: Final = 4
"""Most stations that move at once."""


@dataclass(slots=True)
class Load:
    """A worker as the placement sees it."""

    name: str
    stations: dict[str, Kind] = field(default_factory=dict)
    """Kinds of its stations by name."""

    def count(self, model: str) -> int:
        """Return how many of its stations use a model."""
        return sum(kind[0] == model for kind in self.stations.values())


class Costs:
    """Costs of stations, measured or estimated."""

    def __init__(self) -> None:
        self._measured: dict[str, tuple[Kind, float]] = {}

    def measured(self, station: str, kind: Kind, share: float) -> None:
        """Take a measurement; it counts with those before.

        Parameters
        ----------
        station
            Name of the station.
        kind
            Its kind.
        share
            Share of a core that it took lately.
        """
        before = self._measured.get(station)
        if before is not None and before[0] == kind:
            share = before[1] + 0.3 * (share - before[1])
        self._measured[station] = kind, share

    def forget(self, station: str) -> None:
        """Drop the measurements of a station."""
        self._measured.pop(station, None)

    def of(self, station: str, kind: Kind) -> float:
        """Return the cost of a station: its own, else the mean of its kind.

        Parameters
        ----------
        station
            Name of the station.
        kind
            Its kind.
        """
        own = self._measured.get(station)
        if own is not None and own[0] == kind:
            return own[1]
        alike = [share for other, share in self._measured.values() if other == kind]
        return sum(alike) / len(alike) if alike else GUESS

    def load(self, worker: Load) -> float:
        """Return the load of a worker, as a share of a core."""
        return sum(self.of(name, kind) for name, kind in worker.stations.items())


def worker_count(settings: EngineSettings, stations: int) -> int:
    """Return how many workers the settings mean; 0 for none.

    Parameters
    ----------
    settings
        The engine's settings.
    stations
        Number of stations.
    """
    if isinstance(settings.workers, int):
        return settings.workers
    cores = len(os.sched_getaffinity(0))
    if stations < MIN_STATIONS or cores < 2:
        return 0
    return min(cores, stations // (MIN_STATIONS // 2))


def place(station: str, kind: Kind, workers: Sequence[Load], costs: Costs) -> Load:
    """Return the worker for a new station.

    Parameters
    ----------
    station
        Name of the station.
    kind
        Its kind.
    workers
        The workers to choose from, at least one.
    costs
        The costs.
    """
    loads = {worker.name: costs.load(worker) for worker in workers}
    least = min(loads.values())

    def order(worker: Load) -> tuple[bool, float, int]:
        load = loads[worker.name]
        open_batch = worker.count(kind[0]) % MAX_ROWS != 0 and load <= least + _TOGETHER
        return not open_batch, load, len(worker.stations)

    return min(workers, key=order)


def place_all(
    stations: Mapping[str, Kind], workers: Sequence[Load], costs: Costs
) -> dict[str, Load]:
    """Return the worker of each of many new stations, and add them to the workers.

    Parameters
    ----------
    stations
        Kinds of the stations by name.
    workers
        The workers.
    costs
        The costs.
    """
    chosen = {}
    by_model = sorted(stations.items(), key=lambda item: (item[1], -costs.of(*item)))
    for name, kind in by_model:
        worker = chosen[name] = place(name, kind, workers, costs)
        worker.stations[name] = kind
    return chosen


def moves(
    workers: Sequence[Load], costs: Costs, movable: Iterable[str]
) -> list[tuple[str, Load, Load]]:
    """Return the stations that are worth moving, each with the workers from and to.

    Parameters
    ----------
    workers
        The workers.
    costs
        The costs.
    movable
        Names of the stations that lose little by a move: live ones.
    """
    found: list[tuple[str, Load, Load]] = []
    if len(workers) < 2:
        return found
    movable = set(movable)
    while len(found) < MAX_MOVES:
        ordered = sorted(workers, key=costs.load)
        least, most = ordered[0], ordered[-1]
        apart = costs.load(most) - costs.load(least)
        if costs.load(most) < BUSY or apart < _GAIN:
            return found
        # The one that brings the two closest to each other.
        fitting = [
            (abs(apart - 2 * costs.of(name, kind)), name)
            for name, kind in most.stations.items()
            if name in movable and 2 * costs.of(name, kind) < 2 * apart - _GAIN
        ]
        if not fitting:
            return found
        name = min(fitting)[1]
        least.stations[name] = most.stations.pop(name)
        movable.discard(name)
        found.append((name, most, least))
    return found
