"""The output ``embedding``: what the linear layer of the genres takes, for genres of one's own.

An ensemble has one such layer a member; its embedding is theirs side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streamgenre.inference.manifest import EMBEDDING, FRAMES, LOGITS
from train.errors import TrainError
from train.export.graph_builder import Builder

if TYPE_CHECKING:
    from collections.abc import Iterable

_PREFIX: Final = "embedding/"
"""Begins the names of everything that is added."""


def add_embedding(model: Any) -> int:
    """Add the output ``embedding`` to a graph, in place; return its width.

    It has one row per call, after the last frame: shape ``(batch, steps, width)``, or
    ``(batch, width)`` in a windowed graph. The other outputs do not change.

    Parameters
    ----------
    model
        The ONNX model, with the output ``logits``.

    Raises
    ------
    TrainError
        If it has no linear layer of as many outputs as genres, or an output ``embedding`` already.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    outputs = {output.name: output.type.tensor_type.shape.dim for output in graph.output}
    if EMBEDDING in outputs:
        raise TrainError(f"the graph has an output {EMBEDDING!r} already")
    logits = outputs[LOGITS]
    stateful = len(logits) == 3
    layers = _linear_layers(graph, logits[-1].dim_value)
    if not layers:
        raise TrainError(
            f"no linear layer with {logits[-1].dim_value} outputs leads to the genres; an "
            "embedding is what such a layer takes"
        )
    b = Builder(prefix=_PREFIX)
    batch = b.add("Gather", b.add("Shape", FRAMES), b.whole(0))
    rows = []
    for source, width in layers:
        # Keras flattens batch and time for its product.
        by_time = b.add("Reshape", source, b.add("Concat", batch, b.whole(-1, width), axis=0))
        rows.append(b.add("Gather", by_time, b.whole(-1), axis=1))
    total = sum(width for _, width in layers)
    row = b.add("Concat", *rows, axis=2)
    # The number of steps is left open, as that of the other outputs.
    shape = b.add("Concat", batch, b.whole(-1, total) if stateful else b.whole(total), axis=0)
    b.add("Reshape", row, shape, to=EMBEDDING)
    graph.node.extend(b.nodes)
    graph.initializer.extend(b.constants)
    steps = ["steps"] if stateful else []
    graph.output.append(
        helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, ["batch", *steps, total])
    )
    return total


def width_of(weights: bytes) -> int | None:
    """Return the width of a serialised model's embedding; None if it has no such output."""
    import onnx

    for output in onnx.load_from_string(weights).graph.output:
        if output.name == EMBEDDING:
            return int(output.type.tensor_type.shape.dim[-1].dim_value)
    return None


def _linear_layers(graph: Any, n_labels: int) -> list[tuple[str, int]]:
    """Return the inputs, with their widths, of the last linear layers on the ways to the logits."""
    kernels = {each.name: tuple(each.dims) for each in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    found: dict[str, int] = {}
    seen: set[str] = set()
    waiting = [LOGITS]
    while waiting:
        name = waiting.pop()
        node = makers.get(name)
        if name in seen or node is None:
            continue
        seen.add(name)
        shape = kernels.get(node.input[1], ()) if node.op_type in ("MatMul", "Gemm") else ()
        if any(attribute.name == "transB" and attribute.i for attribute in node.attribute):
            shape = shape[::-1]
        if len(shape) == 2 and shape[1] == n_labels:
            found[node.input[0]] = shape[0]
        else:
            waiting += reversed(list(_given(node.input)))
    return list(found.items())


def _given(names: Iterable[str]) -> Iterable[str]:
    return (name for name in names if name)
