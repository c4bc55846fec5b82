"""The machines of a cluster, and which of them has room for a worker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamgenre.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_AVOIDED_S: Final = 60.0
"""Seconds for which a machine whose worker gave no sign of life gets no other one."""
_SHRINK_S: Final = 600.0
"""Seconds after which there are fewer workers because there are fewer CPUs."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of the cluster."""

    name: str
    workers: int
    """How many workers it has CPUs for."""


class Machines:
    """The living machines.

    Parameters
    ----------
    cpus
        CPUs that one worker takes, greater than 0.
    """

    def __init__(self, cpus: float) -> None:
        self._cpus = cpus
        self.workers = 0
        """How many workers there should be."""
        self._short_since = 0.0  # monotonic seconds
        self._living: dict[str, Machine] = {}
        self._avoided: dict[str, float] = {}  # monotonic seconds of the end

    def look(self, nodes: Iterable[Mapping[str, Any]]) -> None:
        """Take what Ray says of its nodes; log which have joined or left."""
        found = {
            node["NodeID"]: Machine(
                node["NodeManagerHostname"],
                int(node["Resources"].get("CPU", 0) / self._cpus + 1e-9),
            )
            for node in nodes
            if node["Alive"]
        }
        if self._living:
            for key in found.keys() - self._living.keys():
                _log.info("machine %s has joined the cluster", found[key].name)
            for key in self._living.keys() - found.keys():
                _log.warning("machine %s has left the cluster", self._living[key].name)
        self._living = found
        self._count(sum(machine.workers for machine in found.values()))

    def _count(self, room: int) -> None:
        """Follow the number of workers that there are CPUs for: up at once, down after a while.

        When a machine is lost its workers go on beside the others, for which there may be no CPU:
        a worker that is ended costs its stations a second gap.
        """
        now = time.monotonic()
        if room >= self.workers or now - self._short_since > _SHRINK_S:
            self.workers = room
        if room >= self.workers:
            self._short_since = now

    def name(self, node: str | None) -> str:
        """Return the name of a machine."""
        machine = self._living.get(node or "")
        return machine.name if machine else "?"

    def avoid(self, node: str | None) -> None:
        """Place nothing on a machine for a while, if there are others."""
        if node is not None:
            self._avoided[node] = time.monotonic() + _AVOIDED_S

    def is_avoided(self, node: str | None) -> bool:
        """Whether a machine is avoided, or gone."""
        return node not in self._living or self._avoided.get(node, 0.0) > time.monotonic()

    def emptiest(self, there: Iterable[str | None]) -> tuple[str | None, bool]:
        """Return the machine with most room for a worker, and whether it has a free CPU for it.

        Parameters
        ----------
        there
            The machine of each worker.

        Returns
        -------
        node : str or None
            Ray's identifier of the machine; None if none is known.
        room : bool
            Whether it has CPUs for another worker.
        """
        free = {key: machine.workers for key, machine in self._living.items()}
        for node in there:
            if node in free:
                free[node] -= 1
        if not free:
            return None, False
        chosen = max(free, key=lambda key: (not self.is_avoided(key), free[key]))
        return chosen, free[chosen] > 0
