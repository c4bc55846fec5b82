"""Peak and short-term loudness of the captured samples.

Loudness is that of ITU-R BS.1770-4 over 3 s ("short-term" in EBU Tech 3341): K-weighted power,
summed over the channels. The weighting is a recursive filter of fourth order. Sample by sample it
would be slow in Python, and even in C each sample waits for the one before. Here it runs as matrix
products: 32 samples at once, from the filter's four state variables before them; and the states
before all such groups of a quarter of a second in two further steps (:class:`_Filter`). The result
is that of the recursion, at less than half of the cost of a spectrum.
"""

from __future__ import annotations

import math
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.floating[Any]]

_BLOCK_S: Final = 0.25
_SHORT_TERM_S: Final = 3.0
_OFFSET: Final = -0.691
"""Decibels that BS.1770 adds, so that a 997 Hz sine in one channel reads its RMS level."""
LEAST_LUFS: Final = -70.0
"""Absolute gate of BS.1770: anything below it does not count as programme."""
_GROUPS: Final = (32, 24, 16)
"""Samples in one row of a matrix product, the fastest first."""
_LEFT_OUT: Final = 0.02
"""Share of the quarter of a second by which a block may be shorter, to divide into groups."""
_ORDER: Final = 4
"""State variables of the filter: two for each of its two stages."""


class LoudnessMeter:
    """Peak since the last reading, and loudness of the last 3 s.

    Parameters
    ----------
    rate
        Samples a second.
    channels
        Number of channels; all have the weight of a front channel.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self._filter = _filter(rate)
        self._length = self._filter.samples
        # One row per channel: the filter runs along the rows.
        self._block = np.zeros((channels, self._length), np.float32)
        self._state = np.zeros((channels, _ORDER), np.float32)
        self._filled = 0
        self._powers: deque[float] = deque(maxlen=int(_SHORT_TERM_S * rate / self._length))
        self._peak = 0.0

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take samples in [-1, 1], shape ``(n, channels)``."""
        if not samples.size:
            return
        self._peak = max(self._peak, float(samples.max()), -float(samples.min()))
        while len(samples):
            some = samples[: self._length - self._filled]
            self._block[:, self._filled : self._filled + len(some)] = some.T
            self._filled += len(some)
            samples = samples[len(some) :]
            if self._filled == self._length:
                self._filled = 0
                weighted, self._state = self._filter.run(self._block, self._state)
                self._powers.append(float(np.vdot(weighted, weighted)) / self._length)

    def reset(self) -> None:
        """Restart the 3 s: the next samples do not follow the last ones."""
        self._filled = 0
        self._state[:] = 0
        self._powers.clear()

    def peak(self) -> float:
        """Return the peak since the last reading in dBFS, ``-inf`` for digital silence."""
        peak, self._peak = self._peak, 0.0
        return 20 * math.log10(peak) if peak > 0 else -math.inf

    def loudness(self) -> float | None:
        """Return the short-term loudness in LUFS; None before 3 s and below the gate."""
        if len(self._powers) < (self._powers.maxlen or 0):
            return None
        mean = sum(self._powers) / len(self._powers)
        loudness = _OFFSET + 10 * math.log10(mean) if mean > 0 else -math.inf
        return loudness if loudness >= LEAST_LUFS else None


class _Filter:
    """The K-weighting of blocks of about a quarter of a second, as matrix products.

    With the state ``s`` before a group of samples ``x`` (rows), the filtered samples are
    ``x @ direct + s @ ringing``, and the state after it is ``s @ step + x @ reached``. The states
    before the groups of a block follow in two levels, since one matrix for all of them would be
    large: within sections of some groups as if each began at rest, then from section to section.

    Parameters
    ----------
    rate
        Samples a second.
    """

    def __init__(self, rate: int) -> None:
        self._group, section, sections = _division(max(1, round(rate * _BLOCK_S)))
        self.samples = self._group * section * sections
        """Samples in a block."""
        transition, entry, output, through = _k_weighting(rate)
        powers = _powers(transition, self._group)
        impulse = np.array([through, *(output @ power @ entry for power in powers[:-1])])
        lag = np.arange(self._group)[None, :] - np.arange(self._group)[:, None]
        direct = np.where(lag >= 0, impulse[lag], 0.0)
        ringing = np.stack([output @ power for power in powers[:-1]], axis=1)
        self._weights = _single(np.concatenate([direct, ringing]))
        self._reached = _single(np.stack([power @ entry for power in powers[-2::-1]]))
        step = _powers(powers[-1], section)
        # The last columns of either are the state at the end.
        self._within = _single(_accumulating(step)[_ORDER:])
        self._carried = _single(np.concatenate([power.T for power in step[:-1]], axis=1))
        self._across = _single(_accumulating(_powers(step[-1], sections)))

    def run(self, block: Matrix, state: Matrix) -> tuple[Matrix, Matrix]:
        """Filter a block; return the filtered samples, and the state after it.

        Parameters
        ----------
        block
            Samples, shape ``(channels, samples)``.
        state
            State before it, shape ``(channels, 4)``.

        Returns
        -------
        Arrays of shape ``(channels * samples / group, group)`` and ``(channels, 4)``.
        """
        groups = block.reshape(-1, self._group)
        rows = np.empty((len(groups), self._group + _ORDER), np.float32)
        rows[:, : self._group] = groups
        reached = (groups @ self._reached).reshape(-1, len(self._within))
        states = reached @ self._within
        ends = states[:, -_ORDER:].reshape(len(block), -1)
        before = np.concatenate([state, ends], axis=1) @ self._across
        carried = before[:, :-_ORDER].reshape(-1, _ORDER) @ self._carried
        carried += states[:, :-_ORDER]
        rows[:, self._group :] = carried.reshape(-1, _ORDER)
        return rows @ self._weights, before[:, -_ORDER:]


