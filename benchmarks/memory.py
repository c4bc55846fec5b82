"""Measure the memory of a daemon with one station, beside that of its libraries alone.

    python benchmarks/memory.py [--seconds 60] [--model lstm --model lite] [--json]

The real command listens to a file and to an mp3 stream at 128 kb/s, with its history. For
comparison, a bare process imports the same libraries, opens the same model and runs it once.

Resident memory has two parts. Anonymous memory is the process's own. The rest are pages of files,
mostly of libraries: processes share them, and the system can drop them at any time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.commands import free_endpoint, start
from support.paced_radio import paced_radio

BARE: Final = """
import sys, json, urllib.request, sqlite3
import av, numpy, onnxruntime, psutil, soxr, zmq
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
sizes = {"batch": 1, "time": 100}
feed = {each.name: numpy.zeros([sizes.get(n, n) for n in each.shape], "f4")
        for each in session.get_inputs()}
session.run(None, feed)
print("ready", flush=True)
sys.stdin.read()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="default: 60")
    parser.add_argument("--model", action="append", help="default: lstm and lite")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name, paced_radio(Path(name)) as base:
        folder = Path(name)
        for model in args.model or ("lstm", "lite"):
            rows.append({"what": "libraries alone", "model": model, **libraries(model)})
            rows += [
                {"what": what, "model": model, **daemon(folder, given, model, args.seconds)}
                for what, given in (("file", str(folder / "song.mp3")), ("stream", f"{base}/1"))
            ]
    print(json.dumps(rows, indent=2) if args.json else table(rows))


def libraries(model: str) -> dict[str, float]:
    weights = Path(__file__).parents[1] / "models" / model / "model.onnx"
    bare = subprocess.Popen(
        [sys.executable, "-c", BARE, str(weights)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert bare.stdin is not None
    assert bare.stdout is not None
    with bare:
        bare.stdout.readline()
        found = memory(bare.pid)
        bare.stdin.close()
    return found


def daemon(folder: Path, given: str, model: str, seconds: float) -> dict[str, float]:
    history = folder / f"{time.monotonic_ns()}.sqlite3"
    with start(
        *("listen", "--input", given, "--loop", "--model", model, "-q"),
        *("--publish", free_endpoint(), "--history", history),
    ) as process:
        time.sleep(seconds)
        found = memory(process.pid)
        process.terminate()
        process.communicate(timeout=20)
    return found


def memory(pid: int) -> dict[str, float]:
    """Return resident memory in MB: all of it, its two parts, and the share of this process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kib = {line.split()[0].rstrip(":"): int(line.split()[1]) for line in lines}
    found = {
        "rss_mb": kib["Rss"],
        "anonymous_mb": kib["Anonymous"],
        "files_mb": kib["Rss"] - kib["Anonymous"],
        "pss_mb": kib["Pss"],
    }
    return {name: round(1.024 * value / 1000, 1) for name, value in found.items()}


def table(rows: list[dict[str, Any]]) -> str:
    lines = [f"{'MB':<24}{'resident':>10}{'anonymous':>11}{'of files':>10}{'PSS':>7}"]
    lines += [
        f"{row['model']:<6}{row['what']:<18}{row['rss_mb']:>10}{row['anonymous_mb']:>11}"
        f"{row['files_mb']:>10}{row['pss_mb']:>7}"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
