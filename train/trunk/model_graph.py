"""The whole model as one graph: adapter, trunk and head, checked against Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import FRAMES, LOGITS, SPEECH
from train.errors import TrainError
from train.export.embedding_output import add_embedding
from train.export.graph_builder import Builder
from train.export.graph_parts import lstm_nodes
from train.export.keras_to_onnx import TOLERANCE, differ_by
from train.recipes.recipe import NEXT, State
from train.trunk import lstm_memory, onnx_graph
from train.trunk.heads import embedding
from train.trunk.keras_reference import Incremental
from train.trunk.musicnn import step
from train.trunk.onnx_graph import assembled, trunk_nodes, units_and_tags

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.trunk.checkpoint import Weights
    from train.trunk.head_training import Fitted
    from train.trunk.heads import Linear

    Floats = NDArray[np.float32]

_HOPS: Final = (31, 32, 1, 13, 32, 65)
"""Pairs of frames per call in the check; the rest makes the last call."""


def states_of(weights: Weights, model: Any | None, n_labels: int) -> tuple[State, ...]:
    """Return the state tensors of a graph; without an LSTM where ``model`` is None.

    Parameters
    ----------
    weights
        The trunk's weights.
    model
        The LSTM in Keras, or None.
    n_labels
        Number of genres.
    """
    of_trunk = onnx_graph.states_of(weights)
    if model is None:
        return of_trunk
    shape = (n_labels, model.get_layer("lstm_1").units)
    return (*of_trunk, State("lstm_1_h", shape), State("lstm_1_c", shape))


def export(weights: Weights, fitted: Fitted, frames: Floats) -> bytes:
    """Return the ONNX model, serialised, after a check that its outputs equal Keras's.

    Parameters
    ----------
    weights
        The trunk's weights.
    fitted
        What was trained on the trunk.
    frames
        MFCC frames to compare the outputs on, shape ``(batch, time, 160)``.

    Raises
    ------
    TrainError
        If the graph is not valid, or its outputs or states differ from Keras's by more than 1e-5.
    """
    graph = build(weights, fitted)
    difference = check(graph, weights, fitted, frames)
    # "not <=" so that NaN is refused too.
    if not difference <= TOLERANCE:
        raise TrainError(
            f"the exported graph differs from Keras by {difference:.2e}, more than "
            f"{TOLERANCE:.0e}; nothing was written"
        )
    serialised: bytes = graph.SerializeToString()
    return serialised


def build(weights: Weights, fitted: Fitted) -> Any:
    """Return the graph; it returns one row of logits per call, after the last frame.

    Parameters
    ----------
    weights
        The trunk's weights.
    fitted
        The trained head.
    """
    b = Builder()
    pooled = trunk_nodes(weights, b)
    units, tags = units_and_tags(weights, b, pooled)
    everything = b.add("Concat", pooled, units, tags, axis=1)
    n_labels = len(fitted.window.bias)
    logits = _linear(b, everything, fitted.window)
    if fitted.memory is not None:
        logits = b.add("Add", logits, _memory(b, logits, fitted.memory, n_labels))
    # The contract requires an open time axis, but onnxruntime would infer a length of 1: so an
    # empty slice whose length it cannot infer is added.
    newest = b.add("Slice", FRAMES, b.whole(-1, 0), b.constant([2**62, 1], np.int64), b.whole(1, 2))
    nothing = b.add("Mul", newest, b.constant(0))
    b.add("Add", b.add("Unsqueeze", logits, b.whole(1)), nothing, to=LOGITS)
    outputs: dict[str, tuple[int | str, ...]] = {LOGITS: ("steps", n_labels)}
    if fitted.speech is not None:
        speech = b.add("Unsqueeze", _linear(b, everything, fitted.speech), b.whole(1))
        b.add("Add", speech, nothing, to=SPEECH)
        outputs[SPEECH] = ("steps", 1)
    graph = assembled(b, states_of(weights, fitted.memory, n_labels), outputs)
    add_embedding(graph)
    return graph


def _linear(b: Builder, x: str, head: Linear) -> str:
    return b.add("Add", b.add("MatMul", x, b.constant(head.kernel)), b.constant(head.bias))


def _memory(b: Builder, logits: str, model: Any, n_labels: int) -> str:
    """Add the LSTM's single step; return its logits."""
    units = model.get_layer("lstm_1").units
    certain = b.add("LogSoftmax", logits, axis=1)
    certain = b.add("Max", certain, b.constant(lstm_memory.FLOOR))
    first = b.add("ReduceMax", certain, axes=[1], keepdims=1)
    is_first = b.add("GreaterOrEqual", certain, first)
    others = b.add("Where", is_first, b.constant(-1e9), certain)
    second = b.add("ReduceMax", others, axes=[1], keepdims=1)
    # Two genres that tie for first place are each other's strongest rival.
    tied = b.add("Cast", is_first, kind=1)
    tied = b.add("ReduceSum", tied, b.whole(1), keepdims=1)
    second = b.add("Where", b.add("Greater", tied, b.constant(1.5)), first, second)
    margin = b.add("Sub", certain, b.add("Where", is_first, second, first))
    pair = [b.add("Unsqueeze", x, b.whole(2)) for x in (certain, margin)]
    x = b.add("Mul", b.add("Concat", *pair, axis=2), b.constant(0.25))
    x = b.add("Reshape", x, b.whole(-1, 1, 2))
    for name in ("h", "c"):
        b.add("Reshape", f"lstm_1_{name}", b.whole(-1, units), to=f"flat_{name}")
    nodes, constants = lstm_nodes(model.get_layer("lstm_1"), 0, "flat_h", "flat_c", x, "sequence")
    b.nodes += nodes
    b.constants += constants
    for name in ("h", "c"):
        flat, shape = f"flat_{name}{NEXT}", b.whole(-1, n_labels, units)
        b.add("Reshape", flat, shape, to=f"lstm_1_{name}{NEXT}")
    kernel, bias = model.get_layer("logits").get_weights()
    y = b.add("Add", b.add("MatMul", "sequence", b.constant(kernel)), b.constant(bias))
    return b.add("Reshape", y, b.whole(-1, n_labels))


