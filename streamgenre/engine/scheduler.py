"""Scheduler of the engine: which stations are polled, and when the models are run.

A round takes at most one hop from every station, runs each model once for the stations that share
it, decides, and publishes the events. Stations are out of step with each other: a complete hop
waits up to ``GATHER_S`` for others, or until a batch is full, so that one run of the model serves
several. Between rounds there is a pause until the next hop can be complete.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from streamgenre.engine.poll_schedule import (
    LONGEST_IDLE_S,
    LONGEST_POLL_S,
    POLL_S,
    shortest_pause_s,
)
from streamgenre.engine.runner import decide_and_publish
from streamgenre.inference.models import MAX_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamgenre.engine.runner import StationRunner

GATHER_S: Final = 0.05
"""Longest time that a complete hop waits for those of other stations."""


class Scheduler:
    """Runs rounds, in the engine's thread.

    Parameters
    ----------
    runners
        The engine's own list of stations, to which it adds and from which it removes.
    hop_s
        Length of a hop in seconds of audio.
    """

    def __init__(self, runners: Sequence[StationRunner], hop_s: float) -> None:
        self._runners = runners
        self._hop_s = hop_s
        self._gather_until = 0.0

    def run_round(self) -> bool:
        """Take at most one hop from every station; return whether there was anything to do."""
        now = time.monotonic()
        progressed = False
        ready = [runner for runner in self._runners if runner.hop is not None]
        if not ready:
            self._gather_until = now + GATHER_S
        due = [
            runner
            for runner in self._runners
            if (runner.arrived or runner.schedule.next_poll <= now) and runner.listening
        ]
        for runner in sorted(due, key=lambda runner: runner.schedule.next_poll):
            if len(ready) >= MAX_ROWS:
                break  # the batch is full: do not keep its stations waiting
            progressed |= self._poll(runner, now)
            if runner.hop is not None:
                ready.append(runner)
        full = len(ready) >= MAX_ROWS
        if ready and (full or now >= self._gather_until or not self._others_soon(ready)):
            began = time.thread_time()
            decide_and_publish(ready)
            share = (time.thread_time() - began) / len(ready)
            for runner in ready:
                runner.cpu_s += share
            progressed = True
        return progressed and not (ready and ready[0].hop is not None)

    def _poll(self, runner: StationRunner, now: float) -> bool:
        began = time.thread_time()
        progressed = runner.poll()
        runner.cpu_s += time.thread_time() - began
        source = runner.station.source
        runner.schedule.polled(
            now,
            hop_complete=runner.hop is not None,
            due_s=runner.due_s,
            hop_s=self._hop_s,
            real_time=source.real_time,
            notifies=source.notifies and source.state == "live",
        )
        return progressed

    def _others_soon(self, ready: list[StationRunner]) -> bool:
        """Whether it is worth waiting for the hops of other stations."""
        if any(
            not runner.station.source.real_time or runner.station.due_s() <= 0 for runner in ready
        ):
            return False  # the next hop of one of them is complete already
        return any(
            runner.listening
            and runner.station.source.state == "live"
            and runner.due_at < self._gather_until
            for runner in self._runners
        )

    def pause_s(self) -> float:
        """Return for how many seconds no station is due."""
        now = time.monotonic()
        open_ = [runner for runner in self._runners if not runner.ended]
        times = [runner.schedule.next_poll for runner in open_ if runner.hop is None]
        if len(times) < len(open_):
            times.append(self._gather_until)
        shortest = min(
            (shortest_pause_s(real_time=runner.station.source.real_time) for runner in open_),
            default=POLL_S,
        )
        notified = open_ and all(r.listening and r.station.source.notifies for r in open_)
        longest = LONGEST_IDLE_S if notified else LONGEST_POLL_S
        return max(shortest, min([longest, *(at - now for at in times)]))
