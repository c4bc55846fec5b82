"""One graph from several models.

Every member keeps its own nodes, weights and states under a prefix. A windowed member among
stateful ones gets its past as a state: the frames of its window, and how many of them are real;
while these are fewer than its window they are repeated, as the daemon does for a windowed model
alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streamgenre.inference.manifest import FRAMES, LOGITS, SPEECH
from train.errors import TrainError
from train.export.embedding_output import add_embedding
from train.export.graph_builder import Builder
from train.recipes.recipe import NEXT, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamgenre.inference.manifest import Manifest

_LEAST: Final = 1e-30
"""Stands in for a probability of zero before the logarithm."""


def check_compatible(members: Sequence[Manifest]) -> None:
    """Check that models can be averaged.

    Raises
    ------
    TrainError
        If they are not compatible; the message names the members and the difference.
    """
    first = members[0]
    for other in members[1:]:
        if other.labels != first.labels:
            strange = sorted(set(other.labels) ^ set(first.labels))
            raise TrainError(
                f"{first.name} and {other.name} do not have the same labels in the same order"
                + (f": only one of them knows {', '.join(strange)}" if strange else "")
            )
        if other.features != first.features:
            differing = [
                f"{name} {getattr(first.features, name)} and {getattr(other.features, name)}"
                for name in first.features.__dataclass_fields__
                if getattr(first.features, name) != getattr(other.features, name)
            ]
            raise TrainError(
                f"{first.name} and {other.name} take different frames ({'; '.join(differing)}); "
                "an ensemble's members share one feature stage: take models of one setting"
            )


def is_windowed(members: Sequence[Manifest]) -> bool:
    """Return whether the ensemble is windowed: all members have the same window."""
    return all(
        m.kind == "windowed" and m.window_frames == members[0].window_frames for m in members
    )


def speech_members(members: Sequence[Manifest]) -> list[Manifest]:
    """Return the members with a speech output; the ensemble's is their mean."""
    return [member for member in members if member.speech_temperature is not None]


def merged(members: Sequence[Manifest]) -> tuple[Any, tuple[State, ...]]:
    """Return the ONNX model of an ensemble and its states; no states if it is windowed.

    Raises
    ------
    TrainError
        If a member cannot be read or was exported for another version of ONNX's operators.
    """
    import onnx

    windowed = is_windowed(members)
    b = Builder()
    states: list[State] = []
    models = [onnx.load(member.weights) for member in members]
    opsets = {imported.domain: imported.version for m in models for imported in m.opset_import}
    for member, model in zip(members, models, strict=True):
        own = {imported.domain: imported.version for imported in model.opset_import}
        if any(opsets[domain] != version for domain, version in own.items()):
            raise TrainError(
                f"{member.name}: its graph has operators of version {own.get('', '?')}, another "
                f"member's {opsets.get('', '?')}; export the models again with one streamgenre"
            )
    outputs: dict[str, list[str]] = {LOGITS: [], SPEECH: []}
    for number, (member, model) in enumerate(zip(members, models, strict=True)):
        prefix = f"member_{number}/"
        graph = onnx.compose.add_prefix(model, prefix).graph
        b.nodes += graph.node
        b.constants += graph.initializer
        if member.kind == "stateful":
            b.add("Identity", FRAMES, to=prefix + FRAMES)
            for state in member.states:
                states.append(State(f"{prefix}{state.input}", state.shape))
                if state.output != state.input + NEXT:
                    b.add("Identity", prefix + state.output, to=f"{prefix}{state.input}{NEXT}")
        elif windowed:
            b.add("Identity", FRAMES, to=prefix + FRAMES)
        else:
            states += _past(b, prefix, member)
        for name, temperature in _heads(member):
            output = prefix + name
            if member.kind == "stateful":  # the daemon reads the row of the last frame
                output = b.add("Gather", output, b.whole(-1), axis=1)
            elif not windowed:
                output = b.add("Unsqueeze", output, b.whole(1))
            scaled = b.add("Mul", output, b.constant(1 / temperature))
            outputs[name].append(
                b.add("Softmax", scaled, axis=-1) if name == LOGITS else b.add("Sigmoid", scaled)
            )
    for name, probabilities in outputs.items():
        if probabilities:
            _average(b, name, probabilities, windowed)
    model = _assembled(b, members, states, windowed, opsets, models)
    add_embedding(model)
    return model, tuple(states)


