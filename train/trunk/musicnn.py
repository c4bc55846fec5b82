"""The trunk in Keras, and its check against the published graph.

The trunk takes 187 frames (3 s) of 96 mel bands. Convolutions over most of the bands (timbre) and
convolutions along time in each band (rhythm) are pooled over the bands; three residual layers
follow; everything is pooled over time, by maximum and by mean, and two dense layers give 200 units
and 50 tags. Batch normalisation always follows the activation and is kept as scale and shift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.errors import TrainError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.trunk.checkpoint import Weights

    Floats = NDArray[np.float32]

FRAMES: Final = 187
"""Frames of the published trunk's window; :func:`window` gives those of any weights."""
BANDS: Final = 96
FRONT: Final = 561
"""Features per frame of the published vertical and horizontal filters; :func:`front_width` gives
those of any weights."""
BACK: Final = 64
"""Features per frame of each of the three residual layers."""
TRAINED: Final = ("conv2d_5", "conv2d_6", "conv2d_7", "dense")
"""Layers after the front that can be trained, by their names in the checkpoint."""
UNITS: Final = 200
TAGS: Final = 50
TIMBRE: Final = ((7, 38), (7, 67))
"""Frames × bands of the vertical filters, 204 each."""
RHYTHM: Final = (128, 64, 32)
"""Frames of the horizontal filters, 51 each."""
EPSILON: Final = 1e-3
"""Epsilon of the batch normalisation: TensorFlow 1's default."""
TOLERANCE: Final = 1e-4
STEP: Final = "step/frames"
"""Name of the weight that says how many frames are averaged into one; without it, none are."""


