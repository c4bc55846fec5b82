"""MFCC frames of an endless signal, computed incrementally.

The frames equal those of ``python_speech_features.mfcc`` on the whole signal, however it is cut
into blocks: :meth:`MfccStream.push` carries the pre-emphasis neighbour and the overlap from
block to block, and :meth:`MfccStream.flush` pads the last, unfinished frame with zeros as that
library does. Nothing here looks at the whole signal (no normalising, no centre padding): a live
stream has no end.

One push is five steps over all new frames at once: gather the overlapping windows, real FFT,
squared magnitudes, matrix products for the mel filters, one matrix product for DCT and lifter.
``benchmarks/features.py`` measures it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.audio.mfcc import MfccSpec, cepstral_matrix, mel_filterbank, window

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    FloatArray = NDArray[np.floating[Any]]

__all__ = ["EPS", "MfccSpec", "MfccStream", "cepstral_matrix", "mel_filterbank"]

EPS: Final = float(np.finfo(np.float64).eps)
"""Replaces an energy of zero before the logarithm, in float32 mode too."""

_MAX_FRAMES_AT_ONCE: Final = 128
"""Frames computed at once: bounds the scratch memory, however long a block is."""

_FILTERS_IN_BAND: Final = 20
"""Filters in one of the dense blocks that the banded mel matrix is cut into.