def _heads(member: Manifest) -> list[tuple[str, float]]:
    """Return a member's outputs and their temperatures."""
    heads = [(LOGITS, member.temperature)]
    if member.speech_temperature is not None:
        heads.append((SPEECH, member.speech_temperature))
    return heads


def _past(b: Builder, prefix: str, member: Manifest) -> list[State]:
    """Feed a windowed member from its past and the new frames; return its states."""
    length, numcep = member.window_frames, member.features.numcep
    past, heard = prefix + "past", prefix + "heard"
    end = b.whole(np.iinfo(np.int64).max)
    seen = b.add("Concat", past, FRAMES, axis=1)
    seen = b.add("Slice", seen, b.whole(-length), end, b.whole(1), to=past + NEXT)
    new = b.add("Gather", b.add("Shape", FRAMES), b.whole(1))
    count = b.add("Add", heard, b.add("Cast", new, kind=1))
    count = b.add("Min", count, b.constant(length), to=heard + NEXT)
    count = b.add("Cast", count, kind=7)
    # Row j of the window is the frame (j modulo the count) after the oldest one.
    turn = b.add("Mod", b.constant(np.arange(length)[None], np.int64), count)
    rows = b.add("Add", b.add("Sub", b.whole(length), count), turn)
    rows = b.add("Unsqueeze", rows, b.whole(2))
    b.add("GatherND", seen, rows, batch_dims=1, to=prefix + FRAMES)
    return [State(past, (length, numcep)), State(heard, (1,))]


def _average(b: Builder, name: str, probabilities: list[str], windowed: bool) -> None:
    """Add the mean of probabilities, as logits whose temperature is 1."""
    mean = b.add("Mul", b.add("Sum", *probabilities), b.constant(1 / len(probabilities)))
    logits = b.add("Log", b.add("Max", mean, b.constant(_LEAST)))
    if name == SPEECH:
        other = b.add("Sub", b.constant(1), mean)
        other = b.add("Log", b.add("Max", other, b.constant(_LEAST)))
        logits = b.add("Sub", logits, other)
    if windowed:
        b.add("Identity", logits, to=name)
        return
    # The contract requires an open time axis, but onnxruntime would infer a length of 1: so an
    # empty slice whose length it cannot infer is added.
    newest = b.add("Slice", FRAMES, b.whole(-1, 0), b.constant([2**62, 1], np.int64), b.whole(1, 2))
    nothing = b.add("Mul", newest, b.constant(0))
    b.add("Add", logits, nothing, to=name)


def _assembled(
    b: Builder,
    members: Sequence[Manifest],
    states: Sequence[State],
    windowed: bool,
    opsets: dict[str, int],
    models: Sequence[Any],
) -> Any:
    from onnx import TensorProto, helper

    def tensor(name: str, *shape: int | str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])

    first = members[0]
    time = first.window_frames if windowed else "time"
    steps = [] if windowed else ["steps"]
    inputs = [tensor(FRAMES, time, first.features.numcep)]
    outputs = [tensor(LOGITS, *steps, len(first.labels))]
    if speech_members(members):
        outputs.append(tensor(SPEECH, *steps, 1))
    for state in states:
        inputs.append(tensor(state.name, *state.shape))
        outputs.append(tensor(state.name + NEXT, *state.shape))
    graph = helper.make_graph(b.nodes, "streamgenre", inputs, outputs, b.constants)
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in opsets.items()],
        ir_version=max(model.ir_version for model in models),
        producer_name="streamgenre",
    )
