"""An ancestor's network as an ONNX graph of the windowed kind, checked against Keras.

The layers between the recurrent ones come from tf2onnx; recurrent layers become fused operators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import FRAMES, LOGITS
from train.errors import TrainError
from train.export.graph_parts import OPSET, from_keras, prefixed
from train.export.keras_to_onnx import differ_by

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from train.ancestors.ancestor import Ancestor, Assembly, Piece

TOLERANCE: Final = 1e-3
"""Largest accepted difference of the logits, see :func:`train.export.keras_to_onnx.differ_by`.
Coarser than for the shipped models, because these networks take decibels as they are."""


def export(
    ancestor: Ancestor,
    assembly: Assembly,
    predict: Callable[[Any], Any],
    frames: Any,
    labels: int,
) -> bytes:
    """Return the model, serialised.

    Parameters
    ----------
    ancestor
        The ancestor.
    assembly
        The network, after the front end.
    predict
        Frames to logits in Keras.
    frames
        Windows to compare the two on, shape ``(n, window_frames, numcep)``.
    labels
        Number of labels.

    Raises
    ------
    TrainError
        If the graph is not valid or its outputs differ from Keras's by more than ``TOLERANCE``.
    """
    from onnx import TensorProto, helper

    nodes, constants, version = [], [], 8
    window = (ancestor.window_frames, ancestor.spec.numcep)
    if ancestor.front is not None:
        front = ancestor.front(ancestor.spec)
        part = prefixed(
            from_keras(lambda frames: {"out": front(frames)}, {FRAMES: window}),
            "front/",
            {FRAMES: FRAMES, "out": assembly.first},
        )
        nodes += part.graph.node
        constants += part.graph.initializer
        version = part.ir_version
    else:
        nodes.append(helper.make_node("Identity", [FRAMES], [assembly.first]))
    for number, piece in enumerate(assembly.pieces):
        more = _fused(piece, number) if piece.recurrent else _converted(piece, number)
        nodes += more[0]
        constants += more[1]
    graph = helper.make_graph(
        nodes, "streamgenre",
        [helper.make_tensor_value_info(FRAMES, TensorProto.FLOAT, ["batch", *window])],
        [helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["batch", labels])],
        constants,
    )  # fmt: skip
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=version,
        producer_name="streamgenre",
    )  # fmt: skip
    return checked(model, predict, frames)


def checked(model: Any, predict: Callable[[Any], Any], frames: Any) -> bytes:
    """Return a serialised model after a check that it is valid and equals ``predict``.

    Parameters
    ----------
    model
        The ONNX model.
    predict
        Frames to logits in Keras.
    frames
        Windows to compare on, shape ``(n, window_frames, numcep)``.

    Raises
    ------
    TrainError
        If it is not valid or differs.
    """
    import onnx
    import onnxruntime

    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise TrainError(f"the exported graph is not valid ONNX: {error}") from error
    serialised: bytes = model.SerializeToString()
    session = onnxruntime.InferenceSession(serialised, providers=["CPUExecutionProvider"])
    found = session.run([LOGITS], {FRAMES: np.asarray(frames, np.float32)})[0]
    difference = differ_by(found, np.asarray(predict(frames), np.float32))
    if not difference <= TOLERANCE:
        raise TrainError(
            f"the exported graph differs by {difference:.2e}, more than {TOLERANCE:.0e}; "
            "nothing was written"
        )
    return serialised


def _converted(piece: Piece, number: int) -> tuple[list[Any], list[Any]]:
    arguments = [f"in_{i}" for i in range(len(piece.sources))]
    shapes = [tuple(tensor.shape[1:]) for tensor in piece.layer.inputs]

    def call(*tensors: Any) -> dict[str, Any]:
        return {"out": piece.layer(list(tensors), training=False)}

    names = dict(zip(arguments, piece.sources, strict=True)) | {"out": piece.target}
    model = from_keras(call, dict(zip(arguments, shapes, strict=True)))
    part = prefixed(model, f"part_{number}/", names)
    return list(part.graph.node), list(part.graph.initializer)


def _fused(piece: Piece, number: int) -> tuple[list[Any], list[Any]]:
    """Return the nodes and weights of a recurrent layer that starts from zeros."""
    from onnx import helper, numpy_helper

    layer = piece.layer
    both = hasattr(layer, "forward_layer")
    cells = [layer.forward_layer, layer.backward_layer] if both else [layer]
    gated = type(cells[0]).__name__ == "GRU"
    p = f"recurrent_{number}/"
    parts = [(_gru if gated else _lstm)(cell) for cell in cells]
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(np.stack(arrays), np.float32), p + name)
        for name, arrays in zip("WRB", zip(*parts, strict=True), strict=True)
    ]
    source, target = piece.sources[0], piece.target
    settings: dict[str, Any] = {"hidden_size": cells[0].units}
    if gated:
        settings["linear_before_reset"] = 1
    if both:
        settings["direction"] = "bidirectional"
    operator = "GRU" if gated else "LSTM"
    nodes = [
        helper.make_node("Transpose", [source], [p + "by_time"], perm=[1, 0, 2]),
        helper.make_node(
            operator, [p + "by_time", p + "W", p + "R", p + "B"], [p + "Y", p + "Y_h"],
            name=p + operator, **settings,
        ),
    ]  # fmt: skip
    if cells[0].return_sequences and not both:
        constants.append(numpy_helper.from_array(np.array([1], np.int64), p + "axis"))
        nodes += [
            helper.make_node("Squeeze", [p + "Y", p + "axis"], [p + "sequence"]),
            helper.make_node("Transpose", [p + "sequence"], [target], perm=[1, 0, 2]),
        ]
    else:
        # The last state of each direction, side by side.
        width = len(cells) * cells[0].units
        constants.append(numpy_helper.from_array(np.array([-1, width], np.int64), p + "shape"))
        nodes += [
            helper.make_node("Transpose", [p + "Y_h"], [p + "last"], perm=[1, 0, 2]),
            helper.make_node("Reshape", [p + "last", p + "shape"], [target]),
        ]
    return nodes, constants


def _lstm(cell: Any) -> tuple[NDArray[Any], ...]:
    """Return W, R and B of a Keras LSTM (gates i, f, c, o) in ONNX's order i, o, f, c."""

    def reordered(weights: Any) -> NDArray[Any]:
        i, f, c, o = np.split(np.asarray(weights), 4, axis=-1)
        return np.concatenate([i, o, f, c], axis=-1)

    kernel, recurrent, bias = (reordered(w) for w in cell.get_weights())
    return kernel.T, recurrent.T, np.concatenate([bias, np.zeros_like(bias)])


def _gru(cell: Any) -> tuple[NDArray[Any], ...]:
    """Return W, R and B of a Keras GRU (reset after); both have the gates in the order z, r, h."""
    kernel, recurrent, bias = (np.asarray(w) for w in cell.get_weights())
    return kernel.T, recurrent.T, bias.reshape(-1)