_filter = lru_cache(maxsize=8)(_Filter)  # a server may announce any rate


def _division(samples: int) -> tuple[int, int, int]:
    """Divide samples into groups, and these into sections; some may be left out.

    Returns
    -------
    Samples in a group, groups in a section (about as many as there are sections), and sections.
    """
    best = (1, 1, samples)
    for group in _GROUPS:
        root = math.isqrt(samples // group)
        for section in range(max(1, root * 2 // 3), root * 3 // 2 + 1):
            found = (group, section, samples // (group * section))
            if best[0] == 1 or math.prod(found) > math.prod(best):
                best = found
        if math.prod(best) >= (1 - _LEFT_OUT) * samples:
            break
    return best


def _powers(matrix: Matrix, last: int) -> list[Matrix]:
    """Return the powers 0 to ``last`` of a matrix."""
    powers: list[Matrix] = [np.eye(len(matrix))]
    for _ in range(last):
        powers.append(powers[-1] @ matrix)
    return powers


def _accumulating(powers: list[Matrix]) -> Matrix:
    """Return the matrix that turns a row of additions to a state into the row of the states.

    Addition k is made before state k. It has decayed by ``powers[n]`` in state k + n.
    """
    count = len(powers)
    blocks = [
        [
            powers[column - row].T if column >= row else np.zeros_like(powers[0])
            for column in range(count)
        ]
        for row in range(count)
    ]
    return np.block(blocks)


def _single(matrix: Matrix) -> Matrix:
    return np.ascontiguousarray(matrix, np.float32)


def _k_weighting(rate: int) -> tuple[Matrix, Matrix, Matrix, float]:
    """Return transition matrix, entry, output and direct gain of both stages in a row."""
    a1, b1, c1, d1 = _state_space(*_shelf(rate))
    a2, b2, c2, d2 = _state_space(*_high_pass(rate))
    transition = np.block([[a1, np.zeros((2, 2))], [np.outer(b2, c1), a2]])
    return (
        transition,
        np.concatenate([b1, b2 * d1]),
        np.concatenate([d2 * c1, c2]),
        d1 * d2,
    )


Coefficients = tuple[float, float, float]


def _state_space(b: Coefficients, a: Coefficients) -> tuple[Matrix, Matrix, Matrix, float]:
    """Return the same for a filter with numerator ``b`` and denominator ``a``."""
    (b0, b1, b2), (_, a1, a2) = (np.array(row) / a[0] for row in (b, a))
    return (
        np.array([[-a1, 1.0], [-a2, 0.0]]),
        np.array([b1 - a1 * b0, b2 - a2 * b0]),
        np.array([1.0, 0.0]),
        float(b0),
    )


def _shelf(rate: int) -> tuple[Coefficients, Coefficients]:
    """Return the first stage (the head), a high shelf of 4 dB, as numerator and denominator."""
    # BS.1770 gives coefficients at 48 kHz; these are the analogue values they derive from, as in
    # libebur128 (Kokemüller), for any rate.
    k = math.tan(math.pi * 1681.974450955533 / rate)
    q, gain = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = gain**0.4996667741545416
    b = (gain + band * k / q + k * k, 2 * (k * k - gain), gain - band * k / q + k * k)
    return b, (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k)


def _high_pass(rate: int) -> tuple[Coefficients, Coefficients]:
    """Return the second stage, a high-pass at 38 Hz, as numerator and denominator."""
    k, q = math.tan(math.pi * 38.13547087602444 / rate), 0.5003270373238773
    whole = 1 + k / q + k * k
    return (1.0, -2.0, 1.0), (1.0, 2 * (k * k - 1) / whole, (1 - k / q + k * k) / whole)
