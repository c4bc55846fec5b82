"""Measure the bus: encoding, publishing to 100 subscribers, latency, and the same with CURVE.

Usage: ``python benchmarks/events.py [--json] [--rounds N] [--seconds S]``

- ``encode``: one update of ten genres to its JSON line; CPU time.
- ``crowd``: 100 stations with an update a second each, spread over the second as stations are, to
  100 subscribers of everything; CPU time of the publishing process (encoding, bus thread and
  libzmq's) over wall time; ``alone`` is the same without subscribers. ``tick``:
  the 100 updates of a second sent at once, as by the engine's batch.
- ``latency``: from before ``Publisher.send`` to after ``Subscriber.receive`` in another process,
  100 stations staggered, one typed subscriber; loopback TCP.

Plain and CURVE take turns, figures are medians over rounds, the ratio is of the medians. The
publisher is a process of its own, the crowd another.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import zmq
from support.sample_events import SampleStation

from streamgenre import Subscriber
from streamgenre.bus.auth import Authenticator
from streamgenre.bus.keys import new_pair, read_pair
from streamgenre.bus.publisher import Publisher
from streamgenre.client.encryption import use_keys

STATIONS = 100
SUBSCRIBERS = 100


def publish(seconds: float, keys: str, spread: bool) -> None:
    """Publish until the time is over, then print the CPU share of this process."""
    stations = [SampleStation(f"station-{n:03}", "s") for n in range(STATIONS)]
    with Publisher(
        "tcp://127.0.0.1:*", auth=Authenticator(Path(keys), print) if keys else None
    ) as bus:
        print(bus.endpoint, flush=True)
        sys.stdin.readline()  # everyone is there
        cpu, wall = time.process_time(), time.monotonic()
        for count in range(round(seconds * STATIONS)):
            due = wall + (count / STATIONS if spread else count // STATIONS)
            pause = due - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            bus.send(stations[count % STATIONS].update())
        time.sleep(max(0.0, wall + seconds - time.monotonic()))
        share = (time.process_time() - cpu) / (time.monotonic() - wall)
        print(json.dumps({"share": share, "dropped": bus.stats.events_dropped}), flush=True)
        sys.stdin.readline()  # everyone has read


def crowd(endpoint: str, keys: str, expected: int) -> None:
    """Read everything with many sockets of one process."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    poller = zmq.Poller()
    sockets = []
    for _ in range(SUBSCRIBERS):
        socket = context.socket(zmq.SUB)
        if keys:
            pair = read_pair(Path(keys))
            use_keys(socket, pair, pair.public)
        socket.subscribe("update/")
        socket.connect(endpoint)
        poller.register(socket, zmq.POLLIN)
        sockets.append(socket)
    time.sleep(2)
    print("ready", flush=True)
    received, ends = 0, time.monotonic() + 120
    while received < expected * SUBSCRIBERS and time.monotonic() < ends:
        for socket, _ in poller.poll(1000):
            while True:
                try:
                    socket.recv_multipart(zmq.NOBLOCK)
                except zmq.Again:
                    break
                received += 1
    print(received, flush=True)
    context.destroy(linger=0)


def child(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def cost(seconds: float, keys: str, *, spread: bool, readers: bool) -> dict[str, float]:
    """CPU share of the publisher, with or without its crowd."""
    publisher = child("--publish", seconds, keys, int(spread))
    endpoint = line_of(publisher)
    expected = round(seconds * STATIONS)
    reading = child("--crowd", endpoint, keys, expected) if readers else None
    if reading is not None:
        line_of(reading)
    tell(publisher)
    result = json.loads(line_of(publisher))
    received = int(line_of(reading)) if reading is not None else expected * SUBSCRIBERS
    tell(publisher)
    publisher.wait()
    return {"share": result["share"], "lost": expected * SUBSCRIBERS - received}


def latencies(seconds: float, keys: str) -> list[float]:
    """Seconds from send to receive, for each event."""
    publisher = child("--publish", seconds, keys, 1)
    endpoint = line_of(publisher)
    found = []
    secure: dict[str, Any] = {}
    if keys:
        secure = {
            "server_key": read_pair(Path(keys)).public.decode(),
            "keys": Path(keys),
        }
    with Subscriber(endpoint, types=["update"], **secure) as subscriber:
        while subscriber.link.state != "live":
            subscriber.receive(0.05)
        time.sleep(0.5)
        tell(publisher)
        while len(found) < round(seconds * STATIONS):
            event = subscriber.receive(5)
            if event is None:
                break
            found.append(time.time() - event.time)
    tell(publisher)
    publisher.wait()
    return found


def encoding(rounds: int) -> float:
    """Median µs of one encoding."""
    event = SampleStation("kitchen", "7f3c" * 8).update()
    times = []
    for _ in range(max(rounds, 15)):
        start = time.process_time()
        for _ in range(1000):
            event.to_json()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times)


def percentile(values: list[float], share: float) -> float:
    return 1000 * sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(rounds: int, seconds: float, keys: str) -> dict[str, Any]:
    figures: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    for _ in range(rounds):
        for kind, folder in (("plain", ""), ("curve", keys)):
            note(f"alone {kind}", cost(seconds, folder, spread=True, readers=False)["share"])
            for spread in (True, False):
                name = "crowd" if spread else "tick"
                found = cost(seconds, folder, spread=spread, readers=True)
                note(f"{name} {kind}", found["share"])
                note(f"{name} {kind} lost", found["lost"])
            times = latencies(seconds, folder)
            note(f"latency p50 {kind}", percentile(times, 0.5))
            note(f"latency p99 {kind}", percentile(times, 0.99))
    medians = {name: statistics.median(values) for name, values in figures.items()}
    medians["encode us"] = encoding(rounds)
    for name in ("crowd", "tick", "latency p50", "latency p99"):
        medians[f"{name} curve/plain"] = medians[f"{name} curve"] / medians[f"{name} plain"]
    return medians


def main() -> None:
    if sys.argv[1:2] == ["--publish"]:
        publish(float(sys.argv[2]), sys.argv[3], bool(int(sys.argv[4])))
        return
    if sys.argv[1:2] == ["--crowd"]:
        crowd(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description="What the bus costs.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keys = str(Path(folder) / "keys")
        new_pair(Path(keys))
        found = measure(arguments.rounds, arguments.seconds, keys)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    print(
        f"libzmq {zmq.zmq_version()}, medians of {arguments.rounds} rounds of "
        f"{arguments.seconds:g} s, {STATIONS} stations, {SUBSCRIBERS} subscribers\n"
    )
    print(f"encode an update        {found['encode us']:>8.1f} µs")
    print(f"{'':<24}{'plain':>8}{'CURVE':>10}{'ratio':>8}")
    for name, title in (
        ("alone", "no subscriber"),
        ("crowd", "crowd, spread"),
        ("tick", "crowd, a tick a second"),
    ):
        plain, curve = 100 * found[f"{name} plain"], 100 * found[f"{name} curve"]
        print(f"{title:<24}{plain:>8.1f}{curve:>10.1f}{curve / plain:>8.2f}   % of a core")
    for name in ("latency p50", "latency p99"):
        plain, curve = found[f"{name} plain"], found[f"{name} curve"]
        print(f"{name:<24}{plain:>8.2f}{curve:>10.2f}{curve / plain:>8.2f}   ms")
    lost = sum(value for name, value in found.items() if name.endswith("lost"))
    print(f"events lost             {lost:>8.0f}")


if __name__ == "__main__":
    main()
