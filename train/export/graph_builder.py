"""A builder of ONNX graphs: collects nodes and constants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(slots=True)
class Builder:
    """Collects nodes and constants under generated names."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    prefix: str = ""
    """Begins the names of nodes and constants."""

    def constant(self, value: Any, dtype: type = np.float32) -> str:
        """Add a constant, return its name.

        Parameters
        ----------
        value
            The constant's value.
        dtype
            Its type.
        """
        from onnx import numpy_helper

        name = f"{self.prefix}constant_{len(self.constants)}"
        array: NDArray[Any] = np.ascontiguousarray(value, dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def whole(self, *values: int) -> str:
        """Add a constant of whole numbers, shape ``(n,)``."""
        return self.constant(values, np.int64)

    def add(self, operator: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """Add a node with one output, return the output's name.

        Parameters
        ----------
        operator
            Name of the ONNX operator.
        to
            Name of the output; generated if empty.
        """
        from onnx import helper

        output = to or f"{self.prefix}{operator}_{len(self.nodes)}"
        if operator == "Cast":
            attributes = {"to": attributes["kind"]}
        self.nodes.append(
            helper.make_node(operator, list(inputs), [output], name=output, **attributes)
        )
        return output

    def last(self, x: str, count: int, *, to: str = "") -> str:
        """Return the last frames of ``(batch, channels, frames)``.

        Parameters
        ----------
        x
            Name of a tensor ``(batch, channels, frames)``.
        count
            Number of frames.
        to
            Name of the output; generated if empty.
        """
        end = self.whole(np.iinfo(np.int64).max)
        return self.add("Slice", x, self.whole(-count), end, self.whole(2), to=to)
