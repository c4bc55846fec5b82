"""More outputs of a finished graph: whether there is music, and the trunk's tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streamgenre.inference.manifest import EMBEDDING, MUSIC, TAGS
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
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_model_from_string(serialised)
    graph = model.graph
    outputs = {output.name: output for output in graph.output}
    if EMBEDDING not in outputs:
        raise TrainError("the graph has no output `embedding`")
    for name in (MUSIC, TAGS):
        _remove(graph, name)
    axes = outputs[EMBEDDING].type.tensor_type.shape.dim
    last = len(axes) - 1

    def constant(name: str, value: Any, kind: type = np.float32) -> str:
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, kind), f"{name}"))
        return name

    by, plus = constant("music/kernel", kernel), constant("music/bias", bias)
    first, end = constant("tags/first", [-tags], np.int64), constant("tags/end", [2**62], np.int64)
    axis = constant("tags/axis", [last], np.int64)
    graph.node.extend(
        [
            helper.make_node("MatMul", [EMBEDDING, by], ["music/product"], "music/product"),
            helper.make_node("Add", ["music/product", plus], [MUSIC], "music/sum"),
            helper.make_node("Slice", [EMBEDDING, first, end, axis], [TAGS], "tags/slice"),
        ]
    )
    for name, width in ((MUSIC, 1), (TAGS, tags)):
        output = helper.make_empty_tensor_value_info(name)
        output.CopyFrom(outputs[EMBEDDING])
        output.name = name
        output.type.tensor_type.shape.dim[last].dim_value = width
        graph.output.append(output)
    onnx.checker.check_model(model, full_check=True)
    changed: bytes = model.SerializeToString()
    return changed


def _remove(graph: Any, name: str) -> None:
    """Remove an output of an earlier run, with its nodes and constants."""
    for nodes in (graph.node, graph.initializer):
        for one in [one for one in nodes if one.name.startswith(f"{name}/")]:
            nodes.remove(one)
    for output in [output for output in graph.output if output.name == name]:
        graph.output.remove(output)
