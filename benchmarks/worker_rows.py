"""Measure a daemon with workers: how much they carry, and what a worker and a station cost.

Used by ``benchmarks/stations.py --workers``. CPU is that of processes, so the rows of one run can
be compared on a busy machine too; memory is what a process does not share (PSS). Run as a program
it is the daemon, and notes how late each update is sent to the bus.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.commands import free_endpoint

from streamgenre.client.subscriber import Subscriber
from streamgenre.events import SEQ_MODULUS

WARM_UP_S = 25.0


def run(folder: Path, urls: list[str], model: str, minutes: float, workers: int) -> dict[str, Any]:
    """Listen to the stations for a number of minutes; return CPU, memory and latency."""
    endpoint = free_endpoint()
    config, noted, log = folder / "workers.toml", folder / "noted.json", folder / "log"
    config.write_text(
        f'model = "{model}"\n[bus]\npublish = "{endpoint}"\n[engine]\nworkers = {workers}\n'
        f'[history]\npath = "{folder}/workers-{workers}-{len(urls)}.sqlite3"\n'
        + "".join(f'[[station]]\nname = "s{n}"\ninput = "{url}"\n' for n, url in enumerate(urls))
    )
    command = [sys.executable, __file__, str(config), str(noted)]
    with (
        log.open("w") as lines,
        subprocess.Popen(command, stderr=lines) as daemon,
        Subscriber(endpoint) as subscriber,
    ):
        process = psutil.Process(daemon.pid)
        events = hear(subscriber, WARM_UP_S + len(urls) / 10)
        events.clear()
        began, before = time.monotonic(), cpu(process)
        events = hear(subscriber, 60 * minutes)
        ended, after = time.monotonic(), cpu(process)
        elapsed = ended - began
        memory = {p.pid: p.memory_full_info().pss / 1e6 for p in [process, *process.children()]}
        daemon.terminate()
        daemon.wait(60)
    share = {pid: 100 * (after[pid] - before.get(pid, 0.0)) / elapsed for pid in after}
    sent = json.loads(noted.read_text())
    late = sorted(1000 * seconds for at, seconds in sent if began <= at < ended) or [0.0]
    updates = [e for e in events if e.TYPE == "update"]
    own = [value for pid, value in share.items() if pid != daemon.pid]
    return {
        "workers": workers,
        "stations": len(urls),
        "model": model,
        "cpu_percent": round(sum(share.values()), 1),
        "cpu_percent_daemon": round(share[daemon.pid], 2),
        "cpu_percent_busiest_worker": round(max(own, default=0.0), 1),
        "cpu_ms_a_station": round(10 * sum(share.values()) / len(urls), 2),
        "cpu_ms_an_update": round(10 * sum(share.values()) * elapsed / max(1, len(updates)), 2),
        "pss_mb": round(sum(memory.values()), 1),
        "pss_mb_daemon": round(memory[daemon.pid], 1),
        "updates": len(updates),
        "updates_expected": round(60 * minutes * len(urls)),
        "events_missed": missed(events),
        "gaps": sum(e.TYPE == "gap" for e in events),
        "latency_ms": {
            name: round(late[int(p * (len(late) - 1))], 1)
            for name, p in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        },
    }


def listen(config: str, out: str) -> None:
    """Run the command in this process; at its end, write how late each update was sent.

    Parameters
    ----------
    config
        Configuration file.
    out
        File that takes pairs as JSON: monotonic seconds, and seconds since the last sample arrived.
    """
    from streamgenre.cli import main as command
    from streamgenre.engine.health import Latencies

    late: list[tuple[float, float]] = []
    inner = Latencies.add

    def add(self: Any, seconds: float) -> None:
        late.append((time.monotonic(), seconds))
        inner(self, seconds)

    Latencies.add = add  # type: ignore[method-assign]
    try:
        sys.exit(command(["listen", "--config", config, "-q"]))
    finally:
        Path(out).write_text(json.dumps(late))


def hear(subscriber: Subscriber, seconds: float) -> list[Any]:
    events: list[Any] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        event = subscriber.receive(timeout=0.2)
        if event is not None and not event.retained:
            events.append(event)
    return events


def cpu(process: psutil.Process) -> dict[int, float]:
    """Return the CPU seconds of the daemon and of each of its workers."""
    times = {p.pid: p.cpu_times() for p in [process, *process.children()]}
    return {pid: each.user + each.system for pid, each in times.items()}


def missed(events: list[Any]) -> int:
    """Return the number of missing events, by their numbers."""
    lost = 0
    last: dict[tuple[str, str, str], int] = {}
    for event in events:
        key = (event.station, event.session, event.TYPE)
        if key in last:
            lost += (event.seq - last[key] - 1) % SEQ_MODULUS
        last[key] = event.seq
    return lost


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"{row['stations']:>4} stations, {row['workers']} workers  {row['cpu_percent']:.0f} % of a "
        f"core ({row['cpu_ms_a_station']:.2f} ms a station and second; an update "
        f"{row['times_pyav']:.2f} times PyAV alone), daemon "
        f"{row['cpu_percent_daemon']:.1f} %, busiest worker "
        f"{row['cpu_percent_busiest_worker']:.0f} %\n"
        f"     {row['pss_mb']:.0f} MB (daemon {row['pss_mb_daemon']:.0f}); {row['updates']} of "
        f"{row['updates_expected']} updates, {row['events_missed']} events missed, {row['gaps']} "
        f"gaps; sent after arrival: p50 {row['latency_ms']['p50']:.0f} ms, p99 "
        f"{row['latency_ms']['p99']:.0f} ms, at most {row['latency_ms']['max']:.0f} ms"
        for row in rows
    ]
    return "\n".join([*lines, *differences(rows)])


def differences(rows: list[dict[str, Any]]) -> list[str]:
    """Return what a further worker and a further station cost, where two rows differ in one."""
    lines = []
    for one in rows:
        for other in rows:
            more = other["pss_mb"] - one["pss_mb"]
            workers = other["workers"] - one["workers"]
            stations = other["stations"] - one["stations"]
            if stations == 0 and workers > 0 and one["workers"] > 0:
                lines.append(
                    f"a further worker: {more / workers:.0f} MB ({one['workers']} to "
                    f"{other['workers']}); busiest worker "
                    f"{one['cpu_percent_busiest_worker'] / other['cpu_percent_busiest_worker']:.2f}"
                    " times less busy"
                )
            if workers == 0 and stations > 0:
                lines.append(
                    f"a further station: {more / stations:.2f} MB ({one['stations']} to "
                    f"{other['stations']}, {one['workers']} workers)"
                )
    return lines


if __name__ == "__main__":
    listen(*sys.argv[1:])
