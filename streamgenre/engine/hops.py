"""What a station makes of its samples: hops, and gaps with their place in the stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamgenre.audio.ring import Gap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SpectrumRows:
    """Rows of the spectrum that follow each other without a gap."""

    levels: NDArray[np.uint8]
    """Levels of the bands, shape ``(rows, bands)``; :mod:`streamgenre.audio.spectrum` has the
    scale."""
    end: float
    """Stream time of the end of the last row in seconds."""
    wall: float
    """The same in UNIX seconds."""
    row_s: float
    """Seconds of audio in a row."""
    edges_hz: list[float]
    """Edges of the bands in Hz, one more than bands."""


@dataclass(frozen=True, slots=True)
class Hop:
    """The audio of one station from one update to the next."""

    frames: NDArray[np.float32]
    """New MFCC frames, shape ``(n, numcep)``, n ≥ 1."""
    level_dbfs: float
    """RMS level, ``-inf`` for digital silence."""
    peak_dbfs: float
    """Largest sample of any channel since the last hop, ``-inf`` for digital silence."""
    loudness_lufs: float | None
    """Short-term loudness of the captured channels; None before 3 s and below the gate."""
    start: float
    """Stream time in seconds."""
    end: float
    """Stream time in seconds."""
    wall: float
    """UNIX seconds of the end."""
    arrival: float | None
    """Monotonic seconds at which the last sample arrived; None where it is not known."""
    samples: NDArray[np.float32] | None = None
    """The audio at the rate of the model, shape ``(n,)``; None unless clips are kept of it."""
    spectrum: tuple[SpectrumRows, ...] = ()
    """Rows of the spectrum, several where the hop has a gap; none unless somebody looks."""


@dataclass(frozen=True, slots=True)
class PlacedGap(Gap):
    """A gap with its place in the stream."""

    start: float
    """Stream time in seconds."""
    end: float
    """Stream time in seconds."""
    wall: float
    """UNIX seconds of the end."""
    resets: bool
    """Whether it is long enough to reset model and decision."""
