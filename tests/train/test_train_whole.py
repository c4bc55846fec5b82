"""The student that begins as MSD_musicnn: equal in Keras and in the incremental graph."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
from support.train_trunk import random_trunk, with_dead_filters

from train.cli import main
from train.corpora.recordings import frames_of
from train.student import mel_rooms, students, trained_trunks, whole
from train.student.frame_kinds import MEL_64, MEL_96
from train.student.teachers import EMBEDDING
from train.trunk import heads, mel_adapter, musicnn, onnx_graph, pruning

if TYPE_CHECKING:
    from pathlib import Path

RATE = 16_000


def some_audio(seconds: float = 6.1, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * k * 220 * t) / k for k in range(1, 8))
    beat = 0.5 + 0.5 * np.sin(2 * np.pi * 2 * t)
    return (0.1 * tone * beat + 0.01 * rng.normal(size=len(t))).astype(np.float32)


@pytest.fixture(scope="module")
def weights() -> dict[str, Any]:
    return with_dead_filters(random_trunk(3))


@pytest.fixture(scope="module")
def model(weights: dict[str, Any]) -> Any:
    small = students.Whole("small", "for tests", (6, 6), (6, 6, 6))
    network = students.build(small)
    taught: Any = SimpleNamespace(
        mean=np.full(EMBEDDING, 0.1, np.float32), spread=np.full(EMBEDDING, 2, np.float32)
    )
    whole.start(network, weights, taught)
    return network


def test_the_student_begins_as_the_teacher_and_its_weights_run_in_the_graph(
    weights: dict[str, Any], model: Any
) -> None:
    import keras

    rng = np.random.default_rng(5)
    for layer in ("conv_0", "conv_4", "conv_6", "dense"):  # as after some training
        kernel, bias = model.get_layer(layer).get_weights()
        changed = kernel + 0.1 * kernel.std() * rng.normal(size=kernel.shape)
        model.get_layer(layer).set_weights([changed, bias + 0.05])
    trained = whole.weights_of(model)
    assert musicnn.front_width(trained) == 30
    samples = some_audio()
    assert musicnn.window(trained) == musicnn.FRAMES // 2
    embedded = keras.Model(model.input, model.get_layer("embedding").output)
    expected = np.asarray(embedded(MEL_96.energies(samples)[None], training=False))[0, 0]
    session = onnxruntime.InferenceSession(
        onnx_graph.embedding_graph([trained]).SerializeToString(),
        providers=["CPUExecutionProvider"],
    )
    states = {
        state.name: np.zeros((1, *state.shape), np.float32)
        for state in onnx_graph.states_of(trained)
    }
    frames = frames_of(samples, mel_adapter.SPEC)[None, 1 : musicnn.FRAMES]
    (pooled,) = session.run(["pooled"], {"frames": frames, **states})
    found = heads.embedding(trained, pooled[:, 0])[0, : len(expected)]
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


def test_the_outputs_are_where_the_published_features_are(
    weights: dict[str, Any], model: Any
) -> None:
    found = np.asarray(model(MEL_96.energies(some_audio(seed=1))[None], training=False))
    assert found.shape == (1, 2, students.OUTPUTS)
    stay = pruning.pooled_alive(weights)
    assert np.all(found[0, :, : len(stay)][:, ~stay] == 0)
    assert np.all(found[0, :, : len(stay)][:, stay].std(axis=0) >= 0)
    assert np.abs(found[0, :, : len(stay)][:, stay]).max() > 0.1


def test_both_kinds_of_frames_are_energies_of_white_noise_at_their_level() -> None:
    noise = (0.01 * np.random.default_rng(0).normal(size=97_000)).astype(np.float32)
    for kind in (MEL_64, MEL_96):
        energies = kind.energies(noise)
        assert energies.shape == (kind.frames, kind.bands)
        level = np.log(np.exp(energies).mean(axis=0)).mean() - np.log(1e-4)
        assert abs(level - kind.white) < 0.1


def test_rooms_suit_the_teachers_bands() -> None:
    rng = np.random.default_rng(0)
    clean = rng.normal(-6, 2, (8, 375, 96)).astype(np.float32)
    found = mel_rooms.changed(clean, clean[::-1].copy(), rng, MEL_96)
    assert found.shape == clean.shape
    assert np.isfinite(found).all()


def test_missing_trunks_are_named_with_the_command_that_trains_them(tmp_path: Path) -> None:
    from train.errors import TrainError

    with pytest.raises(TrainError, match=r"whole-without-2.npz is missing.*--without 2"):
        trained_trunks.read_trunks(tmp_path, (2, None))


def test_a_trunk_is_no_model_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["trunk", "measure", "--folder", str(tmp_path), "--corpus", str(tmp_path)]
    assert main([*arguments, "--student", "whole"]) != 0
    assert "--trunks SET" in capsys.readouterr().err


def test_how_a_trunk_was_trained_is_told_from_the_first_stage_on(tmp_path: Path) -> None:
    for name, settings in (
        ("base", {"epochs": 7, "start": None}),
        ("whole", {"epochs": 5, "start": "base"}),
    ):
        np.savez(tmp_path / f"{name}.npz", settings=np.array(json.dumps(settings)))
    np.savez(tmp_path / "old.npz", epoch=np.array(3))
    assert trained_trunks.stages(tmp_path / "whole.npz") == [{"epochs": 7}, {"epochs": 5}]
    assert trained_trunks.stages(tmp_path / "old.npz") == []
