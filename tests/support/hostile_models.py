"""Model folders that want too much: memory, time, or what is in other files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from support.model_factory import LABELS, SPEC, manifest, write_folder

if TYPE_CHECKING:
    from pathlib import Path

WINDOW: Final = 50
_node = helper.make_node
_ONE: Final = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])


def write_hostile(folder: Path, name: str) -> Path:
    """Write a windowed model that does one of :data:`GRAPHS`; return its folder."""
    return write_graph(folder, GRAPHS[name]())


def write_graph(folder: Path, model: onnx.ModelProto) -> Path:
    """Write a windowed model with a graph and a manifest that fits it; return its folder."""
    about = manifest("windowed", folder.name, LABELS, SPEC, 1.5, 0, window_frames=WINDOW)
    return write_folder(folder, manifest=about, weights=model.SerializeToString())


def integers(name: str, *values: int) -> onnx.TensorProto:
    """Return a constant of 64-bit integers."""
    return numpy_helper.from_array(np.array(values, np.int64), name)


def floats(name: str, value: Any) -> onnx.TensorProto:
    """Return a constant of 32-bit floats."""
    return numpy_helper.from_array(np.asarray(value, np.float32), name)


def with_tensor(nodes: list[Any], constants: list[Any]) -> onnx.ModelProto:
    """Return a graph whose logits depend on the tensor ``big`` that the nodes make."""
    nodes = [
        *nodes,
        _node("ReduceMax", ["big"], ["most"], keepdims=0),
        _node("ReduceMean", ["frames"], ["mean"], axes=[1], keepdims=0),
        _node("MatMul", ["mean", "w"], ["product"]),
        _node("Add", ["product", "most"], ["logits"]),
    ]
    shape: list[str | int] = ["batch", WINDOW, SPEC.numcep]
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(LABELS)])],
        [floats("w", np.ones((SPEC.numcep, len(LABELS)))), *constants],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model


def _constant() -> onnx.ModelProto:
    nodes = [_node("ConstantOfShape", ["s"], ["big"], value=_ONE)]
    return with_tensor(nodes, [integers("s", 1500, 1000, 1000)])


def _expand() -> onnx.ModelProto:
    return with_tensor(
        [_node("Expand", ["x", "s"], ["big"])], [floats("x", [1]), integers("s", 900, 1000, 1000)]
    )


def _range() -> onnx.ModelProto:
    nodes = [_node("Range", ["a", "b", "c"], ["r"]), _node("Cast", ["r"], ["big"], to=1)]
    ends = zip("abc", (0, 10**9, 1), strict=True)
    return with_tensor(
        nodes, [numpy_helper.from_array(np.array(x, np.int64), name) for name, x in ends]
    )


def _pad() -> onnx.ModelProto:
    nodes = [_node("Pad", ["frames", "s"], ["big"])]
    return with_tensor(nodes, [integers("s", 0, 0, 0, 0, 10**6, 100)])


def _tile() -> onnx.ModelProto:
    return with_tensor([_node("Tile", ["frames", "s"], ["big"])], [integers("s", 1, 1000, 50)])


def _resize() -> onnx.ModelProto:
    nodes = [
        _node("Unsqueeze", ["frames", "axis"], ["image"]),
        _node("Resize", ["image", "", "scales"], ["big"]),
    ]
    return with_tensor(nodes, [integers("axis", 1), floats("scales", [1, 1, 400, 400])])


def _hollow() -> onnx.ModelProto:
    hollow = TensorProto(name="hollow", data_type=TensorProto.FLOAT, dims=[10**6, 2000])
    return with_tensor([_node("Identity", ["hollow"], ["big"])], [hollow])


def _of_input(factor: float, more: float) -> onnx.ModelProto:
    """A tensor as long as the sum of the input says."""
    nodes = [
        _node("Abs", ["frames"], ["a"]),
        _node("ReduceMax", ["a"], ["b"], keepdims=0),
        _node("Mul", ["b", "factor"], ["c"]),
        _node("Add", ["c", "more"], ["d"]),
        _node("Cast", ["d"], ["e"], to=TensorProto.INT64),
        _node("Unsqueeze", ["e", "axis"], ["s"]),
        _node("ConstantOfShape", ["s"], ["big"], value=_ONE),
    ]
    constants = [floats("factor", factor), floats("more", more), integers("axis", 0)]
    return with_tensor(nodes, constants)


def _loop(*, collect: bool) -> onnx.ModelProto:
    """A loop without end; with ``collect`` it keeps a tensor of every turn."""
    value = helper.make_tensor_value_info
    inputs = [value("i", 7, []), value("on", 9, []), value("x", 1, [1])]
    outputs = [value("goes_on", 9, []), value("y", 1, [1])]
    nodes = [_node("Identity", ["on"], ["goes_on"]), _node("Add", ["x", "x"], ["y"])]
    if collect:
        nodes.append(_node("ConstantOfShape", ["s"], ["kept"], value=_ONE))
        outputs.append(value("kept", 1, None))
    body = helper.make_graph(nodes, "turn", inputs, outputs, [integers("s", 10**6)])
    found = ["end", "big"] if collect else ["big"]
    return with_tensor(
        [_node("Loop", ["", "yes", "x"], found, body=body)],
        [numpy_helper.from_array(np.array(True), "yes"), floats("x", [1])],
    )


GRAPHS: Final[dict[str, Any]] = {
    "constant": _constant,
    "expand": _expand,
    "range": _range,
    "pad": _pad,
    "tile": _tile,
    "resize": _resize,
    "hollow": _hollow,
    "of input": lambda: _of_input(0, 2e9),
    "collecting loop": lambda: _loop(collect=True),
    "endless loop": lambda: _loop(collect=False),
    "later": lambda: _of_input(1e9, 1),
}
"""By name. ``later`` is harmless on silence and takes all memory once there is sound."""
