"""The adapter from MFCC frames to the trunk's mel bands.

An MFCC with as many cepstra as filters, no lifter and no energy is an orthogonal transform of the
logarithmic filterbank energies: its transpose and an exponential restore the energies. The
trunk's 96 bands (Slaney's mel scale, area norm, FFT 512) are then non-negative sums of them.

With an FFT of 512 samples, the trunk's own, both filterbanks weight the same bins, and the sums
follow from the filters' shapes alone: non-negative least squares per band, without music. 160 HTK
filters are so narrow below 1.3 kHz that each of the trunk's bins has a filter of its own there
(some filters hold no bin at all; their rows are zero). On music the mean error of a band is 0.7 %
of the mean of ``log10(1 + 10000 * power)``; with 128 filters it is 1.6 %, with 96 3.7 %, with 160
filters on an FFT of 2048 samples, fitted to music, 3.2 %: zero padding samples the spectrum where
the trunk does not.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.audio.features import EPS, MfccSpec, cepstral_matrix, mel_filterbank
from train.trunk.musicnn import BANDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC: Final = MfccSpec(
    samplerate=16_000,
    winlen=0.032,
    winstep=0.016,
    numcep=160,
    nfilt=160,
    nfft=512,
    lowfreq=0.0,
    highfreq=None,
    preemph=0.0,
    ceplifter=0,
    append_energy=False,
    winfunc="hann",
)
"""62.5 frames per second of 160 cepstra; window and step are the trunk's."""

COMPRESSION: Final = 10_000.0
"""The trunk's input is ``log10(1 + COMPRESSION * power)``."""


def slaney_filterbank(
    *, bands: int = BANDS, nfft: int = 512, samplerate: int = 16_000
) -> NDArray[np.float64]:
    """Return triangular filters of unit area on Slaney's mel scale, ``(bands, nfft // 2 + 1)``.

    The scale is linear up to 1 kHz and logarithmic above (Slaney, "Auditory Toolbox", 1998); the
    filters weight the power ``|X|²`` as in ``librosa.filters.mel``.

    Parameters
    ----------
    bands
        Number of filters.
    nfft
        Length of the FFT.
    samplerate
        Sample rate in Hz.
    """
    knee, step = 15.0, np.log(6.4) / 27

    def hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(mel < knee, mel * 200 / 3, 1000 * np.exp(step * (mel - knee)))

    top = knee + np.log(samplerate / 2 / 1000) / step
    edges = hertz(np.linspace(0, top, bands + 2))[:, None]
    bins = np.arange(nfft // 2 + 1) * samplerate / nfft
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    filters: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling))
    return filters * 2 / (edges[2:] - edges[:-2])


@cache
def inverse_transform() -> NDArray[np.float32]:
    """Return the matrix from cepstra to log energies, shape ``(160, 160)``."""
    return cepstral_matrix(SPEC).T.astype(np.float32)


@cache
def offset() -> NDArray[np.float32]:
    """Return the cepstra of a frame of typical log energies, shape ``(160,)``.

    A filter without a bin has the logarithm of the smallest number instead of an energy, and the
    resulting large cepstra would cost the rest a digit in float32. So the graph subtracts this
    frame before the transform and multiplies by its energies after it.
    """
    cepstra: NDArray[np.float32] = (_typical() @ cepstral_matrix(SPEC)).astype(np.float32)
    return cepstra


def _typical() -> NDArray[np.float64]:
    """Return typical log energies of music, shape ``(160,)``."""
    empty = ~mel_filterbank(SPEC).any(axis=1)
    return np.where(empty, np.log(EPS), np.linspace(-4, -12, SPEC.nfilt))


@cache
def band_mapping() -> NDArray[np.float32]:
    """Return the matrix from filterbank energies to the trunk's bands, shape ``(160, 96)``.

    It takes energies relative to those of :func:`offset`, undoes the division by ``nfft`` in the
    energies of python_speech_features, and includes the trunk's compression.
    """
    from scipy.optimize import nnls

    filters = mel_filterbank(SPEC).T
    weights = np.stack([nnls(filters, band)[0] for band in slaney_filterbank()], axis=1)
    weights *= np.exp(_typical())[:, None] * SPEC.nfft * COMPRESSION
    mapping: NDArray[np.float32] = weights.astype(np.float32)
    return mapping


def mel_power(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn MFCC frames, ``(..., 160)``, into the compressed bands' power, ``(..., 96)``."""
    energies = np.exp((frames - offset()) @ inverse_transform())
    power: NDArray[np.float32] = energies @ band_mapping()
    return power


def mel_bands(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn MFCC frames, shape ``(..., 160)``, into the trunk's bands, shape ``(..., 96)``."""
    bands: NDArray[np.float32] = np.log10(1 + mel_power(frames))
    return bands
