"""Adapter, trunk and heads in Keras, frame by frame, to check the exported graph against.

Written from :mod:`train.trunk.musicnn` and the rules in :mod:`train.trunk.onnx_graph`, with Keras
layers where the graph is built from single operators, so that an error in one of them shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from train.trunk import mel_adapter
from train.trunk.musicnn import (
    RHYTHM,
    TIMBRE,
    ahead,
    convolution,
    normalisation,
    pooled_width,
    step,
    window,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.trunk.checkpoint import Weights

    Floats = NDArray[np.float32]


class Incremental:
    """The trunk as a function of the new frames and the states, in Keras operations."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._offset = mel_adapter.offset()
        self._inverse = mel_adapter.inverse_transform()
        self._mapping = mel_adapter.band_mapping()

    def __call__(self, frames: Floats, states: list[Floats]) -> tuple[Any, list[Any]]:
        """Return the pooled and normalised features, ``(batch, 1506)``, and the next states.

        Parameters
        ----------
        frames
            MFCC frames, shape ``(batch, time, 160)``.
        states
            The states of :func:`train.trunk.onnx_graph.states_of`.
        """
        from keras import ops

        kept_mel, kept_timbre, heard = states
        steps, side = window(self._weights), ahead(self._weights)
        power = ops.matmul(ops.exp(ops.matmul(frames - self._offset, self._inverse)), self._mapping)
        if step(self._weights) > 1:
            size = step(self._weights)
            power = ops.average_pool(power, size, strides=size, data_format="channels_last")
        count = power.shape[1]
        scale, shift = normalisation(self._weights, 0)
        new = ops.log10(1 + power) * scale + shift
        mel = ops.concatenate([ops.transpose(kept_mel, (0, 2, 1)), new], axis=1)
        heard = np.minimum(heard + count, steps)
        mask = (np.arange(steps, 0, -1) <= heard).astype(np.float32)[:, :, None]

        newest = ops.pad(mel[:, -count - 2 * side :], ((0, 0), (0, side), (0, 0)))
        # Activations are kept before the normalisation, whose scale would amplify rounding errors.
        found = ops.concatenate(
            [self._strongest(newest, n, "valid", normed=False) for n in range(len(TIMBRE))], axis=-1
        )
        timbre = ops.concatenate([ops.transpose(kept_timbre, (0, 2, 1)), found], axis=1)
        scale, shift = (
            np.concatenate(parts)
            for parts in zip(*(normalisation(self._weights, n + 1) for n in (0, 1)), strict=True)
        )
        of_timbre = timbre[:, -steps:] * scale + shift
        last = mel[:, -steps:]
        rhythm = [self._strongest(last, n + len(TIMBRE), "same") for n in range(len(RHYTHM))]
        features = [ops.concatenate([of_timbre, *rhythm], axis=-1) * mask]
        for number in (5, 6, 7):
            kernel, bias = convolution(self._weights, number)
            scale, shift = normalisation(self._weights, number + 1)
            y = ops.conv(features[-1], kernel[:, :, 0], padding="same")
            y = ops.relu(y + bias) * scale + shift
            y = y if number == 5 else y + features[-1]
            features.append(y * mask)
        x = ops.concatenate(features, axis=-1)
        highest = ops.max(ops.where(mask > 0, x, -1e9), axis=1)
        pooled = ops.stack([highest, ops.sum(x, axis=1) / heard], axis=-1)
        scale, shift = normalisation(self._weights, 9)
        pooled = ops.reshape(pooled, (-1, pooled_width(self._weights))) * scale + shift
        after = [
            ops.transpose(mel[:, 1 - steps :], (0, 2, 1)),
            ops.transpose(timbre[:, 1 - steps : -side], (0, 2, 1)),
            heard,
        ]
        return pooled, [np.asarray(tensor) for tensor in after]

    def _strongest(self, mel: Any, number: int, padding: str, *, normed: bool = True) -> Any:
        """Return the activation whose normalised value is the largest over the bands."""
        from keras import ops

        kernel, bias = convolution(self._weights, number)
        scale, shift = normalisation(self._weights, number + 1)
        y = ops.relu(ops.conv(mel[..., None], kernel, padding=padding) + bias)
        if normed:
            return ops.max(y * scale + shift, axis=2)
        return ops.where(scale < 0, ops.min(y, axis=2), ops.max(y, axis=2))