def normalisation(weights: Weights, number: int) -> tuple[Floats, Floats]:
    """Return a batch normalisation as scale and shift, each of shape ``(channels,)``.

    Parameters
    ----------
    weights
        The trunk's weights.
    number
        Number of the layer in the checkpoint.
    """
    name = "batch_normalization" + (f"_{number}" if number else "")
    gamma, beta, mean, variance = (
        weights[f"{name}/{part}"].astype(np.float64)
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    return scale.astype(np.float32), (beta - mean * scale).astype(np.float32)


def convolution(weights: Weights, number: int) -> tuple[Floats, Floats]:
    """Return a convolution's kernel, shape ``(frames, bands, 1, channels)``, and its bias.

    Parameters
    ----------
    weights
        The trunk's weights.
    number
        Number of the layer in the checkpoint.
    """
    name = "conv2d" + (f"_{number}" if number else "")
    return weights[f"{name}/kernel"], weights[f"{name}/bias"]


def step(weights: Weights) -> int:
    """Return how many frames are averaged into one before the filters."""
    return int(weights[STEP][0]) if STEP in weights else 1


def window(weights: Weights) -> int:
    """Return the length of the window in steps."""
    return FRAMES // step(weights)


def ahead(weights: Weights) -> int:
    """Return how many steps the vertical filters look ahead, and back."""
    return (len(convolution(weights, 0)[0]) - 1) // 2


def front_width(weights: Weights) -> int:
    """Return the number of features per frame of the vertical and the horizontal filters."""
    return sum(len(convolution(weights, n)[1]) for n in range(len(TIMBRE) + len(RHYTHM)))


def pooled_width(weights: Weights) -> int:
    """Return the number of pooled features: maximum and mean of the front's and the residual's."""
    return 2 * (front_width(weights) + 3 * BACK)


def build(weights: Weights) -> Any:
    """Build the trunk in Keras, with its weights.

    Maps mel bands, shape ``(batch, frames, 96)``, to the four outputs of :func:`back`.
    """
    from keras import Input, Model, layers, ops

    def conv(x: Any, number: int, padding: str) -> Any:
        kernel, bias = convolution(weights, number)
        layer = layers.Conv2D(
            kernel.shape[-1], kernel.shape[:2], padding=padding, activation="relu",
            name=f"trunk_conv_{number}",
        )  # fmt: skip
        y = layer(x)
        layer.set_weights([kernel, bias])
        return ops.max(_normed(weights, y, number + 1), axis=2)

    mel = Input((None, BANDS), name="mel")
    x = _normed(weights, mel[..., None], 0)
    around = layers.ZeroPadding2D(((3, 3), (0, 0)))(x)
    front = [conv(around, n, "valid") for n in (0, 1)] + [conv(x, n, "same") for n in (2, 3, 4)]
    return Model(mel, back(weights)(layers.Concatenate()(front)), name="trunk")


def back(weights: Weights) -> Any:
    """Build the layers after the front in Keras: residual layers, pooling, dense layers.

    Maps the front's features, shape ``(batch, frames, 561)``, to four outputs: the features before
    pooling ``(batch, frames, 753)``, the pooled ones ``(batch, 1506)``, the 200 units and the 50
    tags' logits; fewer where the weights have fewer filters. The layers in :data:`TRAINED` can be
    trained.
    """
    from keras import Input, Model, layers, ops

    front = Input((None, front_width(weights)), name="front")
    features = [front]
    for n, name in zip((5, 6, 7), TRAINED, strict=False):
        kernel, bias = convolution(weights, n)
        layer = layers.Conv1D(
            kernel.shape[-1], len(kernel), padding="same", activation="relu",
            name=f"trunk_{name.replace('2d', '')}",
        )  # fmt: skip
        y = _normed(weights, layer(features[-1]), n + 1)
        layer.set_weights([kernel[:, :, 0], bias])
        features.append(y if n == 5 else features[-1] + y)
    of_frames = layers.Concatenate()(features)
    # Interleaved in the checkpoint: maximum and mean of feature 0, of feature 1, ...
    pooled = ops.stack([ops.max(of_frames, axis=1), ops.mean(of_frames, axis=1)], axis=-1)
    pooled = ops.reshape(pooled, (-1, pooled_width(weights)))
    dense = layers.Dense(UNITS, activation="relu", name="trunk_dense")
    units = _normed(weights, dense(_normed(weights, pooled, 9)), 10)
    dense.set_weights([weights["dense/kernel"], weights["dense/bias"]])
    tags = ops.matmul(units, weights["dense_1/kernel"]) + weights["dense_1/bias"]
    return Model(front, [of_frames, pooled, units, tags], name="trunk_back")


def weights_of(back: Any) -> dict[str, Floats]:
    """Return the trained weights of :func:`back`'s network under the checkpoint's names."""
    found = {}
    for name in TRAINED:
        kernel, bias = back.get_layer(f"trunk_{name.replace('2d', '')}").get_weights()
        found[f"{name}/kernel"] = kernel if name == "dense" else kernel[:, :, None]
        found[f"{name}/bias"] = bias
    return found


def _normed(weights: Weights, x: Any, number: int) -> Any:
    scale, shift = normalisation(weights, number)
    return x * scale + shift


def check(weights: Weights, meta: bytes, mel: Floats) -> float:
    """Compare the Keras network with the published graph; return the largest difference of a tag.

    Parameters
    ----------
    weights
        The checkpoint's weights.
    meta
        The checkpoint's meta graph, serialised.
    mel
        Mel bands to compare on, shape ``(batch, 187, 96)``.

    Raises
    ------
    TrainError
        If a tag's probability differs by more than 1e-4.
    """
    expected = _published(weights, meta, mel)
    *_, tags = build(weights)(mel, training=False)
    found = 1 / (1 + np.exp(-np.asarray(tags, np.float64)))
    difference = float(np.abs(found - expected).max())
    # "not <=" so that NaN is refused too.
    if not difference <= TOLERANCE:
        raise TrainError(
            f"the trunk in Keras differs from the published graph by {difference:.2e}, "
            f"more than {TOLERANCE:.0e}"
        )
    return difference


def _published(weights: Weights, meta: bytes, mel: Floats) -> Any:
    """Run the published graph, its variables replaced by constants."""
    import tensorflow as tf

    v1 = tf.compat.v1
    whole = v1.MetaGraphDef.FromString(meta).graph_def
    for node in whole.node:
        node.attr.pop("_output_shapes", None)  # of a size that current TensorFlow refuses
    graph = v1.graph_util.extract_sub_graph(whole, ["model/Sigmoid"])
    inputs = []
    for node in graph.node:
        if node.op in ("VariableV2", "Variable", "VarHandleOp"):
            _make_constant(node, weights[node.name])
        elif node.op == "Placeholder" and node.attr["dtype"].type == tf.bool.as_datatype_enum:
            _make_constant(node, np.array(False))
        elif node.op == "Placeholder":
            inputs.append(node.name)
    if len(inputs) != 1:
        raise TrainError(f"the published graph has the inputs {inputs}, expected one")
    with tf.Graph().as_default():
        tf.import_graph_def(graph, name="")
        with v1.Session() as session:
            return session.run("model/Sigmoid:0", {f"{inputs[0]}:0": mel})


def _make_constant(node: Any, value: Any) -> None:
    import tensorflow as tf

    name = node.name
    node.Clear()
    node.name, node.op = name, "Const"
    tensor = tf.make_tensor_proto(value)
    node.attr["value"].tensor.CopyFrom(tensor)
    node.attr["dtype"].type = tensor.dtype
