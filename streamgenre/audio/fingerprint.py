"""Fingerprints: find files with the same recording, however encoded, trimmed or amplified.

After Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System", ISMIR 2002: every 11.6 ms,
32 bits record whether the energy difference between neighbouring bands (300 to 2000 Hz) rose or
fell. A copy has nearly the same bits, another recording about half of them. Equal 32-bit words of
two files show where they may overlap; there the differing bits are counted.

Chromaprint is not used: it needs a shared library of the system and is made for whole tracks, not
for excerpts of two seconds.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Words = NDArray[np.uint32]

RATE: Final = 5512
_WINDOW: Final = 2048
"""0.37 s: long enough that a copy trimmed anywhere between two steps still matches."""
_STEP: Final = 64
_BITS: Final = 32
_LOW: Final = 300.0
_HIGH: Final = 2000.0
_AT_ONCE: Final = 512
_SILENCE: Final = 1e-11
"""Mean energy of the bands, full scale 1, below which a step counts as silent."""
VERSION: Final = 2
"""Changes with the bits, for caches."""
_MASKS: Final = (np.uint32(0x00FF_FFFF), np.uint32(0xFFFF_FF00))
"""Bits of a word used for look-up; bits flipped by a codec outside the mask do not matter."""

_SAME: Final = 0.30
"""Largest share of differing bits in copies. Measured on 537 clips of GTZAN: up to 0.18 through MP3
at 32 kbit/s or Opus at 24 kbit/s, 0.28 where a song repeats itself; other recordings from 0.29 on
where they overlap by less than 2 s, and more where they overlap longer."""
_SAME_SHORT: Final = 0.25
_SHORT_SECONDS: Final = 5.0
"""Overlaps shorter than this are judged by the stricter limit: chance plays a larger part in
them."""
_LEAST_SECONDS: Final = 0.8
"""Shortest overlap that is judged."""
_COMMON: Final = 60
"""Words that occur in more places than this are ignored."""
_OFFSETS: Final = 6
"""Overlaps tried for a pair, those with the most equal words first."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The bits of a recording."""

    words: Words
    """32 bits per step of 11.6 ms, shape ``(n,)``."""
    audible: NDArray[np.bool_]
    """Steps that are not silent, shape ``(n,)``."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Two files with the same recording in them."""

    first: str
    second: str
    differing: float
    """Share of the bits that differ over the overlap, 0 to 1."""
    seconds: float
    """Length of the overlap."""
    offset: float
    """Seconds into ``first`` at which ``second`` begins."""


def fingerprint(samples: NDArray[np.float32]) -> Fingerprint:
    """Return the fingerprint of mono audio at :data:`RATE` Hz; under 0.4 s it has no words."""
    n = 1 + (len(samples) - _WINDOW) // _STEP if len(samples) >= _WINDOW else 0
    if n < 2:
        return Fingerprint(np.zeros(0, np.uint32), np.zeros(0, np.bool_))
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_STEP][:n]
    edges = np.geomspace(_LOW, _HIGH, _BITS + 2) * _WINDOW / RATE
    bins = np.round(edges).astype(np.int64)
    shape = np.hanning(_WINDOW).astype(np.float32)
    energies = np.concatenate(
        [
            np.add.reduceat(
                np.square(np.abs(np.fft.rfft(windows[i : i + _AT_ONCE] * shape, norm="forward"))),
                bins,
                axis=1,
            )[:, :-1]
            for i in range(0, n, _AT_ONCE)
        ]
    )
    # The change over time of the difference between neighbouring bands.
    slopes = energies[:, :-1] - energies[:, 1:]
    bits = slopes[1:] - slopes[:-1] > 0
    words = np.packbits(bits, axis=1, bitorder="little").view(np.uint32)[:, 0]
    return Fingerprint(np.ascontiguousarray(words), energies[1:].mean(axis=1) > _SILENCE)


def copies(prints: Mapping[str, Fingerprint]) -> list[Copy]:
    """Return all pairs of files with the same recording in them, each pair once, sorted.

    The whole overlap is judged: a medley with part of a recording is not a copy of it.
    """
    names = sorted(name for name, found in prints.items() if found.audible.any())
    if not names:
        return []
    found = []
    for (first, second), offsets in sorted(_candidates([prints[name] for name in names]).items()):
        one, other = prints[names[first]], prints[names[second]]
        best = min(compare(one, other, offset) for offset in offsets)
        seconds, offset = best[1] * _STEP / RATE, best[2] * _STEP / RATE
        if best[0] <= (_SAME if seconds >= _SHORT_SECONDS else _SAME_SHORT):
            pair = (names[first], names[second])
            found.append(Copy(*pair, round(best[0], 3), round(seconds, 2), round(offset, 2)))
    return found


def compare(one: Fingerprint, other: Fingerprint, offset: int) -> tuple[float, int, int]:
    """Compare two fingerprints where ``other`` begins ``offset`` steps into ``one``.

    Parameters
    ----------
    one
        First fingerprint.
    other
        Second fingerprint.
    offset
        Steps into ``one`` at which ``other`` begins.

    Returns
    -------
    Share of differing bits (1 where the overlap is too short), steps of the overlap, offset.
    """
    start = max(0, offset)
    count = min(len(one.words) - start, len(other.words) - (start - offset))
    a, b = slice(start, start + count), slice(start - offset, start - offset + count)
    both = one.audible[a] & other.audible[b]
    if both.sum() * _STEP < _LEAST_SECONDS * RATE:
        return 1.0, int(both.sum()), offset
    differing = np.bitwise_count(one.words[a][both] ^ other.words[b][both]).mean() / _BITS
    return float(differing), int(both.sum()), offset


def _candidates(prints: list[Fingerprint]) -> dict[tuple[int, int], list[int]]:
    """Return the offsets with the most equal words, by pair of files."""
    every = np.concatenate([p.words[p.audible] for p in prints])
    files = np.repeat(np.arange(len(prints)), [int(p.audible.sum()) for p in prints])
    places = np.concatenate([np.flatnonzero(p.audible) for p in prints])
    votes: dict[tuple[int, int], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for mask in _MASKS:
        words = every & mask
        order = np.argsort(words, kind="stable")
        words = words[order]
        starts = np.flatnonzero(np.r_[True, words[1:] != words[:-1]])
        sizes = np.diff(np.r_[starts, len(words)])
        usable = (sizes > 1) & (sizes <= _COMMON)
        for start, size in zip(starts[usable].tolist(), sizes[usable].tolist(), strict=True):
            rows = order[start : start + size]
            if files[rows[0]] == files[rows[-1]]:
                continue
            group = list(zip(files[rows].tolist(), places[rows].tolist(), strict=True))
            for number, (file, place) in enumerate(group):
                for later, later_place in group[number + 1 :]:
                    if later != file:
                        votes[file, later][place - later_place] += 1
    return {
        pair: sorted(of_offset, key=lambda o: -of_offset[o])[:_OFFSETS]
        for pair, of_offset in votes.items()
    }
