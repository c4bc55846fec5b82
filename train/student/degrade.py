"""Degraded copies of six seconds: what a microphone, a codec or a busy kitchen leaves of them.

Wider than :mod:`train.augmentation.audio`, from which it takes rooms and loudspeakers: telephones
that play nothing below 1 kHz, babble, hum, automatic gain, noise suppression, music under other
music, any level from -50 to 0 dBFS. The length is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from train.augmentation import codec, room_acoustics
from train.augmentation.room_acoustics import RATE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]
    Curve = NDArray[np.float64]

_LEAST: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Pool:
    """Recordings to mix in, mono at 16 kHz."""

    noises: Sequence[Samples] = ()
    speech: Sequence[Samples] = ()
    music: Sequence[Samples] = ()


@dataclass(frozen=True, slots=True)
class Degradation:
    """How often and how much excerpts are changed."""

    speed: float = 0.06
    """Tempo and pitch together, ± this share, in a quarter of the copies."""
    other_music: float = 0.08
    """Share with quieter music of somebody else below them."""
    talk: float = 0.12
    """Share with talk over them."""
    codec: float = 0.12
    """Share that went through a codec at 16 to 64 kbit/s."""
    clipping: float = 0.1
    room: float = 0.6
    """Share that a loudspeaker plays in a room."""
    noise: float = 0.35
    """Share with noise and without a room; a room is never silent."""
    noise_db: tuple[float, float] = (-5.0, 30.0)
    """Music over noise at the microphone, in decibels."""
    room_seconds: tuple[float, float] = (0.15, 1.0)
    """Decay time to -60 dB."""
    gain_control: float = 0.25
    """Share with automatic gain control."""
    suppression: float = 0.2
    """Share with noise suppression, as in telephones."""
    level_db: tuple[float, float] = (-50.0, -6.0)
    """Level of the result in dB full scale; louder parts clip."""


def degraded(
    samples: Samples, rng: np.random.Generator, pool: Pool, settings: Degradation | None = None
) -> Samples:
    """Return a degraded copy of an excerpt of music, speech or noise, same shape.

    Parameters
    ----------
    samples
        Mono at 16 kHz, shape ``(n,)``.
    rng
        Source of everything drawn.
    pool
        Recordings to mix in.
    settings
        How often and how much; None for the usual.
    """
    s = settings or Degradation()
    out = _faster(samples, rng, s.speed) if rng.random() < 0.25 else samples
    if pool.music and rng.random() < s.other_music:
        out = _with(out, room_acoustics.excerpt(pool.music, len(out), 1, rng), rng.uniform(8, 20))
    if pool.speech and rng.random() < s.talk:
        out = _with(out, room_acoustics.excerpt(pool.speech, len(out), 1, rng), rng.uniform(-3, 15))
    if rng.random() < s.codec:
        out = _coded(out, rng)
    if rng.random() < s.clipping:
        peak = float(np.abs(out).max()) * 10 ** (-rng.uniform(1, 12) / 20)
        out = np.clip(out, -peak, peak)
    if rng.random() < s.room:
        out = _in_a_room(out, rng, s.room_seconds)
        out = _with(out, interference(len(out), rng, pool), _ratio(s.noise_db, rng))
        out = room_acoustics.filtered(out, _microphone(rng))
    else:
        out = room_acoustics.filtered(out, room_acoustics.smooth_curve(3.0, rng))
        if rng.random() < s.noise:
            out = _with(out, interference(len(out), rng, pool), _ratio(s.noise_db, rng))
    if rng.random() < s.suppression:
        out = _suppressed(out, rng)
    if rng.random() < s.gain_control:
        out = _gain_controlled(out, rng)
    wanted = 10 ** (rng.uniform(*s.level_db) / 20)
    return _sixteen_bits(out * np.float32(wanted / max(room_acoustics.level(out), _LEAST)))


def interference(n: int, rng: np.random.Generator, pool: Pool) -> Samples:
    """Return the noise of a place or a machine, level 1, shape ``(n,)``.

    Parameters
    ----------
    n
        Number of samples.
    rng
        Source of everything drawn.
    pool
        Recordings to choose from; babble is the talk of many.
    """
    kind = rng.random()
    if pool.speech and kind < 0.2:
        voices = [
            room_acoustics.excerpt(pool.speech, n, 10 ** (-rng.uniform(0, 8) / 20), rng)
            for _ in range(int(rng.integers(3, 9)))
        ]
        out = np.sum(voices, axis=0)
        out = room_acoustics.filtered(out, room_acoustics.low_pass(rng.uniform(1500, 6000), 1))
    elif pool.noises and kind < 0.55:
        out = room_acoustics.excerpt(pool.noises, n, 1, rng)
        if rng.random() < 0.4:
            out = out + room_acoustics.excerpt(pool.noises, n, rng.uniform(0.2, 1), rng)
    else:
        out = synthesised(n, rng)
    found: Samples = out / np.float32(max(room_acoustics.level(out), _LEAST))
    return found


def synthesised(n: int, rng: np.random.Generator) -> Samples:
    """Return hiss, rumble or hum that may swell, of level 1, shape ``(n,)``.

    Parameters
    ----------
    n
        Number of samples.
    rng
        Source of everything drawn.
    """
    out = room_acoustics.coloured(n, rng)
    curve = room_acoustics.smooth_curve(5.0, rng)
    if rng.random() < 0.5:
        curve = curve * room_acoustics.low_pass(rng.uniform(200, 6000), rng.uniform(0.5, 3))
    out = room_acoustics.filtered(out, curve)
    t = np.arange(n, dtype=np.float32) / RATE
    if rng.random() < 0.3:  # traffic, waves, breath
        depth, hertz = rng.uniform(0.2, 0.9), rng.uniform(0.05, 4)
        out = out * (1 + depth * np.sin(2 * np.pi * (hertz * t + rng.random()))).astype(np.float32)
    out = out / np.float32(max(room_acoustics.level(out), _LEAST))
    if rng.random() < 0.25:  # mains, fans, engines
        base = rng.choice([50.0, 60.0, 100.0, 120.0, rng.uniform(30, 300)])
        tones = np.zeros(n, np.float32)
        for k in range(1, int(rng.integers(2, 12))):
            phases = 2 * np.pi * (k * base * t + rng.random())
            tones += np.float32(rng.normal() / k**0.7) * np.sin(phases).astype(np.float32)
        out = out + tones * np.float32(
            10 ** (rng.uniform(-15, 10) / 20) / max(room_acoustics.level(tones), _LEAST)
        )
    found: Samples = (out / max(room_acoustics.level(out), _LEAST)).astype(np.float32)
    return found


def _ratio(decibels: tuple[float, float], rng: np.random.Generator) -> float:
    low, high = decibels
    return float(rng.triangular(low, low + 0.4 * (high - low), high))


def _with(samples: Samples, other: Samples, decibels: float) -> Samples:
    """Add a signal of level 1, so many decibels below the first one."""
    scale = room_acoustics.level(samples) * 10 ** (-decibels / 20)
    return samples + other * np.float32(scale)


def _faster(samples: Samples, rng: np.random.Generator, speed: float) -> Samples:
    factor = 1 + rng.uniform(-speed, speed)
    at = np.arange(0, len(samples) - 1, factor)
    faster = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    return np.resize(faster, len(samples))


def _coded(samples: Samples, rng: np.random.Generator) -> Samples:
    name = list(codec.CODECS)[int(rng.integers(len(codec.CODECS)))]
    peak = np.float32(max(1.0, float(np.abs(samples).max())))
    bits = int(np.exp(rng.uniform(*np.log((16_000, 64_000)))))
    decoded: Samples = peak * codec.round_trip(samples / peak, RATE, name, bits)
    return decoded


def _in_a_room(samples: Samples, rng: np.random.Generator, seconds: tuple[float, float]) -> Samples:
    from scipy.signal import fftconvolve

    kind = rng.random()
    if kind < 0.35:
        curve = telephone(rng)
    elif kind < 0.75:
        curve = room_acoustics.loudspeaker(rng)
    else:
        curve = room_acoustics.fair_loudspeaker(rng)
    sound = room_acoustics.filtered(samples, curve)
    if rng.random() < 0.3:  # a small loudspeaker at its limit
        drive = rng.uniform(0.5, 3) / max(3 * room_acoustics.level(sound), _LEAST)
        sound = np.tanh(sound * np.float32(drive))
    response = room_acoustics.response(rng, rng.uniform(*seconds))
    heard: Samples = fftconvolve(sound, response.astype(np.float32))[: len(samples)]
    return (heard / max(room_acoustics.level(heard), _LEAST)).astype(np.float32)


def telephone(rng: np.random.Generator) -> Curve:
    """Draw the gain over 0 to 8 kHz of a telephone's or laptop's loudspeaker: no bass at all."""
    hertz = np.linspace(0, RATE / 2, 513)
    low, order = rng.uniform(300, 1200), rng.uniform(1.5, 4)
    curve = room_acoustics.smooth_curve(4.0, rng)
    curve = curve / np.sqrt(1 + (low / np.maximum(hertz, 1)) ** (2 * order))
    for _ in range(int(rng.integers(1, 5))):
        octaves = np.log2(np.maximum(hertz, 20) / rng.uniform(600, 7000))
        bump = rng.uniform(-10, 12) * np.exp(-np.square(octaves / rng.uniform(0.06, 0.3)))
        curve = curve * 10 ** (bump / 20)
    return curve


def _microphone(rng: np.random.Generator) -> Curve:
    curve = room_acoustics.smooth_curve(3.0, rng)
    if rng.random() < 0.3:
        curve = curve * room_acoustics.low_pass(rng.uniform(3000, 7500), rng.uniform(1, 8))
    return curve


def _gain_controlled(samples: Samples, rng: np.random.Generator) -> Samples:
    """Bring the level of every moment closer to the mean level."""
    hop = RATE // 50
    blocks = samples[: len(samples) // hop * hop].reshape(-1, hop)
    power = np.square(blocks).mean(axis=1) + _LEAST
    weights = np.exp(-np.arange(150) / (50 * rng.uniform(0.1, 1.0)))
    smooth = np.convolve(power, weights / weights.sum())[: len(power)] + 1e-3 * power.mean()
    gain = (smooth / power.mean()) ** (-0.5 * rng.uniform(0.3, 0.9))
    at = np.arange(len(samples)) / hop
    controlled: Samples = (samples * np.interp(at, np.arange(len(gain)), gain)).astype(np.float32)
    return controlled


def _suppressed(samples: Samples, rng: np.random.Generator) -> Samples:
    """Lower what is steady in each band, as telephones do."""
    from scipy.signal import istft, stft

    _, _, spectrum = stft(samples, RATE, nperseg=512)
    power = np.abs(spectrum) ** 2
    floor = np.quantile(power, rng.uniform(0.1, 0.4), axis=1, keepdims=True) * rng.uniform(1, 3)
    least = 10 ** (-rng.uniform(6, 20) / 20)
    gain = np.sqrt(np.maximum(1 - floor / np.maximum(power, 1e-20), least**2))
    gain[:, 1:] = 0.5 * gain[:, 1:] + 0.5 * gain[:, :-1]
    _, cleaned = istft(spectrum * gain, RATE, nperseg=512)
    return np.resize(cleaned.astype(np.float32), len(samples))


def _sixteen_bits(samples: Samples) -> Samples:
    whole: Samples = (np.round(np.clip(samples, -1, 1) * 32767) / 32767).astype(np.float32)
    return whole
