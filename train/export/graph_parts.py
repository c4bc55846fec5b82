"""Parts of ONNX graphs: Keras functions converted by tf2onnx, and fused LSTM layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.recipes.recipe import NEXT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

OPSET: Final = 17
"""Version of ONNX's operators."""


def from_keras(call: Any, inputs: dict[str, tuple[int | None, ...]]) -> Any:
    """Convert a function of named float tensors that returns a dict of tensors, with tf2onnx.

    Parameters
    ----------
    call
        Function of named tensors that returns a dict of tensors.
    inputs
        Shapes by name, without the batch axis.
    """
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, *shape), tf.float32, name=n) for n, shape in inputs.items()]
    traced = tf.function(call, input_signature=signature, autograph=False)
    model, _ = tf2onnx.convert.from_function(traced, input_signature=signature, opset=OPSET)
    return model


def lstm_nodes(
    layer: Any, number: int, h: str, c: str, sequence: str, after: str
) -> tuple[list[Any], list[Any]]:
    """Return the nodes and weights for one Keras LSTM layer.

    Keras has gates in the order i, f, c, o and one bias; ONNX has i, o, f, c and one bias each for
    the input and the recurrent product. ONNX's operator (layout 0, the only one that onnxruntime
    runs) takes (time, batch, width), and states with a direction axis before the batch.

    Parameters
    ----------
    layer
        The Keras layer.
    number
        Number of the layer, for names.
    h
        Name of the state h.
    c
        Name of the state c.
    sequence
        Name of the input.
    after
        Name of the output.
    """
    from onnx import helper, numpy_helper

    kernel, recurrent, bias = (np.asarray(w, np.float32) for w in layer.get_weights())
    units = recurrent.shape[0]

    def reordered(weights: Array) -> Array:
        i, f, g, o = np.split(weights, 4, axis=-1)
        return np.concatenate([i, o, f, g], axis=-1)

    p = f"lstm_{number + 1}/"
    constants = {
        "W": reordered(kernel).T[None],
        "R": reordered(recurrent).T[None],
        "B": np.concatenate([reordered(bias), np.zeros(4 * units, np.float32)])[None],
        "axis_0": np.array([0], np.int64),
        "axis_1": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Transpose", [sequence], [p + "by_time"], perm=[1, 0, 2]),
        helper.make_node("Unsqueeze", [h, p + "axis_0"], [p + "h"]),
        helper.make_node("Unsqueeze", [c, p + "axis_0"], [p + "c"]),
        helper.make_node(
            "LSTM",
            [p + "by_time", p + "W", p + "R", p + "B", "", p + "h", p + "c"],
            [p + "Y", p + "Y_h", p + "Y_c"],
            hidden_size=units,
            name=p + "LSTM",
        ),
        helper.make_node("Squeeze", [p + "Y", p + "axis_1"], [p + "sequence"]),
        helper.make_node("Transpose", [p + "sequence"], [after], perm=[1, 0, 2]),
        helper.make_node("Squeeze", [p + "Y_h", p + "axis_0"], [h + NEXT]),
        helper.make_node("Squeeze", [p + "Y_c", p + "axis_0"], [c + NEXT]),
    ]
    return nodes, [
        numpy_helper.from_array(np.ascontiguousarray(value), p + name)
        for name, value in constants.items()
    ]


def prefixed(model: Any, prefix: str, names: dict[str, str]) -> Any:
    """Prefix every name in a graph, except those that get a given name.

    Parameters
    ----------
    model
        The ONNX model.
    prefix
        The prefix.
    names
        New names of tensors that get no prefix, by old name.
    """
    graph = model.graph

    def renamed(name: str) -> str:
        return names.get(name, prefix + name) if name else name

    for node in graph.node:
        node.name = prefix + node.name
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    for value in (*graph.initializer, *graph.input, *graph.output):
        value.name = renamed(value.name)
    return model
