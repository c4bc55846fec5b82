"""One worker as its supervisor sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streamgenre.supervisor.placement import Load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamgenre.supervisor.launching import Handle
    from streamgenre.supervisor.record import StationRecord

HANG_S: Final = 10.0
"""Seconds without a heartbeat after which a worker counts as hung."""
START_S: Final = 60.0
"""The same until its first heartbeat: it loads libraries."""
_MEASURED_S: Final = 4.0
"""Shortest time over which costs are measured."""


class Member:
    """A worker: a process that may be replaced, and its stations.

    Parameters
    ----------
    name
        Its name.
    apart
        Whether its stations are under suspicion, so that no others are placed here.
    """

    def __init__(self, name: str, *, apart: bool = False) -> None:
        self.name = name
        self.apart = apart
        self.handle: Handle | None = None
        """The running worker; None while it waits to be started."""
        self.records: dict[str, StationRecord] = {}
        """Its stations by name."""
        self.restarts = -1
        """How often it was replaced; -1 before its first start."""
        self.start_at = 0.0
        """Monotonic seconds from which on it may be started."""
        self.started = 0.0
        """Monotonic seconds of its last start."""
        self.waits_because = ""
        """Why it is not started yet, in words."""
        self.retiring = False
        """Whether it is to end once it has no station."""
        self.beat: Mapping[str, Any] = {}
        """The last heartbeat."""
        self._heard_s = 0.0  # of the supervisor's turn clock
        self._costs: tuple[float, float, dict[str, float]] | None = None

    @property
    def running(self) -> bool:
        """Whether a process runs."""
        return self.handle is not None

    def heard(self, turn_s: float) -> None:
        """Note that something came; ``turn_s`` is the time of the supervisor's turn clock."""
        self._heard_s = turn_s

    def hangs(self, turn_s: float) -> str:
        """Return in words that the worker hangs; empty if it does not.

        ``turn_s`` is the time of the supervisor's turn clock.
        """
        limit = HANG_S if self.beat else START_S
        if self.handle is None or turn_s - self._heard_s < limit:
            return ""
        return f"hangs: it gave no sign of life for {limit:g} s"

    def ended(self) -> None:
        """Note that the process has ended."""
        self.handle, self.beat, self._costs = None, {}, None

    def costs(self, beat: Mapping[str, Any], now: float) -> dict[str, float]:
        """Return the share of a core of each live station since the last call.

        What the worker does not know of a station (decoding) counts for all live ones alike.

        Parameters
        ----------
        beat
            A heartbeat with ``stations``.
        now
            Monotonic seconds.
        """
        before, own = self._costs, dict(beat["stations"])
        if before is not None and now - before[0] < _MEASURED_S:
            return {}
        self._costs = now, beat["cpu_s"], own
        if before is None:
            return {}
        elapsed = now - before[0]
        live = [
            name
            for name, record in self.records.items()
            if record.source_state == "live" and name in own and name in before[2]
        ]
        shares = {name: max(0.0, own[name] - before[2][name]) / elapsed for name in live}
        rest = max(0.0, (beat["cpu_s"] - before[1]) / elapsed - sum(shares.values()))
        return {name: share + rest / len(live) for name, share in shares.items()}

    def load(self) -> Load:
        """Return the worker as the placement sees it."""
        kinds = {name: record.kind for name, record in self.records.items() if not record.ended}
        return Load(self.name, kinds)

    def describe(self, now: float) -> dict[str, Any]:
        """Return its state as a JSON object; ``now`` is in monotonic seconds."""
        handle = self.handle
        return {
            "worker": self.name,
            "state": ("running" if self.beat else "starting") if handle else "waiting",
            "pid": handle.pid if handle else None,
            "node": handle.node if handle else None,
            "stations": len(self.records),
            "cpu_share": self.beat.get("cpu_share", 0.0),
            "rss_bytes": self.beat.get("rss_bytes", 0),
            "restarts": max(0, self.restarts),
            "uptime_s": round(now - self.started, 3) if handle else 0.0,
            "apart": self.apart,
            "problem": self.waits_because or None,
        }
