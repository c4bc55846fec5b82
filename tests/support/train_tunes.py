"""Synthesised tunes, each unlike the others, and files of them in any codec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from support import encoding

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = 22_050
_CODECS = {
    ".mp3": ("mp3", "libmp3lame"),
    ".aac": ("adts", "aac"),
    ".opus": ("ogg", "libopus"),
    ".flac": ("flac", "flac"),
}


def tune(seed: int, seconds: float) -> Samples:
    """Three voices of random notes with overtones, and drums of noise."""
    rng = np.random.default_rng(seed)
    out = np.zeros(int(seconds * RATE))
    for _ in range(3):
        place = 0
        while place < len(out):
            length = int(rng.uniform(0.15, 0.6) * RATE)
            t = np.arange(min(length, len(out) - place)) / RATE
            hertz = 220 * 2 ** (rng.integers(0, 30) / 12)
            for overtone in range(1, 5):
                strength = rng.uniform(0.2, 1) / overtone * np.exp(-3 * t)
                out[place : place + len(t)] += strength * np.sin(2 * np.pi * hertz * overtone * t)
            place += length
    beat = np.exp(-20 * (np.arange(len(out)) % int(0.4 * RATE)) / RATE)
    out += 0.3 * beat * rng.normal(size=len(out))
    return np.asarray(0.25 * out / np.abs(out).max(), np.float32)


def encode(
    path: Path, samples: Samples, *, bit_rate: int = 64_000, tags: dict[str, str] | None = None
) -> Path:
    """Write mono audio by the codec that the file's name asks for."""
    container, codec = _CODECS[path.suffix]
    return encoding.encode(
        path, samples, RATE, codec, container=container, bit_rate=bit_rate, tags=tags,
        coded_rate=48_000 if codec == "libopus" else None,
    )  # fmt: skip
