"""Adapter and trunk as an ONNX graph that takes only the new frames.

Almost all of the trunk's work is in the vertical filters, which look three frames ahead: they run
on the new frames only. The horizontal filters look 64 frames ahead, the residual layers nine more.
Waiting for those would delay every output by 1.2 s, and filters cut off at the present would need
retraining on far more music than there is. So this cheap part is computed again for the last 187
frames at every call, with zeros after the newest frame, as at the end of the windows that the trunk
was trained on. There is no delay, and the result is the trunk's own for the last three seconds.

Where the weights say so, the bands are averaged over two frames first (:mod:`.paired`): half the
steps, and all filters half as long. A call then takes whole steps.

Neither the level nor the spectrum is changed; docs/models-trials.md lists what was tried.

Shapes are channels first: ``(batch, channels, frames)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import FRAMES
from train.export.graph_builder import Builder
from train.recipes.recipe import NEXT, State
from train.trunk import filters_graph, mel_adapter
from train.trunk.musicnn import (
    BANDS,
    RHYTHM,
    STEP,
    TIMBRE,
    ahead,
    convolution,
    front_width,
    normalisation,
    pooled_width,
    step,
    window,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from train.trunk.checkpoint import Weights

_FAR: Final = -1e9
NOTHING: Final = 1e-12
"""A channel whose weights are all below this gives a constant. Weight decay left 44 of the
published trunk's 64 with weights below 1e-30."""


def states_of(weights: Weights) -> tuple[State, ...]:
    """Return the trunk's states.

    They are the last normalised mel bands; outputs of the vertical filters for settled steps,
    before the normalisation; the number of steps so far, up to the window's length. With the
    published weights they take 371 kB a station, without the dead filters 97 kB, with pairs of
    frames 48 kB.
    """
    timbre = sum(len(convolution(weights, number)[1]) for number in range(len(TIMBRE)))
    kept = window(weights) - 1
    return (
        State("mel", (BANDS, kept)),
        State("timbre", (timbre, kept - ahead(weights))),
        State("heard", (1,)),
    )


def trunk_nodes(weights: Weights, b: Builder) -> str:
    """Add the nodes from frames and states to pooled features and next states.

    Returns the name of the pooled features, shape ``(batch, 1506)``, interleaved and normalised as
    the trunk's dense layer takes them.

    Parameters
    ----------
    weights
        The trunk's weights.
    b
        Collects the nodes.
    """
    return _back(weights, b, *_front(weights, b))


def _back(weights: Weights, b: Builder, front: str, of_heard: str, heard: str) -> str:
    """Return the pooled features of the outputs of :func:`_front`.

    A channel of the first layer without weights gives a constant. It is left out there, and the
    mask of real frames, as one channel more, stands for all of them in the next.
    """
    kernel, bias = convolution(weights, 5)
    fires = _fires(weights)
    order = np.argsort(~fires, kind="stable")
    scale, shift = normalisation(weights, 6)
    constant = np.where(fires, 0, np.maximum(bias, 0) * scale + shift)
    y = _convolved(b, front, kernel[..., fires], bias[fires])
    y = _shifted(b, y, scale[fires], shift[fires])
    features = [front, b.add("Mul", y, of_heard)]
    x = shortcut = features[-1]
    if not fires.all():
        x = b.add("Concat", x, of_heard, axis=1)
        shortcut = b.add("Pad", shortcut, b.whole(0, 0, 0, 0, int((~fires).sum()), 0))
    for number in (6, 7):
        kernel, bias = convolution(weights, number)
        scale, shift = (each[order] for each in normalisation(weights, number + 1))
        kernel = kernel[..., order]
        if number == 7:
            kernel = kernel[:, order]
        elif not fires.all():
            of_constants = np.einsum("c,tcxo->txo", constant, kernel)[:, None]
            kernel = np.concatenate([kernel[:, fires], of_constants], axis=1)
            shift = shift + constant[order]
        y = _shifted(b, _convolved(b, x, kernel, bias[order]), scale, shift)
        x = shortcut = b.add("Mul", b.add("Add", y, shortcut), of_heard)
        features.append(x)
    return _pooled(weights, b, features, (of_heard, heard), constant)


