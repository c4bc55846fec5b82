"""Measure the CPU time of the feature stage, and of alternatives for its parts.

Usage: ``python benchmarks/features.py [--json]``

Per second of audio, at three settings:

- ``recompute``: ``python_speech_features.mfcc`` over a window of 30 s, once a second;
- ``push``: one second pushed into an ``MfccStream``; ``push 512``: the same in blocks of 512;
- ``rfft``: nothing but the FFTs of one second's frames, in float32.

And the mel stage of one second's frames: as one dense product, as products along the diagonal
(which ``MfccStream`` uses), and as sums between the filters' edges with ``np.add.reduceat``.

Figures are medians of process CPU time; the variants take turns, so that a change in the machine's
speed affects all of them.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = (
    "1"  # before NumPy: idle BLAS threads spin, and that is counted
)

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import python_speech_features as psf

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from streamgenre.audio import features
from streamgenre.audio.features import MfccSpec, MfccStream, mel_filterbank

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_S = 30
ROUNDS = 21
REPEATS = 20

SPECS = {
    "default": MfccSpec(),
    "coarse": MfccSpec(
        winlen=0.064,
        winstep=0.04,
        numcep=40,
        nfilt=40,
        nfft=1024,
        ceplifter=0,
        append_energy=False,
        winfunc="hann",
    ),
    "models": MfccSpec(
        winlen=0.032,
        winstep=0.016,
        numcep=160,
        nfilt=160,
        nfft=512,
        ceplifter=0,
        append_energy=False,
        winfunc="hann",
    ),
}
WINDOW_FUNCTIONS = {"rectangular": np.ones, "hamming": np.hamming, "hann": np.hanning}


def recompute(spec: MfccSpec, window: np.ndarray) -> np.ndarray:
    return psf.mfcc(
        window,
        spec.samplerate,
        spec.winlen,
        spec.winstep,
        spec.numcep,
        spec.nfilt,
        spec.nfft,
        spec.lowfreq,
        spec.highfreq,
        spec.preemph,
        spec.ceplifter,
        spec.append_energy,
        WINDOW_FUNCTIONS[spec.winfunc],
    )


def medians(variants: dict[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, float]:
    """Median CPU time in µs of each variant, given with its number of repeats a round."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, (run, repeats) in variants.items():
            start = time.process_time()
            for _ in range(repeats):
                run()
            times[name].append((time.process_time() - start) / repeats * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def by_edges(bank: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Mel stage as two sums for each stretch between two neighbouring filter edges.

    Rising and falling flanks are the same stretches with other weights. Stretches without a bin
    (more filters than bins) need care with ``reduceat``, whose empty stretches are not zero.
    """
    nfilt = len(bank)
    peaks = bank.argmax(axis=1)
    first = np.array([np.flatnonzero(row)[0] if row.any() else 0 for row in bank])
    last = np.array([np.flatnonzero(row)[-1] + 1 if row.any() else 1 for row in bank])
    rising, falling = np.zeros((2, bank.shape[1]), np.float32)
    for row, peak in zip(bank, peaks, strict=True):
        rising[:peak] = np.where(row[:peak] > 0, row[:peak], rising[:peak])
        falling[peak:] = np.where(row[peak:] > 0, row[peak:], falling[peak:])
    up = np.stack([first, np.maximum(peaks, first)], axis=1).ravel()
    down = np.stack([peaks, last], axis=1).ravel()
    end = bank.shape[1] - 1
    up, down = np.minimum(up, end), np.minimum(down, end)
    empty_up, empty_down = up[::2] == up[1::2], down[::2] == down[1::2]

    def run(power: np.ndarray) -> np.ndarray:
        energies = np.add.reduceat(power * rising, up, axis=1)[:, ::2]
        energies[:, empty_up] = 0
        more = np.add.reduceat(power * falling, down, axis=1)[:, ::2]
        more[:, empty_down] = 0
        energies += more
        return energies[:, :nfilt]

    return run


def measure(name: str, spec: MfccSpec, rounds: int) -> dict[str, object]:
    rng = np.random.default_rng(0)
    # Noise of music's spectrum and level; none of the steps is faster or slower for other sounds.
    signal = np.convolve(rng.normal(0, 0.1, WINDOW_S * spec.samplerate), [0.5, 0.3, 0.2], "same")
    second = signal[: spec.samplerate].astype(np.float32)
    stream, in_blocks = MfccStream(spec), MfccStream(spec)
    starts = range(0, spec.samplerate, 512)
    n = round(spec.frame_rate)

    framed = rng.normal(0, 0.1, (n, spec.nfft)).astype(np.float32)
    spectrum = np.empty((n, spec.nfft // 2 + 1), np.complex64)
    stage = medians(
        {
            "recompute": (lambda: recompute(spec, signal), 1),
            "push": (lambda: stream.push(second), REPEATS),
            "push 512": (lambda: [in_blocks.push(second[i : i + 512]) for i in starts], REPEATS),
            "rfft": (lambda: np.fft.rfft(framed, norm="forward", out=spectrum), REPEATS),
            "rfft, default norm": (lambda: np.fft.rfft(framed, out=spectrum), REPEATS),
        },
        rounds,
    )

    bank = mel_filterbank(spec).astype(np.float32)
    dense, bands, edges = bank.T.copy(), features._in_bands(bank), by_edges(bank)
    power = np.square(np.abs(np.fft.rfft(framed, norm="forward")))
    energies = np.empty((n, spec.nfilt), np.float32)
    interleaved = np.repeat(power, 2, axis=1) / 2
    dense_twice = np.repeat(dense, 2, axis=0)

    def along_diagonal() -> np.ndarray:
        for bins, filters, weights in bands:
            np.matmul(power[:, bins], weights, out=energies[:, filters])
        return energies

    expected = power @ dense
    for found in (along_diagonal(), edges(power), interleaved @ dense_twice):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-9)
    mel = medians(
        {
            "dense, re² and im² apart": (lambda: interleaved @ dense_twice, REPEATS),
            "dense": (lambda: power @ dense, REPEATS),
            "bands": (along_diagonal, REPEATS),
            "reduceat": (lambda: edges(power), REPEATS),
        },
        rounds,
    )
    return {
        "spec": name,
        "stage_us": stage,
        "recompute_over_push": stage["recompute"] / stage["push"],
        "push_over_rfft": stage["push"] / stage["rfft"],
        "mel_us": mel,
        "dense_over_bands": mel["dense"] / mel["bands"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU time of the feature stage.")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    results = [measure(name, spec, arguments.rounds) for name, spec in SPECS.items()]
    if arguments.json:
        print(json.dumps({"numpy": np.__version__, "specs": results}, indent=2))
        return
    print(
        f"NumPy {np.__version__}, medians of {arguments.rounds} rounds, µs of CPU a second of audio"
    )
    for key, title in (("stage_us", "feature stage"), ("mel_us", "mel stage alone")):
        names = list(results[0][key])
        print(f"\n{title:<26}" + "".join(f"{r['spec']:>12}" for r in results))
        for name in names:
            print(f"  {name:<24}" + "".join(f"{r[key][name]:>12.1f}" for r in results))
        ratios = (
            {"recompute / push": "recompute_over_push", "push / rfft": "push_over_rfft"}
            if key == "stage_us"
            else {"dense / bands": "dense_over_bands"}
        )
        for name, ratio in ratios.items():
            print(f"  {name:<24}" + "".join(f"{r[ratio]:>11.1f}×" for r in results))


if __name__ == "__main__":
    main()
