"""Augmentation of log-mel segments: other rooms, mixing desks and microphones.

Everything works on natural logarithms of power, shape ``(time, bands)``, and draws from the given
generator: the same seed gives the same segments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Energies = NDArray[np.float32]

DECIBEL: Final = math.log(10) / 10
"""One decibel of power as a natural logarithm."""
_FRAME_SECONDS: Final = 0.04


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much is changed; numbers are the ends of the ranges drawn from."""

    gain_db: float = 10.0
    """Level: ± this many decibels."""
    equaliser_db: float = 2.0
    """Standard deviation in decibels of each of four smooth curves over the bands."""
    stretch: float = 0.0
    """Tempo: ± this share."""
    shift_bands: float = 0.25
    """Pitch: ± this many mel bands."""
    noise_probability: float = 0.3
    """Share of segments that get a noise floor."""
    noise_db: tuple[float, float] = (10.0, 50.0)
    """The noise floor lies this many decibels below the segment's mean power."""
    room_probability: float = 0.05
    """Share of segments that get reverberation."""
    room_seconds: tuple[float, float] = (0.15, 0.8)
    """Its decay time to -60 dB."""
    masks: int = 0
    """Number of masks over time and over bands, each."""
    mask_frames: int = 8
    """Largest number of frames in a mask."""
    mask_bands: int = 6
    """Largest number of bands in a mask."""


NONE: Final = Augmentation(
    gain_db=0, equaliser_db=0, stretch=0, shift_bands=0, noise_probability=0,
    room_probability=0, masks=0,
)  # fmt: skip


def crop(
    energies: Energies, length: int, rng: np.random.Generator, *, stretch: float = 0.0
) -> Energies:
    """Cut out ``length`` frames at random, faster or slower by up to ``stretch``.

    A recording that is too short is repeated, as in the daemon for a station younger than the
    window.

    Parameters
    ----------
    energies
        Natural logarithms of power, shape ``(time, bands)``.
    length
        Number of frames.
    rng
        Source of everything drawn.
    stretch
        Largest change of speed, as a share.
    """
    speed = 1.0 + rng.uniform(-stretch, stretch)
    needed = math.ceil((length - 1) * speed) + 2
    start = int(rng.integers(0, max(1, len(energies) - needed + 1)))
    piece = energies[start : start + needed]
    if len(piece) < needed:
        piece = np.resize(piece, (needed, energies.shape[1]))
    if stretch == 0:
        return piece[:length].copy()
    at = np.arange(length) * speed
    whole = at.astype(np.int64)
    part = (at - whole).astype(np.float32)[:, None]
    stretched: Energies = piece[whole] * (1 - part) + piece[whole + 1] * part
    return stretched


def augment(
    energies: Energies, rng: np.random.Generator, settings: Augmentation | None = None
) -> Energies:
    """Return a changed copy of a segment, shape and dtype kept.

    Parameters
    ----------
    energies
        Natural logarithms of power, shape ``(time, bands)``.
    rng
        Source of everything drawn.
    settings
        How much is changed; None for the defaults.
    """
    s = settings or Augmentation()
    bands = energies.shape[1]
    out = energies.copy()
    if s.shift_bands:
        out = _shifted(out, rng.uniform(-s.shift_bands, s.shift_bands))
    if rng.random() < s.room_probability:
        out = _in_a_room(out, rng.uniform(*s.room_seconds))
    if rng.random() < s.noise_probability:
        colour = _smooth_curve(bands, 2 * s.equaliser_db, rng)
        out = _in_noise(out, rng.uniform(*s.noise_db), colour, rng)
    if s.equaliser_db:
        out = out + _smooth_curve(bands, s.equaliser_db, rng)
    if s.gain_db:
        out = out + np.float32(rng.uniform(-s.gain_db, s.gain_db) * DECIBEL)
    return _masked(out, rng, s)


def _shifted(energies: Energies, by: float) -> Energies:
    """Move a segment up by a number of bands; the edge bands are repeated."""
    bands = energies.shape[1]
    at = np.clip(np.arange(bands) - by, 0, bands - 1)
    low = np.minimum(at.astype(np.int64), bands - 2)
    part = (at - low).astype(np.float32)
    shifted: Energies = energies[:, low] * (1 - part) + energies[:, low + 1] * part
    return shifted


def _in_noise(
    energies: Energies, decibels: float, colour: NDArray[np.float32], rng: np.random.Generator
) -> Energies:
    """Add a noise floor ``decibels`` below the segment's mean power."""
    mean_power = float(energies.max() + np.log(np.mean(np.exp(energies - energies.max()))))
    level = mean_power - decibels * DECIBEL
    flicker = rng.normal(0, 0.3, energies.shape)
    noisy: Energies = np.logaddexp(energies, (level + colour + flicker).astype(np.float32))
    return noisy


def _in_a_room(energies: Energies, seconds: float) -> Energies:
    """Add a room's decay, in the power domain."""
    kept = math.exp(-6 * math.log(10) * _FRAME_SECONDS / seconds)
    tail = energies[0]
    out = np.empty_like(energies)
    for i, row in enumerate(energies):
        # A recursion in the logarithm: current power plus the decayed past.
        tail = np.logaddexp(row, tail + math.log(kept))
        out[i] = tail
    return out


def _smooth_curve(bands: int, decibels: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a smooth random curve over the bands, shape ``(bands,)``, in natural logarithms."""
    position = (np.arange(bands) + 0.5) / bands
    waves = np.cos(np.pi * np.arange(1, 5)[:, None] * position)
    weights = rng.normal(0, decibels * DECIBEL, 4) / np.sqrt(np.arange(1, 5))
    curve: NDArray[np.float32] = (weights @ waves).astype(np.float32)
    return curve


def _masked(energies: Energies, rng: np.random.Generator, s: Augmentation) -> Energies:
    """Replace stretches of time and of bands by the segment's mean."""
    if s.masks == 0:
        return energies
    mean = energies.mean()
    frames, bands = energies.shape
    for _ in range(s.masks):
        wide = int(rng.integers(0, min(s.mask_frames, frames // 4) + 1))
        start = int(rng.integers(0, frames - wide + 1))
        energies[start : start + wide] = mean
        wide = int(rng.integers(0, min(s.mask_bands, bands // 4) + 1))
        start = int(rng.integers(0, bands - wide + 1))
        energies[:, start : start + wide] = mean
    return energies
