"""Measure an hour of reconnecting, with back-off, to a radio that does not answer.

    python benchmarks/dead_host.py

The attempts are real; the pauses between them are added up, not waited for.
"""

from __future__ import annotations

import resource
import socket
import time

from streamgenre.sources.backoff import Backoff
from streamgenre.sources.stream.radio import BACKOFF_S, RadioSource

HOUR_S = 3600.0


def main() -> None:
    """Print the attempts, the share of a core and the events of an hour."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    source = RadioSource(f"http://127.0.0.1:{port}/")
    source.attempt()  # imports happen once: not part of an attempt's cost
    pauses, backoff, attempts = 0.0, Backoff(*BACKOFF_S), 0
    began, cpu = time.monotonic(), _cpu_s()
    while pauses < HOUR_S:
        backoff.begin()
        source.set_state("connecting", source.attempt())
        pauses += backoff.next_s()
        attempts += 1
    cpu = _cpu_s() - cpu
    print(f"attempts in an hour        {attempts}")
    print(f"CPU an attempt             {1000 * cpu / attempts:.2f} ms")
    print(f"share of one core          {100 * cpu / HOUR_S:.5f} %")
    print(f"events about it            {len(source.state_changes)}")
    print(f"(measured in {time.monotonic() - began:.1f} s)")


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
