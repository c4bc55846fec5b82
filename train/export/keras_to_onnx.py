"""Export to ONNX, checked against Keras before anything is written.

A stateful network is put together from parts: the layers before and after the LSTM layers come from
tf2onnx; each LSTM layer becomes one fused ONNX ``LSTM`` operator. tf2onnx alone would unroll Keras
3's LSTM into a ``Loop`` over the frames, several times slower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import FRAMES, LOGITS, SPEECH
from train.errors import TrainError
from train.export.embedding_output import add_embedding
from train.export.graph_parts import OPSET, from_keras, lstm_nodes, prefixed
from train.recipes.recipe import NEXT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from train.recipes.recipe import Network

    Array = NDArray[np.float32]

TOLERANCE: Final = 1e-5
"""Largest accepted difference between Keras and onnxruntime, see :func:`differ_by`."""
_HOPS: Final = (1, 25, 2, 7, 40)
"""Frames per call in the check of a cut sequence; the rest makes the last call."""


def export(network: Network, frames: Array) -> bytes:
    """Return a network's ONNX model, serialised, after a check that its outputs equal Keras's.

    Parameters
    ----------
    network
        The network in Keras.
    frames
        MFCC frames to compare the outputs on, such as training clips; shape
        ``(batch, time, numcep)`` with more than 75 frames, or the window's for a windowed network.

    Raises
    ------
    TrainError
        If the graph is not valid, holds a ``Loop``, or its outputs differ from Keras's by more
        than ``TOLERANCE``.
    """
    model = _stateful_graph(network) if network.kind == "stateful" else _windowed_graph(network)
    add_embedding(model)
    check(network, model, frames)
    serialised: bytes = model.SerializeToString()
    return serialised


def check(network: Network, model: Any, frames: Array) -> float:
    """Check a graph; return the largest difference from Keras.

    Parameters
    ----------
    network
        The network in Keras.
    model
        The ONNX model.
    frames
        MFCC frames to compare on.

    Raises
    ------
    TrainError
        As :func:`export`.
    """
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise TrainError(f"the exported graph is not valid ONNX: {error}") from error
    operators = [node.op_type for node in model.graph.node]
    if "Loop" in operators or operators.count("LSTM") != len(network.recurrent):
        raise TrainError(
            f"the exported graph has {operators.count('Loop')} Loop and {operators.count('LSTM')} "
            f"LSTM operators; expected 0 and {len(network.recurrent)}"
        )
    difference = _difference(network, model.SerializeToString(), frames)
    # "not <=" so that NaN is refused too.
    if not difference <= TOLERANCE:
        raise TrainError(
            f"the exported graph differs from Keras by {difference:.2e}, more than "
            f"{TOLERANCE:.0e}; nothing was written"
        )
    return difference


def differ_by(found: Array, expected: Array) -> float:
    """Return the largest ``|found - expected| / (1 + |expected|)``.

    It is absolute for small numbers and relative for large ones, because float32 has seven
    significant digits.

    Parameters
    ----------
    found
        Output of the graph.
    expected
        Output of Keras, same shape.
    """
    return float(np.max(np.abs(found - expected) / (1 + np.abs(expected))))


def _difference(network: Network, serialised: bytes, frames: Array) -> float:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(serialised, options, providers=["CPUExecutionProvider"])
    if network.kind == "windowed":
        expected = np.asarray(network.whole(frames, training=False))
        return differ_by(session.run([LOGITS], {FRAMES: frames})[0], expected)
    # Not from zeros, which would hide a state that is never used.
    zeros = [np.zeros((len(frames), *s.shape), np.float32) for s in network.states]
    _, *after = network.whole([frames[:, ::-1], *zeros], training=False)
    states = [np.asarray(state) for state in after]
    logits, *after = network.whole([frames, *states], training=False)
    by_output = (
        [] if network.speech is None else [network.speech(network.inside([frames, *states]))]
    )
    expected_all = [np.asarray(tensor) for tensor in (logits, *by_output, *after)]
    whole = _run(network, session, frames, states)
    by_hop = _hop_by_hop(network, session, frames, states)
    return max(
        differ_by(found, wanted)
        for run in (whole, by_hop)
        for found, wanted in zip(run, expected_all, strict=True)
    )


def _run(network: Network, session: Any, frames: Array, states: list[Array]) -> list[Array]:
    feed = {FRAMES: frames} | {s.name: t for s, t in zip(network.states, states, strict=True)}
    names = [*_output_names(network), *(s.name + NEXT for s in network.states)]
    outputs: list[Array] = session.run(names, feed)
    return outputs


def _output_names(network: Network) -> list[str]:
    """Return the names of the outputs that are not states."""
    return [LOGITS] if network.speech is None else [LOGITS, SPEECH]


def _hop_by_hop(network: Network, session: Any, frames: Array, states: list[Array]) -> list[Array]:
    count = len(_output_names(network))
    by_hop = []
    for hop in np.split(frames, np.cumsum(_HOPS), axis=1):
        outputs = _run(network, session, hop, states)
        by_hop.append(outputs[:count])
        states = outputs[count:]
    by_output = [np.concatenate(parts, axis=1) for parts in zip(*by_hop, strict=True)]
    return [*by_output, *states]


def _windowed_graph(network: Network) -> Any:
    shape = network.whole.inputs[0].shape[1:]
    model = from_keras(
        lambda frames: {LOGITS: network.whole(frames, training=False)}, {FRAMES: tuple(shape)}
    )
    return _assembled(network, list(model.graph.node), list(model.graph.initializer), [model])


def _stateful_graph(network: Network) -> Any:
    n_cells = 2 * len(network.recurrent)
    own, cells = network.states[:-n_cells], network.states[-n_cells:]
    hidden_shape, direct_shape = (tuple(i.shape[1:]) for i in network.head.inputs)

    def front(frames: Any, *states: Any) -> dict[str, Any]:
        features, direct, *after = network.front([frames, *states], training=False)
        named = {s.name + NEXT: tensor for s, tensor in zip(own, after, strict=True)}
        return {"features": features, "direct": direct, **named}

    def head(hidden: Any, direct: Any) -> dict[str, Any]:
        by_output = {LOGITS: network.head([hidden, direct], training=False)}
        if network.speech is not None:
            by_output[SPEECH] = network.speech([hidden, direct], training=False)
        return by_output

    front_inputs = {FRAMES: network.whole.inputs[0].shape[1:]} | {s.name: s.shape for s in own}
    kept = {name: name for name in (*front_inputs, *(s.name + NEXT for s in own), "direct")}
    last = f"sequence_{len(network.recurrent)}"
    parts = [
        prefixed(from_keras(front, front_inputs), "front/", kept | {"features": "sequence_0"}),
        prefixed(
            from_keras(head, {"hidden": hidden_shape, "direct": direct_shape}),
            "head/",
            {"hidden": last, "direct": "direct", LOGITS: LOGITS, SPEECH: SPEECH},
        ),
    ]
    nodes, initializers = list(parts[0].graph.node), list(parts[0].graph.initializer)
    for number, layer in enumerate(network.recurrent):
        h, c = cells[2 * number : 2 * number + 2]
        more_nodes, more_initializers = lstm_nodes(
            layer, number, h.name, c.name, f"sequence_{number}", f"sequence_{number + 1}"
        )
        nodes += more_nodes
        initializers += more_initializers
    nodes += parts[1].graph.node
    initializers += parts[1].graph.initializer
    return _assembled(network, nodes, initializers, parts)


def _assembled(
    network: Network, nodes: list[Any], initializers: list[Any], parts: list[Any]
) -> Any:
    """Build the model with the inputs and outputs that ``streamgenre.inference.models`` expects."""
    from onnx import TensorProto, helper

    _, *given = network.whole.inputs[0].shape
    labels = (network.head or network.whole).outputs[0].shape[-1]

    def tensor(name: str, *shape: int | str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

    time = [given[0] if given[0] is not None else "time"]
    inputs = [tensor(FRAMES, *time, given[1])]
    steps = time if network.kind == "stateful" else []
    outputs = [tensor(LOGITS, *steps, labels)]
    if network.speech is not None:
        outputs.append(tensor(SPEECH, *steps, 1))
    for state in network.states:
        inputs.append(tensor(state.name, *state.shape))
        outputs.append(tensor(state.name + NEXT, *state.shape))
    graph = helper.make_graph(nodes, "streamgenre", inputs, outputs, initializers)
    others = [o for part in parts for o in part.opset_import if o.domain not in ("", "ai.onnx")]
    if others and any(node.domain not in ("", "ai.onnx") for node in nodes):
        raise TrainError(f"the exported graph needs operators of {others[0].domain!r}")
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=parts[0].ir_version,
        producer_name="streamgenre",
    )