Measured (``benchmarks/features.py``): 1.2 times as fast as one dense product with 40 filters, 4
times with 160. Sums between the filters' edges (``np.add.reduceat``) were slower than dense.
"""


def _in_bands(bank: FloatArray) -> list[tuple[slice, slice, FloatArray]]:
    """Cut a mel matrix, shape ``(nfilt, bins)``, into dense blocks along its diagonal.

    A block is its slice of bins, its slice of filters and its weights, shape ``(bins, filters)``.
    """
    blocks = []
    for first in range(0, len(bank), _FILTERS_IN_BAND):
        filters = slice(first, min(first + _FILTERS_IN_BAND, len(bank)))
        used = np.flatnonzero(bank[filters].any(axis=0))
        bins = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0)
        blocks.append((bins, filters, np.ascontiguousarray(bank[filters, bins].T)))
    return blocks


def _log(energies: FloatArray) -> FloatArray:
    """Take the natural logarithm in place, of :data:`EPS` where an energy is zero."""
    energies[energies == 0] = EPS
    return np.log(energies, out=energies)


_threads = threading.local()


def _scratch(spec: MfccSpec, dtype: np.dtype[Any]) -> tuple[Any, Any, Any]:
    """Return this thread's scratch arrays for windows, spectra and powers, shape ``(n, …)`` each.

    They are kept, because the page faults of new arrays would cost more than the arithmetic, and
    shared by all streams with the same parameters, because each set takes more than a megabyte.
    The columns past the window stay zero: they are the FFT's padding.
    """
    kept: dict[Any, Any] = _threads.__dict__
    key = (spec.nfft, spec.frame_length, dtype.str)
    if key not in kept:
        n, n_bins = _MAX_FRAMES_AT_ONCE, spec.nfft // 2 + 1
        kept[key] = (
            np.zeros((n, spec.nfft), dtype),
            np.empty((n, n_bins), np.result_type(dtype, np.complex64)),
            np.empty((n, n_bins), dtype),
        )
    scratch: tuple[Any, Any, Any] = kept[key]
    return scratch


class MfccStream:
    """Computes the MFCC frames of one endless signal.

    Parameters
    ----------
    spec
        Parameters of the frames.
    dtype
        ``numpy.float32`` (default; agrees with the float64 reference to 1e-3 on music) or
        ``numpy.float64`` (agrees to 1e-9).
    """

    def __init__(
        self, spec: MfccSpec, *, dtype: type[np.float32] | type[np.float64] = np.float32
    ) -> None:
        self.spec = spec
        self.dtype = np.dtype(dtype)
        self._length, self._step = spec.frame_length, spec.frame_step
        self._window = None if spec.winfunc == "rectangular" else window(spec).astype(dtype)
        # The power is |X / nfft|² where the definition has |X|² / nfft.
        self._bands = _in_bands((mel_filterbank(spec) * spec.nfft).astype(dtype))
        self._cepstra: FloatArray = cepstral_matrix(spec).astype(dtype, order="C")
        self._preemph = self.dtype.type(spec.preemph)
        self.on_energies: Callable[[FloatArray], None] | None = None
        """Called with the mel energies of each stretch of new frames, shape ``(n, nfilt)``, which
        are overwritten afterwards; None if nobody needs them."""
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next sample is the first one of a new signal."""
        self._tail = np.zeros(0, self.dtype)  # emphasised samples that later frames need
        self._last: Any = self.dtype.type(0)  # the raw sample before the next one
        self._skip = 0  # samples between frames, where winstep > winlen
        self._samples = 0
        self._frames = 0

    @property
    def frames(self) -> int:
        """Number of frames since the last reset."""
        return self._frames

    def push(self, samples: FloatArray) -> FloatArray:
        """Take the next samples and return the frames that they complete.

        Parameters
        ----------
        samples
            Any number of samples in [-1, 1], shape ``(n,)``, finite.

        Returns
        -------
        Frames, shape ``(n_new_frames, numcep)``; often without rows.
        """
        if samples.ndim != 1:
            raise ValueError(f"expected mono samples, shape (n,), not {samples.shape}")
        emphasised = self._emphasise(samples)
        self._samples += len(samples)
        if self._skip:
            skipped = min(self._skip, len(emphasised))
            self._skip -= skipped
            emphasised = emphasised[skipped:]
        signal = np.concatenate([self._tail, emphasised]) if len(self._tail) else emphasised
        n_frames = max(0, (len(signal) - self._length) // self._step + 1)
        used = n_frames * self._step
        self._skip += max(0, used - len(signal))
        self._tail = signal[used:].copy()  # a copy: a view would keep the whole block alive
        self._frames += n_frames
        if n_frames == 0:
            return np.zeros((0, self.spec.numcep), self.dtype)
        windows: FloatArray = np.ndarray(
            (n_frames, self._length),
            self.dtype,
            signal,
            strides=(self._step * signal.itemsize, signal.itemsize),
        )
        return np.concatenate(
            [
                self._frames_of(windows[i : i + _MAX_FRAMES_AT_ONCE])
                for i in range(0, n_frames, _MAX_FRAMES_AT_ONCE)
            ]
        )

    def flush(self) -> FloatArray:
        """End the signal: return its last frame, padded with zeros, and reset.

        Shape ``(1, numcep)``, or ``(0, numcep)`` where the signal ended with a complete frame or
        was empty.
        """
        reached = (self._frames - 1) * self._step + self._length if self._frames else 0
        unfinished = self._samples > reached
        tail = self._tail
        self.reset()
        if not unfinished:
            return np.zeros((0, self.spec.numcep), self.dtype)
        padded = np.zeros((1, self._length), self.dtype)
        padded[0, : len(tail)] = tail
        return self._frames_of(padded)

    def _emphasise(self, samples: FloatArray) -> FloatArray:
        signal = np.asarray(samples, self.dtype)
        if len(signal) == 0 or self._preemph == 0:
            return signal
        out = np.empty_like(signal)
        np.multiply(signal[:-1], -self._preemph, out=out[1:])
        out[1:] += signal[1:]
        # The very first sample has no neighbour and is passed as it is.
        out[0] = signal[0] - (self._preemph * self._last if self._samples else 0)
        self._last = signal[-1]
        return out

    def _frames_of(self, windows: FloatArray) -> FloatArray:
        """MFCC rows of windows, shape ``(n, frame_length)`` to ``(n, numcep)``."""
        n = len(windows)
        framed, spectrum, power = (array[:n] for array in _scratch(self.spec, self.dtype))
        if self._window is None:
            framed[:, : self._length] = windows
        else:
            np.multiply(windows, self._window, out=framed[:, : self._length])
        # norm="forward" is for speed, and the mel weights make up for it: with the default norm
        # numpy (2.4) takes float32 through float64, at 2 to 5 times the cost.
        np.fft.rfft(framed, axis=1, norm="forward", out=spectrum)
        np.square(np.abs(spectrum, out=power), out=power)
        energies = np.empty((n, self.spec.nfilt), self.dtype)
        for bins, filters, weights in self._bands:
            np.matmul(power[:, bins], weights, out=energies[:, filters])
        if self.on_energies is not None:
            self.on_energies(energies)
        frames: FloatArray = _log(energies) @ self._cepstra
        if self.spec.append_energy:
            frames[:, 0] = _log(power.sum(axis=1) * self.spec.nfft)
        return frames
