"""The head that tells music from everything else, and the outputs that a graph gets with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamgenre.inference.manifest import (
    EMBEDDING,
    FRAMES,
    KNOWN,
    LOGITS,
    MUSIC,
    TAGS,
    read_manifest,
)
from streamgenre.inference.model_names import shipped_folder
from train.errors import TrainError
from train.export.graph_builder import Builder
from train.export.more_outputs import with_known, with_music_and_tags
from train.student import music_head, music_windows
from train.student.excerpts import EXCERPT
from train.student.music_windows import MusicWindows
from train.trunk.heads import Linear

WIDTH = 12


def windows(apart: float) -> MusicWindows:
    """Music lies ``apart`` from the rest along the first axis; a fold is as large as another."""
    rng = np.random.default_rng(3)
    kinds = ("corpus", "music", "speech", "ambience", "effects", "synthesised")
    what = np.repeat(kinds, 80)
    music = np.isin(what, ("corpus", "music"))
    embedding = rng.normal(0, 1, (len(what), WIDTH)).astype(np.float32)
    embedding[music, 0] += apart
    folds = np.where(what == "corpus", np.arange(len(what)) % 3 + 1, np.arange(len(what)) % 4 - 1)
    degraded = np.arange(len(what)) % 2 == 0
    return MusicWindows(embedding, music, what, degraded, np.minimum(folds, 3))


def test_music_is_told_from_the_rest_on_windows_that_were_held_out() -> None:
    found = music_head.train(windows(8.0))
    called = found.figures["called_music"]
    assert set(called) == {
        f"{kind}{way}"
        for kind in ("corpus", "music", "speech", "ambience", "effects", "synthesised")
        for way in ("", ", degraded")
    }
    assert all(figure["share"] > 0.95 for what, figure in called.items() if "us" in what[:5])
    assert called["ambience"]["share"] < 0.05
    assert found.figures["ece"] < 0.05
    assert found.temperature > 0


def test_figures_of_what_cannot_be_told_apart_are_those_of_chance() -> None:
    called = music_head.train(windows(0.0)).figures["called_music"]
    shares = [figure["share"] for figure in called.values()]
    assert 0.3 < np.mean(shares) < 0.7


def graph(*, with_embedding: bool = True) -> bytes:
    """A graph whose embedding is the mean of its frames."""
    from onnx import TensorProto, helper

    b = Builder()
    b.add("ReduceMean", FRAMES, to=EMBEDDING, axes=[1], keepdims=1)
    b.add("MatMul", EMBEDDING, b.constant(np.ones((WIDTH, 2))), to=LOGITS)
    shapes = {LOGITS: 2} | ({EMBEDDING: WIDTH} if with_embedding else {})
    info = helper.make_tensor_value_info
    model = helper.make_model(
        helper.make_graph(
            b.nodes,
            "test",
            [info(FRAMES, TensorProto.FLOAT, ["batch", "time", WIDTH])],
            [info(n, TensorProto.FLOAT, ["batch", 1, width]) for n, width in shapes.items()],
            b.constants,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    serialised: bytes = model.SerializeToString()
    return serialised


def run(serialised: bytes, frames: Any) -> dict[str, Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(serialised, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {FRAMES: frames}), strict=True))


def test_a_graph_answers_music_and_tags_from_its_embedding() -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(2, 5, WIDTH)).astype(np.float32)
    head = Linear(rng.normal(size=(WIDTH, 1)).astype(np.float32), np.array([0.5], np.float32), 1.0)
    before = run(graph(), frames)
    changed = with_music_and_tags(graph(), head.kernel, head.bias, 4)
    after = run(changed, frames)
    for name, found in before.items():
        np.testing.assert_array_equal(after[name], found)
    np.testing.assert_allclose(after[MUSIC][:, 0], head(before[EMBEDDING][:, 0]), rtol=1e-5)
    np.testing.assert_array_equal(after[TAGS], before[EMBEDDING][:, :, -4:])
    # A second head takes the place of the first.
    other = Linear(-head.kernel, -head.bias, 1.0)
    again = run(with_music_and_tags(changed, other.kernel, other.bias, 4), frames)
    assert list(again) == list(after)
    np.testing.assert_allclose(again[MUSIC], -after[MUSIC], rtol=1e-5)


def test_a_graph_answers_whether_music_is_known_beside_its_other_answers() -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(2, 5, WIDTH)).astype(np.float32)
    kernel, bias = rng.normal(size=(WIDTH, 1)).astype(np.float32), np.array([0.5], np.float32)
    before = with_music_and_tags(graph(), kernel, bias, 4)
    changed = with_known(with_known(before, kernel, bias), -kernel, -bias)
    found = run(changed, frames)
    assert set(found) == {*run(before, frames), KNOWN}
    np.testing.assert_allclose(found[KNOWN], -found[MUSIC], rtol=1e-5)
    # The music head may be fitted again after it.
    again = run(with_music_and_tags(changed, -kernel, -bias, 4), frames)
    np.testing.assert_array_equal(again[KNOWN], found[KNOWN])


def test_a_graph_without_an_embedding_is_refused() -> None:
    head = Linear(np.zeros((WIDTH, 1), np.float32), np.zeros(1, np.float32), 1.0)
    with pytest.raises(TrainError, match="no output `embedding`"):
        with_known(graph(with_embedding=False), head.kernel, head.bias)
    with pytest.raises(TrainError, match="no output `embedding`"):
        with_music_and_tags(graph(with_embedding=False), head.kernel, head.bias, 4)


def test_a_model_that_takes_two_frames_at_a_time_hears_a_window_of_187() -> None:
    manifest = read_manifest(shipped_folder() / "lite")
    assert manifest.step_frames == 2
    samples = np.random.default_rng(1).normal(0, 0.1, EXCERPT).astype(np.float32)
    found = music_windows._Trunk(manifest)(samples)
    assert found.shape == (2, manifest.embedding_width)
    assert np.isfinite(found).all()
