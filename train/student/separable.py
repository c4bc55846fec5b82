"""Depthwise-separable students in Keras, in the manner of MobileNet; they begin from nothing.

Every student is causal: a step depends on no later frame. Its input are log-mel energies in nats;
``Normaliser`` makes it independent of the level, and as far as it learns to be of the microphone.
Convolutions work at 25 steps a second and halve the bands four times; three dilated ones along time
follow. The mean and the maximum over the last three seconds are the embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from train.student.renditions import FRAMES, SPEC
from train.student.students import FLOOR, KERNEL, MEMORY_S, OUTPUTS, STEPS, decays

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from train.student.students import Separable

    Floats = NDArray[np.float32]


def build(student: Separable, frames: int = FRAMES) -> Any:
    """Build the network; :func:`train.student.students.build` says what it maps.

    Parameters
    ----------
    student
        Its widths.
    frames
        Length of the input, a multiple of 150.
    """
    from keras import Input, Model, layers, ops

    energies = Input((frames, SPEC.nfilt), name="energies")
    x = _normaliser()(decays(frames, SPEC.winstep / MEMORY_S), name="normaliser")(energies)
    x = layers.Reshape((frames, SPEC.nfilt, 1))(x)
    x = layers.ZeroPadding2D(((KERNEL - 2, 0), (0, 1)))(x)
    x = layers.Conv2D(student.stem, KERNEL, strides=2, use_bias=False, name="stem")(x)
    x = layers.Activation("relu")(layers.BatchNormalization(name="stem_norm")(x))
    for number, (channels, expansion, halved) in enumerate(student.blocks):
        x = _block(x, f"block_{number}", channels, expansion, halved=halved)
    x = layers.Reshape((frames // 2, 1, x.shape[2] * x.shape[3]))(x)
    x = _pointwise(x, "flat", student.width)
    for number, dilation in enumerate(student.dilations):
        x = _along_time(x, f"time_{number}", student.width, dilation)
    x = layers.Activation("relu")(layers.BatchNormalization(name="last_norm")(x))
    x = layers.Reshape((frames // 2 // STEPS, STEPS, student.width))(x)
    pooled = layers.Concatenate(name="embedding")([ops.mean(x, axis=2), ops.max(x, axis=2)])
    dropped = layers.Dropout(0.1)(pooled)
    return Model(energies, layers.Dense(OUTPUTS, name="outputs")(dropped), name=student.name)


def _block(x: Any, name: str, channels: int, expansion: int, *, halved: bool) -> Any:
    """Halve the bands, widen, filter each channel, narrow."""
    from keras import layers

    y = layers.AveragePooling2D((1, 2), name=f"{name}_halve")(x) if halved else x
    if expansion > 1:
        y = _pointwise(y, f"{name}_widen", expansion * y.shape[-1])
    y = layers.ZeroPadding2D(((KERNEL - 1, 0), (1, 1)))(y)
    y = layers.DepthwiseConv2D(KERNEL, use_bias=False, name=f"{name}_filter")(y)
    y = layers.Activation("relu")(layers.BatchNormalization(name=f"{name}_filter_norm")(y))
    y = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_narrow")(y)
    y = layers.BatchNormalization(name=f"{name}_narrow_norm")(y)
    return y if halved or x.shape[-1] != channels else layers.Add(name=f"{name}_add")([x, y])


def _along_time(x: Any, name: str, width: int, dilation: int) -> Any:
    from keras import layers

    y = layers.ZeroPadding2D((((KERNEL - 1) * dilation, 0), (0, 0)))(x)
    y = layers.DepthwiseConv2D(
        (KERNEL, 1), dilation_rate=(dilation, dilation), use_bias=False, name=f"{name}_filter"
    )(y)
    y = layers.Activation("relu")(layers.BatchNormalization(name=f"{name}_filter_norm")(y))
    y = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_mix")(y)
    y = layers.BatchNormalization(name=f"{name}_mix_norm")(y)
    return layers.Add(name=f"{name}_add")([x, y])


def _pointwise(x: Any, name: str, channels: int) -> Any:
    from keras import layers

    y = layers.Conv2D(channels, 1, use_bias=False, name=name)(x)
    return layers.Activation("relu")(layers.BatchNormalization(name=f"{name}_norm")(y))


def _normaliser() -> Any:
    """Return the class of the layer that takes level and microphone out of the energies."""
    import keras
    from keras import ops

    class Normaliser(keras.layers.Layer):  # type: ignore[misc]
        """Divide by the running level; subtract a share of every band's running mean.

        The share is learnt by band. Without it a microphone's colour would stay; with all of it,
        the music's.
        """

        def __init__(self, matrix: Floats, **more: Any) -> None:
            super().__init__(**more)
            self._matrix = matrix

        def build(self, shape: Any) -> None:
            self.share = self.add_weight(shape=(shape[-1],), initializer="zeros", name="share")
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")
            self.shift = self.add_weight(shape=(shape[-1],), initializer="zeros", name="shift")

        def call(self, energies: Any) -> Any:
            matrix = ops.convert_to_tensor(self._matrix)
            power = ops.mean(ops.exp(energies), axis=-1, keepdims=True)
            level = ops.matmul(matrix, power)
            relative = ops.log(ops.exp(energies) / (level + 1e-12) + FLOOR)
            means = ops.matmul(matrix, relative)
            apart = relative - ops.sigmoid(self.share) * means
            return apart * (0.25 * self.scale) + self.shift

    return Normaliser
