"""Audio and sources that the tests generate."""

from __future__ import annotations

import wave
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import soxr

from streamgenre.audio.ring import Gap, Ring, as_block
from streamgenre.sources.base import Source
from streamgenre.sources.demo import RATE, programme
from streamgenre.sources.titles import Title

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def write_wav(path: Path, samples: NDArray[np.floating], rate: int = 44_100) -> Path:
    """Write samples in [-1, 1], shape (n,) or (n, channels), as 16-bit WAV."""
    block = as_block(samples)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(block.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(block, -1, 1) * 32_767).astype("<i2").tobytes())
    return path


@cache
def _programme(seed: int) -> NDArray[np.float32]:
    blocks = islice((b for b in programme(seed) if not isinstance(b, Gap)), 1200)
    samples = np.concatenate([block[:, 0] for block in blocks])
    return np.asarray(soxr.resample(samples, RATE, 44_100), np.float32)


def music(seconds: float, *, seed: int = 0, rate: int = 44_100) -> NDArray[np.float32]:
    """The demo programme's music without its gap, up to a minute, shape (n,).

    With the noise that 16-bit audio has: pure synthesis has bands below the precision of
    float32, and there the logarithm shows rounding.
    """
    samples = _programme(seed)[: int(seconds * 44_100)]
    if rate != 44_100:
        samples = soxr.resample(samples, 44_100, rate)
    noise = np.random.default_rng(seed).uniform(-1, 1, len(samples)) / 32_768
    return np.asarray(samples + noise, np.float32)[: int(seconds * rate)]


class MemorySource(Source):
    """A source that holds blocks, gaps and titles given by the test."""

    real_time = False
    live = False

    def __init__(
        self, name: str = "fed", *, rate: int = 16_000, channels: int = 1, seconds: float = 60
    ) -> None:
        super().__init__(name)
        self.rate, self.channels = rate, channels
        self.ring: Ring = Ring(int(rate * seconds), channels)
        self.stopped = False
        self.set_state("live")

    def feed(self, items: Sequence[NDArray[np.float32] | Gap | Title]) -> MemorySource:
        """Add blocks, gaps and titles."""
        for item in items:
            if isinstance(item, Title):
                self.announce(item)
            elif isinstance(item, Gap):
                self.ring.mark_lost(item.samples, item.reason)
            else:
                self.ring.write(as_block(item))
        return self

    def end(self) -> MemorySource:
        """End the source."""
        self.set_state("ended", "end of test")
        self.ring.close()
        return self

    def start(self) -> None:
        pass

    def stop(self) -> None:
        self.stopped = True
        self.ring.close()
