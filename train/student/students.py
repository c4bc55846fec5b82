"""The students: networks that are cheap enough for a station a second on the smallest computer.

Every student is causal: a step depends on no later frame. Its input are log-mel energies in nats;
:class:`Normaliser` makes it independent of the level, and as far as it learns to be of the
microphone. Convolutions in the manner of MobileNet work at 25 steps a second and halve the bands
four times; three dilated ones along time follow. The mean and the maximum over the last three
seconds are the embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.errors import TrainError
from train.student.renditions import FRAMES, SPEC
from train.student.teachers import CLASSES, EMBEDDING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

STEPS: Final = 75
"""Steps of the window that is pooled: three seconds."""
KINDS: Final = 2
"""The last two outputs: music, speech without music."""
OUTPUTS: Final = EMBEDDING + CLASSES + KINDS
MEMORY_S: Final = 2.0
"""Time constant of the running means."""
FLOOR: Final = 1e-5
"""Energy, relative to the mean band's, below which nothing is told apart."""
KERNEL: Final = 3
"""Frames, and bands, of a kernel."""


@dataclass(frozen=True, slots=True)
class Student:
    """The widths of a network."""

    name: str
    description: str
    stem: int
    """Channels of the first convolution, which halves frames and bands."""
    blocks: tuple[tuple[int, int, bool], ...]
    """Channels, expansion, and whether the bands are halved before, of each separable block."""
    width: int
    """Channels of the layers along time."""
    dilations: tuple[int, ...] = (1, 2, 4)

    @property
    def embedding(self) -> int:
        """Numbers of the embedding: mean and maximum of every channel."""
        return 2 * self.width


STUDENTS: Final[Mapping[str, Student]] = {
    student.name: student
    for student in (
        Student(
            "separable",
            "depthwise-separable, 8 M multiply-adds a second",
            16,
            ((24, 1, True), (24, 2, False), (40, 2, True), (40, 2, False), (64, 2, True)),
            256,
        ),
        Student(
            "separable-wide",
            "depthwise-separable, 26 M multiply-adds a second",
            24,
            (
                *((32, 1, True), (32, 3, False), (56, 3, True), (56, 3, False)),
                *((96, 3, True), (96, 3, False)),
            ),
            384,
        ),
        Student(
            "separable-slim",
            "depthwise-separable, 3 M multiply-adds a second",
            12,
            ((16, 1, True), (24, 2, True), (40, 2, True)),
            160,
        ),
    )
}


def student(name: str) -> Student:
    """Return a student by name.

    Raises
    ------
    TrainError
        If there is none of that name.
    """
    if name not in STUDENTS:
        raise TrainError(f"no student {name!r}; there are {', '.join(STUDENTS)}")
    return STUDENTS[name]


def decays(frames: int) -> Floats:
    """Return the matrix of running means over a fresh signal, shape ``(frames, frames)``.

    A running mean weights the frame so many seconds ago by ``exp(-seconds / 2)``, and divides by
    the sum of the weights: a signal that has just begun is not taken for one that was silent.

    Parameters
    ----------
    frames
        Number of frames.
    """
    age = np.arange(frames)[:, None] - np.arange(frames)[None]
    weights = np.where(age >= 0, np.exp(-np.maximum(age, 0) * SPEC.winstep / MEMORY_S), 0)
    matrix: Floats = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return matrix


def build(student: Student, frames: int = FRAMES) -> Any:
    """Build a student in Keras, for training.

    Maps log-mel energies, shape ``(batch, frames, 64)``, to the outputs of every window, shape
    ``(batch, windows, 2279)``: the teachers' embedding (standardised), YAMNet's classes and
    :data:`KINDS` as logits. The layer ``embedding`` has shape ``(batch, windows, embedding)``.

    Parameters
    ----------
    student
        Its widths.
    frames
        Length of the input, a multiple of 150.
    """
    from keras import Input, Model, layers, ops

    energies = Input((frames, SPEC.nfilt), name="energies")
    x = _normaliser()(decays(frames), name="normaliser")(energies)
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
