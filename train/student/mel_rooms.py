"""Rooms, microphones and noise in the mel domain: fresh ones at every step of training.

What :mod:`.degrade` does to the sound costs more than a training step; this costs a hundredth of
it. Energies of independent sounds add up, apart from a term that has the sign of a random phase; a
room smears the energy of each band over time; a loudspeaker and a microphone weight the bands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from train.student.frame_kinds import MEL_64
from train.student.renditions import LOWEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.student.frame_kinds import FrameKind

    Floats = NDArray[np.float32]

_HISS: Final = -23.5
"""Log energy of the noise of 16 bits, in the bands of :data:`MEL_64`."""
_LEVELS: Final = (-12.5, 0.5)
"""Range of the levels that are drawn, in the same bands."""


def changed(
    energies: Floats, noises: Floats, rng: np.random.Generator, kind: FrameKind = MEL_64
) -> Floats:
    """Return degraded copies of a batch of log-mel energies.

    Parameters
    ----------
    energies
        In nats, shape ``(n, frames, bands)``.
    noises
        What may be added to each, same shape; the level of it is drawn.
    rng
        Source of everything drawn.
    kind
        The kind of frames.
    """
    n, offset = len(energies), kind.white - MEL_64.white
    power = np.exp(energies)
    inside = rng.random(n) < 0.5
    power[inside] = _in_rooms(power[inside], rng, kind)
    curves = _curves(n, rng, kind, 0.35) + np.where(inside[:, None], _loudspeakers(n, rng, kind), 0)
    power *= np.exp(curves)[:, None]
    noisy = inside | (rng.random(n) < 0.4)
    if noisy.any():
        added = np.exp(noises[noisy]) * np.exp(_curves(int(noisy.sum()), rng, kind, 0.5))[:, None]
        ratio = 10 ** (rng.triangular(-5, 8, 30, len(added)) / 10)
        loud = power[noisy].sum(axis=(1, 2)) / np.maximum(added.sum(axis=(1, 2)), 1e-20) / ratio
        power[noisy] = _sum(power[noisy], added * loud[:, None, None].astype(np.float32), rng, kind)
    power *= np.exp(np.where(inside[:, None], _curves(n, rng, kind, 0.25), 0))[:, None]
    controlled = rng.random(n) < 0.2
    power[controlled] = _controlled(power[controlled], rng, kind)
    level = np.log(power.mean(axis=(1, 2)) + 1e-20)
    wanted, drawn = rng.uniform(*_LEVELS, n) + offset, rng.random(n) < 0.6
    shifted = np.log(power + 1e-20) + np.where(drawn, wanted - level, 0)[:, None, None]
    hiss = np.float32(_HISS + offset) + rng.normal(0, 0.4, shifted.shape)  # of 16 bits
    found: Floats = np.logaddexp(shifted, hiss).astype(np.float32)
    return np.maximum(found, LOWEST, out=found)


def mixed_styles(energies: Floats, rng: np.random.Generator, share: float = 0.3) -> Floats:
    """Give some of a batch the mean and the spread by band of others (Freq-MixStyle).

    Parameters
    ----------
    energies
        In nats, shape ``(n, frames, bands)``.
    rng
        Source of everything drawn.
    share
        Part of the batch.
    """
    chosen = rng.random(len(energies)) < share
    if not chosen.any():
        return energies
    mean = energies.mean(axis=1, keepdims=True)
    spread = energies.std(axis=1, keepdims=True) + 0.1
    other = rng.permutation(len(energies))
    weight = rng.beta(0.4, 0.4, (len(energies), 1, 1)).astype(np.float32)
    weight = np.maximum(weight, 1 - weight)
    out = (energies - mean) / spread * (weight * spread + (1 - weight) * spread[other])
    out += weight * mean + (1 - weight) * mean[other]
    mixed: Floats = np.where(chosen[:, None, None], out, energies)
    return mixed


def masked(energies: Floats, rng: np.random.Generator, share: float = 0.3) -> Floats:
    """Take a few neighbouring bands, or the lowest or highest ones, out of some of a batch.

    Parameters
    ----------
    energies
        In nats, shape ``(n, frames, bands)``.
    rng
        Source of everything drawn.
    share
        Part of the batch.
    """
    bands = energies.shape[-1]
    for row in np.flatnonzero(rng.random(len(energies)) < share):
        width = int(rng.integers(2, 10))
        first = int(rng.integers(0, bands - width))
        where = slice(first, first + width)
        if rng.random() < 0.3:
            where = slice(bands - int(rng.integers(4, 26)), bands)
        least = float(energies[row].min())
        energies[row, :, where] = np.maximum(least, energies[row, :, where] - rng.uniform(4, 12))
    return energies


def _curves(n: int, rng: np.random.Generator, kind: FrameKind, nats: float) -> Floats:
    octaves = np.log2(np.maximum(kind.centres, 30) / 30) / 8
    waves = np.cos(np.pi * np.arange(1, 9)[:, None] * octaves)
    weights = rng.normal(0, 2 * nats, (n, 8)) / np.sqrt(np.arange(1, 9))
    curves: Floats = (weights @ waves).astype(np.float32)
    return curves


def _loudspeakers(n: int, rng: np.random.Generator, kind: FrameKind) -> Floats:
    """Return gains in nats of energy: no bass, less treble, resonances."""
    centres = kind.centres
    low = np.where(rng.random(n) < 0.5, rng.uniform(300, 1200, n), rng.uniform(50, 400, n))
    order = rng.uniform(1, 4, (n, 1))
    gain = -np.log1p((low[:, None] / np.maximum(centres, 20)) ** (2 * order))
    high = np.where(rng.random(n) < 0.5, rng.uniform(2000, 7500, n), 1e5)
    gain -= np.log1p((centres / high[:, None]) ** (2 * rng.uniform(1, 5, (n, 1))))
    for _ in range(3):
        apart = np.log2(np.maximum(centres, 20) / (150 * 2 ** rng.uniform(0, 5.5, (n, 1))))
        gain += rng.uniform(-1.8, 2.2, (n, 1)) * np.exp(-((apart / 0.25) ** 2))
    drawn: Floats = gain.astype(np.float32)
    return drawn


def _in_rooms(power: Floats, rng: np.random.Generator, kind: FrameKind) -> Floats:
    """Add each band's decaying past; high bands decay faster."""
    n, frames, bands = power.shape
    seconds = rng.uniform(0.15, 1.0, (n, 1)) * np.linspace(1, rng.uniform(0.4, 0.9), bands)
    decay = np.power(10, -6 * kind.spec.winstep / seconds).astype(np.float32)
    ratio = np.power(10, rng.uniform(-8, 10, (n, 1)) / 10)  # direct over reverberant
    share = ((1 - decay) / ratio).astype(np.float32)
    tail = np.zeros((n, bands), np.float32)
    out = np.empty_like(power)
    for frame in range(frames):
        out[:, frame] = power[:, frame] + tail
        tail = decay * tail + share * power[:, frame]
    rough = rng.gamma(3.0, 1 / 3.0, out.shape).astype(np.float32)
    found: Floats = power + (out - power) * rough
    return found


def _sum(power: Floats, added: Floats, rng: np.random.Generator, kind: FrameKind) -> Floats:
    phase = np.cos(rng.uniform(0, 2 * np.pi, power.shape)).astype(np.float32)
    both: Floats = power + added + 2 * np.sqrt(power * added / kind.bins) * phase
    return np.maximum(both, 1e-20)


def _controlled(power: Floats, rng: np.random.Generator, kind: FrameKind) -> Floats:
    """Bring the level of every moment closer to the mean, as an automatic gain does."""
    of_frames = power.mean(axis=2)
    smooth = np.empty_like(of_frames)
    kept = of_frames[:, :10].mean(axis=1)
    pace = np.exp(-kind.spec.winstep / rng.uniform(0.1, 1.0, len(power))).astype(np.float32)
    for frame in range(power.shape[1]):
        kept = pace * kept + (1 - pace) * of_frames[:, frame]
        smooth[:, frame] = kept
    mean = of_frames.mean(axis=1, keepdims=True) + 1e-20
    strength = rng.uniform(0.3, 0.9, (len(power), 1))
    gain = (smooth / mean + 1e-3) ** -strength
    found: Floats = (power * gain[:, :, None]).astype(np.float32)
    return found
