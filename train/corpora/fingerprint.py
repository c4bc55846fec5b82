"""What one decoding of a file tells: fingerprint, level and clipping; kept in a cache."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.audio.fingerprint import RATE, VERSION, Fingerprint, fingerprint
from streamgenre.audio.resample import Resampler
from streamgenre.display.sound_check import CLIPPED_DBFS
from train.cache import read_arrays, write_arrays
from train.corpora.recordings import decode_blocks
from train.hashes import file_hash

if TYPE_CHECKING:
    from pathlib import Path

_CLIPPED: Final = 10 ** (CLIPPED_DBFS / 20)


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of a file as a whole."""

    print: Fingerprint
    level_dbfs: float
    """RMS level, ``-inf`` for digital silence."""
    clipped: float
    """Share of samples that have probably been clipped, 0 to 1."""


def sound_of(path: Path, cache: Path | None) -> Sound:
    """Return the sound of an audio file, from the cache where it is there.

    Parameters
    ----------
    path
        The audio file.
    cache
        Folder to keep what was found in; None to always decode.

    Raises
    ------
    TrainError
        If the file cannot be decoded.
    """
    entry = None
    if cache is not None:
        entry = cache / f"{file_hash(path)[:32]}-sound-{VERSION}.npz"
        kept = read_arrays(entry)
        if kept is not None and {"words", "audible", "level", "clipped"} <= kept.keys():
            return Sound(
                Fingerprint(kept["words"], kept["audible"]),
                float(kept["level"]),
                float(kept["clipped"]),
            )
    rate, signal = decode_blocks(path)
    energy = float(np.mean(np.square(signal, dtype=np.float64)))
    clipped = float(np.mean(np.abs(signal).max(axis=1) >= _CLIPPED))
    level = 10 * math.log10(energy) if energy > 0 else -math.inf
    resampler = Resampler(rate, RATE)
    mono = signal.mean(axis=1, dtype=np.float32)
    found = fingerprint(np.concatenate([resampler.push(mono), resampler.flush()]))
    if entry is not None:
        arrays = {
            "words": found.words,
            "audible": found.audible,
            "level": np.float64(level),
            "clipped": np.float64(clipped),
        }
        write_arrays(entry, arrays, advice="give another folder with --cache")
    return Sound(found, level, clipped)


def fingerprint_of(path: Path, cache: Path | None) -> Fingerprint:
    """Return the fingerprint of an audio file, from the cache where it is there.

    Parameters
    ----------
    path
        The audio file.
    cache
        Folder to keep what was found in; None to always decode.

    Raises
    ------
    TrainError
        If the file cannot be decoded.
    """
    return sound_of(path, cache).print
