"""When the status events of the stations are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streamgenre.engine.health import Health
from streamgenre.sources.device.client import helper_pids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streamgenre.engine.faults import Faults
    from streamgenre.engine.runner import StationRunner

FIRST_S: Final = 1.0
"""The first status comes early, but late enough to show more than the start-up."""


class StatusReports:
    """Measures the process and sends the status of each station, in the engine's thread.

    Parameters
    ----------
    period_s
        Seconds between two status events of a station.
    more
        Takes the name of a station and returns further fields of its status event.
    faults
        Confines errors: a status that cannot be sent ends nothing.
    """

    def __init__(
        self, period_s: float, more: Callable[[str], Mapping[str, Any]], faults: Faults
    ) -> None:
        self._period_s = period_s
        self._more = more
        self._faults = faults
        self._health = Health(helper_pids)
        self._vitals = self._health.measure()
        self._due_s = min(FIRST_S, period_s)

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return self._health.uptime_s

    def send_if_due(self, runners: Sequence[StationRunner]) -> None:
        """Send the status of these stations if it is time."""
        if self._health.age_s >= self._due_s:
            self._due_s = self._period_s
            self.send(runners)

    def send(self, runners: Sequence[StationRunner]) -> None:
        """Send the status of these stations."""
        if not runners:
            return
        with self._faults.confined("the measurement of the process"):
            self._vitals = self._health.measure()
        for runner in runners:
            removed = runner.ended and runner.removed and runner.on_closed is None
            with self._faults.confined(f"the status of {runner.name}"):
                more = self._more(runner.name)
                runner.report.status(self._vitals, more, removed=removed)