def _fires(weights: Weights) -> NDArray[np.bool_]:
    """Return which channels of the first layer after the front depend on their input."""
    kernel, _ = convolution(weights, 5)
    found: NDArray[np.bool_] = np.abs(kernel).max(axis=(0, 1, 2)) > NOTHING
    return found


def _convolved(b: Builder, x: str, kernel: Any, bias: Any) -> str:
    """Return the activation of a convolution along time; kernel as in the checkpoint."""
    side = (len(kernel) - 1) // 2
    kernel = b.constant(kernel[:, :, 0].transpose(2, 1, 0))
    return b.add("Relu", b.add("Conv", x, kernel, b.constant(bias), pads=[side, side]))


def _shifted(b: Builder, y: str, scale: Any, shift: Any) -> str:
    return b.add("Add", b.add("Mul", y, b.constant(scale[:, None])), b.constant(shift[:, None]))


def _front(weights: Weights, b: Builder) -> tuple[str, str, str]:
    """Return the filters' outputs for the window, ``(batch, 561, 187)``, and :func:`_heard`."""
    mel, new = _mel(weights, b)
    of_heard, heard = _heard(weights, b, new)
    front = b.add(
        "Concat",
        filters_graph.vertical(weights, b, mel, new),
        filters_graph.horizontal(weights, b, b.last(mel, window(weights))),
        axis=1,
    )
    front = filters_graph.normalised(weights, b, front)
    return b.add("Mul", front, of_heard), of_heard, heard


def _mel(weights: Weights, b: Builder) -> tuple[str, str]:
    """Return the mel bands, kept and new, and the number of new steps."""
    cepstra = b.add("Sub", FRAMES, b.constant(mel_adapter.offset()))
    energies = b.add("Exp", b.add("MatMul", cepstra, b.constant(mel_adapter.inverse_transform())))
    if step(weights) > 1:
        steps = b.whole(0, -1, step(weights), mel_adapter.SPEC.numcep)
        energies = b.add("ReduceMean", b.add("Reshape", energies, steps), axes=[2], keepdims=0)
    power = b.add("MatMul", energies, b.constant(mel_adapter.band_mapping()))
    new = b.add("Gather", b.add("Shape", energies), b.whole(1))
    compressed = b.add("Log", b.add("Add", power, b.constant(1)))
    scale, shift = normalisation(weights, 0)
    x = b.add("Mul", compressed, b.constant(scale / np.log(10)))
    x = b.add("Transpose", b.add("Add", x, b.constant(shift)), perm=[0, 2, 1])
    mel = b.add("Concat", "mel", x, axis=2)
    b.last(mel, window(weights) - 1, to="mel" + NEXT)
    return mel, new


def _heard(weights: Weights, b: Builder, new: str) -> tuple[str, str]:
    """Return a mask of the window's real steps, and their number."""
    count = b.add("Add", "heard", b.add("Cast", new, kind=1))
    count = b.add("Min", count, b.constant(window(weights)), to="heard" + NEXT)
    ages = b.constant(np.arange(window(weights), 0, -1)[None, None])
    heard = b.add("Unsqueeze", count, b.whole(2))
    return b.add("Cast", b.add("LessOrEqual", ages, heard), kind=1), heard


