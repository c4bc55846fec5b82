"""A student as an ONNX graph that takes only the new frames.

It computes each step once. What later steps need of earlier ones is in named state tensors: running
sums of the normaliser, the last inputs of every convolution, the last three seconds of the last
layer. Normalisation after a convolution is folded into it.

The first convolution makes one step of :data:`STEP_FRAMES` frames, and a call takes whole steps:
whoever runs the graph keeps an odd frame for the next call. The result does not depend on how steps
are cut into calls.

Shapes are channels first: ``(batch, channels, steps, bands)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.audio.features import cepstral_matrix
from streamgenre.inference.manifest import FRAMES
from train.export.graph_builder import Builder
from train.export.running_means import RunningMeans
from train.recipes.recipe import NEXT, State
from train.student.renditions import LOWEST, SPEC
from train.student.students import FLOOR, KERNEL, KINDS, MEMORY_S, STEPS
from train.student.teachers import EMBEDDING
from train.trunk.musicnn import TAGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.student.students import Separable

    Floats = NDArray[np.float32]

STEP_FRAMES: Final = 2
"""Frames of a step; a call takes a multiple of it."""
_PAST: Final = KERNEL - STEP_FRAMES
"""Frames that the first convolution looks back."""
_EPSILON: Final = 1e-3
"""Epsilon of Keras's batch normalisation."""


