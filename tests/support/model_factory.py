"""Writes small, complete model folders with random weights, for tests.

The graphs have the shipped models' contract, see ``streamgenre.inference.models``. Their output
means nothing, but it depends on every frame, in order, and on the state.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from streamgenre.audio.features import MfccSpec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LABELS: Final = ("blues", "jazz", "rock")

SPEC: Final = MfccSpec(
    samplerate=16_000,
    winlen=0.064,
    winstep=0.04,
    numcep=40,
    nfilt=40,
    nfft=1024,
    ceplifter=0,
    append_energy=False,
    winfunc="hann",
)
"""25 frames a second, the feature settings of the shipped models."""

_OPSET: Final = 17
_IR_VERSION: Final = 9
TAGS: Final = ("electronic", "folk", "instrumental")
_ANSWERS: Final[dict[str, tuple[int, dict[str, Any]]]] = {
    "speech": (1, {"temperature": 2.0}),
    "music": (1, {"temperature": 3.0}),
    "known": (1, {"temperature": 1.5}),
    "embedding": (6, {"width": 6}),
    "tags": (len(TAGS), {"labels": list(TAGS), "temperature": 0.5}),
}
"""Outputs beside the logits: columns, and their object in the manifest."""


def write_stateful_model(
    folder: Path,
    *,
    labels: Sequence[str] = LABELS,
    spec: MfccSpec = SPEC,
    units: int = 8,
    temperature: float = 1.5,
    answers: Sequence[str] = (),
    seed: int = 0,
) -> Path:
    """Write the model folder of a one-layer LSTM with the states ``h`` and ``c``; return it."""
    states = [
        {"input": "h", "output": "h_next", "shape": [units]},
        {"input": "c", "output": "c_next", "shape": [units]},
    ]
    more: dict[str, Any] = {"states": states} | {name: _ANSWERS[name][1] for name in answers}
    about = manifest("stateful", folder.name, labels, spec, temperature, seed, **more)
    model = lstm_graph(
        numcep=spec.numcep, units=units, n_labels=len(labels), answers=answers, seed=seed
    )
    return write_folder(folder, manifest=about, weights=model.SerializeToString())


def write_windowed_model(
    folder: Path,
    *,
    labels: Sequence[str] = LABELS,
    spec: MfccSpec = SPEC,
    window_frames: int = 50,
    temperature: float = 1.5,
    answers: Sequence[str] = (),
    seed: int = 0,
) -> Path:
    """Write the model folder of a small dense net over ``window_frames`` frames; return it."""
    more: dict[str, Any] = {"window_frames": window_frames} | {
        name: _ANSWERS[name][1] for name in answers
    }
    about = manifest("windowed", folder.name, labels, spec, temperature, seed, **more)
    model = window_graph(
        numcep=spec.numcep,
        window_frames=window_frames,
        n_labels=len(labels),
        answers=answers,
        seed=seed,
    )
    return write_folder(folder, manifest=about, weights=model.SerializeToString())


def write_folder(folder: Path, *, manifest: dict[str, Any], weights: bytes) -> Path:
    """Write a model folder; the manifest's ``sha256`` is set to that of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    hashed = manifest | {"sha256": {"model.onnx": hashlib.sha256(weights).hexdigest()}}
    (folder / "model.onnx").write_bytes(weights)
    (folder / "manifest.json").write_text(json.dumps(hashed, indent=2), "utf-8")
    (folder / "README.md").write_text(f"# {folder.name}\n\nRandom weights, for tests.\n", "utf-8")
    return folder


