"""The teacher on pairs of frames, as a student: all of it is trained on, the front too.

It begins with the teacher's weights, without dead filters (:mod:`train.trunk.pruning`) and carried
over to pairs of frames (:mod:`train.trunk.paired`): what the teacher says of a clean recording, the
student learns to say of it from half the frames, through any microphone, in any room. Its windows
of three seconds are computed as the teacher's, each by itself.

What is trained goes back into the names of the teacher's checkpoint (:func:`weights_of`), so that
everything that runs the published weights runs these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.student.students import KINDS
from train.student.teachers import CLASSES, EMBEDDING
from train.trunk import mel_adapter, musicnn, paired, pruning
from train.trunk.musicnn import BACK, BANDS, EPSILON, STEP, TAGS, TIMBRE, UNITS
from train.trunk.musicnn import FRAMES as WINDOW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from train.student.lessons import Lessons
    from train.student.students import Whole
    from train.trunk.checkpoint import Weights

    Floats = NDArray[np.float32]

_WINDOW_S: Final = 3.0
_STEPS: Final = WINDOW // paired.FRAMES


def build(student: Whole, frames: int) -> Any:
    """Build the network; :func:`train.student.students.build` says what it maps.

    Parameters
    ----------
    student
        Its widths.
    frames
        Length of the input.
    """
    from keras import Input, Model, layers, ops

    activated, constant, spread_out = _activated(), _constant(), _spread_out()
    energies = Input((frames, BANDS), name="energies")
    power = ops.exp(energies) * mel_adapter.COMPRESSION
    step = mel_adapter.SPEC.winstep
    starts = [round(at * _WINDOW_S / step) for at in range(round(frames * step / _WINDOW_S))]
    windows = [power[:, at + WINDOW % paired.FRAMES : at + WINDOW] for at in starts]
    x = ops.reshape(ops.stack(windows, axis=1), (-1, _STEPS, paired.FRAMES, BANDS))
    x = ops.log(1 + ops.mean(x, axis=2)) * (1 / float(np.log(10)))
    x = constant(1, name="scaled_0")(x[..., None])
    around = layers.ZeroPadding2D((((paired.TIMBRE - 1) // 2,) * 2, (0, 0)))(x)
    front = []
    for number, channels in enumerate((*student.timbre, *student.rhythm)):
        vertical = number < len(TIMBRE)
        y = layers.Conv2D(
            channels,
            (paired.TIMBRE, TIMBRE[number][1])
            if vertical
            else (paired.RHYTHM[number - len(TIMBRE)], 1),
            padding="valid" if vertical else "same",
            name=f"conv_{number}",
        )(around if vertical else x)
        front.append(activated(channels, name=f"scaled_{number + 1}")(ops.max(y, axis=2)))
    features = [layers.Concatenate()(front)]
    for number in (5, 6, 7):
        y = layers.Conv1D(BACK, paired.BACK, padding="same", name=f"conv_{number}")(features[-1])
        y = activated(BACK, name=f"scaled_{number + 1}")(y)
        features.append(y if number == 5 else features[-1] + y)
    x = layers.Concatenate()(features)
    pooled = ops.stack([ops.max(x, axis=1), ops.mean(x, axis=1)], axis=-1)
    pooled = ops.reshape(pooled, (-1, len(starts), student.embedding - UNITS))
    pooled = constant(student.embedding - UNITS, name="scaled_9")(pooled)
    units = activated(UNITS, name="scaled_10")(layers.Dense(UNITS, name="dense")(pooled))
    tags = layers.Dense(TAGS, name="dense_1")(units)
    embedding = layers.Concatenate(name="embedding")([pooled, units])
    apart = ops.stop_gradient(embedding)
    others = layers.Dense(CLASSES + KINDS, name="others")(layers.Dropout(0.1)(apart))
    teachers = spread_out(name="standardised")(layers.Concatenate()([embedding, tags]))
    outputs = layers.Concatenate(name="outputs")([teachers, others])
    return Model(energies, outputs, name=student.name)


def _activated() -> Any:
    """Return the class of a layer that activates and shifts each channel."""
    import keras
    from keras import ops

    class Activated(keras.layers.Layer):  # type: ignore[misc]
        """The teacher's activation and the normalisation after it.

        The scale is in the kernel before; where it was negative, the activation is turned over. So
        the largest over the bands may be taken before. The signs are not trained.
        """

        def __init__(self, channels: int, **more: Any) -> None:
            super().__init__(**more)
            self.sign = self.add_weight(
                shape=(channels,), initializer="ones", name="sign", trainable=False
            )
            self.shift = self.add_weight(shape=(channels,), initializer="zeros", name="shift")

        def call(self, x: Any) -> Any:
            return ops.relu(x * self.sign) * self.sign + self.shift

    return Activated


def _constant() -> Any:
    """Return the class of a layer that scales and shifts each channel and is not trained."""
    import keras

    class Constant(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, channels: int, **more: Any) -> None:
            super().__init__(**more)
            self.scale = self.add_weight(
                shape=(channels,), initializer="ones", name="scale", trainable=False
            )
            self.shift = self.add_weight(
                shape=(channels,), initializer="zeros", name="shift", trainable=False
            )

        def call(self, x: Any) -> Any:
            return x * self.scale + self.shift

    return Constant


def _spread_out() -> Any:
    """Return the class of the layer that puts features where the published teacher has them."""
    import keras
    from keras import ops

    class SpreadOut(keras.layers.Layer):  # type: ignore[misc]
        """Standardise as the targets are; dead filters' features are 0. Nothing is trained."""

        def build(self, shape: Any) -> None:
            for name, width in (("places", EMBEDDING), ("mean", EMBEDDING), ("spread", EMBEDDING)):
                weight = self.add_weight(
                    shape=(width,), initializer="ones", name=name, trainable=False
                )
                setattr(self, name, weight)

        def call(self, x: Any) -> Any:
            nothing = ops.zeros_like(x[..., :1])
            places = ops.cast(self.places, "int32")
            found = ops.take(ops.concatenate([x, nothing], axis=-1), places, axis=-1)
            return (found - self.mean) / self.spread

    return SpreadOut