class StreamingGraph:
    """The nodes of a trained student.

    Parameters
    ----------
    model
        The network in Keras.
    student
        Its widths.
    """

    def __init__(self, model: Any, student: Separable) -> None:
        self._model, self._student = model, student
        self.builder = Builder()
        self.states: list[State] = []
        b = self.builder
        self._new = b.add("Gather", b.add("Shape", FRAMES), b.whole(1))
        self.embedding = self._pooled(self._layers(self._stem(self._normalised())))
        """Name of the embedding after the last frame, shape ``(batch, embedding)``."""

    def assembled(self, outputs: dict[str, tuple[int | str, ...]]) -> Any:
        """Return the model: frames and states in, outputs (name to shape) and states out."""
        from onnx import TensorProto, helper

        def tensor(name: str, *shape: int | str) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

        inputs = [tensor(FRAMES, "time", SPEC.numcep)]
        given = [tensor(name, *shape) for name, shape in outputs.items()]
        for state in self.states:
            inputs.append(tensor(state.name, *state.shape))
            given.append(tensor(state.name + NEXT, *state.shape))
        b = self.builder
        graph = helper.make_graph(b.nodes, "streamgenre", inputs, given, b.constants)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
            producer_name="streamgenre",
        )  # fmt: skip

    def answers(self, mean: Floats, spread: Floats) -> tuple[str, str]:
        """Add the answers that every student has; return logits of tags and of kinds.

        Parameters
        ----------
        mean, spread
            Of the teacher's embedding, shape ``(1756,)``.
        """
        b = self.builder
        kernel, bias = self._weights("outputs")
        tags = slice(EMBEDDING - TAGS, EMBEDDING)
        scale = spread[tags]
        found = b.add("MatMul", self.embedding, b.constant(kernel[:, tags] * scale))
        logits = b.add("Add", found, b.constant(bias[tags] * scale + mean[tags]))
        found = b.add("MatMul", self.embedding, b.constant(kernel[:, -KINDS:]))
        return logits, b.add("Add", found, b.constant(bias[-KINDS:]))

    def _state(self, name: str, *shape: int) -> str:
        self.states.append(State(name, shape))
        return name

    def _weights(self, name: str) -> list[Floats]:
        return [np.asarray(w, np.float32) for w in self._model.get_layer(name).get_weights()]

    def _normalised(self) -> str:
        """Return the frames without level and microphone, shape ``(batch, time, 64)``."""
        b = self.builder
        share, scale, shift = self._weights("normaliser")
        energies = b.add("MatMul", FRAMES, b.constant(cepstral_matrix(SPEC).T))
        power = b.add("Exp", b.add("Max", energies, b.constant(LOWEST)))
        running = RunningMeans(b, self._new, SPEC.winstep / MEMORY_S)
        mean = b.add("ReduceMean", power, axes=[2], keepdims=1)
        weight = running.weights(self._state("weight", 1), mean)
        level = b.add("Div", running.sums(self._state("level", 1), mean), weight)
        relative = b.add("Div", power, b.add("Add", level, b.constant(1e-12)))
        relative = b.add("Log", b.add("Add", relative, b.constant(FLOOR)))
        means = running.sums(self._state("bands", SPEC.nfilt), relative)
        means = b.add("Div", means, weight)
        means = b.add("Mul", means, b.constant(1 / (1 + np.exp(-share))))
        apart = b.add("Mul", b.add("Sub", relative, means), b.constant(0.25 * scale))
        return b.add("Add", apart, b.constant(shift))

    def _stem(self, x: str) -> str:
        """Return the first convolution's steps; count the steps that there were."""
        b = self.builder
        whole = self._with_past("frames_before", x, _PAST, SPEC.nfilt, axis=1)
        count = self._state("steps", 1)
        made = b.add("Div", b.add("Cast", self._new, kind=1), b.constant(STEP_FRAMES))
        self._heard = b.add("Min", b.add("Add", count, made), b.constant(STEPS), to=count + NEXT)
        (kernel,) = self._weights("stem")
        return self._convolved(
            b.add("Unsqueeze", whole, b.whole(1)), kernel.transpose(3, 2, 0, 1), "stem_norm",
            relu=True, strides=[STEP_FRAMES, 2], pads=[0, 0, 0, 1],
        )  # fmt: skip

    def _convolved(
        self, x: str, kernel: Floats, norm: str, *, relu: bool, **attributes: Any
    ) -> str:
        """Add a convolution with its normalisation; ``kernel`` is (out, in, time, bands)."""
        b = self.builder
        scale, shift = self._normalisation(norm)
        weights = kernel * scale[:, None, None, None]
        y = b.add("Conv", x, b.constant(weights), b.constant(shift), **attributes)
        return b.add("Relu", y) if relu else y

    def _normalisation(self, name: str) -> tuple[Floats, Floats]:
        gamma, beta, mean, variance = self._weights(name)
        scale = gamma / np.sqrt(variance + _EPSILON)
        return scale, beta - mean * scale

    def _with_past(self, name: str, x: str, past: int, *sizes: int, axis: int = 2) -> str:
        """Return steps with as many before them as a layer looks back to, and keep the last."""
        b = self.builder
        shape = (past, *sizes) if axis == 1 else (sizes[0], past, *sizes[1:])
        whole = b.add("Concat", self._state(name, *shape), x, axis=axis)
        b.add("Slice", whole, b.whole(-past), b.whole(2**62), b.whole(axis), to=name + NEXT)
        return whole

    def _layers(self, x: str) -> str:
        """Return the last layer's steps, shape ``(batch, width, steps)``."""
        b, bands, channels = self.builder, SPEC.nfilt // 2, self._student.stem
        for number, (out, expansion, halved) in enumerate(self._student.blocks):
            name, y = f"block_{number}", x
            if halved:
                bands //= 2
                y = b.add("AveragePool", y, kernel_shape=[1, 2], strides=[1, 2])
            wide = channels * expansion
            if expansion > 1:
                y = self._pointwise(y, f"{name}_widen", f"{name}_widen_norm")
            y = self._with_past(name, y, KERNEL - 1, wide, bands)
            (kernel,) = self._weights(f"{name}_filter")
            y = self._convolved(
                y, kernel.transpose(2, 3, 0, 1), f"{name}_filter_norm", relu=True, group=wide,
                pads=[0, 1, 0, 1],
            )  # fmt: skip
            y = self._pointwise(y, f"{name}_narrow", f"{name}_narrow_norm", relu=False)
            x = y if halved or channels != out else b.add("Add", x, y)
            channels = out
        (kernel,) = self._weights("flat")
        width = self._student.width
        kernel = kernel.reshape(bands, channels, width).transpose(2, 1, 0)[:, :, None]
        x = b.add(
            "Squeeze", self._convolved(x, kernel, "flat_norm", relu=True), b.whole(3)
        )  # (batch, width, steps)
        for number, dilation in enumerate(self._student.dilations):
            name = f"time_{number}"
            y = self._with_past(name, x, (KERNEL - 1) * dilation, width)
            (kernel,) = self._weights(f"{name}_filter")
            y = self._along_time(
                y, kernel[:, 0].transpose(1, 2, 0), f"{name}_filter_norm", relu=True,
                group=width, dilations=[dilation],
            )  # fmt: skip
            (kernel,) = self._weights(f"{name}_mix")
            y = self._along_time(
                y, kernel[0, 0].T[:, :, None], f"{name}_mix_norm", relu=False
            )  # fmt: skip
            x = b.add("Add", x, y)
        scale, shift = self._normalisation("last_norm")
        x = b.add("Mul", x, b.constant(scale[:, None]))
        return b.add("Relu", b.add("Add", x, b.constant(shift[:, None])))

    def _pointwise(self, x: str, name: str, norm: str, *, relu: bool = True) -> str:
        (kernel,) = self._weights(name)
        return self._convolved(x, kernel.transpose(3, 2, 0, 1), norm, relu=relu)

    def _along_time(
        self, x: str, kernel: Floats, norm: str, *, relu: bool, **attributes: Any
    ) -> str:
        b = self.builder
        scale, shift = self._normalisation(norm)
        y = b.add(
            "Conv", x, b.constant(kernel * scale[:, None, None]), b.constant(shift), **attributes
        )
        return b.add("Relu", y) if relu else y

    def _pooled(self, x: str) -> str:
        """Return mean and maximum of the last three seconds, or of what there was so far."""
        b = self.builder
        window = self._with_past("window", x, STEPS - 1, self._student.width)
        window = b.last(window, STEPS)
        mean = b.add("ReduceSum", window, b.whole(2), keepdims=0)
        mean = b.add("Div", mean, b.add("Max", self._heard, b.constant(1)))
        highest = b.add("ReduceMax", window, axes=[2], keepdims=0)
        return b.add("Concat", mean, highest, axis=1)
