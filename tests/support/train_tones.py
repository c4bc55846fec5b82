"""A corpus of synthesised tones: each genre has its own register."""

from __future__ import annotations

import csv
import os
import wave
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Networks this small lose 40 % of the CPU time to threads that wait for one another.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

GENRES = {"high": 3000.0, "low": 200.0, "mid": 800.0}
RATE = 16_000


def tone(hertz: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """A tone with a beat, a little off its pitch, in noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    beat = 0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(1, 4) * t)
    signal: NDArray[np.float64] = 0.3 * beat * np.sin(2 * np.pi * hertz * rng.uniform(0.9, 1.1) * t)
    signal += 0.01 * rng.normal(size=len(t))
    return signal


@contextmanager
def uncompiled() -> Iterator[None]:
    """Run TensorFlow's functions step by step: compiling takes longer than a few steps do."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def write_wav(
    path: Path, samples: NDArray[np.float64], rate: int = RATE, channels: int = 1
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        interleaved = np.repeat(samples, channels)
        file.writeframes((np.clip(interleaved, -1, 1) * 32767).astype("<i2").tobytes())


def write_corpus(
    folder: Path,
    *,
    per_genre: int = 6,
    table: bool = True,
    seconds: tuple[float, ...] = (2.4, 12.0, 5.0),
) -> Path:
    """Clips of 2.4 to 12 s; two clips an artist, three artists a genre."""
    rows = []
    for g, (genre, hertz) in enumerate(GENRES.items()):
        for n in range(per_genre):
            name = f"{genre}.{n:05}"
            length = seconds[min(n, len(seconds) - 1)]
            write_wav(folder / "music" / genre / f"{name}.wav", tone(hertz, length, 100 * g + n))
            rows.append({"clip": name, "genre": genre, "artist": f"{genre} artist {n // 2}"})
    if table:
        with (folder / "clips.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["clip", "genre", "artist"])
            writer.writeheader()
            writer.writerows(rows)
    return folder


def write_talk(folder: Path, *, files: int = 4) -> None:
    """Bursts of noise for speech, chords for music, a hiss for noise; the first voice has two."""
    rng = np.random.default_rng(7)
    t = np.arange(4 * RATE) / RATE
    for n in range(files):
        syllables = (np.sin(2 * np.pi * rng.uniform(3, 5) * t) > 0.2) * rng.normal(size=len(t))
        chord = sum(np.sin(2 * np.pi * hertz * t) for hertz in rng.uniform(100, 900, 3))
        write_wav(folder / "speech" / f"{'aabcdefg'[n]}{n}.wav", 0.2 * syllables)
        write_wav(folder / "music" / f"chord{n}x.wav", 0.1 * chord)
        write_wav(folder / "noise" / f"hiss{n}x.wav", 0.03 * rng.normal(size=len(t)))
