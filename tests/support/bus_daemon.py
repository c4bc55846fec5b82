"""A daemon without audio, in its own process: the real bus with made-up events.

Usage: ``python tests/support/bus_daemon.py ENDPOINT [options]``; prints the endpoint, then
publishes until SIGTERM.
"""

from __future__ import annotations

import argparse
import select
import signal
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.sample_events import SampleStation

from streamgenre.bus.auth import Authenticator
from streamgenre.bus.publisher import Publisher


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("--stations", default="kitchen")
    parser.add_argument("--hop", type=float, default=0.05)
    parser.add_argument("--keys", type=Path)
    parser.add_argument("--first", type=int, default=0, help="first seq")
    parser.add_argument("--session", default=uuid.uuid4().hex)
    args = parser.parse_args()
    auth = (
        Authenticator(args.keys, lambda line: print(line, file=sys.stderr)) if args.keys else None
    )
    stations = [
        SampleStation(name, args.session, first=args.first) for name in args.stations.split(",")
    ]
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    with Publisher(args.endpoint, auth=auth) as publisher:
        print(publisher.endpoint, flush=True)
        for station in stations:
            publisher.send(station.source())
            publisher.send(station.title())
        count = 0
        last_status = float("-inf")
        while not stop:
            status_due = time.monotonic() - last_status >= 2
            for station in stations:
                publisher.send(station.update())
                publisher.send(station.spectrum())
                if count % 10 == 9:
                    publisher.send(station.segment())
                if status_due:
                    publisher.send(station.status(publisher.stats))
            if status_due:
                last_status = time.monotonic()
            count += 1
            select.select([], [], [], args.hop)  # libfaketime breaks time.sleep


if __name__ == "__main__":
    main()
