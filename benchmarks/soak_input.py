"""What the stations of soak.py hear: a seeded schedule of music and failures, played from files."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

import av
import numpy as np

from streamgenre.audio.ring import Gap, GapReason, Ring
from streamgenre.sources.base import Source
from streamgenre.sources.decoding import split_block
from streamgenre.sources.demo import RATE, programme
from streamgenre.sources.files.file import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

SONG_S: Final = 40
"""Length of a file in seconds."""
BLOCK: Final = RATE // 10
Kind = Literal["music", "silence", "gap", "unplugged", "broken"]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the schedule."""

    kind: Kind
    seconds: float


def schedule(rng: np.random.Generator, seconds: float) -> Iterator[Part]:
    """Yield the parts of a schedule, music in between, up to a number of seconds."""
    lengths: dict[Kind, tuple[float, float]] = {  # median and spread of the logarithm
        "silence": (8, 1.0),
        "gap": (0.2, 2.0),
        "unplugged": (60, 1.5),
        "broken": (5, 1.0),
    }
    while seconds > 0:
        music = Part("music", float(min(rng.exponential(240), seconds)))
        kind: Kind = rng.choice(list(lengths), p=[0.3, 0.4, 0.15, 0.15])
        median, spread = lengths[kind]
        fault = Part(kind, float(min(median * np.exp(spread * rng.standard_normal()), 7200)))
        yield from (music, fault)
        seconds -= music.seconds + (fault.seconds if kind == "silence" else 0)


@dataclass(slots=True)
class Ledger:
    """What a source handed over, in its own samples."""

    heard: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)


class SoakSource(Source):
    """Plays a schedule as fast as it is taken.

    Parameters
    ----------
    name
        Name of the input.
    parts
        The schedule.
    songs, broken
        Audio files to choose from, and damaged ones.
    rng
        Chooses.
    """

    real_time = False
    live = True

    def __init__(
        self,
        name: str,
        parts: Iterator[Part],
        songs: Sequence[Path],
        broken: Sequence[Path],
        rng: np.random.Generator,
    ) -> None:
        super().__init__(name)
        self.rate, self.channels = RATE, 1
        self.ring: Ring = Ring(2 * RATE, 1)
        self.ledger = Ledger()
        self._parts, self._songs, self._broken, self._rng = parts, songs, broken, rng
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"capture-{name}", daemon=True)

    def start(self) -> None:
        """See :meth:`Source.start`."""
        self._thread.start()

    def stop(self) -> None:
        """See :meth:`Source.stop`."""
        self._stop.set()
        self._thread.join(2)

    def _run(self) -> None:
        try:
            self.set_state("live")
            for part in self._parts:
                self._play(part)
                self.ledger.parts[part.kind] += 1
                if self._stop.is_set():
                    break
        except Exception as error:  # noqa: BLE001 - handed to the engine, which raises it
            self.failure = error
        finally:
            self.set_state("ended", "end of the schedule")
            self.ring.close()

    def _play(self, part: Part) -> None:
        samples = round(part.seconds * RATE)
        if part.kind == "music":
            while samples > 0 and not self._stop.is_set():
                samples -= self._song(self._songs, samples)
        elif part.kind == "silence":
            for _ in range(samples // BLOCK):
                self._write(np.zeros((BLOCK, 1), np.float32))
        elif part.kind == "gap":
            reason = GapReason.SOURCE if self._rng.random() < 0.5 else GapReason.OVERFLOW
            self._lose(max(1, samples), reason)
        else:
            if part.kind == "broken":
                self._song(self._broken, RATE * SONG_S)
            # In life the engine has taken everything long before the source is back.
            self.set_state("lost", part.kind)
            while self.ring.free < 2 * RATE and not self._stop.wait(0.001):
                pass
            self._stop.wait(0.02)
            self._lose(samples, GapReason.RECONNECT)
            self.set_state("live")

    def _song(self, files: Sequence[Path], at_most: int) -> int:
        """Play one file up to a number of samples; return the number played."""
        played = 0
        gain = np.float32(10 ** self._rng.uniform(-1, 0))
        for _, decoded in decode(files[int(self._rng.integers(len(files)))]):
            for block in split_block(decoded, BLOCK):
                played += self._write(gain * block[: at_most - played])
            if played >= at_most or self._stop.is_set():
                break
        return played

    def _write(self, block: Samples) -> int:
        while self.ring.free < len(block):
            if self._stop.wait(0.002):
                return 0
        self.ledger.heard += self.ring.write(block)
        return len(block)

    def _lose(self, samples: int, reason: GapReason) -> None:
        self.ring.mark_lost(samples, reason)
        self.ledger.lost[reason.value] += samples


def write_songs(folder: Path, count: int = 12) -> tuple[list[Path], list[Path]]:
    """Write seeded music as FLAC files, and damaged copies of some of them."""
    songs, broken = [], []
    for number in range(count):
        blocks = (b for b in programme(number) if not isinstance(b, Gap))
        every = RATE // 20
        part = list(islice(blocks, number * 100, number * 100 + SONG_S * RATE // every))
        samples = (np.concatenate(part)[:, 0] * 32_767).astype("<i2")
        path = folder / f"song{number}.flac"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("flac", rate=RATE, layout="mono")
            for start in range(0, len(samples), 4096):
                frame = av.AudioFrame.from_ndarray(
                    samples[None, start : start + 4096], format="s16", layout="mono"
                )
                frame.rate = RATE
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        songs.append(path)
        if number < 4:
            data = bytearray(path.read_bytes())
            middle = len(data) // 2
            data[middle : middle + 20_000] = np.random.default_rng(number).bytes(20_000)
            torn = folder / f"broken{number}.flac"
            torn.write_bytes(data[: -len(data) // 4])
            broken.append(torn)
    return songs, broken
