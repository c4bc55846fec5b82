"""Augmentation of audio: other levels, loudspeakers, rooms, microphones, noise, talk and codecs.

Everything works on mono samples at 16 kHz and draws from the given generator.
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


@dataclass(frozen=True, slots=True)
class Sound:
    """How often and how much a piece of audio is changed."""

    gain_db: tuple[float, float] = (-20.0, 5.0)
    """Level, in decibels; parts that become too loud clip."""
    equaliser_probability: float = 0.7
    """Share of pieces that go through a smooth random equaliser."""
    equaliser_db: float = 4.0
    """Its standard deviation in decibels."""
    speed: float = 0.06
    """Tempo and pitch together (a semitone is 0.06): ± this share, in a third of the pieces."""
    codec_probability: float = 0.3
    """Share of pieces that were sent through MP3, AAC or Opus."""
    codec_bits: tuple[int, int] = (16_000, 64_000)
    """Bit rates for mono, in bit/s."""
    noise_probability: float = 0.3
    """Share of pieces that get noise."""
    noise_db: tuple[float, float] = (0.0, 30.0)
    """Signal-to-noise ratio in decibels."""
    room_probability: float = 0.4
    """Share of pieces played by a small loudspeaker in a room."""
    room_seconds: tuple[float, float] = (0.15, 0.9)
    """The room's decay time to -60 dB."""
    room_noise_db: tuple[float, float] = (3.0, 35.0)
    """Signal-to-noise ratio in the room; a room is never silent."""
    clip_probability: float = 0.08
    """Share of pieces that are driven into clipping."""
    talk_probability: float = 0.0
    """Share of pieces with speech over the music."""
    talk_db: tuple[float, float] = (0.0, 15.0)
    """Level of music over speech, in decibels."""


_EXCERPT_S: Final = 12.0
STRAY_S: Final = 4
"""Seconds of a stretch of noise without music."""

LEVEL_ONLY: Final = Sound(
    gain_db=(-20.0, 0.0), equaliser_probability=0, speed=0, codec_probability=0,
    noise_probability=0, room_probability=0, clip_probability=0,
)  # fmt: skip
"""A line signal: only its level changes."""
MICROPHONE: Final = Sound(
    gain_db=(0.0, 0.0), equaliser_probability=0.6, equaliser_db=3.0, speed=0,
    codec_probability=0.25, noise_probability=0.15, room_probability=0.5, room_noise_db=(3.0, 30.0),
)  # fmt: skip
"""A loudspeaker, a room and a microphone; tempo and pitch stay."""


def change(
    samples: Samples,
    rng: np.random.Generator,
    settings: Sound,
    noises: Sequence[Samples] = (),
    talks: Sequence[Samples] = (),
) -> Samples:
    """Return a changed copy of a piece of audio; its length changes with its speed.

    Parameters
    ----------
    samples
        Shape ``(n,)``, in [-1, 1].
    rng
        Source of everything drawn.
    settings
        How often and how much it is changed.
    noises
        Recordings of noise to choose from; without any, coloured noise is synthesised.
    talks
        Recordings of speech to choose from; without any, no speech is added.
    """
    s = settings
    out = samples
    if s.speed and rng.random() < 1 / 3:
        out = _faster(out, 1 + rng.uniform(-s.speed, s.speed))
    if rng.random() < s.equaliser_probability:
        out = room_acoustics.filtered(out, room_acoustics.smooth_curve(s.equaliser_db, rng))
    if rng.random() < s.clip_probability:
        peak = float(np.abs(out).max()) * 10 ** (-rng.uniform(1, 9) / 20)
        out = np.clip(out, -peak, peak)
    if talks and rng.random() < s.talk_probability:
        loudness = room_acoustics.level(out) * 10 ** (-rng.uniform(*s.talk_db) / 20)
        out = out + room_acoustics.excerpt(talks, len(out), loudness, rng)
    if rng.random() < s.codec_probability:
        name = list(codec.CODECS)[int(rng.integers(len(codec.CODECS)))]
        peak = max(1.0, float(np.abs(out).max()))
        bits = int(np.exp(rng.uniform(*np.log(s.codec_bits))))
        out = peak * codec.round_trip(out / np.float32(peak), RATE, name, bits)
    if rng.random() < s.room_probability:
        out = room_acoustics.in_a_room(
            out, rng, seconds=s.room_seconds, noise_db=s.room_noise_db, noises=noises
        )
    if rng.random() < s.noise_probability:
        out = out + room_acoustics.noise(
            len(out), room_acoustics.level(out), rng, s.noise_db, noises
        )
    gain = rng.uniform(*s.gain_db)
    changed: Samples = np.clip(out * 10 ** (gain / 20), -1, 1).astype(np.float32)
    return changed


