"""The two kinds of frames that students hear: 64 bands of their own, or the teacher's 96."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.audio.features import MfccSpec, mel_filterbank
from train.corpora.recordings import frames_of, log_mel
from train.trunk import mel_adapter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_EXCERPT_S: Final = 6.0
_LEAST: Final = 1e-12
_MEL_64: Final = MfccSpec(
    samplerate=16_000,
    winlen=0.05,
    winstep=0.02,
    numcep=64,
    nfilt=64,
    nfft=1024,
    lowfreq=40.0,
    highfreq=None,
    preemph=0.0,
    ceplifter=0,
    append_energy=False,
    winfunc="hann",
)


@dataclass(frozen=True)
class FrameKind:
    """Log energies of mel bands in nats, and how they follow from MFCC frames."""

    name: str
    """Names the folder of the frames on disk."""
    spec: MfccSpec
    """The MFCC frames; as many cepstra as filters, so that a graph can invert the transform."""
    of_teacher: bool
    """Whether the bands are the teacher's, which are sums of the filters'."""

    @property
    def frames(self) -> int:
        """Frames of an excerpt."""
        return round(_EXCERPT_S / self.spec.winstep)

    @property
    def bands(self) -> int:
        """Number of bands."""
        return len(self.filters)

    @cached_property
    def filters(self) -> NDArray[np.float64]:
        """Weights of the bins of the spectrum, shape ``(bands, nfft // 2 + 1)``."""
        if self.of_teacher:
            return mel_adapter.slaney_filterbank()
        return np.asarray(mel_filterbank(self.spec), np.float64)

    @cached_property
    def bins(self) -> Floats:
        """Number of bins of each band."""
        found: Floats = np.maximum((self.filters > 0).sum(axis=1), 1).astype(np.float32)
        return found

    @cached_property
    def centres(self) -> NDArray[np.float64]:
        """Middle of each band in Hz."""
        hertz = np.linspace(0, self.spec.samplerate / 2, self.filters.shape[1])
        found: NDArray[np.float64] = (self.filters @ hertz) / np.maximum(
            self.filters.sum(axis=1), 1e-9
        )
        return found

    @cached_property
    def white(self) -> float:
        """Mean log energy of white noise of unit variance."""
        window = np.hanning(round(self.spec.winlen * self.spec.samplerate))
        power = np.square(window).sum() / (1 if self.of_teacher else self.spec.nfft)
        return float(np.log(np.maximum(self.filters.sum(axis=1) * power, 1e-9)).mean())

    def energies(self, samples: Floats) -> Floats:
        """Return an excerpt's log energies, shape ``(frames, bands)``."""
        cepstra = frames_of(samples, self.spec)[: self.frames]
        if not self.of_teacher:
            of_filters: Floats = log_mel(cepstra, self.spec)
            return of_filters
        power = mel_adapter.mel_power(cepstra) / mel_adapter.COMPRESSION
        found: Floats = np.log(np.maximum(power, _LEAST)).astype(np.float32)
        return found


MEL_64: Final = FrameKind("frames", _MEL_64, of_teacher=False)
"""50 frames a second, for students that begin from nothing."""
MEL_96: Final = FrameKind("frames-96", mel_adapter.SPEC, of_teacher=True)
"""62.5 frames a second, for those that begin as the teacher."""
KINDS: Final = {kind.name: kind for kind in (MEL_64, MEL_96)}