def lstm_graph(
    *, numcep: int, units: int, n_labels: int, answers: Sequence[str] = (), seed: int = 0
) -> onnx.ModelProto:
    """Return the graph of one ``LSTM`` operator, batch first, with its state in and out."""
    rng = np.random.default_rng(seed)
    weights = {
        # Inputs are cepstra of the order of 10: small weights keep the gates from saturating.
        "lstm_w": rng.normal(0, 0.03, (1, 4 * units, numcep)),
        "lstm_r": rng.normal(0, units**-0.5, (1, 4 * units, units)),
        "lstm_b": rng.normal(0, 0.1, (1, 8 * units)),
        "dense_w": rng.normal(0, 2 * units**-0.5, (units, n_labels)),
        "dense_b": rng.normal(0, 0.1, (n_labels,)),
    }
    nodes = [
        helper.make_node("Transpose", ["frames"], ["x"], perm=[1, 0, 2]),
        helper.make_node("Unsqueeze", ["h", "axis_0"], ["h_in"]),
        helper.make_node("Unsqueeze", ["c", "axis_0"], ["c_in"]),
        helper.make_node(
            "LSTM",
            ["x", "lstm_w", "lstm_r", "lstm_b", "", "h_in", "c_in"],
            ["y", "h_out", "c_out"],
            hidden_size=units,
        ),
        helper.make_node("Squeeze", ["h_out", "axis_0"], ["h_next"]),
        helper.make_node("Squeeze", ["c_out", "axis_0"], ["c_next"]),
        helper.make_node("Squeeze", ["y", "axis_1"], ["y_time_first"]),
        helper.make_node("Transpose", ["y_time_first"], ["y_batch_first"], perm=[1, 0, 2]),
        helper.make_node("MatMul", ["y_batch_first", "dense_w"], ["product"]),
        helper.make_node("Add", ["product", "dense_b"], ["logits"]),
    ]
    for name in answers:
        weights[f"{name}_w"] = rng.normal(0, 2 * units**-0.5, (units, _ANSWERS[name][0]))
        nodes.append(helper.make_node("MatMul", ["y_batch_first", f"{name}_w"], [name]))
    return _model(
        nodes,
        inputs={
            "frames": ["batch", "time", numcep],
            "h": ["batch", units],
            "c": ["batch", units],
        },
        outputs={
            "logits": ["batch", "time", n_labels],
            **{name: ["batch", "time", _ANSWERS[name][0]] for name in answers},
            "h_next": ["batch", units],
            "c_next": ["batch", units],
        },
        weights=weights,
    )


def window_graph(
    *, numcep: int, window_frames: int, n_labels: int, answers: Sequence[str] = (), seed: int = 0
) -> onnx.ModelProto:
    """Return the graph of a dense net with one hidden layer over a window of frames."""
    rng = np.random.default_rng(seed)
    size, hidden = window_frames * numcep, 16
    weights = {
        "hidden_w": rng.normal(0, 0.1 * size**-0.5, (size, hidden)),
        "hidden_b": rng.normal(0, 0.1, (hidden,)),
        "dense_w": rng.normal(0, 2 * hidden**-0.5, (hidden, n_labels)),
        "dense_b": rng.normal(0, 0.1, (n_labels,)),
    }
    nodes = [
        helper.make_node("Flatten", ["frames"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "hidden_w", "hidden_b"], ["before"]),
        helper.make_node("Tanh", ["before"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "dense_w", "dense_b"], ["logits"]),
    ]
    for name in answers:
        weights[f"{name}_w"] = rng.normal(0, 2 * hidden**-0.5, (hidden, _ANSWERS[name][0]))
        nodes.append(helper.make_node("MatMul", ["hidden", f"{name}_w"], [name]))
    return _model(
        nodes,
        inputs={"frames": ["batch", window_frames, numcep]},
        outputs={
            "logits": ["batch", n_labels],
            **{name: ["batch", _ANSWERS[name][0]] for name in answers},
        },
        weights=weights,
    )


def _model(
    nodes: list[Any],
    *,
    inputs: dict[str, list[str | int]],
    outputs: dict[str, list[str | int]],
    weights: dict[str, Any],
) -> onnx.ModelProto:
    constants = [
        numpy_helper.from_array(np.asarray(value, np.float32), name)
        for name, value in weights.items()
    ]
    constants += [
        numpy_helper.from_array(np.array([axis], np.int64), f"axis_{axis}") for axis in (0, 1)
    ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "test_model",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs.items()],
        [constant for constant in constants if constant.name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def manifest(
    kind: str,
    name: str,
    labels: Sequence[str],
    spec: MfccSpec,
    temperature: float,
    seed: int,
    **more: Any,
) -> dict[str, Any]:
    """Return a manifest without its hash."""
    return {
        "manifest_version": 1,
        "name": name,
        "kind": kind,
        "labels": list(labels),
        "features": dataclasses.asdict(spec),
        "calibration": {"temperature": temperature},
        "training": {"command": "tests/model_factory.py", "seed": seed},
        **more,
    }
