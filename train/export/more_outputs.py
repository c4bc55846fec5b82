"""More outputs of a finished graph: is there music, is it like the genres, and the trunk's tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streamgenre.inference.manifest import EMBEDDING, KNOWN, MUSIC, TAGS
from train.errors import TrainError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


def with_music_and_tags(serialised: bytes, kernel: Floats, bias: Floats, tags: int) -> bytes:
    """Return a graph that also answers ``music`` and ``tags``, as logits.

    Parameters
    ----------
    serialised
        The graph, with the output ``embedding``, of which the last columns are the logits of tags.
    kernel, bias
        The linear head of music, shapes ``(width, 1)`` and ``(1,)``.
    tags
        Number of the tags.

    Raises
    ------
    TrainError
        If the graph has no such output.
    """
    from onnx import helper

    model = _opened(serialised)
    graph = model.graph
    _add_linear(graph, MUSIC, kernel, bias)
    _remove(graph, TAGS)
    last = len(_embedding(graph).type.tensor_type.shape.dim) - 1
    bounds = [
        _constant(graph, f"{TAGS}/{name}", [value], np.int64)
        for name, value in (("first", -tags), ("end", 2**62), ("axis", last))
    ]
    graph.node.append(helper.make_node("Slice", [EMBEDDING, *bounds], [TAGS], f"{TAGS}/slice"))
    _add_output(graph, TAGS, tags)
    return _closed(model)


def with_known(serialised: bytes, kernel: Floats, bias: Floats) -> bytes:
    """Return a graph that also answers ``known``: music that is like one of the genres, a logit.

    Parameters
    ----------
    serialised
        The graph, with the output ``embedding``.
    kernel, bias
        The linear head, shapes ``(width, 1)`` and ``(1,)``.

    Raises
    ------
    TrainError
        If the graph has no such output.
    """
    model = _opened(serialised)
    _add_linear(model.graph, KNOWN, kernel, bias)
    return _closed(model)


def _opened(serialised: bytes) -> Any:
    import onnx

    model = onnx.load_model_from_string(serialised)
    if EMBEDDING not in {output.name for output in model.graph.output}:
        raise TrainError("the graph has no output `embedding`")
    return model


def _closed(model: Any) -> bytes:
    import onnx

    onnx.checker.check_model(model, full_check=True)
    changed: bytes = model.SerializeToString()
    return changed


def _embedding(graph: Any) -> Any:
    return next(output for output in graph.output if output.name == EMBEDDING)


def _add_linear(graph: Any, name: str, kernel: Floats, bias: Floats) -> None:
    """Add an output that is linear on the embedding, in place of an earlier one of that name."""
    from onnx import helper

    _remove(graph, name)
    by, plus = (
        _constant(graph, f"{name}/{part}", value)
        for part, value in (("kernel", kernel), ("bias", bias))
    )
    product = f"{name}/product"
    graph.node.append(helper.make_node("MatMul", [EMBEDDING, by], [product], product))
    graph.node.append(helper.make_node("Add", [product, plus], [name], f"{name}/sum"))
    _add_output(graph, name, kernel.shape[1])


def _constant(graph: Any, name: str, value: Any, kind: type = np.float32) -> str:
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.asarray(value, kind), name))
    return name


def _add_output(graph: Any, name: str, width: int) -> None:
    from onnx import helper

    output = helper.make_empty_tensor_value_info(name)
    output.CopyFrom(_embedding(graph))
    output.name = name
    output.type.tensor_type.shape.dim[-1].dim_value = width
    graph.output.append(output)


def _remove(graph: Any, name: str) -> None:
    """Remove an output of an earlier run, with its nodes and constants."""
    for nodes in (graph.node, graph.initializer):
        for one in [one for one in nodes if one.name.startswith(f"{name}/")]:
            nodes.remove(one)
    for output in [output for output in graph.output if output.name == name]:
        graph.output.remove(output)
