"""Measure the CPU time of the shipped models, and of recomputing the last three seconds instead.

Usage: ``python benchmarks/models.py [--json] [--rounds N]``

Per second of audio, on one thread:

- ``features``: a second pushed into the model's ``MfccStream``;
- ``model``: the model's graph over that second's frames, its past in its state tensors;
- ``recomputed``: the same graph over the frames of the last 3 s with a fresh state: what an update
  would cost without state.

Figures are medians of process CPU time; the variants take turns, so that a change in the machine's
speed affects all of them.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy: idle BLAS threads spin

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from streamgenre.audio.features import MfccStream
from streamgenre.inference.model_names import shipped_models
from streamgenre.inference.models import load_model

ROUNDS = 60
WINDOW_S = 3


def measure(name: str, rounds: int) -> dict[str, float | str]:
    """Return medians in milliseconds a second of audio."""
    model = load_model(name, trusted=True)
    spec = model.manifest.features
    stream = MfccStream(spec)
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {"features": [], "model": [], "recomputed": []}
    heard: list[np.ndarray] = []

    def timed(variant: str, start: float) -> None:
        times[variant].append((time.process_time() - start) * 1e3)

    for _ in range(rounds + WINDOW_S):
        second = rng.normal(0, 0.1, spec.samplerate).astype(np.float32)
        start = time.process_time()
        frames = stream.push(second)
        timed("features", start)
        heard.append(frames)
        start = time.process_time()
        model.update(["incremental"], [frames])
        timed("model", start)
        model.reset("recomputed")
        window = np.concatenate(heard[-WINDOW_S:])
        start = time.process_time()
        model.update(["recomputed"], [window])
        timed("recomputed", start)
    found = {variant: statistics.median(values[WINDOW_S:]) for variant, values in times.items()}
    return {"model": name, **{f"{variant}_ms": value for variant, value in found.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU time of the shipped models.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    results = [measure(name, arguments.rounds) for name in shipped_models()]
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(f"medians of {arguments.rounds} rounds, ms of CPU a second of audio\n")
    print(f"{'':<8}{'features':>10}{'model':>10}{'together':>10}{'recomputed':>12}{'ratio':>8}")
    for result in results:
        features, model, recomputed = (
            result[f"{v}_ms"] for v in ("features", "model", "recomputed")
        )
        print(
            f"{result['model']:<8}{features:>10.2f}{model:>10.2f}{features + model:>10.2f}"
            f"{recomputed:>12.2f}{recomputed / model:>7.1f}×"
        )


if __name__ == "__main__":
    main()
