"""The trunk's filters over the mel bands as nodes of an ONNX graph.

Every normalisation after an activation is moved after the maximum over the bands. Where its scale
is negative, the largest normalised value belongs to the smallest activation; the filter's sign is
inverted instead, so one maximum is enough.

Shapes are channels first: ``(batch, channels, frames)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.recipes.recipe import NEXT
from train.trunk.musicnn import FRAMES as WINDOW
from train.trunk.musicnn import RHYTHM, TIMBRE, convolution, normalisation

if TYPE_CHECKING:
    from train.export.graph_builder import Builder
    from train.trunk.checkpoint import Weights

AHEAD: Final = 3
"""Frames that a vertical filter looks ahead and back."""


def vertical(weights: Weights, b: Builder, mel: str, new: str) -> str:
    """Return the vertical filters' outputs for the window, shape ``(batch, channels, 187)``.

    Parameters
    ----------
    weights
        The trunk's weights.
    b
        Collects the nodes.
    mel
        Name of the mel bands, kept and new, shape ``(batch, 96, frames)``.
    new
        Name of the number of new frames.
    """
    start = b.add("Neg", b.add("Add", new, b.whole(2 * AHEAD)))
    newest = b.add("Slice", mel, start, b.whole(np.iinfo(np.int64).max), b.whole(2))
    newest = b.add("Unsqueeze", newest, b.whole(1))
    found, scales, shifts = [], [], []
    for number in range(len(TIMBRE)):
        kernel, bias, sign, scale, shift = _signed(weights, number)
        kernel = kernel[:, :, 0].transpose(2, 1, 0)[:, None]
        y = b.add("Conv", newest, b.constant(kernel), b.constant(bias), pads=[0, 0, 0, AHEAD])
        found.append(_strongest(b, y, sign))
        scales.append(scale)
        shifts.append(shift)
    seen = b.add("Concat", "timbre", b.add("Concat", *found, axis=1), axis=2)
    settled = (b.whole(-(WINDOW - 1)), b.whole(-AHEAD), b.whole(2))
    b.add("Slice", seen, *settled, to="timbre" + NEXT)
    return _normed(b, b.last(seen, WINDOW), np.concatenate(scales), np.concatenate(shifts))


def horizontal(weights: Weights, b: Builder, window: str) -> list[str]:
    """Return the horizontal filters' outputs for the window, shape ``(batch, channels, 187)`` each.

    The longest filters are taken in two halves, in one convolution with those of half the length:
    with few channels, onnxruntime takes the same time for more of them. The window is padded
    before: a convolution that pads is two and a half times slower.

    Parameters
    ----------
    weights
        The trunk's weights.
    b
        Collects the nodes.
    window
        Name of the window's mel bands, shape ``(batch, 96, 187)``.
    """
    longest, half, short = RHYTHM
    first = len(TIMBRE)
    parts = [_signed(weights, first + n) for n in range(len(RHYTHM))]
    kernels = [part[0][:, :, 0].transpose(2, 1, 0)[:, None] for part in parts]
    before, after = (longest - 1) // 2, longest - 1 - (longest - 1) // 2
    x = b.add("Pad", window, b.whole(0, 0, before, 0, 0, after))
    x = b.add("Unsqueeze", x, b.whole(1))  # (batch, 1, bands, frames)
    both = np.concatenate([kernels[0][..., :half], kernels[0][..., half:], kernels[1]])
    y = b.add("Conv", x, b.constant(both))
    n, m = len(kernels[0]), len(kernels[1])

    def cut(of: str, channels: tuple[int, int], begin: int) -> str:
        """Return some channels of the window, from a frame on."""
        ends = b.whole(channels[1], begin + WINDOW)
        return b.add("Slice", of, b.whole(channels[0], begin), ends, b.whole(1, 3))

    found = [b.add("Add", cut(y, (0, n), 0), cut(y, (n, 2 * n), half))]
    found.append(cut(y, (2 * n, 2 * n + m), before - (half - 1) // 2))
    begin = before - (short - 1) // 2
    near = b.add("Slice", x, b.whole(begin), b.whole(begin + WINDOW + short - 1), b.whole(3))
    found.append(b.add("Conv", near, b.constant(kernels[2])))
    return [
        _normed(b, _strongest(b, y, sign, bias), scale, shift)
        for y, (_, bias, sign, scale, shift) in zip(found, parts, strict=True)
    ]


def _signed(weights: Weights, number: int) -> tuple[Any, ...]:
    """Return a convolution with signs inverted so that its normalisation's scale is > 0."""
    kernel, bias = convolution(weights, number)
    scale, shift = normalisation(weights, number + 1)
    sign = np.where(scale < 0, np.float32(-1), np.float32(1))
    return kernel * sign, bias * sign, sign, scale, shift


def _strongest(b: Builder, y: str, sign: Any, bias: Any = 0) -> str:
    """Take the maximum over the bands, add the bias, restore the sign, then activate."""
    y = b.add("ReduceMax", y, axes=[2], keepdims=0)
    if np.any(bias):
        y = b.add("Add", y, b.constant(bias[:, None]))
    return b.add("Relu", b.add("Mul", y, b.constant(sign[:, None])))


def _normed(b: Builder, y: str, scale: Any, shift: Any) -> str:
    y = b.add("Mul", y, b.constant(scale[:, None]))
    return b.add("Add", y, b.constant(shift[:, None]))
