"""Measure what the spectrum of a station costs the daemon: while nobody looks, and while one does.

    python benchmarks/spectrum.py [--rounds 7] [--seconds 120] [--model lstm] [--json]

One station hears the demo programme as fast as it can: engine, bus with one real subscriber in
another process, everything as in the daemon. The rounds with and without a look take turns in one
process, so that a change in the machine's speed affects both. Figures are medians of the process's
CPU time (all threads) for a second of audio; in live listening, 1 ms of it is 0.1 % of a core.

On a busy machine the difference drowns in its noise. ``rows alone`` therefore measures the added
work many times: the rows of a second from its mel energies, the event, and its bytes.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy: idle BLAS threads spin

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from support.sample_events import SampleStation

from streamgenre.audio.spectrum import SpectrumMeter
from streamgenre.bus.publisher import Publisher
from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.events import AnyEvent, Spectrum
from streamgenre.inference.models import load_model
from streamgenre.sources.demo import open_demo

READER = """
import sys
from streamgenre import Subscriber
with Subscriber(sys.argv[1], types=["update", "spectrum"]) as events:
    for event in events:
        pass
"""


def cost(model: str, seconds: float, publisher: Publisher, *, watched: bool) -> float:
    """Return the CPU time in ms for a second of audio."""
    found = 0

    def take(event: AnyEvent) -> None:
        nonlocal found
        found += isinstance(event, Spectrum)
        publisher.send(event)

    engine = Engine(take, EngineSettings(duration_s=seconds))
    engine.add("demo", open_demo(pace="fast"), load_model(model))
    engine.watch_spectrum(frozenset([""]) if watched else frozenset())
    began = time.process_time()
    engine.run(lambda: False)
    spent = time.process_time() - began
    assert bool(found) == watched
    return 1000 * spent / seconds


def rows_alone(model: str, repeats: int = 2000) -> float:
    """Return the CPU time in ms of the rows and the message of a second of audio."""
    spec = load_model(model).manifest.features
    meter, station = SpectrumMeter(spec), SampleStation("demo")
    frames = round(spec.frame_rate)
    energies = np.random.default_rng(0).random((frames, spec.nfilt), np.float32)
    event = station.spectrum()
    began = time.process_time()
    for _ in range(repeats):
        meter.push(energies)
        rows = meter.take()
        replace(event, rows=len(rows), edges_hz=meter.edges_hz, levels=rows.tobytes()).parts()
    return 1000 * (time.process_time() - began) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    times: dict[bool, list[float]] = {False: [], True: []}
    with Publisher("tcp://127.0.0.1:*") as publisher:
        reader = subprocess.Popen([sys.executable, "-c", READER, publisher.endpoint])
        while not publisher.stats.subscribers:
            time.sleep(0.05)
        cost(arguments.model, 20, publisher, watched=True)  # warm
        for _ in range(arguments.rounds):
            for watched in (False, True):
                found = cost(arguments.model, arguments.seconds, publisher, watched=watched)
                times[watched].append(found)
        reader.kill()
        reader.wait()
    added = [on - off for off, on in zip(*times.values(), strict=True)]
    result = {
        "model": arguments.model,
        "rows_ms_per_s": round(statistics.median(rows_alone(arguments.model) for _ in range(5)), 3),
        "nobody_ms_per_s": round(statistics.median(times[False]), 3),
        "somebody_ms_per_s": round(statistics.median(times[True]), 3),
        "added_ms_per_s": round(statistics.median(added), 3),
        "added_percent_of_a_core": round(statistics.median(added) / 10, 3),
    }
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    print(f"model {arguments.model}, medians of {arguments.rounds} rounds")
    print(f"nobody looks      {result['nobody_ms_per_s']:>8.3f} ms of CPU a second of audio")
    print(f"somebody looks    {result['somebody_ms_per_s']:>8.3f}")
    print(f"added             {result['added_ms_per_s']:>8.3f}")
    print(f"rows alone        {result['rows_ms_per_s']:>8.3f}")
    print(f"live, a station   {result['added_percent_of_a_core']:>8.3f} % of a core")


if __name__ == "__main__":
    main()
