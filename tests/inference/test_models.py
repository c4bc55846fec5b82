"""Models in use: hop by hop equals the whole, stations stay separate, misfits are rejected."""

from __future__ import annotations

import dataclasses
import gc
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.model_factory import (
    LABELS,
    SPEC,
    TAGS,
    lstm_graph,
    window_graph,
    write_folder,
    write_stateful_model,
    write_windowed_model,
)

from streamgenre.errors import ModelError
from streamgenre.inference.models import StatefulModel, WindowedModel, load_model
from streamgenre.inference.output import Output, softmax

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.inference.model import Model

    Floats = NDArray[np.float32]

WINDOW = 50


def frames(n: int, seed: int = 0) -> Floats:
    """Rows of the size of real cepstra."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 8, (n, SPEC.numcep)).astype(np.float32)


@pytest.mark.parametrize("with_speech", [True, False])
def test_the_output_of_one_station_is_its_row(with_speech: bool) -> None:
    logits = np.arange(6, dtype=np.float32).reshape(3, 2)
    speech = np.array([10, 11, 12], np.float32) if with_speech else None
    output = Output(logits, speech)
    for row in range(3):
        one = output.of(row)
        np.testing.assert_array_equal(one.logits, [[2 * row, 2 * row + 1]])
        if with_speech:
            assert one.speech is not None
            np.testing.assert_array_equal(one.speech, [10 + row])
        else:
            assert one.speech is None


@pytest.fixture(scope="module")
def stateful_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stateful_model(tmp_path_factory.mktemp("models") / "stateful")


@pytest.fixture(scope="module")
def windowed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "windowed"
    return write_windowed_model(folder, window_frames=WINDOW)


@pytest.fixture
def stateful(stateful_folder: Path) -> StatefulModel:
    model = load_model(str(stateful_folder), trusted=True)
    assert isinstance(model, StatefulModel)
    return model


@pytest.fixture
def windowed(windowed_folder: Path) -> WindowedModel:
    model = load_model(str(windowed_folder), trusted=True)
    assert isinstance(model, WindowedModel)
    return model


@pytest.fixture(params=["stateful", "windowed"])
def model(request: pytest.FixtureRequest) -> Model:
    either: Model = request.getfixturevalue(request.param)
    return either


def probabilities(model: Model, station: str, new: Floats) -> NDArray[np.float64]:
    row: NDArray[np.float64] = model.probabilities(model.update([station], [new]))[0]
    return row


def listen(model: Model, station: str, whole: Floats, lengths: Iterable[int]) -> Any:
    """Feed a station its frames in pieces; return the last probabilities."""
    start, last = 0, None
    for length in lengths:
        last = probabilities(model, station, whole[start : start + length])
        start += length
    assert start == len(whole)
    return last


# --- live equals offline -------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [[25] * 8, [1] * 200, [7, 93, 1, 99], [199, 1]], ids=str)
def test_a_stateful_model_in_pieces_equals_the_whole(
    stateful: StatefulModel, lengths: list[int]
) -> None:
    heard = frames(200)
    whole = listen(stateful, "whole", heard, [200])
    again = listen(stateful, "again", heard, [200])
    cut = listen(stateful, "cut", heard, lengths)
    np.testing.assert_array_equal(again, whole)
    np.testing.assert_allclose(cut, whole, rtol=0, atol=1e-5)
    for name, tensor in stateful.state("whole").items():
        assert tensor.dtype == np.float32
        assert np.abs(tensor).max() > 0.05
        np.testing.assert_allclose(stateful.state("cut")[name], tensor, rtol=0, atol=1e-5)


def test_a_stateful_model_matches_the_whole_at_each_hop(
    stateful: StatefulModel, stateful_folder: Path
) -> None:
    import onnxruntime

    heard = frames(100)
    session = onnxruntime.InferenceSession(stateful_folder / "model.onnx")
    zeros = np.zeros((1, 8), np.float32)
    feed = {"frames": heard[None], "h": zeros, "c": zeros}
    offline = session.run(["logits"], feed)[0][0]
    for end in range(25, 101, 25):
        live = stateful.update(["live"], [heard[end - 25 : end]]).logits[0]
        np.testing.assert_allclose(live, offline[end - 1], rtol=0, atol=1e-5)


def test_a_stateful_model_remembers_until_reset(stateful: StatefulModel) -> None:
    past, now = frames(50, seed=1), frames(3, seed=2)
    fresh = probabilities(stateful, "a", now)
    stateful.reset("a")
    probabilities(stateful, "a", past)
    carried = probabilities(stateful, "a", now)
    assert np.abs(carried - fresh).max() > 1e-3
    stateful.reset("a")
    assert all(not tensor.any() for tensor in stateful.state("a").values())
    np.testing.assert_array_equal(probabilities(stateful, "a", now), fresh)


def test_a_windowed_model_uses_only_the_last_frames(windowed: WindowedModel) -> None:
    heard = frames(170)
    whole = probabilities(windowed, "whole", heard)
    only_last = probabilities(windowed, "last", heard[-WINDOW:])
    cut = listen(windowed, "cut", heard, [1] * 20 + [25] * 6)
    np.testing.assert_array_equal(only_last, whole)
    np.testing.assert_allclose(cut, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("young", [1, 7, 25, 49])
def test_a_windowed_model_repeats_its_input_until_the_window_is_full(
    windowed: WindowedModel, young: int
) -> None:
    heard = frames(young)
    filled = np.concatenate([heard] * WINDOW)[:WINDOW]
    expected = probabilities(windowed, "filled", filled)
    np.testing.assert_allclose(probabilities(windowed, "young", heard), expected, atol=1e-6)
    # The padding applies only to this update: once the window is full none of it remains.
    rest = frames(WINDOW, seed=3)
    np.testing.assert_allclose(
        probabilities(windowed, "young", rest[young:]),
        probabilities(windowed, "other", np.concatenate([heard, rest[young:]])),
        atol=1e-6,
    )


def test_a_windowed_model_remembers_until_reset(windowed: WindowedModel) -> None:
    past, now = frames(WINDOW, seed=1), frames(10, seed=2)
    fresh = probabilities(windowed, "a", now)
    windowed.reset("a")
    probabilities(windowed, "a", past)
    assert np.abs(probabilities(windowed, "a", now) - fresh).max() > 1e-3
    windowed.reset("a")
    np.testing.assert_array_equal(probabilities(windowed, "a", now), fresh)


# --- several stations ----------------------------------------------------------------------------


@examples(40)
@given(
    plan=st.lists(
        st.lists(st.one_of(st.none(), st.sampled_from([1, 5, 24, 25])), min_size=3, max_size=3),
        min_size=1,
        max_size=5,
    ),
    kind=st.sampled_from(["stateful", "windowed"]),
)
def test_a_batch_of_stations_equals_each_alone(
    stateful_folder: Path, windowed_folder: Path, plan: list[list[int | None]], kind: str
) -> None:
    """Stations with different numbers of frames; None: not in this batch."""
    folder = str(stateful_folder if kind == "stateful" else windowed_folder)
    together, alone = load_model(folder, trusted=True), load_model(folder, trusted=True)
    seed = 0
    for tick in plan:
        batch = {}
        for station, n in zip("abc", tick, strict=True):
            if n is not None:
                seed += 1
                batch[station] = frames(n, seed)
        if not batch:
            continue
        logits = together.update(list(batch), list(batch.values())).logits
        assert logits.shape == (len(batch), len(LABELS))
        for row, (station, new) in enumerate(batch.items()):
            expected = alone.update([station], [new]).logits[0]
            np.testing.assert_allclose(logits[row], expected, rtol=0, atol=1e-5)
    if isinstance(together, StatefulModel) and isinstance(alone, StatefulModel):
        for station in "abc":
            for name, tensor in together.state(station).items():
                np.testing.assert_allclose(tensor, alone.state(station)[name], rtol=0, atol=1e-5)


def test_a_station_keeps_no_other_stations_state_alive(stateful: StatefulModel) -> None:
    stateful.update(["a", "b"], [frames(25, 1), frames(25, 2)])
    of_a, of_b = stateful.state("a"), stateful.state("b")
    for tensor in (*of_a.values(), *of_b.values()):
        held = tensor if tensor.base is None else tensor.base
        assert held.nbytes == tensor.nbytes  # a view of the batch would hold all of it
        assert tensor.shape == (8,)


def test_rows_come_in_the_order_of_the_stations(model: Model) -> None:
    of = {name: frames(25, seed) for seed, name in enumerate("abcd")}
    once = dict(zip("abcd", model.update(list("abcd"), list(of.values())).logits, strict=True))
    for name in "abcd":
        model.reset(name)
    other = "cadb"
    again = dict(zip(other, model.update(list(other), [of[n] for n in other]).logits, strict=True))
    for name in "abcd":
        np.testing.assert_allclose(again[name], once[name], rtol=0, atol=1e-5)
    assert np.abs(once["a"] - once["b"]).max() > 1e-3


def test_resetting_one_station_leaves_the_others_unchanged(model: Model) -> None:
    for name, seed in (("a", 1), ("b", 1)):
        model.update([name], [frames(25, seed)])
    model.reset("a")
    model.reset("nobody")
    after_a, after_b = model.update(["a", "b"], [frames(5, 2), frames(5, 2)]).logits
    assert np.abs(after_a - after_b).max() > 1e-3
    model.reset("a")
    np.testing.assert_allclose(
        model.update(["a"], [frames(5, 2)]).logits[0], after_a, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize(
    ("stations", "shapes", "named"),
    [
        (["a"], [], ["'a'", "0 arrays"]),
        (["a"], [(5, 40), (5, 40)], ["'a'", "2 arrays"]),
        (["a", "a"], [(5, 40), (5, 40)], ["'a', 'a'", "once"]),
        (["a"], [(5, 39)], ["(at least 1, 40)", "(5, 39)"]),
        (["a"], [(0, 40)], ["(at least 1, 40)", "(0, 40)"]),
        (["a"], [(40,)], ["(at least 1, 40)", "(40,)"]),
    ],
)
def test_a_mismatched_batch_is_rejected_and_changes_nothing(
    model: Model, stations: list[str], shapes: list[tuple[int, ...]], named: list[str]
) -> None:
    first = model.update(["a"], [frames(25)]).logits
    with pytest.raises(ValueError) as caught:
        model.update(stations, [np.ones(shape, np.float32) for shape in shapes])
    for word in named:
        assert word in str(caught.value)
    model.reset("a")
    np.testing.assert_array_equal(model.update(["a"], [frames(25)]).logits, first)


def test_memory_does_not_grow_with_uptime(model: Model) -> None:
    new = [frames(25, seed) for seed in range(4)]
    model.update(list("abcd"), new)
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(1_000):
            model.update(list("abcd"), new)
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # NumPy's free lists take some 30 kB; a state kept from every update would take 500.
    assert grown < 60_000


# --- probabilities -------------------------------------------------------------------------------


def test_probabilities_are_calibrated_and_sum_to_one(model: Model) -> None:
    output = model.update(["a", "b"], [frames(25, 1), frames(25, 2)])
    found = model.probabilities(output)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-12)
    exponentials = np.exp(output.logits.astype(np.float64) / 1.5)
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


ANSWERS = ("speech", "music", "known", "tags")


@pytest.mark.parametrize("write", [write_stateful_model, write_windowed_model])
def test_other_answers_are_reported_beside_the_genres(write: Any, tmp_path: Path) -> None:
    plain, telling = (
        load_model(
            str(write(tmp_path / name, answers=ANSWERS if name == "telling" else ())), trusted=True
        )
        for name in ("plain", "telling")
    )
    new = [frames(30, 1), frames(25, 2)]
    without, output = plain.update(["a", "b"], new), telling.update(["a", "b"], new)
    assert (without.speech, without.music, without.known, without.tags) == (None,) * 4
    alone = plain.answer(without.of(1))
    assert (alone.speech, alone.music, alone.known, alone.tags) == (None,) * 4
    np.testing.assert_array_equal(output.logits, without.logits)  # the genres are not touched
    assert output.speech is not None
    assert output.music is not None
    assert output.known is not None
    assert output.tags is not None
    assert output.tags.shape == (2, len(TAGS))
    for row in range(2):
        answer = telling.answer(output.of(row))
        np.testing.assert_allclose(answer.genres, telling.probabilities(output)[row])
        for found, logits, temperature in (
            (answer.speech, output.speech[row], 2.0),
            (answer.music, output.music[row], 3.0),
            (answer.known, output.known[row], 1.5),
            (answer.tags, output.tags[row], 0.5),
        ):
            assert found is not None
            np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits / temperature)), atol=1e-6)
    assert telling.answer(output.of(0)).music != telling.answer(output.of(1)).music


@pytest.mark.parametrize("name", ANSWERS)
def test_an_output_that_is_not_a_number_is_an_error(name: str, stateful_folder: Path) -> None:
    model = load_model(str(stateful_folder), trusted=True)
    output = dataclasses.replace(
        model.update(["a"], [frames(25, 1)]), **{name: np.array([[np.nan]], np.float32)}
    )
    with pytest.raises(ModelError, match="not numbers"):
        model.answer(output)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_output_must_be_in_the_graph_and_in_the_manifest(name: str, tmp_path: Path) -> None:
    folder = write_stateful_model(tmp_path / "model", answers=ANSWERS)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest[name]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=name):
        load_model(str(folder), trusted=True)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=12))
def test_softmax_of_any_logits_sums_to_one(logits: list[float]) -> None:
    found = softmax(np.array([logits], np.float32))
    assert np.isfinite(found).all()
    assert abs(found.sum() - 1) < 1e-9


def test_softmax_keeps_order_and_shape() -> None:
    found = softmax(np.array([[[1000.0, 1001.0, -1000.0]]]))
    assert found.shape == (1, 1, 3)
    np.testing.assert_allclose(found[0, 0], [1 / (1 + np.e), np.e / (1 + np.e), 0], atol=1e-12)


# --- folders that contradict their manifest ------------------------------------------------------


def change_manifest(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


def change_features(folder: Path, **changes: Any) -> None:
    features = json.loads((folder / "manifest.json").read_text())["features"]
    change_manifest(folder, features=features | changes)


def change_graph(folder: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    """Rewrite the weights with a change and the manifest with their new hash."""
    graph = onnx.load(str(folder / "model.onnx"))
    change(graph)
    manifest = json.loads((folder / "manifest.json").read_text())
    write_folder(folder, manifest=manifest, weights=graph.SerializeToString())


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(str(folder), trusted=True)
    assert str(folder / "model.onnx") in str(caught.value)
    return str(caught.value)


def test_state_names_missing_from_the_graph_are_rejected(tmp_path: Path) -> None:
    folder = write_stateful_model(tmp_path / "m")
    states = [{"input": "hidden", "output": "h_next", "shape": [8]}]
    change_manifest(folder, states=states)
    message = refused(folder)
    assert "inputs are ['c', 'frames', 'h']" in message
    assert "asks for ['frames', 'hidden']" in message


def test_output_names_missing_from_the_graph_are_rejected(tmp_path: Path) -> None:
    folder = write_windowed_model(tmp_path / "m")

    def rename(model: onnx.ModelProto) -> None:
        model.graph.output[0].name = model.graph.node[-1].output[0] = "scores"

    change_graph(folder, rename)
    assert "outputs are ['scores'], the manifest asks for ['logits']" in refused(folder)


@pytest.mark.parametrize(
    ("states", "named"),
    [
        ([("h", "h_next", [9]), ("c", "c_next", [8])], ["'h'", "['batch', 8]", "['any', 9]"]),
        ([("h", "h_next", [8, 1]), ("c", "c_next", [8])], ["'h'", "['any', 8, 1]"]),
    ],
)
def test_state_shapes_that_differ_from_the_graph_are_rejected(
    tmp_path: Path, states: list[tuple[str, str, list[int]]], named: list[str]
) -> None:
    folder = write_stateful_model(tmp_path / "m")
    keys = ("input", "output", "shape")
    change_manifest(folder, states=[dict(zip(keys, state, strict=True)) for state in states])
    message = refused(folder)
    for word in named:
        assert word in message


def test_another_number_of_labels_is_rejected(tmp_path: Path) -> None:
    for write in (write_stateful_model, write_windowed_model):
        folder = write(tmp_path / write.__name__)
        change_manifest(folder, labels=["blues", "jazz"])
        message = refused(folder)
        assert "output 'logits'" in message
        assert "2]" in message
        assert "3]" in message


def test_another_number_of_coefficients_is_rejected(tmp_path: Path) -> None:
    for write in (write_stateful_model, write_windowed_model):
        folder = write(tmp_path / write.__name__)
        change_features(folder, numcep=20)
        message = refused(folder)
        assert "input 'frames'" in message
        assert "40]" in message
        assert "20]" in message


def test_another_window_length_is_rejected(tmp_path: Path) -> None:
    folder = write_windowed_model(tmp_path / "m", window_frames=50)
    change_manifest(folder, window_frames=75)
    message = refused(folder)
    assert "['batch', 50, 40]" in message
    assert "['any', 75, 40]" in message


@pytest.mark.parametrize(("axis", "shown"), [(0, "[4, 'time', 40]"), (1, "['batch', 25, 40]")])
def test_a_graph_with_a_fixed_batch_or_time_is_rejected(
    tmp_path: Path, axis: int, shown: str
) -> None:
    folder = write_stateful_model(tmp_path / "m")
    size = 4 if axis == 0 else 25

    def fix(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size

    change_graph(folder, fix)
    message = refused(folder)
    assert shown in message
    assert "['any', 'any', 40]" in message


def test_a_graph_with_another_element_type_is_rejected(tmp_path: Path) -> None:
    folder = write_windowed_model(tmp_path / "m")

    def make_double(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
        cast = onnx.helper.make_node("Cast", ["frames"], ["x"], to=onnx.TensorProto.FLOAT)
        model.graph.node[0].input[0] = "x"
        model.graph.node.insert(0, cast)

    change_graph(folder, make_double)
    message = refused(folder)
    assert "tensor(double)" in message
    assert "tensor(float)" in message


def test_a_model_of_the_other_kind_is_rejected(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path / "m",
        manifest=json.loads((write_windowed_model(tmp_path / "w") / "manifest.json").read_text()),
        weights=lstm_graph(numcep=40, units=8, n_labels=3).SerializeToString(),
    )
    assert "asks for ['frames']" in refused(folder)


@pytest.mark.parametrize("weights", [b"", b"no protobuf at all", b"\x00" * 1_000], ids=len)
def test_weights_that_are_not_onnx_are_rejected(tmp_path: Path, weights: bytes) -> None:
    folder = write_windowed_model(tmp_path / "m")
    manifest = json.loads((folder / "manifest.json").read_text())
    write_folder(folder, manifest=manifest, weights=weights)
    message = refused(folder)
    assert "onnxruntime" in message or "not an ONNX model" in message


def test_an_operator_unknown_to_onnxruntime_is_rejected(tmp_path: Path) -> None:
    folder = write_windowed_model(tmp_path / "m")

    def unknown(model: onnx.ModelProto) -> None:
        model.graph.node[0].op_type = "Flatter"

    change_graph(folder, unknown)
    assert "Flatter" in refused(folder)


def test_a_newer_onnx_version_is_rejected(tmp_path: Path) -> None:
    folder = write_windowed_model(tmp_path / "m")

    def future(model: onnx.ModelProto) -> None:
        model.ir_version = 1_000

    change_graph(folder, future)
    assert "cannot load it" in refused(folder)


def test_damaged_weights_always_raise_a_model_error(tmp_path: Path) -> None:
    """Bytes exchanged under a correct hash: loaded with other numbers, or rejected."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "m"
    manifest = json.loads(
        (write_windowed_model(folder, window_frames=2) / "manifest.json").read_text()
    )
    good = window_graph(numcep=40, window_frames=2, n_labels=3).SerializeToString()
    outcomes = set()
    for _ in range(300):
        bad = bytearray(good)
        # Names, shapes and operators are at the two ends, the numbers between them.
        for position in (int(rng.integers(0, 300)), len(bad) - int(rng.integers(1, 300))):
            bad[position] = int(rng.integers(0, 256))
        write_folder(folder, manifest=manifest, weights=bytes(bad))
        try:
            load_model(str(folder), trusted=True)
            outcomes.add("loaded")
        except ModelError:
            outcomes.add("refused")
    assert outcomes == {"loaded", "refused"}


