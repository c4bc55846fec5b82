"""Records the events of a running daemon with their arrival times."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.live import PATIENCE_S

if TYPE_CHECKING:
    import subprocess

TimedEvents = list[tuple[float, dict[str, Any]]]


def collect(process: subprocess.Popen[str], into: TimedEvents) -> threading.Thread:
    """Record every event of a process's output with its arrival time."""

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            into.append((time.time(), json.loads(line)))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def wait_for(heard: TimedEvents, seconds: float, **wanted: object) -> dict[str, Any]:
    """Wait for an event with these values, for a minute or longer, and return it."""
    seconds = max(seconds, PATIENCE_S)
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for _, event in list(heard):
            if wanted.items() <= event.items():
                return event
        time.sleep(0.05)
    pytest.fail(f"no event with {wanted} in {seconds} s; last were {heard[-3:]}")


def clock_error_s(updates: TimedEvents) -> float:
    """Return how far the ``time`` of the last updates is off, in seconds: the least of three.

    If the machine stalls for a moment, one of them arrives late, but its time is right.
    """
    return float(min(abs(at - event["time"]) for at, event in updates[-3:]))