def start(model: Any, weights: Weights, lessons: Lessons) -> None:
    """Set a network's weights to the published teacher's.

    Parameters
    ----------
    model
        The network.
    weights
        The teacher's weights.
    lessons
        The training set.
    """
    for name, arrays in _as_layers(paired.paired(pruning.pruned(weights))).items():
        model.get_layer(name).set_weights(list(arrays))
    stay = np.concatenate([pruning.pooled_alive(weights), np.ones(UNITS + TAGS, np.bool_)])
    places = np.where(stay, np.cumsum(stay) - 1, stay.sum())
    mean = np.where(stay, lessons.mean, 0)
    model.get_layer("standardised").set_weights([places, mean, lessons.spread])


def shares(weights: Weights) -> Floats:
    """Return what each number of the teacher's embedding counts in the loss, shape ``(1756,)``.

    Units and tags count as much as each other; all pooled features together, without those of dead
    filters, a little less.

    Parameters
    ----------
    weights
        The teacher's weights.
    """
    alive = pruning.pooled_alive(weights)
    front = np.arange(len(alive)) < len(alive) - 2 * 3 * BACK
    parts = [0.3 * (alive & front) / (alive & front).sum(), 0.4 * ~front / (~front).sum()]
    return np.concatenate([parts[0] + parts[1], np.full(UNITS, 1 / UNITS), np.full(TAGS, 1 / TAGS)])


def _as_layers(weights: Weights) -> Mapping[str, tuple[Floats, ...]]:
    """Return a trunk's weights by layer of the network."""
    found: dict[str, tuple[Floats, ...]] = {
        "dense_1": (weights["dense_1/kernel"], weights["dense_1/bias"]),
        "others": (
            np.zeros((weights["dense/kernel"].shape[0] + UNITS, CLASSES + KINDS), np.float32),
            np.repeat(np.array([_RARE, 0], np.float32), (CLASSES, KINDS)),
        ),
    }
    for layer, name, number in _LAYERS:
        kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
        scale, shift = musicnn.normalisation(weights, number)
        of_layer = kernel[:, :, 0] if layer in _ALONG_TIME else kernel
        found[layer] = (of_layer * scale, bias * scale)
        sign = np.where(scale < 0, np.float32(-1), np.float32(1))
        found[f"scaled_{number}"] = (shift, sign)  # Keras lists what is trained first
    for number in (0, 9):
        found[f"scaled_{number}"] = musicnn.normalisation(weights, number)
    return found


_LAYERS: Final = (
    *((f"conv_{n}", "conv2d" + (f"_{n}" if n else ""), n + 1) for n in range(8)),
    ("dense", "dense", 10),
)
"""Layers with an activation: their names here and in the checkpoint, and the number of the
normalisation after them."""
_ALONG_TIME: Final = ("conv_5", "conv_6", "conv_7")
_SMALL: Final = 1e-6
"""Norm of a filter below which it is taken for empty."""
_RARE: Final = -4.0
"""Logit of YAMNet's classes at the beginning."""


def weights_of(model: Any) -> Weights:
    """Return a trained network's weights under the checkpoint's names."""
    found: dict[str, Floats] = {}

    def trained(layer: str) -> list[Floats]:
        return [np.asarray(w, np.float32) for w in model.get_layer(layer).get_weights()]

    def normalisation(number: int, scale: Floats, shift: Floats) -> None:
        name = "batch_normalization" + (f"_{number}" if number else "")
        found[f"{name}/gamma"], found[f"{name}/beta"] = scale, shift
        found[f"{name}/moving_mean"] = np.zeros_like(scale)
        found[f"{name}/moving_variance"] = np.full_like(scale, 1 - EPSILON)

    found["dense_1/kernel"], found["dense_1/bias"] = trained("dense_1")
    for layer, name, number in _LAYERS:
        kernel, bias = trained(layer)
        shift, sign = trained(f"scaled_{number}")
        # Activations are kept as states; without their scale, rounding errors stay small.
        size = np.sqrt(np.square(kernel).sum(axis=tuple(range(kernel.ndim - 1))))
        scale = np.where(size > _SMALL, size, 1) * sign
        found[f"{name}/kernel"] = (kernel[:, :, None] if layer in _ALONG_TIME else kernel) / scale
        found[f"{name}/bias"] = bias / scale
        normalisation(number, scale, shift)
    for number in (0, 9):
        normalisation(number, *trained(f"scaled_{number}"))
    return found | {STEP: np.array([paired.FRAMES], np.float32)}
