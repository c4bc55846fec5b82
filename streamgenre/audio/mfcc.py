"""Parameters of MFCC frames, and the matrices that follow from them.

Everything is as in ``python_speech_features``; :mod:`streamgenre.audio.features` uses it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOWS: Final = ("rectangular", "hamming", "hann")


def _round_half_up(value: float) -> int:
    """Round as python_speech_features does; Python's own round() goes to even."""
    return math.floor(value + 0.5)


@dataclass(frozen=True, slots=True)
class MfccSpec:
    """Parameters of MFCC frames; names and meaning as in ``python_speech_features.mfcc``."""

    samplerate: int = 16_000
    """Sample rate of the signal in Hz."""
    winlen: float = 0.025
    """Length of a frame's window in seconds."""
    winstep: float = 0.01
    """Time from one frame to the next in seconds."""
    numcep: int = 13
    """Number of cepstral coefficients in a frame, 1 to ``nfilt``."""
    nfilt: int = 26
    """Number of mel filters."""
    nfft: int = 512
    """FFT size in samples; longer than the window means zero padding, shorter is refused."""
    lowfreq: float = 0.0
    """Lowest edge of the mel filters in Hz."""
    highfreq: float | None = None
    """Highest edge of the mel filters in Hz; None means half the sample rate."""
    preemph: float = 0.97
    """Pre-emphasis coefficient, 0 for none."""
    ceplifter: int = 22
    """Lifter parameter, 0 for none."""
    append_energy: bool = True
    """Whether coefficient 0 is replaced by the logarithm of the frame's energy."""
    winfunc: Literal["rectangular", "hamming", "hann"] = "rectangular"
    """Window function (symmetric, as ``numpy.hamming`` and ``numpy.hanning``)."""

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.winlen, self.winstep, self.preemph))):
            raise ValueError(
                f"winlen {self.winlen}, winstep {self.winstep} and preemph {self.preemph} "
                "must be finite"
            )
        high = self.samplerate / 2 if self.highfreq is None else self.highfreq
        checks = (
            (self.samplerate > 0, f"samplerate must be > 0 Hz, not {self.samplerate}"),
            (self.frame_length >= 1, f"winlen {self.winlen} s holds no sample"),
            (self.frame_step >= 1, f"winstep {self.winstep} s holds no sample"),
            (
                self.nfft >= self.frame_length,
                f"nfft {self.nfft} is shorter than the window of {self.frame_length} samples; "
                "it would cut the window's end off",
            ),
            (self.nfilt >= 1, f"nfilt must be at least 1, not {self.nfilt}"),
            (
                1 <= self.numcep <= self.nfilt,
                f"numcep must be 1 to nfilt ({self.nfilt}), not {self.numcep}",
            ),
            (
                0 <= self.lowfreq < high <= self.samplerate / 2,
                f"lowfreq {self.lowfreq} and highfreq {high} must satisfy "
                f"0 <= lowfreq < highfreq <= {self.samplerate / 2}",
            ),
            (self.ceplifter >= 0, f"ceplifter must be >= 0, not {self.ceplifter}"),
            (self.winfunc in WINDOWS, f"winfunc must be one of {WINDOWS}, not {self.winfunc!r}"),
        )
        for ok, message in checks:
            if not ok:
                raise ValueError(message)

    @property
    def frame_length(self) -> int:
        """Length of a frame's window in samples."""
        return _round_half_up(self.winlen * self.samplerate)

    @property
    def frame_step(self) -> int:
        """Samples from one frame to the next."""
        return _round_half_up(self.winstep * self.samplerate)

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.samplerate / self.frame_step


def mel_filterbank(spec: MfccSpec) -> NDArray[np.float64]:
    """Triangular HTK-mel filters, shape ``(nfilt, nfft // 2 + 1)``.

    The edges are rounded down to FFT bins as in ``python_speech_features.get_filterbanks``.
    """
    high = spec.samplerate / 2 if spec.highfreq is None else spec.highfreq
    mel_low, mel_high = (2595 * np.log10(1 + hz / 700.0) for hz in (spec.lowfreq, high))
    mel = np.linspace(mel_low, mel_high, spec.nfilt + 2)
    hz = 700 * (10 ** (mel / 2595.0) - 1)
    edges = np.floor((spec.nfft + 1) * hz / spec.samplerate)
    left, centre, right = (edges[i : i + spec.nfilt, None] for i in range(3))
    bins = np.arange(spec.nfft // 2 + 1, dtype=np.float64)[None, :]
    # Rising on [left, centre), falling on [centre, right): an empty range stays empty, so a
    # division by zero never reaches the result.
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = (bins - left) / (centre - left)
        falling = (right - bins) / (right - centre)
    bank = np.where((bins >= left) & (bins < centre), rising, 0.0)
    return np.where((bins >= centre) & (bins < right), falling, bank)


def cepstral_matrix(spec: MfccSpec) -> NDArray[np.float64]:
    """Orthonormal DCT-II and lifter in one, shape ``(nfilt, numcep)``: log energies to cepstra."""
    k = np.arange(spec.numcep)
    n = np.arange(spec.nfilt)[:, None]
    dct = np.cos(np.pi * k * (2 * n + 1) / (2 * spec.nfilt)) * math.sqrt(2.0 / spec.nfilt)
    dct[:, 0] /= math.sqrt(2.0)
    if spec.ceplifter > 0:
        dct *= 1 + (spec.ceplifter / 2.0) * np.sin(np.pi * k / spec.ceplifter)
    return dct


def window(spec: MfccSpec) -> NDArray[np.float64]:
    """Return the window function, shape ``(frame_length,)``."""
    if spec.winfunc == "rectangular":
        return np.ones(spec.frame_length)
    return (np.hamming if spec.winfunc == "hamming" else np.hanning)(spec.frame_length)
