"""Measure what the links of a fleet take at most, and what a message costs the daemon.

Usage: ``python benchmarks/fleet.py [--workers N] [--seconds S]``

Workers in processes of their own send updates as fast as they can over CURVE to one hub, which
hands them on as it does to the supervisor. Costs are CPU times of the hub's process, so that other
programs on the machine count little. No Ray is needed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import selectors
import sys
import time
from pathlib import Path
from typing import Any

import zmq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.history_programme import Programme

from streamgenre.fleet.hub import FleetHub
from streamgenre.fleet.link import ClusterLink


def update() -> tuple[dict[str, Any], bytes]:
    """Return an update as a worker sends it."""
    event = next(Programme("kitchen", "7f3c9a51d0e24b6f").stretch("music", "jazz", 1))
    stretch = {"start": 0.0, "start_time": event.time, "mean_probability": 0.8, "updates": 41}
    head = {
        "do": "event", "type": "update", "station": event.station, "session": event.session,
        "seq": 41, "time": event.time, "stream_time": 42.0, "arrival": 4242.424242,
        "samples": 1_852_200, "samples_lost": 0, "stretch": stretch,
    }  # fmt: skip
    return head, event.parts()[1]


def send(endpoint: str, server_key: str, pair: tuple[bytes, bytes]) -> None:
    """Send updates until the hub is gone."""
    link = ClusterLink(endpoint, server_key, pair)
    head, body = update()
    try:
        while True:
            link.send(head, body)
    except OSError:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description="What the links of a fleet take at most.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0)
    args = parser.parse_args()
    head, body = update()
    size = len(json.dumps(head, separators=(",", ":"))) + len(body)
    with FleetHub("tcp://127.0.0.1:*") as hub, selectors.DefaultSelector() as selector:
        processes, links = [], []
        for _ in range(args.workers):
            link, pair = hub.link(), zmq.curve_keypair()
            hub.admit(pair[0], link)
            selector.register(link, selectors.EVENT_READ)
            links.append(link)
            spawn = multiprocessing.get_context("spawn")
            processes.append(
                spawn.Process(target=send, args=(hub.endpoint, hub.public_key, pair), daemon=True)
            )
            processes[-1].start()
        while not all(link.arrived() for link in links):
            selector.select(1)
        began, cpu, messages = time.monotonic(), time.process_time(), 0
        while time.monotonic() - began < args.seconds:
            selector.select(1)
            messages += sum(len(link.arrived()) for link in links)
        elapsed, spent = time.monotonic() - began, time.process_time() - cpu
        for process in processes:
            process.kill()
    for name, value in {
        "workers": args.workers,
        "bytes_a_message": size,
        "messages_a_second": round(messages / elapsed),
        "cpu_us_a_message": round(1e6 * spent / messages, 1),
        "clock_offset_ms": round(1000 * max(abs(link.clock_offset_s) for link in links), 3),
    }.items():
        print(f"{name:<20} {value:>12}")


if __name__ == "__main__":
    main()
