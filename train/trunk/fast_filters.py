"""Filters over the mel bands, as convolutions that onnxruntime runs with fewer products.

Two rewritings, both exact but for rounding:

- **Full vectors.** onnxruntime computes filters by 16 (8 without AVX-512) and takes as long for
  17 as for 32. Several shifted copies of each filter, at a stride as long, fill the last 16.
- **Three halves for four**, for the filters over most of the bands. With ``g``, ``h`` their even
  and odd taps, ``u``, ``v`` the even and odd inputs and ``w`` the even ones after these, the even
  positions are ``(g + h) * v + g * (u - v)`` and the odd ones ``(g + h) * v + h * (w - v)``:
  three convolutions of half the taps at half the positions. Strides and dilations pick the even
  and the odd ones. For filters along time the two sums over all bands cost what this saves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.trunk.musicnn import BANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from train.export.graph_builder import Builder

_VECTOR: Final = 16
_MOST_COPIES: Final = 8
_BANDS: Final = 2
"""Axis of the bands; frames are the last axis."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How some filters of the same length are computed along an axis."""

    copies: int
    """Shifted copies of each filter."""
    rows: int
    """Positions of each copy."""
    taps: int
    """Taps of each copy, with the zeros around the filter's own."""
    products: int
    """What it costs: products for each row across the axis."""

    @property
    def span(self) -> int:
        """Inputs along the axis that the copies see."""
        return self.copies * (self.rows - 1) + self.taps


def plan(count: int, length: int, positions: int) -> Plan:
    """Return the cheapest plan.

    Parameters
    ----------
    count
        Number of filters.
    length
        Taps of each along the axis.
    positions
        Positions at which they are computed.
    """
    found = []
    for copies in range(1, max(1, min(_MOST_COPIES, positions // 2)) + 1):
        rows, taps = -(-positions // copies), length + copies - 1
        found.append(Plan(copies, rows, taps, _whole(count * copies) * rows * taps))
    return min(found, key=lambda each: each.products)


def halved_plan(kernel: Any) -> Plan:
    """Return the cheapest plan for either half of filters over some of the bands.

    Parameters
    ----------
    kernel
        Filters, shape ``(filters, 1, bands, frames)``.
    """
    bands = kernel.shape[_BANDS]
    return plan(len(kernel), -(-bands // 2), -(-_positions(bands) // 2))


def bands_seen(kernel: Any) -> int:
    """Return how many bands, with zeros after the last, :func:`strongest_position` takes.

    Parameters
    ----------
    kernel
        Filters, shape ``(filters, 1, bands, frames)``.
    """
    return 2 * halved_plan(kernel).span + 1


def strongest_position(b: Builder, x: str, kernel: Any) -> str:
    """Return the filters' maximum over the positions, ``(batch, filters, frames)``.

    Parameters
    ----------
    b
        Collects the nodes.
    x
        Name of the input, shape ``(batch, 1, bands, frames)``, with :func:`bands_seen` bands.
    kernel
        Filters over less than all bands, shape ``(filters, 1, bands, frames)``.
    """
    how, positions = halved_plan(kernel), _positions(kernel.shape[_BANDS])
    end = bands_seen(kernel)
    even, odd = (np.moveaxis(kernel, _BANDS, -1)[..., n::2] for n in (0, 1))
    odd = _padded(odd, 0, even.shape[-1] - odd.shape[-1])

    def cut(of: str, first: int, last: int) -> str:
        return b.add("Slice", of, b.whole(first), b.whole(last), b.whole(_BANDS))

    def conv(of: str, taps: Any) -> str:
        kernels = b.constant(np.moveaxis(_copied(taps, how), -1, _BANDS))
        return b.add("Conv", of, kernels, strides=[2 * how.copies, 1], dilations=[2, 1])

    later = cut(x, 1, end)
    apart = b.add("Sub", cut(x, 0, end - 1), later)
    common = conv(later, even + odd)
    found = []
    for parity, differs in enumerate((conv(apart, even), conv(cut(apart, 1, end - 1), -odd))):
        # Row r of copy i is at position 2 * (copies * r + i) + parity. Copies whose last row lies
        # after the last position come last; that row is left out.
        valid = [
            len(range(parity + 2 * copy, positions, 2 * how.copies)) for copy in range(how.copies)
        ]
        y = b.add("MaxPool", b.add("Add", differs, common), kernel_shape=[min(valid), 1])
        for row, copies in enumerate((how.copies, valid.count(min(valid) + 1))):
            if copies:
                ends = b.whole(copies * len(kernel), row + 1)
                part = b.add("Slice", y, b.whole(0, row), ends, b.whole(1, _BANDS))
                found.append(b.add("Reshape", part, b.whole(0, copies, len(kernel), -1)))
    return b.add("ReduceMax", b.add("Concat", *found, axis=1), axes=[1], keepdims=0)


def strongest_band(b: Builder, x: str, begin: int, kernel: Any, frames: int) -> str:
    """Return the maximum over the bands of filters along time, ``(batch, filters, frames)``.

    Parameters
    ----------
    b
        Collects the nodes.
    x
        Name of the input, shape ``(batch, 1, 96, frames)``.
    begin
        The frame of the first tap at the first of the frames to compute.
    kernel
        Filters, shape ``(filters, 1, 1, taps)``.
    frames
        Number of frames to compute.
    """
    count = len(kernel)
    how = plan(count, kernel.shape[-1], frames)
    x = b.add("Slice", x, b.whole(begin), b.whole(begin + how.span), b.whole(3))
    y = b.add("Conv", x, b.constant(_copied(kernel, how)), strides=[1, how.copies])
    y = b.add("MaxPool", y, kernel_shape=[BANDS, 1])
    y = b.add("Slice", y, b.whole(0), b.whole(how.copies * count), b.whole(1))
    y = b.add("Reshape", y, b.whole(0, how.copies, count, how.rows))
    y = b.add("Reshape", b.add("Transpose", y, perm=[0, 2, 3, 1]), b.whole(0, count, -1))
    return b.add("Slice", y, b.whole(0), b.whole(frames), b.whole(2))


def moved(counts: Sequence[int], lengths: Sequence[int], frames: int) -> list[int]:
    """Return how many filters of each length are cheapest taken with the next longer ones.

    Parameters
    ----------
    counts
        Filters of each length.
    lengths
        Their taps, the longest first.
    frames
        Frames to compute.
    """
    left, found = list(counts), [0] * len(counts)
    for n in range(1, len(left)):

        def cost(more: int, n: int = n) -> int:
            pairs = ((left[n - 1] + more, lengths[n - 1]), (left[n] - more, lengths[n]))
            return sum(plan(*pair, frames).products for pair in pairs)

        found[n] = min(range(min(left[n], _VECTOR)), key=cost)
        left[n - 1] += found[n]
        left[n] -= found[n]
    return found


def _positions(bands: int) -> int:
    return BANDS - bands + 1


def _whole(filters: int) -> int:
    """Return the number of filters with those that fill the last vector."""
    return -(-filters // _VECTOR) * _VECTOR


def _copied(kernel: Any, how: Plan) -> Any:
    """Return the copies of filters, shifted along the last axis, and zeros up to whole vectors."""
    copies = [_padded(kernel, i, how.taps - kernel.shape[-1] - i) for i in range(how.copies)]
    found = np.concatenate(copies)
    return np.pad(found, [(0, _whole(len(found)) - len(found))] + [(0, 0)] * (found.ndim - 1))


def _padded(taps: Any, before: int, after: int) -> Any:
    return np.pad(taps, [(0, 0)] * (taps.ndim - 1) + [(before, after)])
