"""The trunk's filters over the mel bands as nodes of an ONNX graph.

Every normalisation after an activation is moved after the maximum over the bands. Where its scale
is negative, the largest normalised value belongs to the smallest activation; the filter's sign is
inverted instead, so one maximum is enough.

Shapes are channels first: ``(batch, channels, frames)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from train.recipes.recipe import NEXT
from train.trunk.fast_filters import bands_seen, moved, plan, strongest_band, strongest_position
from train.trunk.musicnn import (
    BANDS,
    RHYTHM,
    TIMBRE,
    ahead,
    convolution,
    normalisation,
    window,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from train.export.graph_builder import Builder
    from train.trunk.checkpoint import Weights


def vertical(weights: Weights, b: Builder, mel: str, new: str) -> str:
    """Return the vertical filters' activations for the window, shape ``(batch, channels, 187)``.

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
    side = ahead(weights)
    start = b.add("Neg", b.add("Add", new, b.whole(2 * side)))
    newest = b.add("Slice", mel, start, b.whole(np.iinfo(np.int64).max), b.whole(2))
    parts = [_signed(weights, number) for number in range(len(TIMBRE))]
    kernels = [part[0][:, :, 0].transpose(2, 1, 0)[:, None] for part in parts]
    after = max(map(bands_seen, kernels)) - BANDS
    x = b.add("Pad", newest, b.whole(0, 0, 0, 0, after, side))
    x = b.add("Unsqueeze", x, b.whole(1))  # (batch, 1, bands, frames)
    found = [strongest_position(b, x, kernel) for kernel in kernels]
    y = _activated(b, b.add("Concat", *found, axis=1), parts)
    seen = b.add("Concat", "timbre", y, axis=2)
    settled = (b.whole(-(window(weights) - 1)), b.whole(-side), b.whole(2))
    b.add("Slice", seen, *settled, to="timbre" + NEXT)
    return b.last(seen, window(weights))


def horizontal(weights: Weights, b: Builder, heard: str) -> str:
    """Return the horizontal filters' activations for the window, ``(batch, channels, 187)``.

    A few filters are taken with the next longer ones, with zeros around, where that leaves fewer
    places of a vector empty.

    Parameters
    ----------
    weights
        The trunk's weights.
    b
        Collects the nodes.
    heard
        Name of the window's mel bands, shape ``(batch, 96, 187)``.
    """
    parts = [_signed(weights, len(TIMBRE) + n) for n in range(len(RHYTHM))]
    kernels = [part[0][:, :, 0].transpose(2, 1, 0)[:, None] for part in parts]
    lengths, steps = [kernel.shape[-1] for kernel in kernels], window(weights)
    guests = [*moved([len(kernel) for kernel in kernels], lengths, steps), 0]
    groups = []
    for n, kernel in enumerate(kernels):
        group = kernel[guests[n] :]
        if guests[n + 1]:
            side = _before(lengths[n]) - _before(lengths[n + 1])
            shorter = kernels[n + 1][: guests[n + 1]]
            shorter = np.pad(shorter, [(0, 0), (0, 0), (0, 0), (side, side)])
            group = np.concatenate([group, shorter])
        groups.append(group)
    before = _before(lengths[0])
    begins = [before - _before(length) for length in lengths]
    end = max(
        begin + plan(len(group), group.shape[-1], steps).span
        for begin, group in zip(begins, groups, strict=True)
    )
    x = b.add("Pad", heard, b.whole(0, 0, before, 0, 0, end - before - steps))
    x = b.add("Unsqueeze", x, b.whole(1))  # (batch, 1, bands, frames)
    found = [
        strongest_band(b, x, begin, group, steps)
        for begin, group in zip(begins, groups, strict=True)
    ]
    return _activated(b, b.add("Concat", *found, axis=1), parts)


def _before(length: int) -> int:
    """Return how many frames a horizontal filter looks back."""
    return (length - 1) // 2


def normalised(weights: Weights, b: Builder, activations: str) -> str:
    """Return the normalised activations of all filters.

    Parameters
    ----------
    weights
        The trunk's weights.
    b
        Collects the nodes.
    activations
        Name of the activations, shape ``(batch, channels, frames)``.
    """
    parts = [_signed(weights, number) for number in range(len(TIMBRE) + len(RHYTHM))]
    scale, shift = (np.concatenate([part[n] for part in parts]) for n in (3, 4))
    y = b.add("Mul", activations, b.constant(scale[:, None]))
    return b.add("Add", y, b.constant(shift[:, None]))


def _signed(weights: Weights, number: int) -> tuple[Any, ...]:
    """Return a convolution with signs inverted so that its normalisation's scale is > 0."""
    kernel, bias = convolution(weights, number)
    scale, shift = normalisation(weights, number + 1)
    sign = np.where(scale < 0, np.float32(-1), np.float32(1))
    return kernel * sign, bias * sign, sign, scale, shift


def _activated(b: Builder, strongest: str, parts: Sequence[tuple[Any, ...]]) -> str:
    """Add the biases to the maxima over the bands, restore the signs, then activate."""
    bias, sign = (np.concatenate([part[n] for part in parts])[:, None] for n in (1, 2))
    y = b.add("Add", strongest, b.constant(bias))
    return b.add("Relu", b.add("Mul", y, b.constant(sign)))
