"""Augmentation of audio: other levels, loudspeakers, rooms, microphones, noise and codecs.

Everything works on mono samples at 16 kHz and draws from the generator that it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE: Final = 16_000


@dataclass(frozen=True, slots=True)
class Sound:
    """How often and how much a piece of audio is changed."""

    gain_db: float = 20.0
    """Level: from minus this many decibels to plus a quarter of them; louder parts clip."""
    equaliser_probability: float = 0.7
    """Share of pieces that go through a smooth random equaliser."""
    equaliser_db: float = 4.0
    """Its standard deviation in decibels."""
    speed: float = 0.06
    """Tempo and pitch together: ± this share, in a third of the pieces."""
    band_probability: float = 0.25
    """Share of pieces that lose their highest frequencies, as in a codec at a low bit rate."""
    noise_probability: float = 0.35
    """Share of pieces that get noise."""
    noise_db: tuple[float, float] = (0.0, 30.0)
    """Signal-to-noise ratio in decibels."""
    room_probability: float = 0.35
    """Share of pieces that are played by a small loudspeaker in a room."""
    room_seconds: tuple[float, float] = (0.15, 0.9)
    """The room's decay time to -60 dB."""
    clip_probability: float = 0.08
    """Share of pieces that are driven into clipping."""


LEVEL_ONLY: Final = Sound(
    gain_db=12.0, equaliser_probability=0, speed=0, band_probability=0, noise_probability=0,
    room_probability=0, clip_probability=0,
)  # fmt: skip
"""A line signal: nothing but its level changes."""


def change(
    samples: Samples, rng: np.random.Generator, settings: Sound, noises: Sequence[Samples] = ()
) -> Samples:
    """Return a changed copy of a piece of audio; its length changes with its speed.

    Parameters
    ----------
    samples
        Shape ``(n,)``, in [-1, 1].
    rng
        Source of everything drawn.
    settings
        How often and how much.
    noises
        Recordings of noise to choose from; without any, coloured noise is synthesised.
    """
    s = settings
    out = samples
    if s.speed and rng.random() < 1 / 3:
        out = _faster(out, 1 + rng.uniform(-s.speed, s.speed))
    if rng.random() < s.equaliser_probability:
        out = _filtered(out, _smooth_curve(s.equaliser_db, rng))
    if rng.random() < s.clip_probability:
        peak = float(np.abs(out).max()) * 10 ** (-rng.uniform(1, 9) / 20)
        out = np.clip(out, -peak, peak)
    if rng.random() < s.band_probability:
        out = _filtered(out, _low_pass(rng.uniform(3500, 7800)))
    if rng.random() < s.room_probability:
        out = _in_a_room(out, rng, s)
    if rng.random() < s.noise_probability:
        out = out + _noise(out, rng, s, noises)
    gain = rng.uniform(-s.gain_db, s.gain_db / 4)
    changed: Samples = np.clip(out * 10 ** (gain / 20), -1, 1).astype(np.float32)
    return changed


def room_response(rng: np.random.Generator, seconds: float) -> NDArray[np.float64]:
    """Synthesise a room's impulse response: a direct sound, early echoes, decaying noise.

    The noise decays faster at high frequencies, as it does in rooms.

    Parameters
    ----------
    rng
        Source of everything drawn.
    seconds
        Decay time to -60 dB.
    """
    n = int(seconds * RATE)
    t = np.arange(n) / RATE
    dull = np.convolve(rng.normal(size=n), np.ones(6) / np.sqrt(6), mode="same")
    tail = dull * 10 ** (-3 * t / seconds) + rng.normal(size=n) * 10 ** (-6 * t / seconds)
    tail[: int(rng.uniform(0.002, 0.02) * RATE)] = 0
    for at in rng.uniform(0.001, 0.04, size=5):
        tail[int(at * RATE)] += rng.normal() * 3
    energy = np.square(tail).sum()
    # Direct sound against the room: from beside the loudspeaker to the other end of the room.
    ratio = 10 ** (rng.uniform(-8, 10) / 10)
    response: NDArray[np.float64] = tail / np.sqrt(energy * ratio)
    response[0] = 1
    return response


