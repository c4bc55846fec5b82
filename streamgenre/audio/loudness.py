"""Peak and short-term loudness of the captured samples.

Loudness is that of ITU-R BS.1770-4 over 3 s ("short-term" in EBU Tech 3341): K-weighted power,
summed over the channels. The weighting is applied to the spectrum of quarter-second blocks instead
of the samples: by Parseval's theorem the power is the same except at the blocks' edges. A live
station then needs neither scipy nor FFmpeg's filters, which take 2 MB per station.
"""

from __future__ import annotations

import math
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK_S: Final = 0.25
_SHORT_TERM_S: Final = 3.0
_OFFSET: Final = -0.691
"""Decibels that BS.1770 adds, so that a 997 Hz sine in one channel reads its RMS level."""
LEAST_LUFS: Final = -70.0
"""Absolute gate of BS.1770: anything below it does not count as programme."""


class LoudnessMeter:
    """Peak since the last reading, and loudness of the last 3 s.

    Parameters
    ----------
    rate
        Samples a second.
    channels
        Number of channels; all have the weight of a front channel.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self._length = max(2, round(rate * _BLOCK_S))
        # One row per channel: the FFT along a column takes twice as long. The rest stays zero.
        self._block = np.zeros((channels, _fft_size(self._length)), np.float32)
        self._filled = 0
        self._weights = _k_weights(rate, self._length)
        self._powers: deque[float] = deque(maxlen=round(_SHORT_TERM_S / _BLOCK_S))
        self._peak = 0.0

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take samples in [-1, 1], shape ``(n, channels)``."""
        if not samples.size:
            return
        self._peak = max(self._peak, float(samples.max()), -float(samples.min()))
        while len(samples):
            some = samples[: self._length - self._filled]
            self._block[:, self._filled : self._filled + len(some)] = some.T
            self._filled += len(some)
            samples = samples[len(some) :]
            if self._filled == self._length:
                self._filled = 0
                spectrum = np.fft.rfft(
                    self._block, norm="forward"
                )  # see streamgenre.audio.features
                power = np.square(spectrum.real) + np.square(spectrum.imag)
                self._powers.append(float((power @ self._weights).sum()))

    def reset(self) -> None:
        """Restart the 3 s: the next samples do not follow the last ones."""
        self._filled = 0
        self._powers.clear()

    def peak(self) -> float:
        """Return the peak since the last reading in dBFS, ``-inf`` for digital silence."""
        peak, self._peak = self._peak, 0.0
        return 20 * math.log10(peak) if peak > 0 else -math.inf

    def loudness(self) -> float | None:
        """Return the short-term loudness in LUFS; None before 3 s and below the gate."""
        if len(self._powers) < (self._powers.maxlen or 0):
            return None
        mean = sum(self._powers) / len(self._powers)
        loudness = _OFFSET + 10 * math.log10(mean) if mean > 0 else -math.inf
        return loudness if loudness >= LEAST_LUFS else None


def _fft_size(samples: int) -> int:
    """Return the least size with the factors 2, 3 and 5 alone, and at least five of 2.

    The block is padded with zeros to it. At 44.1 kHz that costs 0.4 of the FFT over the 11,025
    samples of the block, whose factors are 3, 5 and 7.
    """
    size = -(-samples // 32) * 32
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 32


@lru_cache(maxsize=32)  # a server may announce any rate
def _k_weights(rate: int, samples: int) -> NDArray[np.float32]:
    """Return what the power in each bin of a block's rFFT adds to the block's mean square."""
    size = _fft_size(samples)
    frequencies = np.arange(size // 2 + 1, dtype=np.float64) * (rate / size)
    gain = _shelf(frequencies, rate) * _high_pass(frequencies, rate)
    twice = np.full(len(frequencies), 2.0)  # negative frequencies, which rFFT leaves out
    twice[0] = twice[-1] = 1.0
    gain *= size / samples  # the mean is over the samples, not over the padding
    weights: NDArray[np.float32] = (gain * twice).astype(np.float32)
    return weights


def _shelf(frequencies: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Power response of the first stage (the head), a high shelf of 4 dB."""
    # BS.1770 gives coefficients at 48 kHz; these are the analogue values they derive from, as in
    # libebur128 (Kokemüller), for any rate.
    k = math.tan(math.pi * 1681.974450955533 / rate)
    q, gain = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = gain**0.4996667741545416
    b = (gain + band * k / q + k * k, 2 * (k * k - gain), gain - band * k / q + k * k)
    a = (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k)
    return _response(b, a, frequencies, rate)


def _high_pass(frequencies: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Power response of the second stage, a high-pass at 38 Hz."""
    k, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    whole = 1 + k / q + k * k
    a = (1.0, 2 * (k * k - 1) / whole, (1 - k / q + k * k) / whole)
    return _response((1.0, -2.0, 1.0), a, frequencies, rate)


def _response(
    b: tuple[float, float, float],
    a: tuple[float, float, float],
    frequencies: NDArray[np.float64],
    rate: int,
) -> NDArray[np.float64]:
    z = np.exp(-2j * np.pi * frequencies / rate)
    power: NDArray[np.float64] = np.abs(np.polyval(b[::-1], z) / np.polyval(a[::-1], z)) ** 2
    return power
