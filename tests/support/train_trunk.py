"""A trunk of the published architecture with random weights: no download needed."""

from __future__ import annotations

from typing import Any

import numpy as np

from train.trunk.musicnn import BANDS, RHYTHM, TAGS, TIMBRE, UNITS

POOLED = 1506
"""Pooled features of the published architecture."""


def random_trunk(seed: int = 0) -> dict[str, Any]:
    """Weights under the checkpoint's names; scales of both signs, as in the checkpoint."""
    rng = np.random.default_rng(seed)
    weights: dict[str, Any] = {}

    def normalisation(number: int, width: int) -> None:
        name = "batch_normalization" + (f"_{number}" if number else "")
        weights[f"{name}/gamma"] = rng.uniform(0.5, 1.5, width) * rng.choice([-1, 1], width)
        weights[f"{name}/beta"] = rng.normal(size=width)
        weights[f"{name}/moving_mean"] = rng.normal(size=width)
        weights[f"{name}/moving_variance"] = rng.uniform(0.5, 2, width)

    kernels = [(*shape, 1, 204) for shape in TIMBRE] + [(length, 1, 1, 51) for length in RHYTHM]
    kernels += [(7, 561, 1, 64), (7, 64, 1, 64), (7, 64, 1, 64)]
    normalisation(0, 1)
    for number, shape in enumerate(kernels):
        name = "conv2d" + (f"_{number}" if number else "")
        weights[f"{name}/kernel"] = rng.normal(size=shape) / np.sqrt(np.prod(shape[:3]))
        weights[f"{name}/bias"] = 0.1 * rng.normal(size=shape[-1])
        normalisation(number + 1, shape[-1])
    normalisation(9, POOLED)
    normalisation(10, UNITS)
    for name, (rows, columns) in (("dense", (POOLED, UNITS)), ("dense_1", (UNITS, TAGS))):
        weights[f"{name}/kernel"] = rng.normal(size=(rows, columns)) / np.sqrt(rows)
        weights[f"{name}/bias"] = 0.1 * rng.normal(size=columns)
    return {name: value.astype(np.float32) for name, value in weights.items()}


def with_dead_filters(weights: dict[str, Any], alive: int = 6) -> dict[str, Any]:
    """Return weights of whose filters but a few of each shape never fire, as the published ones."""
    found = {name: value.copy() for name, value in weights.items()}
    for number in range(5):
        name = "conv2d" + (f"_{number}" if number else "")
        for part, dead in (("kernel", 0), ("bias", -1)):
            found[f"{name}/{part}"][..., alive:] = dead
        for part in ("moving_mean", "moving_variance"):
            found[f"batch_normalization_{number + 1}/{part}"][alive:] = 0
    return found


def log_mel_as_published(samples: Any) -> Any:
    """The trunk's own front-end, written without librosa: shape ``(frames, 96)``.

    FFT 512, hop 256, periodic Hann window, Slaney's mel scale with unit area,
    ``log10(1 + 10000 * power)``; frames from the first sample on, without centring.
    """
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    framed = np.lib.stride_tricks.sliding_window_view(samples, 512)[::256]
    power = np.abs(np.fft.rfft(framed * window, axis=1)) ** 2
    mel = np.linspace(0, 15 + 27 * np.log(8) / np.log(6.4), BANDS + 2)
    edges = [m * 200 / 3 if m < 15 else 1000 * 6.4 ** ((m - 15) / 27) for m in mel]
    bank = np.zeros((BANDS, 257))
    for band, (low, centre, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        for k in range(257):
            hertz = k * 31.25
            if low < hertz <= centre:
                bank[band, k] = (hertz - low) / (centre - low)
            elif centre < hertz < high:
                bank[band, k] = (high - hertz) / (high - centre)
        bank[band] *= 2 / (high - low)
    return np.log10(1 + 10_000 * power @ bank.T)
