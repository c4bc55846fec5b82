"""Measure the CPU time of the shipped models, of recomputing the last three seconds, and of a peer.

Usage: ``python benchmarks/models.py [--rounds N] [--peer FILE.tflite] [--json]``

Per second of audio, on one thread:

- ``features``: a second pushed into the model's ``MfccStream``;
- ``model``: the model's graph over that second's frames, its past in its state tensors;
- ``recomputed``: the same graph over the frames of the last 3 s with a fresh state: what an update
  would cost without state;
- ``peer``: another network for audio, such as YAMNet, as a TFLite file that takes samples at 16 kHz
  and computes features itself. Its time is divided by the seconds of audio that it takes at once.
  It needs the package ai-edge-litert, which nothing else here does.

Figures are medians of process CPU time. All models and variants take turns in one process, so that
a change in the machine's speed affects all of them; the ratio to the peer is the median of the
ratios of the single rounds, features included.
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
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from streamgenre.audio.features import MfccStream
from streamgenre.inference.model_names import shipped_models
from streamgenre.inference.models import load_model

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 60
WINDOW_S = 3
WARM = 5
"""Rounds before those that count."""
RATE = 16_000
"""Sample rate of the peer in Hz."""


class PeerError(Exception):
    """A peer cannot be used; the message says why."""


class Peer:
    """A network for audio in a TFLite file: samples at 16 kHz in, scores out."""

    def __init__(self, path: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise PeerError(
                "--peer needs the package ai-edge-litert, which is not installed: "
                "`pip install ai-edge-litert`"
            ) from error
        if not path.is_file():
            raise PeerError(f"--peer {path}: no such file; expected a TFLite file, such as YAMNet")
        try:
            self._net: Any = Interpreter(str(path), num_threads=1)
            self._net.allocate_tensors()
        except (OSError, ValueError, RuntimeError) as error:
            why = str(error).splitlines()[0]
            raise PeerError(f"--peer {path}: cannot be opened as TFLite: {why}") from error
        inputs = self._net.get_input_details()
        shape = [int(size) for size in inputs[0]["shape"]]
        self.samples = max(shape, default=0)
        """Samples that it takes at once."""
        if len(inputs) != 1 or self.samples != np.prod(shape) or self.samples < RATE // 100:
            raise PeerError(
                f"--peer {path}: takes {len(inputs)} tensors, the first of shape {shape}; expected "
                "one with samples of audio, as YAMNet has"
            )
        self._input = inputs[0]

    def run(self, samples: np.ndarray) -> None:
        """Run it over its samples."""
        given = samples.reshape(self._input["shape"]).astype(self._input["dtype"])
        self._net.set_tensor(self._input["index"], given)
        self._net.invoke()


class Measured:
    """A shipped model, and the CPU time of each round in milliseconds by variant."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.times: dict[str, list[float]] = {"features": [], "model": [], "recomputed": []}
        self._model = load_model(name, trusted=True)
        self.rate = self._model.manifest.features.samplerate
        self._stream = MfccStream(self._model.manifest.features)
        self._heard: list[np.ndarray] = []

    def hear(self, second: np.ndarray) -> None:
        """Measure one round over a second of audio."""
        frames = self._timed("features", lambda: self._stream.push(second))
        self._heard = [*self._heard, frames][-WINDOW_S:]
        self._timed("model", lambda: self._model.update(["incremental"], [frames]))
        self._model.reset("recomputed")
        window = np.concatenate(self._heard)
        self._timed("recomputed", lambda: self._model.update(["recomputed"], [window]))

    def _timed(self, variant: str, function: Callable[[], Any]) -> Any:
        start = time.process_time()
        found = function()
        self.times[variant].append((time.process_time() - start) * 1e3)
        return found


def measure(names: list[str], rounds: int, peer: Peer | None = None) -> list[dict[str, Any]]:
    """Return medians in milliseconds a second of audio, and ratios to the peer."""
    models = [Measured(name) for name in names]
    rng = np.random.default_rng(0)
    of_peer: list[float] = []
    for _ in range(rounds + WARM):
        for model in models:
            model.hear(rng.normal(0, 0.1, model.rate).astype(np.float32))
        if peer is not None:
            samples = rng.normal(0, 0.1, peer.samples).astype(np.float32)
            start = time.process_time()
            peer.run(samples)
            of_peer.append((time.process_time() - start) * 1e3 * RATE / peer.samples)
    results: list[dict[str, Any]] = []
    for model in models:
        times = {variant: values[WARM:] for variant, values in model.times.items()}
        found = {f"{variant}_ms": statistics.median(each) for variant, each in times.items()}
        if peer is not None:
            both = zip(times["features"], times["model"], of_peer[WARM:], strict=True)
            found["peer_ms"] = statistics.median(of_peer[WARM:])
            found["peer_ratio"] = statistics.median((f + m) / p for f, m, p in both)
        results.append({"model": model.name, **found})
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU time of the shipped models.")
    parser.add_argument("--json", action="store_true", help="print a JSON array")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--peer",
        type=Path,
        metavar="FILE.tflite",
        help="compare with this network for audio at 16 kHz, such as YAMNet; needs ai-edge-litert",
    )
    arguments = parser.parse_args()
    try:
        peer = None if arguments.peer is None else Peer(arguments.peer)
    except PeerError as error:
        sys.exit(f"error: {error}")
    results = measure(shipped_models(), arguments.rounds, peer)
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print(f"medians of {arguments.rounds} rounds, ms of CPU a second of audio\n")
    print(
        f"{'':<8}{'features':>10}{'model':>10}{'together':>10}{'recomputed':>12}{'ratio':>8}",
        end="",
    )
    print("" if peer is None else f"{'peer':>10}{'of it':>8}")
    for result in results:
        features, model, recomputed = (
            result[f"{v}_ms"] for v in ("features", "model", "recomputed")
        )
        print(
            f"{result['model']:<8}{features:>10.2f}{model:>10.2f}{features + model:>10.2f}"
            f"{recomputed:>12.2f}{recomputed / model:>7.1f}×",
            end="",
        )
        print("" if peer is None else f"{result['peer_ms']:>10.2f}{result['peer_ratio']:>8.2f}")


if __name__ == "__main__":
    main()
