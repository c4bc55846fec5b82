from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest

from train.augmentation.log_mel import DECIBEL
from train.corpora.recordings import SPEC, cepstra, log_mel
from train.errors import TrainError
from train.export.keras_to_onnx import TOLERANCE, check, export
from train.recipes import RECIPES
from train.recipes.recipe import Normalisation

Exported = tuple[Any, Any, Any]


def small_network(name: str, units: int = 8) -> Any:
    from dataclasses import replace

    import keras

    keras.utils.set_random_seed(3)
    normalisation = Normalisation(
        np.linspace(-3, -8, SPEC.nfilt).astype(np.float32), np.full(SPEC.nfilt, 3, np.float32)
    )
    (recipe,) = RECIPES[name]
    return recipe.build(replace(recipe.defaults, units=units), SPEC, 4, normalisation)


def some_frames(network: Any) -> Any:
    length = 75 if network.kind == "windowed" else 140
    energies = np.random.default_rng(0).normal(-5, 3, (3, length, SPEC.nfilt))
    return cepstra(energies.astype(np.float32), SPEC)


@pytest.fixture(scope="module", params=["lite-lstm", "lite-cnn"])
def exported(request: pytest.FixtureRequest) -> Exported:
    network = small_network(request.param)
    frames = some_frames(network)
    return network, frames, onnx.load_from_string(export(network, frames))


def test_outputs_equal_those_of_keras(exported: Exported) -> None:
    network, frames, model = exported
    assert check(network, model, frames) <= TOLERANCE


def test_loudness_does_not_change_the_output(exported: Exported) -> None:
    network, frames, _ = exported
    energies = log_mel(frames, SPEC).clip(-9, 0)
    states = [np.zeros((3, *state.shape), np.float32) for state in network.states]

    def logits(decibels: float) -> Any:
        heard = cepstra(energies + np.float32(decibels * DECIBEL), SPEC)
        said = network.whole([heard, *states] if states else heard)
        return np.asarray(said[0] if states else said)

    aloud = logits(0)
    assert np.ptp(aloud) > 0.1
    for decibels in (-25, -6, 12):  # the floor is 30 dB below the quietest band
        np.testing.assert_allclose(logits(decibels), aloud, atol=1e-4)


def test_the_lstm_is_one_fused_operator(exported: Exported) -> None:
    network, _, model = exported
    operators = [node.op_type for node in model.graph.node]
    assert not {"Loop", "Scan", "If"} & set(operators)
    assert operators.count("LSTM") == (1 if network.kind == "stateful" else 0)
    assert {o.domain for o in model.opset_import} == {""}
    assert model.opset_import[0].version == 17


def test_names_and_axes_follow_the_contract(exported: Exported) -> None:
    network, _, model = exported
    inputs = {i.name: [d.dim_value or d.dim_param for d in i.type.tensor_type.shape.dim]
              for i in model.graph.input}  # fmt: skip
    outputs = {o.name for o in model.graph.output}
    time = "time" if network.kind == "stateful" else 75
    assert inputs["frames"] == ["batch", time, 40]
    assert outputs == {"logits", "embedding"} | {f"{s.name}_next" for s in network.states}
    for state in network.states:
        assert inputs[state.name] == ["batch", *state.shape]


def largest_initializer(model: Any, prefix: str = "") -> Any:
    found = [i for i in model.graph.initializer if i.name.startswith(prefix)]
    return max(found, key=lambda i: len(i.raw_data))


@pytest.mark.parametrize("prefix", ["", "lstm_1/W", "lstm_1/R", "lstm_1/B"])
def test_a_perturbed_weight_is_rejected(exported: Exported, prefix: str) -> None:
    network, frames, model = exported
    if prefix and network.kind == "windowed":
        pytest.skip("no LSTM in a CNN")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensor = largest_initializer(copy, prefix)
    weights = onnx.numpy_helper.to_array(tensor).copy()
    weights += np.random.default_rng(0).normal(0, 1e-2, weights.shape).astype(weights.dtype)
    tensor.CopyFrom(onnx.numpy_helper.from_array(weights, tensor.name))
    with pytest.raises(TrainError, match="differs from Keras"):
        check(network, copy, frames)


def test_a_weight_that_is_not_a_number_is_rejected(exported: Exported) -> None:
    network, frames, model = exported
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensor = largest_initializer(copy)
    weights = np.full(onnx.numpy_helper.to_array(tensor).shape, np.nan, np.float32)
    tensor.CopyFrom(onnx.numpy_helper.from_array(weights, tensor.name))
    with pytest.raises(TrainError, match="differs from Keras"):
        check(network, copy, frames)


def test_a_state_that_is_not_carried_is_rejected() -> None:
    network = small_network("lite-lstm")
    frames = some_frames(network)
    model = onnx.load_from_string(export(network, frames))
    for node in model.graph.node:
        if node.op_type == "LSTM":
            node.input[5:] = []  # starts from zeros at every run
    with pytest.raises(TrainError, match=r"differs from Keras|not valid ONNX"):
        check(network, model, frames)


def test_a_loop_is_rejected(exported: Exported) -> None:
    network, frames, model = exported
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Identity", ["value"], ["next_value"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info("go", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", floats, [1]),
        ],
        [
            helper.make_tensor_value_info("go_on", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("next_value", floats, [1]),
        ],
    )
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.initializer.extend(
        [
            helper.make_tensor("times", onnx.TensorProto.INT64, [], [1]),
            helper.make_tensor("first_value", floats, [1], [0.0]),
        ]
    )
    copy.graph.node.append(
        helper.make_node("Loop", ["times", "", "first_value"], ["last_value"], body=body)
    )
    with pytest.raises(TrainError, match=r"1 Loop and . LSTM operators; expected 0"):
        check(network, copy, frames)


def test_an_extra_or_missing_lstm_is_rejected(exported: Exported) -> None:
    network, frames, model = exported
    wrong = replace(network, recurrent=(None, None))
    with pytest.raises(TrainError, match="LSTM operators; expected 0 and 2"):
        check(wrong, model, frames)


def test_logits_do_not_depend_on_later_frames() -> None:
    network = small_network("lite-lstm")
    frames = some_frames(network)
    zeros = [np.zeros((3, *s.shape), np.float32) for s in network.states]
    before = np.asarray(network.whole([frames, *zeros], training=False)[0])
    changed = frames.copy()
    changed[:, 100:] += 5
    after = np.asarray(network.whole([changed, *zeros], training=False)[0])
    np.testing.assert_allclose(after[:, :100], before[:, :100], atol=1e-4)
    assert np.abs(after[:, 100:] - before[:, 100:]).max() > 0.01
