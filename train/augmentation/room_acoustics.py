"""A loudspeaker, a room and a microphone, synthesised; and noise.

Everything works on mono samples at 16 kHz and draws from the given generator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE: Final = 16_000
_CURVE_BINS: Final = 513
_CURVE_HERTZ: Final = np.linspace(0, RATE / 2, _CURVE_BINS)


def in_a_room(
    samples: Samples,
    rng: np.random.Generator,
    *,
    seconds: tuple[float, float],
    noise_db: tuple[float, float],
    noises: Sequence[Samples] = (),
    small: bool = True,
) -> Samples:
    """Play music through a loudspeaker in a noisy room; the level is kept.

    Parameters
    ----------
    samples
        Shape ``(n,)``.
    rng
        Source of everything drawn.
    seconds
        Range of the room's decay time to -60 dB.
    noise_db
        Range of the signal-to-noise ratio at the microphone, in decibels.
    noises
        Recordings of noise to choose from; without any, coloured noise is synthesised.
    small
        Whether the loudspeaker is small, as in a telephone or a kitchen radio.
    """
    from scipy.signal import fftconvolve

    sound = filtered(samples, loudspeaker(rng) if small else fair_loudspeaker(rng))
    sound = fftconvolve(sound, response(rng, rng.uniform(*seconds)))[: len(samples)]
    sound *= level(samples) / max(level(sound), 1e-9)
    sound = sound + noise(len(sound), level(sound), rng, noise_db, noises)
    changed: Samples = filtered(sound.astype(np.float32), smooth_curve(3.0, rng))
    return changed


def response(rng: np.random.Generator, seconds: float) -> NDArray[np.float64]:
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
    # Direct to reverberant sound: from beside the loudspeaker to the far end of the room.
    ratio = 10 ** (rng.uniform(-8, 10) / 10)
    synthesised: NDArray[np.float64] = tail / np.sqrt(energy * ratio)
    synthesised[0] = 1
    return synthesised


def loudspeaker(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the gain of a small loudspeaker and a cheap microphone over 0 to 8 kHz.

    A steep cut below 60 to 400 Hz, often less treble above 2 to 7 kHz, resonances and notches, on a
    smooth curve.
    """
    curve = smooth_curve(4.0, rng)
    curve = curve * _high_pass(rng.uniform(60, 400), rng.uniform(1, 4))
    if rng.random() < 0.6:
        curve = curve * low_pass(rng.uniform(2000, 7000), rng.uniform(1, 6))
    for _ in range(int(rng.integers(0, 5))):
        centre = 150 * 2 ** rng.uniform(0, 5.5)
        octaves = np.log2(np.maximum(_CURVE_HERTZ, 20) / centre)
        bump = rng.uniform(-8, 10) * np.exp(-np.square(octaves / rng.uniform(0.08, 0.4)))
        curve = curve * 10 ** (bump / 20)
    drawn: NDArray[np.float64] = curve
    return drawn


def fair_loudspeaker(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the gain of a shelf loudspeaker over 0 to 8 kHz: less bass below 50 to 150 Hz."""
    drawn: NDArray[np.float64] = smooth_curve(2.0, rng) * _high_pass(rng.uniform(50, 150), 2)
    return drawn


def noise(
    n: int,
    loudness: float,
    rng: np.random.Generator,
    decibels: tuple[float, float],
    noises: Sequence[Samples] = (),
) -> Samples:
    """Return noise, shape ``(n,)``, some decibels below a level: recorded or synthesised.

    Parameters
    ----------
    n
        Number of samples.
    loudness
        Root mean square of the music.
    rng
        Source of everything drawn.
    decibels
        Range of the distance below the music, in decibels.
    noises
        Recordings of noise to choose from; without any, coloured noise is synthesised.
    """
    wanted = loudness * 10 ** (-rng.uniform(*decibels) / 20)
    if not noises or rng.random() < 0.4:
        return (wanted * coloured(n, rng)).astype(np.float32)
    return excerpt(noises, n, wanted, rng)


def excerpt(
    recordings: Sequence[Samples], n: int, loudness: float, rng: np.random.Generator
) -> Samples:
    """Return ``n`` samples of one of the recordings at a level, repeated if too short.

    Parameters
    ----------
    recordings
        Recordings to choose from, mono at 16 kHz.
    n
        Number of samples.
    loudness
        Root mean square of the result.
    rng
        Source of everything drawn.
    """
    recorded = recordings[int(rng.integers(len(recordings)))]
    recorded = np.resize(np.roll(recorded, int(rng.integers(len(recorded)))), n)
    scaled: Samples = recorded * np.float32(loudness / max(level(recorded), 1e-9))
    return scaled


def coloured(n: int, rng: np.random.Generator) -> Samples:
    """Return noise of level 1 whose spectrum falls by 0 to 6 dB per octave.

    Parameters
    ----------
    n
        Number of samples.
    rng
        Source of everything drawn.
    """
    from scipy.fft import next_fast_len

    padded = next_fast_len(n, real=True)
    spectrum = np.fft.rfft(rng.normal(size=padded))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20 * n / RATE) ** rng.uniform(0, 1)
    drawn = np.fft.irfft(spectrum, padded)[:n]
    scaled: Samples = (drawn / max(level(drawn), 1e-9)).astype(np.float32)
    return scaled


def level(samples: NDArray[np.floating]) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(samples))))


def smooth_curve(decibels: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a smooth random gain over 0 to 8 kHz, smooth on an octave scale.

    Parameters
    ----------
    decibels
        Standard deviation in decibels.
    rng
        Source of everything drawn.
    """
    octaves = np.log2(np.maximum(_CURVE_HERTZ, 30) / 30) / 8
    waves = np.cos(np.pi * np.arange(1, 9)[:, None] * octaves)
    weights = rng.normal(0, decibels, 8) / np.sqrt(np.arange(1, 9))
    curve: NDArray[np.float64] = 10 ** ((weights @ waves) / 20)
    return curve


def low_pass(hertz: float, order: float) -> NDArray[np.float64]:
    """Return the gain over 0 to 8 kHz of a low-pass of some order.

    Parameters
    ----------
    hertz
        Cut-off frequency.
    order
        Order of the filter.
    """
    curve: NDArray[np.float64] = 1 / np.sqrt(1 + (_CURVE_HERTZ / hertz) ** (2 * order))
    return curve


def _high_pass(hertz: float, order: float) -> NDArray[np.float64]:
    curve: NDArray[np.float64] = 1 / np.sqrt(
        1 + (hertz / np.maximum(_CURVE_HERTZ, 1)) ** (2 * order)
    )
    return curve


def filtered(samples: Samples, curve: NDArray[np.float64]) -> Samples:
    """Filter by a gain over 0 to 8 kHz; phases are kept.

    Parameters
    ----------
    samples
        Mono at 16 kHz, shape ``(n,)``.
    curve
        Gain over 0 to 8 kHz, evenly spaced.
    """
    from scipy.fft import next_fast_len

    padded = next_fast_len(len(samples) + RATE // 10, real=True)
    hertz = np.fft.rfftfreq(padded, 1 / RATE)
    spectrum = np.fft.rfft(samples, padded) * np.interp(hertz, _CURVE_HERTZ, curve)
    changed: Samples = np.fft.irfft(spectrum, padded)[: len(samples)].astype(np.float32)
    return changed
