"""What the stations publish when the system's clock is set.

No segment, title, dead air or gap may have its start by one clock and its end by another: it would
last for months, or for less than nothing. Each station therefore publishes, in this order,

1. the end of its segment and of its dead air, at the last time of the old clock,
2. a status with ``clock_steps`` and ``clock_step_s``,
3. its title and its dead air once more, if they go on; the next update begins a segment.

Model and decision go on, since the audio has no gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgenre.engine.runner import decide_and_publish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamgenre.engine.faults import Faults
    from streamgenre.engine.runner import StationRunner
    from streamgenre.engine.status_reports import StatusReports
    from streamgenre.inference.dead_air import Silence


def follow_clock(
    runners: Sequence[StationRunner], step: float, status: StatusReports, faults: Faults
) -> None:
    """End what is open by the old clock, and begin it again by the new one.

    Parameters
    ----------
    runners
        Stations that have not ended; those that do not play in real time have a clock of their own.
    step
        By how many seconds the clock was set.
    status
        Sends the status of the stations in between.
    faults
        Confines errors to their station.
    """
    runners = [runner for runner in runners if runner.station.source.real_time]
    decide_and_publish(runners)  # the hops that are complete
    going_on: dict[StationRunner, list[Silence]] = {}
    for runner in runners:
        with faults.confined(f"{runner.name}, following the system's clock,"):
            going_on[runner] = runner.clock_was_set(step)
    status.send(runners)
    for runner, silences in going_on.items():
        with faults.confined(f"{runner.name}, following the system's clock,"):
            runner.continue_by_new_clock(silences)
