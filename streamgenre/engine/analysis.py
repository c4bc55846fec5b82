"""What a station computes from the samples of a hop: frames, level and rows of the spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streamgenre.audio.features import MfccStream
from streamgenre.audio.level import LevelMeter
from streamgenre.audio.spectrum import SpectrumMeter
from streamgenre.engine.hops import SpectrumRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgenre.audio.clock import StreamClock
    from streamgenre.audio.mfcc import MfccSpec

    Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Analysed:
    """What was computed of a hop."""

    frames: Floats
    """MFCC frames, shape ``(n, numcep)``, n ≥ 0."""
    level_dbfs: float
    """RMS level, ``-inf`` for digital silence."""
    samples: Floats | None
    """The samples, shape ``(n,)``; None unless they are kept."""


class Analysis:
    """Computes frames, level and spectrum of the samples of one station.

    Parameters
    ----------
    spec
        MFCC parameters of the station's model.
    clock
        The station's clock, for the times of the spectrum.
    """

    def __init__(self, spec: MfccSpec, clock: StreamClock) -> None:
        self.keeps_samples = False
        """Whether each hop comes with its samples."""
        self._spec = spec
        self._clock = clock
        self._mfcc = MfccStream(spec)
        self._start = 0  # position of the first sample since the MFCC context began
        self._meter = LevelMeter()
        self._spectrum: SpectrumMeter | None = None  # None while nobody looks
        self._rows: list[SpectrumRows] = []
        self._heard: list[Floats] = []  # samples of this hop
        self._samples: list[Floats] = []  # the same, kept
        self._frames: list[Floats] = []  # frames of this hop; several arrays where it has a gap

    def show_spectrum(self, shown: bool) -> None:
        """Make the rows of the spectrum, or stop making them."""
        if shown == (self._spectrum is not None):
            return
        self._spectrum = SpectrumMeter(self._spec) if shown else None
        self._mfcc.on_energies = self._spectrum.push if self._spectrum is not None else None
        self._rows = []

    def push(self, samples: Floats) -> None:
        """Take the next samples of the hop, shape ``(n,)``."""
        self._heard.append(samples)

    def restart(self, position: int) -> None:
        """Start at a position after lost samples: no frame spans them."""
        self._extract()
        self._mfcc.reset()
        if self._spectrum is not None:
            self._spectrum.reset()
        self._start = position

    def end(self) -> None:
        """Add the last frame of the stream, padded with zeros."""
        self._extract()
        self._frames.append(self._mfcc.flush())

    def take(self) -> Analysed:
        """Return what was computed since the last call."""
        self._extract()
        frames, self._frames = self._frames, []
        samples, self._samples = self._samples, []
        return Analysed(
            frames=np.concatenate(frames) if frames else np.zeros((0, self._spec.numcep), "f4"),
            level_dbfs=self._meter.read(),
            samples=np.concatenate(samples) if samples else None,
        )

    def take_spectrum(self) -> tuple[SpectrumRows, ...]:
        """Return the rows made since the last call."""
        rows, self._rows = tuple(self._rows), []
        return rows

    def _extract(self) -> None:
        """Compute the frames of the samples heard.

        All of a hop at once: this costs a fraction of going block by block, and the frames do not
        depend on how the signal was cut, not even in the last bit.
        """
        if self._heard:
            samples = np.concatenate(self._heard)
            self._heard = []
            self._meter.push(samples)
            if self.keeps_samples:
                self._samples.append(samples)
            self._frames.append(self._mfcc.push(samples))
            self._collect_spectrum()

    def _collect_spectrum(self) -> None:
        """Keep the rows that are complete, with their place in the stream."""
        meter, spec = self._spectrum, self._spec
        rows = None if meter is None else meter.take()
        if meter is None or rows is None or not len(rows):
            return
        frames = self._mfcc.frames - meter.unused
        end = self._start + (frames - 1) * spec.frame_step + spec.frame_length
        self._rows.append(
            SpectrumRows(
                levels=rows,
                end=end / spec.samplerate,
                wall=self._clock.time_of(end),
                row_s=meter.row_s,
                edges_hz=meter.edges_hz,
            )
        )