def check(graph: Any, weights: Weights, fitted: Fitted, frames: Floats) -> float:
    """Run graph and Keras call by call; return the largest difference of outputs and states.

    Parameters
    ----------
    graph
        The ONNX model.
    weights
        The trunk's weights.
    fitted
        The trained head.
    frames
        MFCC frames to compare on, shape ``(batch, time, 160)``.

    Raises
    ------
    TrainError
        If the graph is not valid ONNX.
    """
    import onnx
    import onnxruntime

    try:
        onnx.checker.check_model(graph, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise TrainError(f"the exported graph is not valid ONNX: {error}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    states = states_of(weights, fitted.memory, len(fitted.window.bias))
    outputs = [LOGITS] if fitted.speech is None else [LOGITS, SPEECH]
    names = [*outputs, *(state.name + NEXT for state in states)]
    found = expected = [np.zeros((len(frames), *s.shape), np.float32) for s in states]
    trunk = Incremental(weights)
    worst = 0.0
    used = frames[:, : frames.shape[1] // step(weights) * step(weights)]
    # Single frames are cut at odd places, too.
    cuts = 2 * np.cumsum(_HOPS) - (step(weights) == 1)
    for hop in np.split(used, cuts, axis=1):
        if not hop.shape[1]:
            continue
        feed = {s.name: t for s, t in zip(states, found, strict=True)}
        results = session.run(names, feed | {FRAMES: hop})
        answers, found = (
            [answer[:, -1] for answer in results[: len(outputs)]],
            results[len(outputs) :],
        )
        wanted, expected = _in_keras(trunk, weights, fitted, hop, expected)
        for one, other in zip((*answers, *found), (*wanted, *expected), strict=True):
            worst = max(worst, differ_by(one, other))
    return worst


def _in_keras(
    trunk: Incremental, weights: Weights, fitted: Fitted, hop: Floats, states: list[Floats]
) -> tuple[list[Floats], list[Floats]]:
    """Return the outputs after the hop, each of shape ``(batch, …)``, and the next states."""
    of_trunk = len(onnx_graph.states_of(weights))
    pooled, after = trunk(hop, states[:of_trunk])
    everything = embedding(weights, np.asarray(pooled))
    logits = fitted.window(everything)
    if fitted.memory is not None:
        answer, h, c = lstm_memory.remember(fitted.memory, logits[:, None], *states[of_trunk:])
        logits, after = np.asarray(answer)[:, 0], [*after, np.asarray(h), np.asarray(c)]
    return [logits] if fitted.speech is None else [logits, fitted.speech(everything)], after
