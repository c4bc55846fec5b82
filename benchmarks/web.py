"""Measure the web process: its memory, and its share of a core.

    python benchmarks/web.py [--seconds 30]

A real daemon listens to one demo station; a web process serves it. Measured are the start, one
viewer of one station, and then 200 viewers and ten that never read. CPU time is that of the web
process (user and system), as a share of one core over the time measured; it does not depend on what
else the machine does.
"""

from __future__ import annotations

import argparse
import re
import selectors
import socket
import subprocess
import sys
import time

import psutil

VIEWERS, SLEEPERS = 200, 10
COMMAND = [sys.executable, "-m", "streamgenre"]


def main() -> None:
    """Print memory and shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds = parser.parse_args().seconds
    port = _free_port()
    bus = f"tcp://127.0.0.1:{port}"
    daemon = subprocess.Popen(
        [*COMMAND, "listen", "--input", "demo", "--quiet", "--publish", bus, "--no-history"]
    )
    page = subprocess.Popen(
        [*COMMAND, "web", "--connect", bus, "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert page.stdout is not None
        found = re.search(r":(\d+)/", page.stdout.readline())
        assert found is not None, "the page did not start"
        _measure(psutil.Process(page.pid), int(found[1]), seconds)
    finally:
        for process in (page, daemon):
            process.terminate()
            process.wait()


def _measure(page: psutil.Process, port: int, seconds: float) -> None:
    while not _get(port, "/readyz").startswith(b"HTTP/1.1 200"):
        time.sleep(0.2)
    time.sleep(3)
    print(f"memory after the start            {_mb(page):.1f} MB")
    with selectors.DefaultSelector() as selector:
        events, share = _watch(page, [], selector, seconds)
        print(f"nobody watches                    {100 * share:.3f} % of a core")
        _get(port, "/")
        one = [_viewer(port)]
        events, share = _watch(page, one, selector, seconds)
        print(f"one viewer of one station         {100 * share:.3f} % of a core, {events} events")
        print(f"memory with it                    {_mb(page):.1f} MB")
        sleepers = [_viewer(port, asleep=True) for _ in range(SLEEPERS)]
        many = [*one, *(_viewer(port) for _ in range(VIEWERS - 1))]
        events, share = _watch(page, many, selector, seconds)
        print(f"{VIEWERS} viewers, {SLEEPERS} that never read  {100 * share:.2f} % of a core")
        print(f"events that each viewer got       {events / VIEWERS:.1f}")
        print(f"memory with them                  {_mb(page):.1f} MB")
        for each in (*many, *sleepers):
            each.close()


def _watch(
    page: psutil.Process,
    viewers: list[socket.socket],
    selector: selectors.BaseSelector,
    seconds: float,
) -> tuple[int, float]:
    for viewer in viewers:
        if viewer.fileno() not in selector.get_map():
            selector.register(viewer, selectors.EVENT_READ)
    before, began, events = _cpu_s(page), time.monotonic(), 0
    while (left := began + seconds - time.monotonic()) > 0:
        if not viewers:
            time.sleep(left)
        for key, _ in selector.select(left):
            events += key.fileobj.recv(1 << 16).count(b"event: update\n")  # type: ignore[union-attr]
    return events, (_cpu_s(page) - before) / (time.monotonic() - began)


def _cpu_s(page: psutil.Process) -> float:
    times = page.cpu_times()
    return times.user + times.system


def _mb(page: psutil.Process) -> float:
    return page.memory_info().rss / 1e6


def _viewer(port: int, *, asleep: bool = False) -> socket.socket:
    viewer = socket.socket()
    if asleep:
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    viewer.connect(("127.0.0.1", port))
    viewer.sendall(b"GET /api/events?station=demo HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return viewer


def _get(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        return b"".join(iter(lambda: client.recv(1 << 16), b""))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
