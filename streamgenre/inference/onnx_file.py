"""Finds tensors in a serialised ONNX model that keep their data in another file.

The hash of ``model.onnx`` does not cover such a file, and its name may lead anywhere. The walk
follows the messages of `onnx.proto <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>`_ that
can contain a tensor, and skips the rest.
"""

from __future__ import annotations

from typing import Final

MAX_FIELDS: Final = 1_000_000
"""Most fields that are looked at; the shipped models have a few thousand."""

_Fields = dict[int, str]
_NESTED: Final[dict[str, _Fields]] = {
    "Model": {7: "Graph", 20: "TrainingInfo", 25: "Function"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {
        **{5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph"},
        **{22: "SparseTensor", 23: "SparseTensor"},
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
"""Fields of each message that contain another message of interest."""
_EXTERNAL_DATA: Final = 13
_DATA_LOCATION: Final = 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def problem_of(data: bytes) -> str:
    """Return why a serialised model is refused before it is loaded, else "".

    Parameters
    ----------
    data
        The content of ``model.onnx``.
    """
    try:
        return _walk(memoryview(data))
    except (IndexError, ValueError):
        return "not an ONNX model, or damaged: export the model again"


def _walk(data: memoryview) -> str:
    waiting = [("Model", 0, len(data))]
    left = MAX_FIELDS
    while waiting:
        message, position, end = waiting.pop()
        nested = _NESTED[message]
        while position < end:
            left -= 1
            if left < 0:
                return f"the graph has more than {MAX_FIELDS} fields; expected a smaller model"
            key, position = _varint(data, position)
            number, wire = key >> 3, key & 7
            value = 0
            if wire == _VARINT:
                value, position = _varint(data, position)
            elif wire == _BYTES:
                size, position = _varint(data, position)
                if number in nested:
                    waiting.append((nested[number], position, position + size))
                position += size
            elif wire in (_FIXED64, _FIXED32):
                position += 8 if wire == _FIXED64 else 4
            else:
                raise ValueError(f"wire type {wire}")
            if position > end:
                raise ValueError("a field ends after its message")
            external = number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)
            if message == "Tensor" and external:
                return (
                    "the graph keeps a tensor in another file, which the manifest's hash does not "
                    "cover; export the model with all weights in model.onnx"
                )
    return ""


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """Return the variable-length integer at a position, and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("an integer of more than ten bytes")
