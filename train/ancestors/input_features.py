"""Input features of the ancestors, derived frame by frame from MFCC frames.

Their authors took everything from librosa: audio at 22,050 Hz, windows of 2048 samples (Hann), a
hop of 512, 128 mel bands, decibels. An MFCC with as many cepstra as filters is an orthogonal
transform of the log filter energies, so an exported graph can compute all of it. Remaining
differences: the filters follow HTK's mel scale instead of Slaney's, and no frame extends beyond the
clip (librosa pads there).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.audio.features import MfccSpec, cepstral_matrix, mel_filterbank

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RATE: Final = 22_050
DECIBELS: Final = 10 / np.log(10)
"""A natural logarithm of a power in decibels."""

MEL: Final = MfccSpec(
    samplerate=RATE,
    winlen=2048 / RATE,
    winstep=512 / RATE,
    numcep=128,
    nfilt=128,
    nfft=2048,
    preemph=0.0,
    ceplifter=0,
    append_energy=False,
    winfunc="hann",
)
MFCC: Final = replace(MEL, numcep=13)
FINE: Final = replace(MEL, numcep=256, nfilt=256, nfft=4096)
"""Twice as many filters: fine enough for pitch classes from about 200 Hz up."""
PSF: Final = MfccSpec(samplerate=RATE, winlen=0.02, append_energy=False)
"""Defaults of python_speech_features: 20 ms, 10 ms, 13 of 26, pre-emphasis, lifter."""

_CONTRAST_EDGES: Final = (0, 200, 400, 800, 1600, 3200, 6400, RATE / 2)
"""Edges in Hz of librosa's seven bands of spectral contrast."""


def _edges(spec: MfccSpec) -> Floats:
    """Return the filters' edges in Hz, shape ``(nfilt + 2,)``."""
    high = 2595 * np.log10(1 + spec.samplerate / 2 / 700)
    hertz: Floats = 700 * (10 ** (np.linspace(0, high, spec.nfilt + 2) / 2595) - 1)
    return hertz


def _slaney_decibels(spec: MfccSpec) -> Floats:
    """Return the factor from our power to librosa's per band: no 1 / nfft, filters of area 1."""
    edges = _edges(spec)
    offsets: Floats = 10 * np.log10(spec.nfft * 2 / (edges[2:] - edges[:-2]))
    return offsets


def mfcc_decibels(spec: MfccSpec) -> Callable[[Any], Any]:
    """Return the function from cepstra to cepstra of decibels."""
    offset = (_slaney_decibels(spec) @ cepstral_matrix(spec)).astype(np.float32)
    return lambda frames: frames * np.float32(DECIBELS) + offset


def mel_decibels(spec: MfccSpec) -> Callable[[Any], Any]:
    """Return the function from as many cepstra as filters to mel energies in decibels."""
    from keras import ops

    inverse = (DECIBELS * cepstral_matrix(spec).T).astype(np.float32)
    offset = _slaney_decibels(spec).astype(np.float32)
    return lambda frames: ops.matmul(frames, inverse) + offset


def below_peak(x: Any) -> Any:
    """Return decibels below the window's largest entry, from -80 to 0; shape kept."""
    from keras import ops

    return ops.maximum(x - ops.max(x, axis=(1, 2), keepdims=True), -80.0)


def below_peak_to_one(x: Any) -> Any:
    """Return the same scaled to 0 to 1."""
    return below_peak(x) / 80.0 + 1.0


def thirty_three(spec: MfccSpec) -> Callable[[Any], Any]:
    """Return 13 MFCC, the spectral centroid, 12 chroma and 7 of spectral contrast.

    librosa computes the last three from FFT bins; here they are computed from 256 mel filters. The
    power of a bin is interpolated between adjacent filters. Below 200 Hz pitch classes overlap, and
    peaks between partials are flatter than with bins.
    """
    from keras import ops

    inverse = cepstral_matrix(spec).T.astype(np.float32)
    bank = mel_filterbank(spec)
    width = np.maximum(bank.sum(axis=1), 1e-6)
    centres = _edges(spec)[1:-1]
    chroma = (_chroma_filters(spec) @ bank.T).T.astype(np.float32)
    density = (-np.log(width)).astype(np.float32)
    by_centre = (width * centres).astype(np.float32)[:, None]
    bands = [
        np.flatnonzero((centres >= low) & (centres < high))
        for low, high in pairwise(_CONTRAST_EDGES)
    ]
    to_mfcc = mfcc_decibels(replace(spec, numcep=13))

    def features(frames: Any) -> Any:
        logs = ops.maximum(ops.matmul(frames, inverse) + density, -30.0)
        power = ops.exp(logs)
        magnitude = ops.exp(0.5 * logs)
        total = ops.matmul(magnitude, width.astype(np.float32)[:, None])
        centroid = ops.matmul(magnitude, by_centre) / total
        classes = ops.matmul(power, chroma)
        classes = classes / ops.maximum(ops.max(classes, axis=-1, keepdims=True), 1e-20)
        contrast = [
            np.float32(DECIBELS) * (
                ops.max(logs[..., band[0] : band[-1] + 1], axis=-1, keepdims=True)
                - ops.min(logs[..., band[0] : band[-1] + 1], axis=-1, keepdims=True)
            )
            for band in bands
        ]  # fmt: skip
        return ops.concatenate([to_mfcc(frames[..., :13]), centroid, classes, *contrast], axis=-1)

    return features


def _chroma_filters(spec: MfccSpec) -> Floats:
    """Return the share of each pitch class in each FFT bin, shape ``(12, bins)``.

    As in librosa: a bell curve one semitone wide around each, with less weight far from the fifth
    octave.
    """
    hertz = np.arange(1, spec.nfft // 2 + 1) * spec.samplerate / spec.nfft
    octaves = np.log2(hertz / (440 / 16))
    semitones = 12 * octaves
    # A low bin spans several semitones; its bell is as wide as the bin.
    width = np.maximum(1.0, np.gradient(semitones))
    distance = (semitones[None, :] - np.arange(12)[:, None] + 6) % 12 - 6
    bells = np.exp(-0.5 * (2 * distance / width) ** 2)
    bells /= np.sqrt(np.square(bells).sum(axis=0, keepdims=True))
    bells *= np.exp(-0.5 * ((octaves - 5) / 2) ** 2)
    # Rotated to start at C instead of A.
    return np.concatenate([np.zeros((12, 1)), np.roll(bells, -3, axis=0)], axis=1)
