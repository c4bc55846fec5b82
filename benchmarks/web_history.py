"""Measure the pages of the history: a year of many stations, every page, over HTTP.

Usage: ``python benchmarks/web_history.py [--dir DIR] [--stations N] [--days N] [--json]``

Builds the same history as ``benchmarks/history.py`` (and keeps it in ``--dir`` for the next run),
starts ``streamgenre web`` on it, and requests each page several times. For each page: the median
wall time, the median CPU time of the web process (what the page takes on a machine that does
nothing else), and the bytes transferred. Beside the pages a second client asks ``/healthz`` all the
time: its longest wait shows how long the event loop was blocked.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent))

from history_year import DAY, T0, make


def pages(days: int) -> list[str]:
    """Return the address of each page, of a late and of an early day."""
    last = datetime.fromtimestamp(T0 + (days - 2) * DAY, UTC).date()
    first = datetime.fromtimestamp(T0, UTC).date()
    early = first + timedelta(days=min(3, days - 1))
    one, span = "station%2001", f"from={first}&to={last}"
    noon = T0 + (days - 2) * DAY + DAY / 2
    return [
        "/calendar",
        f"/calendar/{one}/{last.year}",
        f"/day/{one}/{last}",
        f"/day/{one}/{last}?tz=Asia/Kolkata",
        f"/day/{one}/{early}",
        f"/day/{one}/{last}?start={noon:.0f}&end={noon + 3600:.0f}&part=zoom",
        f"/shares?{span}",
        f"/shares/{one}?{span}",
        f"/shares/{one}?{span}&tz=Europe/Berlin",
        f"/shares/{one}?{span}&tz=Asia/Kolkata",
        "/search?q=song",
        "/search?q=number+7777",
        "/search?q=rock",
        f"/search?q=nothing+like+this&station={one}",
        f"/playlist/{one}/{last}",
        f"/dead-air?{span}",
        f"/dead-air/{one}?{span}",
        f"/api/history/day?station={one}&day={last}",
        f"/api/history/calendar?station={one}&year={last.year}",
        f"/api/history/playlist.csv?station={one}&day={last}&limit=100000",
        f"/api/history/report?station={one}&day={last}",
    ]


class Server:
    """A web process on one history."""

    def __init__(self, path: Path) -> None:
        words = ["-m", "streamgenre", "web", "--no-live", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [sys.executable, *words, "--history", str(path)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[1]
        self.watched = psutil.Process(self.process.pid)

    def cpu_s(self) -> float:
        """Return the CPU time of the process in seconds."""
        times = self.watched.cpu_times()
        return float(times.user + times.system)


def measure(server: Server, path: str, rounds: int) -> dict[str, float]:
    """Return median wall and CPU time, and bytes, of one page."""
    wall, spent, size = [], [], 0
    with httpx.Client(base_url=server.url, timeout=120) as client:
        client.get(path).raise_for_status()  # opens the connections of the process
        for _ in range(rounds):
            start, before = time.perf_counter(), server.cpu_s()
            answer = client.get(path)
            answer.raise_for_status()
            wall.append(1000 * (time.perf_counter() - start))
            spent.append(1000 * (server.cpu_s() - before))
            size = answer.num_bytes_downloaded
        tag = {"If-None-Match": answer.headers["etag"]}
        assert client.get(path, headers=tag).status_code == 304
    return {
        "wall_ms": round(statistics.median(wall), 1),
        "cpu_ms": round(statistics.median(spent), 1),
        "transferred_kb": round(size / 1000, 1),
    }


class Watcher(threading.Thread):
    """Asks for the health of the process all the time."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.waits: list[float] = []
        self.ended = threading.Event()
        self._url = url

    def run(self) -> None:
        """Ask until the end."""
        with httpx.Client(base_url=self._url, timeout=120) as client:
            while not self.ended.wait(0.02):
                start = time.perf_counter()
                client.get("/healthz")
                self.waits.append(1000 * (time.perf_counter() - start))


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the pages of the history.")
    parser.add_argument("--dir", type=Path, default=Path("/tmp/streamgenre-history"))
    parser.add_argument("--stations", type=int, default=20)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    args.dir.mkdir(parents=True, exist_ok=True)
    path = args.dir / "year.sqlite3"
    if not path.exists():
        make(path, args.stations, args.days)
    server = Server(path)
    try:
        found = {each: measure(server, each, args.rounds) for each in pages(args.days)}
        watcher = Watcher(server.url)
        watcher.start()
        for each in pages(args.days):
            measure(server, each, 1)
        watcher.ended.set()
        watcher.join()
        waits = sorted(watcher.waits)
        results: dict[str, Any] = {
            "pages": found,
            "slowest_cpu_ms": max(each["cpu_ms"] for each in found.values()),
            "rss_mb": round(server.watched.memory_info().rss / 1e6),
            "healthz_beside_ms": {
                "median": round(statistics.median(waits), 1),
                "p99": round(waits[int(0.99 * len(waits))], 1),
                "longest": round(waits[-1], 1),
            },
        }
    finally:
        server.process.terminate()
        server.process.wait()
    if args.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{'page':<66} {'wall ms':>8} {'CPU ms':>8} {'kB':>8}")
    for each, row in found.items():
        numbers = (f"{row[name]:>8}" for name in ("wall_ms", "cpu_ms", "transferred_kb"))
        print(f"{each:<66} {' '.join(numbers)}")
    for name in ("slowest_cpu_ms", "rss_mb", "healthz_beside_ms"):
        print(f"{name:<18} {results[name]}")


if __name__ == "__main__":
    main()