def test_truncated_weights_fail_the_hash_check(tmp_path: Path) -> None:
    folder = write_stateful_model(tmp_path / "m")
    weights = folder / "model.onnx"
    weights.write_bytes(weights.read_bytes()[:-1])
    message = refused(folder)
    assert "SHA-256" in message
    assert "damaged" in message


def test_the_daemon_runs_the_model_on_one_sleeping_thread(stateful: StatefulModel) -> None:
    options = stateful._session.get_session_options()
    assert options.intra_op_num_threads == 1
    assert options.inter_op_num_threads == 1
    assert options.enable_cpu_mem_arena
    assert not options.enable_mem_pattern
    assert stateful._session._model_bytes is None, "the file is not needed any more"
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused(tmp_path: Path, wrong: float) -> None:
    model = load_model(str(write_windowed_model(tmp_path / "windowed")), trusted=True)
    good = np.zeros((2, len(LABELS)), np.float32)
    bad = good.copy()
    bad[1, 0] = wrong
    fine, speech = np.zeros(2, np.float32), np.array([0, wrong], np.float32)
    np.testing.assert_allclose(model.probabilities(Output(good, fine)), 1 / len(LABELS))
    for output in (Output(bad, None), Output(bad, fine), Output(good, speech)):
        with pytest.raises(ModelError, match="logits"):
            model.probabilities(output)


# --- in a process of its own ---------------------------------------------------------------------


@pytest.mark.parametrize("write", [write_stateful_model, write_windowed_model])
def test_a_model_gives_the_same_in_a_process_of_its_own(write: Any, tmp_path: Path) -> None:
    folder = str(write(tmp_path / "model", answers=ANSWERS))
    here, there = load_model(folder, trusted=True), load_model(folder)
    names = [f"station {number}" for number in range(11)]  # more than one run of the graph
    for seed in range(3):
        batch = [frames(25 - row % 2, 20 * seed + row) for row in range(len(names))]
        expected, found = here.update(names, batch), there.update(names, batch)
        np.testing.assert_array_equal(found.logits, expected.logits)
        np.testing.assert_array_equal(found.speech, expected.speech)


def test_shipped_models_need_no_process_of_their_own() -> None:
    assert "Isolated" not in type(load_model("lite")._session).__name__
