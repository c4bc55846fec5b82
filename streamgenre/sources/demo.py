"""The demo programme: synthesised music for machines without an input device.

Five contrasting styles with hard changes, one silence and one gap, repeated without end with small
variations. The same seed gives the same samples. The styles are synthetic sketches: models need not
recognise them as their genres.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from streamgenre.audio.ring import Gap, GapReason, as_block
from streamgenre.sources.paced import Pace, PacedSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Signal: TypeAlias = NDArray[np.float64]
    Style: TypeAlias = Callable[[np.random.Generator, int, float], Signal]

RATE: Final = 22_050
PART_S: Final = 15.0
"""Length of a style in seconds."""
SILENCE_S: Final = 5.0
GAP_S: Final = 0.75
GAP_STYLE: Final = 2
"""Index of the style that contains the gap."""
_SECTION_S: Final = 3.0
"""Seconds synthesised at once: short, so that real-time pace is kept."""
_BLOCK: Final = RATE // 20


def open_demo(*, pace: Pace = "real", seed: int = 0) -> PacedSource:
    """Return a source that plays the programme without end, at a pace and from a seed.

    Parameters
    ----------
    pace
        ``real`` plays at the speed of the clock, ``fast`` without waiting.
    seed
        Seed of the programme; the same seed gives the same samples.

    Returns
    -------
    PacedSource
        A mono source at :data:`RATE` Hz.
    """
    return PacedSource("demo", RATE, 1, programme(seed), pace=pace, real_time=pace == "real")


def programme(seed: int = 0) -> Iterator[NDArray[np.float32] | Gap]:
    """Yield the endless programme as mono blocks of 50 ms, shape ``(n, 1)``, and its gap."""
    for part in count():
        order = part % (len(STYLES) + 1)
        if order == len(STYLES):
            yield from _blocks(np.zeros(int(SILENCE_S * RATE)))
            continue
        key = int(np.random.default_rng([seed, part]).integers(0, 6))
        sections = round(PART_S / _SECTION_S)
        for section in range(sections):
            rng = np.random.default_rng([seed, part, section])
            style, loudness = STYLES[order]
            signal = 0.35 * np.tanh(style(rng, key, _SECTION_S) / loudness)
            if order == GAP_STYLE and section == sections // 2:  # like a lost connection
                missing = int(GAP_S * RATE)
                yield Gap(missing, GapReason.SOURCE)
                signal = signal[missing:]
            yield from _blocks(signal)


def _blocks(signal: Signal) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(signal), _BLOCK):
        yield as_block(signal[start : start + _BLOCK])


# ---- building blocks ----------------------------------------------------------------------------


def _seconds(length: float) -> Signal:
    return np.arange(int(length * RATE)) / RATE


def _hz(note: float) -> float:
    """Frequency of a MIDI note number."""
    return float(440.0 * 2 ** ((note - 69) / 12))


def _tone(note: float, length: float, harmonics: int, *, fade: float, vibrato: float = 0) -> Signal:
    """Harmonic tone with a soft attack; ``fade`` is its decay rate per second."""
    t = _seconds(length)
    phase = 2 * np.pi * _hz(note) * t + vibrato * np.sin(2 * np.pi * 5.2 * t)
    tone = sum((np.sin(k * phase) / k for k in range(1, harmonics + 1)), np.zeros_like(t))
    envelope = np.minimum(1, t / 0.01) * np.exp(-fade * t) * np.minimum(1, (length - t) / 0.02)
    return np.asarray(tone * envelope)


def _noise(rng: np.random.Generator, length: float, fade: float, *, bright: bool) -> Signal:
    noise = rng.standard_normal(int(length * RATE))
    if bright:
        noise = np.diff(noise, prepend=0.0)
    return np.asarray(noise * np.exp(-fade * _seconds(length)))


def _kick() -> Signal:
    t = _seconds(0.25)
    return np.asarray(np.sin(2 * np.pi * (50 * t + 12 * (1 - np.exp(-30 * t)))) * np.exp(-12 * t))


def _add(track: Signal, sound: Signal, at: float, gain: float = 1.0) -> None:
    start = int(at * RATE)
    end = min(len(track), start + len(sound))
    if end > start:
        track[start:end] += gain * sound[: end - start]


# ---- styles -------------------------------------------------------------------------------------


def _strings(rng: np.random.Generator, key: int, length: float) -> Signal:
    """Slow chords of bowed strings with vibrato."""
    track = np.zeros(int(length * RATE))
    for at in np.arange(0, length, 3.0):
        root = 45 + key + int(rng.choice((0, 5, 7, -3)))
        for step in (0, 7, 12, 16, 19):
            sound = _tone(root + step, 3.0, 8, fade=0.2, vibrato=0.25)
            _add(track, sound * np.minimum(1, _seconds(3.0) / 0.5), at)
    return track


def _four_on_the_floor(rng: np.random.Generator, key: int, length: float) -> Signal:
    """Kick on every beat, open hi-hat between, octave bass."""
    track = np.zeros(int(length * RATE))
    beat = 60 / 122
    for i, at in enumerate(np.arange(0, length, beat)):
        _add(track, _kick(), at, 1.6)
        _add(track, _noise(rng, 0.12, 25, bright=True), at + beat / 2, 0.25)
        if i % 2:
            _add(track, _noise(rng, 0.2, 18, bright=False), at, 0.35)
        for half in (0, 1):
            note = 33 + key + (0, 0, 3, 5)[(i // 4) % 4] + 12 * half
            _add(track, _tone(note, beat / 2, 12, fade=4), at + half * beat / 2, 0.5)
    return track


def _distortion(rng: np.random.Generator, key: int, length: float) -> Signal:
    """Distorted power chords over double bass drums."""
    guitar = np.zeros(int(length * RATE))
    drums = np.zeros_like(guitar)
    eighth = 60 / 180 / 2
    for i, at in enumerate(np.arange(0, length, eighth)):
        note = 37 + key + (0, 0, 1, 0, 3, 0, 1, 6)[(i // 4) % 8]
        for step in (0, 7, 12):
            _add(guitar, _tone(note + step, eighth, 10, fade=2), at)
        _add(drums, _kick(), at, 1.2)
        if i % 4 == 2:
            _add(drums, _noise(rng, 0.2, 15, bright=False), at, 1.0)
        _add(drums, _noise(rng, 0.3, 8, bright=True), at, 0.15)
    return np.asarray(np.tanh(6 * guitar) + drums)


def _swing(rng: np.random.Generator, key: int, length: float) -> Signal:
    """Synthesise walking bass, swung ride cymbal and broken piano chords."""
    track = np.zeros(int(length * RATE))
    beat = 60 / 132
    scale = (0, 2, 3, 5, 7, 9, 10, 12)
    for i, at in enumerate(np.arange(0, length, beat)):
        _add(track, _tone(36 + key + rng.choice(scale), beat, 5, fade=3), at, 1.0)
        for offset in (0.0, beat * 2 / 3) if i % 2 else (0.0,):
            _add(track, _noise(rng, 0.3, 14, bright=True), at + offset, 0.12)
        if rng.random() < 0.5:
            for step in (3, 7, 10, 14):
                note = 60 + key + step + int(rng.choice((0, 5)))
                _add(track, _tone(note, beat, 4, fade=5), at + beat * 2 / 3, 0.3)
    return track


def _beat(rng: np.random.Generator, key: int, length: float) -> Signal:
    """Slow drum-machine beat with a deep bass and a sparse riff."""
    track = np.zeros(int(length * RATE))
    sixteenth = 60 / 88 / 4
    for i, at in enumerate(np.arange(0, length, sixteenth)):
        place = i % 16
        if place in (0, 3, 10):
            _add(track, _kick(), at, 1.8)
            _add(track, _tone(29 + key + (0 if i % 64 < 32 else 3), 0.4, 2, fade=4), at, 1.2)
        if place in (4, 12):
            _add(track, _noise(rng, 0.15, 22, bright=False), at, 0.8)
        if place % 2 == 0:
            _add(track, _noise(rng, 0.05, 60, bright=True), at, 0.2)
        if place in (6, 7, 14) and rng.random() < 0.7:
            _add(track, _tone(65 + key + int(rng.choice((0, 3, 5))), 0.2, 3, fade=8), at, 0.3)
    return track


STYLES: Final[tuple[tuple[Style, float], ...]] = (
    (_strings, 4.0),
    (_four_on_the_floor, 3.0),
    (_distortion, 2.0),
    (_swing, 3.0),
    (_beat, 3.0),
)
"""Each style with the amplitude that is loud for it."""
