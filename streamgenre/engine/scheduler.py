"""Scheduler of the engine: which hops are complete, and when the models are run over them.

A round takes at most one hop from every station, runs each model once over those that share it,
decides, and sends the events. Stations are out of step with each other; hops that are complete wait
up to ``GATHER_S`` for others, or until a batch is full, so that the model is run for several at a
time. Between rounds there is a pause until the next hop can be complete.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from streamgenre.engine.batch import decide
from streamgenre.engine.runner import LONGEST_POLL_S, POLL_S
from streamgenre.inference.models import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamgenre.engine.runner import StationRunner

GATHER_S: Final = 0.05
"""Longest time that a complete hop waits for those of other stations."""


class Scheduler:
    """Takes rounds, in the engine's thread.

    Parameters
    ----------
    runners
        The stations at work, as they are at any time: they come and go.
    """

    def __init__(self, runners: Sequence[StationRunner]) -> None:
        self._runners = runners
        self._gather_until = 0.0

    def take(self) -> bool:
        """Take at most one hop of every station; return whether there was anything to do."""
        now = time.monotonic()
        progressed = False
        ready = [runner for runner in self._runners if runner.hop is not None]
        if not ready:
            self._gather_until = now + GATHER_S
        due = [runner for runner in self._runners if runner.listening and runner.look_at <= now]
        for runner in sorted(due, key=lambda runner: runner.look_at):
            if len(ready) >= MAX_ROWS:
                break  # a run of the model is full: nobody in it waits for the others
            progressed |= runner.look(now)
            if runner.hop is not None:
                ready.append(runner)
        full = len(ready) >= MAX_ROWS
        if ready and (full or now >= self._gather_until or not self._others_soon(ready)):
            decide(ready)
            progressed = True
        return progressed and not (ready and ready[0].hop is not None)

    def _others_soon(self, ready: list[StationRunner]) -> bool:
        """Whether it is worth waiting for the hops of other stations."""
        if any(
            not runner.station.source.real_time or runner.station.due_s() <= 0 for runner in ready
        ):
            return False  # behind this hop the next one is complete already
        return any(
            runner.listening
            and runner.station.source.state == "live"
            and runner.look_at < self._gather_until
            for runner in self._runners
        )

    def pause_s(self) -> float:
        """Return how long nothing can be due, in seconds."""
        now = time.monotonic()
        at_work = [runner for runner in self._runners if not runner.ended]
        times = [runner.look_at for runner in at_work if runner.hop is None]
        if len(times) < len(at_work):
            times.append(self._gather_until)
        least = min((runner.poll_s for runner in at_work), default=POLL_S)
        return max(least, min([LONGEST_POLL_S, *(at - now for at in times)]))