def _in_a_room(samples: Samples, rng: np.random.Generator, s: Sound) -> Samples:
    from scipy.signal import fftconvolve

    # Loudspeaker and microphone: little bass, resonances, often little treble.
    curve = _smooth_curve(2 * s.equaliser_db, rng) * _high_pass(rng.uniform(60, 350))
    if rng.random() < 0.5:
        curve = curve * _low_pass(rng.uniform(3500, 7800))
    wet = fftconvolve(_filtered(samples, curve), room_response(rng, rng.uniform(*s.room_seconds)))[
        : len(samples)
    ]
    wet *= _level(samples) / max(_level(wet), 1e-9)
    # A room is never silent.
    floor = _level(wet) * 10 ** (-rng.uniform(8, 40) / 20)
    sounding: Samples = wet + floor * _coloured(len(wet), rng)
    return sounding


def _noise(
    samples: Samples, rng: np.random.Generator, s: Sound, noises: Sequence[Samples]
) -> Samples:
    level = _level(samples) * 10 ** (-rng.uniform(*s.noise_db) / 20)
    if not noises or rng.random() < 0.4:
        return (level * _coloured(len(samples), rng)).astype(np.float32)
    noise = noises[int(rng.integers(len(noises)))]
    noise = np.resize(np.roll(noise, int(rng.integers(len(noise)))), len(samples))
    scaled: Samples = noise * (level / max(_level(noise), 1e-9))
    return scaled


def _coloured(n: int, rng: np.random.Generator) -> Samples:
    """Return noise of level 1 whose spectrum falls by 0 to 6 dB an octave."""
    spectrum = np.fft.rfft(rng.normal(size=n))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20 * n / RATE) ** rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, n)
    coloured: Samples = (noise / max(_level(noise), 1e-9)).astype(np.float32)
    return coloured


def _level(samples: NDArray[np.floating]) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(samples))))


def _faster(samples: Samples, factor: float) -> Samples:
    at = np.arange(0, len(samples) - 1, factor)
    faster: Samples = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    return faster


_CURVE_BINS: Final = 513
_CURVE_HERTZ: Final = np.linspace(0, RATE / 2, _CURVE_BINS)


def _smooth_curve(decibels: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a smooth random gain over 0 to 8 kHz, smooth on an octave scale."""
    octaves = np.log2(np.maximum(_CURVE_HERTZ, 30) / 30) / 8
    waves = np.cos(np.pi * np.arange(1, 9)[:, None] * octaves)
    weights = rng.normal(0, decibels, 8) / np.sqrt(np.arange(1, 9))
    curve: NDArray[np.float64] = 10 ** ((weights @ waves) / 20)
    return curve


def _low_pass(hertz: float) -> NDArray[np.float64]:
    curve: NDArray[np.float64] = 1 / (1 + (_CURVE_HERTZ / hertz) ** 24)
    return curve


def _high_pass(hertz: float) -> NDArray[np.float64]:
    curve: NDArray[np.float64] = 1 / np.sqrt(1 + (hertz / np.maximum(_CURVE_HERTZ, 1)) ** 6)
    return curve


def _filtered(samples: Samples, curve: NDArray[np.float64]) -> Samples:
    """Filter by a gain over frequency; phases stay."""
    padded = len(samples) + RATE // 10
    hertz = np.fft.rfftfreq(padded, 1 / RATE)
    spectrum = np.fft.rfft(samples, padded) * np.interp(hertz, _CURVE_HERTZ, curve)
    filtered: Samples = np.fft.irfft(spectrum, padded)[: len(samples)].astype(np.float32)
    return filtered
