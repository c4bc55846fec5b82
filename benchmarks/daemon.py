"""Measure the whole daemon: CPU, memory, latency, and the time that `--help` takes.

    python benchmarks/daemon.py --minutes 10 [--json]

Starts a private PulseAudio with a virtual sound card, plays the demo programme into it, and listens
with the real command. A second process is subscribed and notes how long after the end of its hop
each update arrives. Quote the medians; the machine may be shared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.commands import free_endpoint, start
from support.sound_server import SoundServer

from streamgenre.audio.ring import Gap
from streamgenre.client.subscriber import Subscriber
from streamgenre.sources.demo import RATE, programme

WARM_UP_S = 15.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="default: 10")
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    result: dict[str, Any] = {"help_ms": time_help()}
    with tempfile.TemporaryDirectory() as folder:
        server = SoundServer(Path(folder))
        server.start()
        try:
            result |= listen(server, Path(folder), args.minutes, args.model)
        finally:
            server.stop()
    print(json.dumps(result, indent=2) if args.json else table(result))


def time_help(runs: int = 21) -> dict[str, float]:
    """Return medians in ms of `streamgenre --help` and of a bare interpreter, run in turn."""
    commands = {
        "help": [sys.executable, "-m", "streamgenre", "--help"],
        "bare python": [sys.executable, "-c", "pass"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            times[name].append(1000 * (time.perf_counter() - began))
    return {name: round(statistics.median(values), 1) for name, values in times.items()}


def write_programme(path: Path, seconds: int) -> None:
    blocks = (b for b in programme(0) if not isinstance(b, Gap))
    samples = np.concatenate(list(islice(blocks, 20 * seconds)))[:, 0]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * 32_767).astype("<i2").tobytes())


def listen(server: SoundServer, folder: Path, minutes: float, model: str) -> dict[str, Any]:
    """Listen for a number of minutes; return CPU, memory and latency."""
    song = folder / "programme.wav"
    write_programme(song, int(60 * minutes + WARM_UP_S + 20))
    endpoint = free_endpoint()
    with (
        server.play(song) as player,
        start(
            *("listen", "--input", "pulse", "--model", model, "--publish", endpoint, "-q"),
            env=server.environment,
        ) as daemon,
        Subscriber(endpoint) as subscriber,
    ):
        process = psutil.Process(daemon.pid)
        warm = time.monotonic() + WARM_UP_S
        while time.monotonic() < warm:
            subscriber.receive(timeout=0.1)
        late: list[float] = []
        rows: list[dict[str, float]] = []
        status: Any = None
        for _ in range(max(1, round(minutes))):
            helpers = process.children()
            before, began = (cpu_s(process), cpu_s(*helpers)), time.monotonic()
            while time.monotonic() - began < 60:
                event = subscriber.receive(timeout=1)
                if event is not None and event.TYPE == "update":
                    late.append(1000 * (time.time() - event.time))
                elif event is not None and event.TYPE == "status":
                    status = event
            elapsed = time.monotonic() - began
            own, helped = cpu_s(process) - before[0], cpu_s(*helpers) - before[1]
            rows.append(
                {
                    "cpu_percent": 100 * (own + helped) / elapsed,
                    "rss_mb": process.memory_info().rss / 1e6 + private_mb(*helpers),
                    "helper_cpu_percent": 100 * helped / elapsed,
                    "helper_mb": private_mb(*helpers),
                }
            )
        daemon.terminate()
        daemon.wait(10)
        player.kill()
    late.sort()
    return {
        "cpu_percent_by_minute": [round(row["cpu_percent"], 2) for row in rows],
        "rss_mb_by_minute": [round(row["rss_mb"], 1) for row in rows],
        "helper": {key: round(rows[-1][f"helper_{key}"], 2) for key in ("cpu_percent", "mb")},
        "received_after_hop_ms": {
            "p50": round(late[len(late) // 2], 1),
            "p99": round(late[min(len(late) - 1, int(0.99 * len(late)))], 1),
        },
        "sent_after_arrival_ms": status.latency_ms,
        "updates": len(late),
        "lost_samples": status.samples_lost,
        "model": model,
    }


def cpu_s(*processes: psutil.Process) -> float:
    """Return the CPU seconds that processes have used."""
    times = [process.cpu_times() for process in processes]
    return sum(t.user + t.system for t in times)


def private_mb(*processes: psutil.Process) -> float:
    """Return the memory in MB that processes do not share."""
    memory = [process.memory_info() for process in processes]
    return sum(m.rss - m.shared for m in memory) / 1e6


def table(result: dict[str, Any]) -> str:
    cpu, rss = result["cpu_percent_by_minute"], result["rss_mb_by_minute"]
    received, sent = result["received_after_hop_ms"], result["sent_after_arrival_ms"]
    times, helper = result["help_ms"], result["helper"]
    return "\n".join(
        [
            f"CPU of one core          median {statistics.median(cpu):.2f} %, by minute {cpu}",
            f"resident memory          last {rss[-1]:.1f} MB, by minute {rss}",
            f"its helper process       {helper['cpu_percent']} %, {helper['mb']} MB of the above",
            f"update sent              p50 {sent['p50']:.0f} ms, p99 {sent['p99']:.0f} ms after "
            "the last sample of its hop arrived",
            f"update received          p50 {received['p50']:.0f} ms, p99 {received['p99']:.0f} ms "
            "after its hop's end, in another process",
            f"updates, lost samples    {result['updates']}, {result['lost_samples']}",
            f"streamgenre --help       {times['help']} ms ({times['bare python']} ms of them the "
            "bare interpreter)",
        ]
    )


if __name__ == "__main__":
    main()
