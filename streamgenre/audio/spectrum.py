"""Rows of a spectrogram, from the mel energies of the very frames that the model gets.

Neighbouring mel filters are joined to about :data:`BANDS` bands and neighbouring frames to rows of
at most :data:`ROWS_PER_S` a second, by adding and averaging their power. Levels become bytes: a
spectrogram needs no more than half a decibel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.audio.mfcc import mel_filterbank, window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgenre.audio.mfcc import MfccSpec

BANDS: Final = 64
"""Bands of a row, about: the model's filters are joined in groups of equal size."""
ROWS_PER_S: Final = 20
"""Most rows a second."""
FLOOR_DB: Final = -120.0
"""Level of byte 0, in dB relative to the power of a sine at full scale."""
STEP_DB: Final = 0.5
"""Decibels from one byte to the next."""


class SpectrumMeter:
    """Makes rows of the mel energies of one signal.

    Parameters
    ----------
    spec
        Parameters of the frames.
    """

    def __init__(self, spec: MfccSpec) -> None:
        bank = mel_filterbank(spec)
        # Filters narrower than a bin of the FFT are empty.
        used = np.flatnonzero(bank.any(axis=1))
        per_band = max(1, round(len(used) / BANDS))
        self._starts = used[::per_band]
        self._per_row = math.ceil(spec.frame_rate / ROWS_PER_S)
        # What the filters of a sine at full scale sum to, by Parseval's theorem.
        self._full_scale = np.float32(np.square(window(spec)).sum() / 4)
        self.edges_hz = _edges(bank[used], per_band, spec)
        """Edges of the bands in Hz, ascending, shape ``(bands + 1,)``."""
        self.row_s = self._per_row / spec.frame_rate
        """Seconds of audio in a row."""
        self.reset()

    def reset(self) -> None:
        """Drop the frames that do not fill a row yet: the next ones do not follow them."""
        self._rest = np.zeros((0, len(self._starts)), np.float32)
        self._rows: list[NDArray[np.uint8]] = []

    @property
    def unused(self) -> int:
        """Number of the last frames that do not fill a row yet."""
        return len(self._rest)

    def push(self, energies: NDArray[np.floating[Any]]) -> None:
        """Take the mel energies of the next frames, shape ``(n, nfilt)``; they are not kept."""
        bands = np.add.reduceat(energies, self._starts, axis=1)
        bands = np.concatenate([self._rest, bands])
        whole = len(bands) // self._per_row * self._per_row
        self._rest = bands[whole:].copy()
        if not whole:
            return
        power = bands[:whole].reshape(-1, self._per_row, bands.shape[1]).mean(axis=1)
        with np.errstate(divide="ignore"):  # digital silence
            level = 10 * np.log10(power / self._full_scale)
        steps = np.nan_to_num((level - FLOOR_DB) / STEP_DB, nan=0)
        self._rows.append(np.clip(np.rint(steps), 0, 255).astype(np.uint8))

    def take(self) -> NDArray[np.uint8]:
        """Return the rows made since the last call, shape ``(rows, bands)``."""
        rows, self._rows = self._rows, []
        return np.concatenate(rows) if rows else np.zeros((0, len(self._starts)), np.uint8)


def _edges(bank: NDArray[np.float64], per_band: int, spec: MfccSpec) -> list[float]:
    """Return the edges of the bands: halfway between the filters on both sides, in Hz."""
    hz = np.arange(bank.shape[1]) * spec.samplerate / spec.nfft
    centres = bank @ hz / bank.sum(axis=1)
    heard = hz[bank.any(axis=0)]
    high = spec.samplerate / 2 if spec.highfreq is None else spec.highfreq
    middles = (centres[1:] + centres[:-1]) / 2
    edges = [
        max(spec.lowfreq, heard[0] - hz[1]),
        *middles[per_band - 1 :: per_band],
        min(high, heard[-1] + hz[1]),
    ]
    return [round(float(edge), 1) for edge in edges]
