"""What a model hears in a recording: a row of its embedding for every few seconds.

Not all of a recording is heard: neighbouring seconds say nearly the same. Stretches of six seconds
are spread over it, each starts with a model that has no past, and each half of a stretch gives one
row, as an update would after three seconds of that music.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.audio.features import MfccStream
from streamgenre.audio.fingerprint import RATE as PRINT_RATE
from streamgenre.audio.fingerprint import Fingerprint, fingerprint
from streamgenre.audio.level import LevelMeter, sanitise
from streamgenre.audio.mix import ChannelMixer
from streamgenre.audio.resample import Resampler
from streamgenre.audio.ring import Gap
from streamgenre.errors import InputError
from streamgenre.inference.models import load_model
from streamgenre.sources.damage import DamageCounter
from streamgenre.sources.files.file import FilePlayer
from streamgenre.sources.titles import Title

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.inference.model import Model

    Floats = NDArray[np.float32]

PLAN: Final = 1
"""Changes with what is heard of a recording, for caches."""
ROW_S: Final = 3.0
"""Seconds of music that a row is heard from at least, but for shorter recordings."""
LEAST_S: Final = 2.0
"""Shortest recording that is used."""
LONGEST_S: Final = 600.0
"""Seconds of a recording that are looked at; the rest is not decoded."""
_STRETCH_ROWS: Final = 2
_MOST_STRETCHES: Final = 8
_FEW_STRETCHES: Final = 2
_EVERY_S: Final = 7.5
"""One stretch for so many seconds, up to the most stretches."""
_SILENCE_DBFS: Final = -60.0
_NAME: Final = "recording"
_PRINTED_S: Final = 60.0
"""Seconds in the middle of a recording that its fingerprint is made of."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a model heard in a recording."""

    rows: NDArray[np.float16]
    """Embeddings, shape ``(n, width)``, n ≥ 1; more precision makes no difference."""
    print: Fingerprint
    """Fingerprint of its middle."""
    seconds: float
    """Length in seconds, at most :data:`LONGEST_S`."""
    few: bool
    """Whether only a few stretches were heard."""


class Listener:
    """Hears recordings with a model.

    Parameters
    ----------
    base
        Name or folder of a model that has an embedding.

    Raises
    ------
    ModelError
        If it cannot be loaded, or has no embedding.
    """

    def __init__(self, base: str) -> None:
        self._model: Model = load_model(base)
        self._model.keep_embeddings()
        self.manifest = self._model.manifest
        """Manifest of the model."""

    def hear(self, path: Path, *, few: bool = False) -> Heard:
        """Hear a recording.

        Parameters
        ----------
        path
            The audio file.
        few
            Whether to hear only a few stretches.

        Raises
        ------
        InputError
            If it cannot be decoded, is too short or silent.
        """
        spec = self.manifest.features
        samples = _decoded(path, spec.samplerate)
        seconds = len(samples) / spec.samplerate
        if seconds < LEAST_S:
            raise InputError(f"{path}: {seconds:.1f} s of audio; expected at least {LEAST_S:g} s")
        places = stretches_of(len(samples), spec.samplerate, few=few)
        rows = np.concatenate([self._rows(samples[at : at + length]) for at, length in places])
        if not len(rows):
            raise InputError(f"{path}: silent where it was heard")
        return Heard(rows, _print_of(samples, spec.samplerate), round(seconds, 2), few)

    def _rows(self, stretch: Floats) -> NDArray[np.float16]:
        """Return the rows of a stretch, without those of silence.

        One at a time: several in a batch cost more processor time, and memory.
        """
        hop = min(round(ROW_S * self.manifest.features.samplerate), len(stretch))
        stream = MfccStream(self.manifest.features)
        found = [np.zeros((0, self.manifest.embedding_width), np.float16)]
        for end in range(hop, len(stretch) + 1, hop):
            part = stretch[end - hop : end]
            frames = stream.push(part)
            if not len(frames):
                continue
            embedding = self._model.update([_NAME], [frames]).embedding
            assert embedding is not None
            row = embedding.astype(np.float16)
            if np.isfinite(row).all() and not _silent(part):
                found.append(row)
        self._model.reset(_NAME)
        return np.concatenate(found)


def stretches_of(samples: int, rate: int, *, few: bool = False) -> Iterator[tuple[int, int]]:
    """Yield start and length in samples of the stretches of a recording that are heard.

    Parameters
    ----------
    samples
        Length of the recording.
    rate
        Sample rate in Hz.
    few
        Whether to hear only a few.
    """
    longest = round(_STRETCH_ROWS * ROW_S * rate)
    most = _FEW_STRETCHES if few else _MOST_STRETCHES
    count = min(most, max(1, round(samples / rate / _EVERY_S)), max(1, samples // longest))
    length = min(longest, samples)
    for number in range(count):
        middle = (2 * number + 1) * samples // (2 * count)
        yield max(0, middle - length // 2), length


def _decoded(path: Path, rate: int) -> Floats:
    """Return the first minutes of a file, mono, at a rate in Hz; damaged parts are left out."""
    player = FilePlayer(path, DamageCounter())
    parts: list[Floats] = []
    resampler: Resampler | None = None
    mixer: ChannelMixer | None = None
    left = 0
    for item in player.items():
        if isinstance(item, Gap | Title):
            continue
        if resampler is None or mixer is None:
            assert player.format is not None
            left = round(LONGEST_S * player.format.rate)
            resampler, mixer = Resampler(player.format.rate, rate), ChannelMixer(item.shape[1])
        item = item[:left]
        left -= len(item)
        sanitise(item)
        parts.append(resampler.push(mixer.mix(item)))
        if not left:
            break
    if resampler is not None:
        parts.append(resampler.flush())
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _print_of(samples: Floats, rate: int) -> Fingerprint:
    wanted = round(_PRINTED_S * rate)
    start = max(0, (len(samples) - wanted) // 2)
    resampler = Resampler(rate, PRINT_RATE)
    return fingerprint(
        np.concatenate([resampler.push(samples[start : start + wanted]), resampler.flush()])
    )


def _silent(part: Floats) -> bool:
    meter = LevelMeter()
    meter.push(part)
    return meter.read() < _SILENCE_DBFS
