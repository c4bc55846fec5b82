"""Measure what the daemon needs on a machine the size of a Raspberry Pi: one core, 512 MB.

    python benchmarks/budget.py [--minutes 5] [--model lite --model cnn …] [--json]

Starts a private PulseAudio with a virtual sound card and listens to it with the command, pinned
to one core and limited to 512 MB by a cgroup (by RLIMIT_DATA where cgroups cannot be created).
The core is this machine's, not a Pi's: compare the share of one core, and check that all fits. CPU
and memory include the helper processes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from daemon import WARM_UP_S, write_programme
from support.commands import free_endpoint, start
from support.sound_server import SoundServer

from streamgenre.client.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEMORY_MB = 512
CORE = 0
DAY_S = 86_400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5, help="for each model (default: 5)")
    parser.add_argument("--model", action="append", help="default: lite, cnn and lstm in turn")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    # Not in /tmp, which may be memory: what is written to the disk is counted.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        server = SoundServer(Path(folder))
        server.start()
        try:
            song = Path(folder) / "programme.wav"
            write_programme(song, int(60 * args.minutes + WARM_UP_S + 30))
            for model in args.model or ("lite", "cnn", "lstm"):
                history = Path(folder) / f"{model}.sqlite3"
                rows.append(measure(server, song, history, model, 60 * args.minutes))
        finally:
            server.stop()
    print(json.dumps(rows, indent=2) if args.json else table(rows))


@contextmanager
def limited() -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield how memory is limited, and the function with which a process limits itself."""
    for root, limit in (
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ("/sys/fs/cgroup", "memory.max"),
    ):
        group = Path(root) / f"streamgenre-budget-{os.getpid()}"
        try:
            group.mkdir()
            (group / limit).write_text(str(MEMORY_MB * 2**20))
        except OSError:
            with suppress(OSError):
                group.rmdir()
            continue
        try:
            yield "cgroup", partial(_enter, group / "cgroup.procs")
        finally:
            group.rmdir()
        return
    yield "data limit", partial(_enter, None)


def _enter(group: Path | None) -> None:
    os.sched_setaffinity(0, {CORE})
    with suppress(PermissionError):
        os.nice(-5)  # as the unit has it
    if group is not None:
        group.write_text(str(os.getpid()))
    else:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_MB * 2**20,) * 2)


def measure(
    server: SoundServer, song: Path, history: Path, model: str, seconds: float
) -> dict[str, Any]:
    """Listen for the given time; return CPU, memory and bytes written."""
    endpoint = free_endpoint()
    flags = ("--input", "pulse", "--model", model, "--publish", endpoint, "--history", history)
    late: list[float] = []
    status: Any = None
    with (
        limited() as (how, enter),
        server.play(song) as player,
        start("listen", *flags, "-q", env=server.environment, preexec_fn=enter) as daemon,
        Subscriber(endpoint) as subscriber,
    ):
        process = psutil.Process(daemon.pid)
        warm = time.monotonic() + WARM_UP_S
        while time.monotonic() < warm:
            subscriber.receive(timeout=0.1)
        before, began = _taken(process), time.monotonic()
        while time.monotonic() - began < seconds:
            event = subscriber.receive(timeout=1)
            if event is not None and event.TYPE == "update":
                late.append(1000 * (time.time() - event.time))
            elif event is not None and event.TYPE == "status":
                status = event
        elapsed, after = time.monotonic() - began, _taken(process)
        daemon.terminate()
        daemon.wait(10)
        player.kill()
    late.sort()
    written = after["written"] - before["written"]
    return {
        "model": model,
        "cpu_percent": round(100 * (after["cpu_s"] - before["cpu_s"]) / elapsed, 2),
        "rss_mb": round(after["rss"] / 1e6, 1),
        "written_mb_a_day": round(written / elapsed * DAY_S / 1e6, 1),
        "received_after_hop_ms": {
            "p50": round(late[len(late) // 2]),
            "p99": round(late[min(len(late) - 1, int(0.99 * len(late)))]),
        },
        "open_files": status.open_files,
        "threads": status.threads,
        "updates": len(late),
        "lost_samples": status.samples_lost,
        "memory_limit": f"{MEMORY_MB} MB by {how}",
    }


def _taken(process: psutil.Process) -> dict[str, float]:
    """Return CPU seconds, resident bytes and bytes written by a process and its children."""
    all_of_them = [process, *process.children(recursive=True)]
    times = [p.cpu_times() for p in all_of_them]
    return {
        "cpu_s": sum(t.user + t.system for t in times),
        "rss": sum(p.memory_info().rss for p in all_of_them),
        "written": sum(p.io_counters().write_bytes for p in all_of_them),
    }


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["model  CPU of one core  memory   written a day  update after hop    files  threads"]
    for row in rows:
        late = row["received_after_hop_ms"]
        lines.append(
            f"{row['model']:<6} {row['cpu_percent']:>12.1f} %  {row['rss_mb']:>4.0f} MB  "
            f"{row['written_mb_a_day']:>8.0f} MB  p50 {late['p50']:>3}, p99 {late['p99']:>4} ms  "
            f"{row['open_files']:>5}  {row['threads']:>7}"
        )
    lost = sum(row["lost_samples"] for row in rows)
    lines.append(f"memory limited to {rows[0]['memory_limit']}; {lost} samples were lost")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
