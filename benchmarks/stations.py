"""Measure many radio stations in one daemon: CPU by stage, memory, latency, lost updates.

    python benchmarks/stations.py --stations 1 16 64 100 --minutes 1 --model lite [--json]
    python benchmarks/stations.py --stations 100 200 --workers 1 2 --minutes 1

A server in a process of its own sends mp3 at 128 kb/s at real pace; the real command listens to it
by a configuration file, with its history, in a second process, which notes the CPU time of each of
its threads; a third is subscribed. In between, PyAV alone decodes the same mp3 and resamples it to
mono at 16 kHz, to compare. With ``--workers`` the command is measured from outside, with all its
processes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

import av
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import worker_rows
from support.commands import free_endpoint
from support.paced_radio import paced_radio

from streamgenre.client.subscriber import Subscriber

BYTES_S = 16_000
"""128 kb/s."""
WARM_UP_S = 25.0
STAGES = ("decoding", "features", "model", "events and the rest")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stations", type=int, nargs="+", default=[1, 16, 64, 100])
    parser.add_argument("--minutes", type=float, default=1, help="default: 1")
    parser.add_argument("--model", default="lite")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--listen", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument(
        "--workers", type=int, nargs="+", help="measure daemons with these numbers of workers"
    )
    args = parser.parse_args()
    if args.listen:
        listen(*args.listen)
        return
    with tempfile.TemporaryDirectory() as folder:
        if args.workers:
            rows = with_workers(Path(folder), args.stations, args.workers, args.model, args.minutes)
        else:
            rows = radio(Path(folder), args.stations, args.model, args.minutes)
    shown = worker_rows.table if args.workers else table
    print(json.dumps(rows, indent=2) if args.json else shown(rows))


# ---- the radio ----------------------------------------------------------------------------------


def pyav_alone(path: Path, rounds: int = 5) -> float:
    """Return the CPU in ms in which PyAV alone decodes and resamples a second of the file."""
    spent = []
    for _ in range(rounds):
        began, samples = time.process_time(), 0
        with av.open(str(path)) as container:
            resampler = av.AudioResampler("flt", "mono", 16_000)
            for frame in container.decode(audio=0):
                samples += sum(part.to_ndarray().size for part in resampler.resample(frame))
        spent.append(1000 * (time.process_time() - began) / (samples / 16_000))
    return statistics.median(spent)


def radio(folder: Path, counts: list[int], model: str, minutes: float) -> list[dict[str, Any]]:
    rows = []
    with paced_radio(folder) as base:
        for count in counts:
            before = pyav_alone(folder / "song.mp3")
            row = run(folder, [f"{base}/{n}" for n in range(count)], model, minutes)
            pyav = (before + pyav_alone(folder / "song.mp3")) / 2
            row["pyav_ms"] = round(pyav, 2)
            row["times_pyav"] = round(10 * row["cpu_percent_a_station"] / pyav, 2)
            rows.append(row)
    return rows


def with_workers(
    folder: Path, counts: list[int], workers: list[int], model: str, minutes: float
) -> list[dict[str, Any]]:
    rows = []
    with paced_radio(folder) as base:
        for count in counts:
            for each in workers:
                urls = [f"{base}/{n}" for n in range(count)]
                before = pyav_alone(folder / "song.mp3")
                row = worker_rows.run(folder, urls, model, minutes, each)
                pyav = (before + pyav_alone(folder / "song.mp3")) / 2
                row["pyav_ms"] = round(pyav, 2)
                row["times_pyav"] = round(row["cpu_ms_an_update"] / pyav, 2)
                rows.append(row)
    return rows


# ---- the daemon ---------------------------------------------------------------------------------


def listen(config: str, out: str) -> None:
    """Run the command in this process, and note the CPU time of its stages."""
    from streamgenre.cli import main as command
    from streamgenre.engine import health
    from streamgenre.engine import runner as seat
    from streamgenre.inference.models import StatefulModel, WindowedModel

    spent = {"features": 0.0, "model": 0.0, "runs": 0.0}

    def timed(cls: Any, name: str, stage: str) -> None:
        inner = getattr(cls, name)

        def outer(*args: Any) -> Any:
            began = time.thread_time()
            try:
                return inner(*args)
            finally:
                spent[stage] += time.thread_time() - began
                spent["runs"] += stage == "model"

        setattr(cls, name, outer)

    timed(seat.StationRunner, "_pull", "features")
    timed(StatefulModel, "update", "model")
    timed(WindowedModel, "update", "model")

    late: deque[float] = deque(maxlen=100_000)
    inner_add = health.Latencies.add

    def add(self: Any, seconds: float) -> None:
        late.append(seconds)
        inner_add(self, seconds)

    health.Latencies.add = add  # type: ignore[method-assign]

    def note() -> None:
        while True:
            time.sleep(1)
            threads = {t.native_id: t.name for t in threading.enumerate()}
            cpu = {t.id: t.user_time + t.system_time for t in psutil.Process().threads()}
            decoding = sum(
                cpu.get(number or 0, 0)
                for number, name in threads.items()
                if name.startswith(("radio", "capture"))
            )
            row = {"decoding": decoding, **spent, "all": time.process_time()}
            more = {"threads": len(cpu), "late": [round(1000 * s, 1) for s in late]}
            Path(f"{out}.new").write_text(json.dumps(row | more))
            Path(f"{out}.new").replace(out)

    threading.Thread(target=note, daemon=True).start()
    sys.exit(command(["listen", "--config", config, "-q"]))


def run(folder: Path, urls: list[str], model: str, minutes: float) -> dict[str, Any]:
    """Listen to the stations for a number of minutes; return CPU, memory and latency."""
    endpoint = free_endpoint()
    config, noted, log = folder / "config.toml", folder / "noted.json", folder / "log"
    history = folder / f"history-{len(urls)}.sqlite3"
    config.write_text(
        f'model = "{model}"\n[bus]\npublish = "{endpoint}"\n[engine]\nworkers = 0\n'
        f'[history]\npath = "{history}"\n'
        + "".join(f'[[station]]\nname = "s{n}"\ninput = "{url}"\n' for n, url in enumerate(urls))
    )
    command = [sys.executable, __file__, "--listen", str(config), str(noted)]
    with (
        log.open("w") as lines,
        subprocess.Popen(command, stderr=lines) as daemon,
        Subscriber(endpoint) as subscriber,
    ):
        process = psutil.Process(daemon.pid)
        events: list[Any] = []

        def hear(seconds: float) -> None:
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                event = subscriber.receive(timeout=0.2)
                if event is not None:
                    events.append(event)

        hear(WARM_UP_S)
        events.clear()
        before, began = json.loads(noted.read_text()), time.monotonic()
        hear(60 * minutes)
        after, elapsed = json.loads(noted.read_text()), time.monotonic() - began
        memory = process.memory_info().rss
        daemon.terminate()
        daemon.wait(10)
    late = sorted(after.pop("late")[len(before.pop("late")) :])
    share = {key: 100 * (after[key] - before[key]) / elapsed for key in before}
    share["events and the rest"] = share["all"] - sum(share[s] for s in STAGES[:3])
    updates = [e for e in events if e.TYPE == "update"]
    return {
        "stations": len(urls),
        "model": model,
        "cpu_percent": {name: round(share[name], 2) for name in ("all", *STAGES)},
        "cpu_percent_a_station": round(share["all"] / len(urls), 3),
        "model_ms_a_hop": round(10 * share["model"] * elapsed / max(1, len(updates)), 3),
        "hops_a_run": round(len(updates) / max(1.0, after["runs"] - before["runs"]), 1),
        "rss_mb": round(memory / 1e6, 1),
        "threads": after["threads"],
        "updates": len(updates),
        "updates_missed": missed(updates),
        "gaps": sum(e.TYPE == "gap" for e in events),
        "latency_ms": {
            name: late[int(p * (len(late) - 1))] if late else None
            for name, p in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        },
        "said": log.read_text().splitlines()[:3],
    }


def missed(updates: list[Any]) -> int:
    """Return the number of missing updates, by the stream times of those received."""
    lost = 0
    last: dict[str, float] = {}
    for update in updates:
        if update.station in last:
            lost += round(update.stream_time - last[update.station]) - 1
        last[update.station] = update.stream_time
    return lost


def table(rows: list[dict[str, Any]]) -> str:
    lines = []
    first = rows[0]["rss_mb"]
    for row in rows:
        cpu = row["cpu_percent"]
        stages = ", ".join(f"{stage} {cpu[stage]:.1f}" for stage in STAGES)
        more = row["stations"] - rows[0]["stations"]
        extra = f", {(row['rss_mb'] - first) / more:.2f} MB a further station" if more else ""
        lines.append(
            f"{row['stations']:>4} stations  {cpu['all']:.1f} % of a core "
            f"({row['cpu_percent_a_station']:.2f} a station, {row['times_pyav']:.2f} times PyAV "
            f"alone): {stages}\n"
            f"     model {row['model_ms_a_hop']:.3f} ms a hop, {row['hops_a_run']} hops a run; "
            f"{row['rss_mb']:.0f} MB{extra}; {row['threads']} threads\n"
            f"     {row['updates']} updates, {row['updates_missed']} missed, {row['gaps']} gaps; "
            f"sent after arrival: p50 {row['latency_ms']['p50']:.0f} ms, p99 "
            f"{row['latency_ms']['p99']:.0f} ms"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