def _pooled(
    weights: Weights, b: Builder, features: list[str], mask: tuple[str, str], constant: Any
) -> str:
    """Return the pooled features in the checkpoint's order.

    Parameters
    ----------
    weights
        The trunk's weights.
    b
        Collects the nodes.
    features
        Names of the outputs of :func:`_back`'s layers, each with zeros in frames not heard.
    mask
        The outputs of :func:`_heard`.
    constant
        What the first layer's channels give that never fire; 0 for those that do.
    """
    of_heard, heard = mask
    x = b.add("Concat", *features, axis=1)
    mean = b.add("Div", b.add("ReduceSum", x, b.whole(2), keepdims=1), heard)
    far = b.add("Mul", b.add("Sub", b.constant(1), of_heard), b.constant(_FAR))
    highest = b.add("ReduceMax", b.add("Add", x, far), axes=[2], keepdims=1)
    pooled = b.add("Concat", highest, mean, axis=2)
    scale, shift = normalisation(weights, 9)
    fires = _fires(weights)
    if not fires.all():
        width, back = front_width(weights), np.argsort(np.argsort(~fires, kind="stable"))
        first = width + np.where(fires, back, 0)
        later = width + fires.sum() + back
        places = np.concatenate([np.arange(width), first, later, later + len(fires)])
        pooled = b.add("Gather", pooled, b.whole(*places.tolist()), axis=1)
        mine = slice(2 * width, 2 * (width + len(fires)))
        shift[mine] += np.repeat(constant, 2) * scale[mine]
        scale[mine] *= np.repeat(fires, 2)
    pooled = b.add("Reshape", pooled, b.whole(-1, pooled_width(weights)))
    return b.add("Add", b.add("Mul", pooled, b.constant(scale)), b.constant(shift))


def units_and_tags(weights: Weights, b: Builder, pooled: str) -> tuple[str, str]:
    """Add the trunk's dense layers; return its units, ``(batch, 200)``, and tags, ``(…, 50)``.

    Parameters
    ----------
    weights
        The trunk's weights.
    b
        Collects the nodes.
    pooled
        Name of the pooled features.
    """
    y = b.add("MatMul", pooled, b.constant(weights["dense/kernel"]))
    y = b.add("Relu", b.add("Add", y, b.constant(weights["dense/bias"])))
    scale, shift = normalisation(weights, 10)
    units = b.add("Add", b.add("Mul", y, b.constant(scale)), b.constant(shift))
    y = b.add("MatMul", units, b.constant(weights["dense_1/kernel"]))
    return units, b.add("Add", y, b.constant(weights["dense_1/bias"]))


def assembled(
    b: Builder, states: tuple[State, ...], outputs: dict[str, tuple[int | str, ...]]
) -> Any:
    """Return the model: frames and states in, outputs (name to shape) and states out.

    Parameters
    ----------
    b
        Collects the nodes.
    states
        State tensors.
    outputs
        Shapes of the outputs by name, without the batch axis.
    """
    from onnx import TensorProto, helper

    def tensor(name: str, *shape: int | str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

    inputs = [tensor(FRAMES, "time", mel_adapter.SPEC.numcep)]
    given = [tensor(name, *shape) for name, shape in outputs.items()]
    for state in states:
        inputs.append(tensor(state.name, *state.shape))
        given.append(tensor(state.name + NEXT, *state.shape))
    graph = helper.make_graph(b.nodes, "streamgenre", inputs, given, b.constants)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
        producer_name="streamgenre",
    )  # fmt: skip


def embedding_graph(trunks: Sequence[Weights]) -> Any:
    """Return trunks with a common front and no heads; output ``pooled``, ``(batch, trunks, 1506)``.

    The front, nine tenths of the work, is computed once for all of them.
    """
    b = Builder()
    front = _front(trunks[0], b)
    found = [b.add("Unsqueeze", _back(weights, b, *front), b.whole(1)) for weights in trunks]
    b.add("Concat", *found, to="pooled", axis=1)
    return assembled(b, states_of(trunks[0]), {"pooled": (len(trunks), pooled_width(trunks[0]))})


def is_front(name: str) -> bool:
    """Return whether a weight, by its name in the checkpoint, belongs to the front."""
    number = name.split("/")[0].rpartition("_")[2]
    if name.startswith("conv2d"):
        return not number.isdecimal() or int(number) < len(TIMBRE) + len(RHYTHM)
    if name.startswith("batch_normalization"):
        return not number.isdecimal() or int(number) <= len(TIMBRE) + len(RHYTHM)
    return name == STEP


def front_graph(weights: Weights) -> Any:
    """Return adapter and front alone: ``front`` of the last 187 frames, ``(batch, 187, 561)``."""
    b = Builder()
    front, _, _ = _front(weights, b)
    b.add("Transpose", front, perm=[0, 2, 1], to="front")
    return assembled(b, states_of(weights), {"front": (window(weights), front_width(weights))})