def through_a_microphone(
    samples: Samples, rng: np.random.Generator, noises: Sequence[Samples] = ()
) -> Samples:
    """Return a copy as from a cheap microphone: much noise, mostly low, at any level.

    In addition to :data:`MICROPHONE`, every other copy gets the noise of a place or of an
    amplifier, 22 dB quieter to 8 dB louder than the music, often without its treble. The length is
    kept.

    Parameters
    ----------
    samples
        Shape ``(n,)``, in [-1, 1].
    rng
        Source of everything drawn.
    noises
        Recordings of noise to choose from; without any, coloured noise is synthesised.
    """
    out = change(samples, rng, MICROPHONE, noises)
    if rng.random() < 0.55:
        floor = room_acoustics.noise(len(out), 1.0, rng, (0, 0), noises)
        curve = room_acoustics.smooth_curve(5.0, rng)
        if rng.random() < 0.7:
            curve = curve * room_acoustics.low_pass(rng.uniform(1000, 7000), rng.uniform(0.5, 3))
        floor = room_acoustics.filtered(floor, curve)
        wanted = room_acoustics.level(out) * 10 ** (-rng.uniform(-8, 22) / 20)
        out = out + floor * np.float32(wanted / max(room_acoustics.level(floor), 1e-9))
    if rng.random() < 0.7:
        out = out * np.float32(
            10 ** (rng.uniform(-45, -12) / 20) / max(room_acoustics.level(out), 1e-9)
        )
    changed: Samples = np.clip(out, -1, 1).astype(np.float32)
    return changed


def stray_noise(rng: np.random.Generator, noises: Sequence[Samples] = ()) -> Samples:
    """Return 4 s of noise without music, shape ``(64_000,)``, in [-1, 1].

    It has any colour, and a level of -50 to -12 dB full scale.

    Parameters
    ----------
    rng
        Source of everything drawn.
    noises
        Recordings of noise to choose from; without any, coloured noise is synthesised.
    """
    n = STRAY_S * RATE
    curve = room_acoustics.smooth_curve(5.0, rng)
    if rng.random() < 0.5:
        curve = curve * room_acoustics.low_pass(rng.uniform(1000, 7500), rng.uniform(0.5, 4))
    floor = room_acoustics.filtered(room_acoustics.noise(n, 1.0, rng, (0, 0), noises), curve)
    floor = floor * np.float32(
        10 ** (rng.uniform(-50, -12) / 20) / max(room_acoustics.level(floor), 1e-9)
    )
    changed: Samples = np.clip(floor, -1, 1).astype(np.float32)
    return changed


def excerpt_of(samples: Samples, rng: np.random.Generator) -> Samples:
    """Return the 12 s of a file that are changed or put into a room.

    Parameters
    ----------
    samples
        Mono at 16 kHz, shape ``(n,)``, in [-1, 1].
    rng
        Source of everything drawn.
    """
    length = int(_EXCERPT_S * RATE)
    start = int(rng.integers(max(1, len(samples) - length)))
    return samples[start : start + length]


def simulated_room(
    samples: Samples,
    rng: np.random.Generator,
    noises: Sequence[Samples] = (),
    *,
    noise_db: float = 10.0,
) -> Samples:
    """Return a piece as recorded in a living room, at a level 0 to 20 dB lower.

    A shelf loudspeaker, a room that decays in 0.3 to 0.6 s, noise at a fixed level below the music.
    Robustness is measured with it; the augmentation draws from a wider range of rooms.

    Parameters
    ----------
    samples
        Mono at 16 kHz, shape ``(n,)``, in [-1, 1].
    rng
        Source of everything drawn.
    noises
        Recordings of noise to choose from; without any, coloured noise is synthesised.
    noise_db
        Signal-to-noise ratio in decibels.
    """
    changed = room_acoustics.in_a_room(
        samples, rng, seconds=(0.3, 0.6), noise_db=(noise_db, noise_db), noises=noises, small=False
    )
    gain = rng.uniform(-20, 0)
    quieter: Samples = np.clip(changed * 10 ** (gain / 20), -1, 1).astype(np.float32)
    return quieter


def _faster(samples: Samples, factor: float) -> Samples:
    at = np.arange(0, len(samples) - 1, factor)
    faster: Samples = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    return faster
