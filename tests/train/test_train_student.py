from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.train_tones import GENRES, write_corpus, write_talk
from support.train_trunk import random_trunk

from streamgenre.inference.models import load_model
from train import model_folder
from train.augmentation.room_acoustics import level
from train.cli import main
from train.corpora.recordings import cepstra
from train.errors import TrainError
from train.manifest_writer import manifest_of
from train.student import (
    degrade,
    fit_student,
    lessons,
    mel_rooms,
    music_windows,
    renditions,
    shards,
    stream_check,
    students,
    trunk_figures,
)
from train.student.agreement import area, correlation
from train.student.excerpts import EXCERPT
from train.student.streaming_graph import STEP_FRAMES
from train.student.student_graphs import embedding_graph, model_graph
from train.student.teachers import CLASSES, EMBEDDING
from train.student.teachers import TAGS as TAG_NAMES
from train.trunk import checkpoint
from train.trunk.heads import Linear

if TYPE_CHECKING:
    from pathlib import Path

TINY = students.Separable("tiny", "for tests", 4, ((6, 1, True), (6, 2, False), (8, 2, True)), 12)


def noise(seed: int = 0, loud: float = 0.1) -> Any:
    return np.random.default_rng(seed).normal(0, loud, EXCERPT).astype(np.float32)


@pytest.fixture(scope="module")
def tiny() -> Any:
    """A student whose weights are all away from where they begin."""
    rng = np.random.default_rng(1)
    model = students.build(TINY)
    for weight in model.weights:
        shape = tuple(weight.shape)
        if "variance" in weight.path:
            weight.assign(rng.uniform(0.5, 2, shape))
        elif weight.path.endswith(("gamma", "scale")):
            weight.assign(rng.uniform(0.5, 1.5, shape))
        elif weight.path.endswith(("beta", "mean", "shift", "share")):
            weight.assign(rng.normal(0, 0.3, shape))
    return model


@pytest.fixture(scope="module")
def session(tiny: Any) -> Any:
    import onnxruntime

    mean, spread = np.zeros(EMBEDDING, np.float32), np.ones(EMBEDDING, np.float32)
    graph = embedding_graph(tiny, TINY, mean, spread)
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def energies() -> Any:
    rng = np.random.default_rng(2)
    drawn = rng.normal(-6, 2, (2, 300, 64)) + rng.normal(size=(2, 300, 1))
    return drawn.astype(np.float32)


@pytest.fixture(scope="module")
def expected(tiny: Any, energies: Any) -> Any:
    import keras

    network = keras.Model(tiny.input, tiny.get_layer("embedding").output)
    return np.asarray(network(energies, training=False))


@given(
    cuts=st.lists(st.integers(1, 149), max_size=6, unique=True), frames=st.sampled_from([150, 300])
)
@examples(40)
def test_a_student_hears_the_same_however_steps_are_cut(
    session: Any, energies: Any, expected: Any, cuts: list[int], frames: int
) -> None:
    used = cepstra(energies[:, :frames], renditions.SPEC)
    hops = np.split(used, sorted(2 * cut for cut in cuts if 2 * cut < frames), axis=1)
    found = stream_check.run(session, hops)[:, : TINY.embedding]
    np.testing.assert_allclose(found, expected[:, frames // 150 - 1], atol=2e-5)


@pytest.fixture(scope="module")
def model(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The student as a model folder that the daemon loads."""
    mean, spread = np.zeros(EMBEDDING, np.float32), np.ones(EMBEDDING, np.float32)
    rng = np.random.default_rng(4)
    genres = Linear(
        rng.normal(size=(TINY.embedding + 52, 3)).astype(np.float32), np.zeros(3, np.float32), 1.0
    )
    graph, graph_states = model_graph(tiny, TINY, mean, spread, genres)
    manifest = manifest_of(
        name="tiny", kind="stateful", labels=("a", "b", "c"), spec=renditions.SPEC, weights=graph,
        training={"command": "none", "seed": 1},
        calibration={"temperature": 1.0, "fitted": False}, speech_temperature=1.0,
        states=graph_states, steps="",
    )  # fmt: skip
    manifest |= {"step_frames": STEP_FRAMES, "music": {"temperature": 1.0}}
    manifest["tags"] = {"labels": list(TAG_NAMES), "temperature": 1.0}
    folder = tmp_path_factory.mktemp("student") / "tiny"
    folder.mkdir()
    model_folder.write_folder(folder, manifest, graph)
    return load_model(str(folder), trusted=True)


@given(cuts=st.lists(st.integers(1, 149), min_size=1, max_size=6, unique=True))
@examples(40)
def test_an_odd_frame_waits_for_the_next_call(model: Any, energies: Any, cuts: list[int]) -> None:
    """Stations of one batch, of which one has a frame waiting, as each by itself."""
    used = cepstra(energies[:, :151], renditions.SPEC)
    for name in ("whole", "cut", "later"):
        model.reset(name)
    expected = model.update(["whole"], [used[0, :150]])
    bounds = [0, *sorted(cuts), 150]
    model.update(["later"], [used[0, :1]])  # less than a step
    for begin, end in itertools.pairwise(bounds):
        parts = [used[0, begin:end], used[0, begin + 1 : end + 1]]
        found = model.update(["cut", "later"], parts)
    for name in ("logits", "speech", "music", "tags"):
        whole = getattr(expected, name)[0]
        np.testing.assert_allclose(getattr(found, name)[0], whole, atol=2e-4)
        np.testing.assert_allclose(getattr(found, name)[1], whole, atol=2e-4)


def test_a_student_hears_the_same_at_any_level(session: Any, energies: Any) -> None:
    frames = [cepstra(energies + gain, renditions.SPEC) for gain in (0, -6, 4)]
    usual, quiet, loud = (stream_check.run(session, [one]) for one in frames)
    np.testing.assert_allclose(quiet, usual, atol=0.02)
    np.testing.assert_allclose(loud, usual, atol=0.02)


def test_degraded_copies_keep_their_length_and_come_from_their_seed() -> None:
    pool = degrade.Pool([noise(1)], [noise(2)], [noise(3)])
    found = [degrade.degraded(noise(), np.random.default_rng(n), pool) for n in range(12)]
    again = degrade.degraded(noise(), np.random.default_rng(5), pool)
    np.testing.assert_array_equal(again, found[5])
    levels = [20 * np.log10(level(one)) for one in found]
    assert all(one.shape == (EXCERPT,) and np.isfinite(one).all() for one in found)
    assert min(levels) < -35
    assert max(levels) > -20
    assert max(np.abs(one).max() for one in found) <= 1


def test_rooms_in_the_mel_domain_change_every_row() -> None:
    rng = np.random.default_rng(0)
    clean = rng.normal(-8, 2, (24, 300, 64)).astype(np.float32)
    noises = rng.normal(-8, 0.5, clean.shape).astype(np.float32)
    found = mel_rooms.masked(
        mel_rooms.mixed_styles(mel_rooms.changed(clean, noises, rng), rng), rng
    )
    assert found.shape == clean.shape
    assert np.isfinite(found).all()
    assert (np.abs(found - clean).mean(axis=(1, 2)) > 0.05).all()


def test_frames_survive_as_bytes() -> None:
    energies = np.linspace(-25.9, 5.8, 1000, dtype=np.float32)
    kept = renditions.to_energies(renditions.to_bytes(energies))
    assert np.abs(kept - energies).max() <= renditions.STEP / 2 + 1e-5


def test_a_shard_keeps_sound_and_answers(tmp_path: Path) -> None:
    t = np.arange(EXCERPT) / 16_000
    tone = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    answers = np.full((1, 2, CLASSES), 0.25, np.float16)
    kept = shards.Shard(
        "speech", (shards.encode(tone),), ("somebody",), np.array([2]), answers, None
    )
    path = tmp_path / "speech-1.npz"
    shards.write(path, kept)
    found = shards.read(path)
    assert found.role == "speech"
    assert found.sources == ("somebody",)
    assert found.embedding is None
    heard = shards.decode_opus(found.audio[0])
    assert np.corrcoef(heard[1000:-1000], tone[1000:-1000])[0, 1] > 0.99
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(TrainError, match="is damaged"):
        shards.read(path)


def test_area_and_correlation() -> None:
    scores = np.array([0.1, 0.4, 0.35, 0.8], np.float32)
    assert area(scores, np.array([False, False, True, True])) == pytest.approx(0.75)
    assert np.isnan(area(scores, np.ones(4, bool)))
    columns = np.array([[1, 2], [2, 1], [3, 5]], np.float32)
    assert correlation(columns, 2 * columns + 1) == pytest.approx(1, abs=1e-4)


def test_the_figures_that_matter_make_a_table(tiny: Any) -> None:
    mean, spread = np.zeros(EMBEDDING, np.float32), np.ones(EMBEDDING, np.float32)
    cost = trunk_figures.cost(embedding_graph(tiny, TINY, mean, spread), None, rounds=2)
    called = {"noise, recorded": {"share": 0.125, "windows": 8}}
    found = dict(
        trunk_figures.rows(
            {"window": {"accuracy": 0.5}, "music": {"called_music": called}, "cost": cost}
        )
    )
    assert found["3 s windows, clean"] == "0.500"
    assert found["whole clips, clean"] == "–"
    assert found["noise, recorded, called music"] == "0.125"
    assert found["CPU a second of audio"].endswith(" ms")


def write_yamnet(path: Path) -> None:
    """Write a network with YAMNet's input and output that calls everything loud music."""
    import tensorflow as tf

    weights = np.zeros((1, 521), np.float32)
    weights[0, 132] = 50

    def answer(samples: Any) -> Any:
        loud = tf.reduce_mean(tf.abs(samples))[None, None]
        return tf.sigmoid(tf.matmul(loud, weights) - 3)[0]

    graph = tf.function(answer, input_signature=[tf.TensorSpec([15_600], tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph.get_concrete_function()])
    path.write_bytes(converter.convert())


def test_all_stages(
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
    two_folds: None,
    no_compiling: None,
) -> None:
    monkeypatch.setitem(students.STUDENTS, "tiny", TINY)
    corpus = write_corpus(tmp_path / "corpus", per_genre=2, seconds=(3.0,))
    write_talk(corpus)
    checkpoint.save(random_trunk(), tmp_path / "musicnn")
    write_yamnet(tmp_path / "yamnet.tflite")
    folder = tmp_path / "set"
    common = ["--folder", str(folder), "--quiet"]
    teachers = ["--yamnet", f"{tmp_path}/yamnet.tflite", "--musicnn", f"{tmp_path}/musicnn"]

    assert main(["trunk", "fit", *common, "--student", "tiny"]) == 1
    assert "run `python -m train trunk prepare` first" in capsys.readouterr().err
    assert main(["trunk", "prepare", *common, *teachers]) == 1
    assert "give --corpus DIR, --music FREE or both" in capsys.readouterr().err

    assert main(["trunk", "prepare", *common, "--corpus", str(corpus), *teachers]) == 0
    written = {path: path.stat().st_mtime_ns for path in (folder / "shards").iterdir()}
    assert {path.name.split("-")[0] for path in written} == {"music", "speech", "ambience"}
    assert main(["trunk", "prepare", *common, "--corpus", str(corpus), *teachers]) == 0
    assert {path: path.stat().st_mtime_ns for path in written} == written  # nothing anew

    assert main(["trunk", "render", *common, "--copies", "1", "--synthesised", "8"]) == 0
    found = lessons.read_lessons(folder)
    assert set(found.groups) == {"corpus", "speech", "ambience", "synthesised"}
    music = found.masks[:, 0, 0] > 0
    assert found.embedding[music].any(axis=(1, 2)).all()
    assert not found.embedding[~music].any()
    rows = found.rows((1,), np.random.default_rng(0), 40)
    assert 1 not in found.folds[rows]
    assert {"corpus", "speech"} <= set(found.groups[rows])

    fit = ["trunk", "fit", *common, "--student", "tiny", "--rows", "16", "--batch", "8"]
    state = folder / "students" / "tiny-without-1-2.npz"
    assert main([*fit, "--without", "1", "2", "--epochs", "1"]) == 0
    first = dict(np.load(state))
    assert main([*fit, "--without", "1", "2", "--epochs", "2"]) == 0
    settings = fit_student.settings_of(state)
    assert settings["epochs"] == 2
    assert settings["without"] == [1, 2]
    assert settings["start"] is None
    second = dict(np.load(state))
    assert (int(first["epoch"]), int(second["epoch"])) == (1, 2)
    assert main([*fit, "--student", "separable", "--start", str(state)]) == 1
    assert "is of another network" in capsys.readouterr().err
    shutil.copy(state, folder / "students" / "tiny.npz")

    export = ["trunk", "export", *common, "--student", "tiny", "--corpus", str(corpus)]
    folds = tmp_path / "folds"
    assert main([*export, "--out", str(tmp_path / "model"), "--fold-models", str(folds)]) == 0
    assert {path.name for path in folds.iterdir()} == {"fold-1", "fold-2"}
    card = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert "Whether there is music" in card
    model = load_model(str(tmp_path / "model"), trusted=True)
    evaluation = model.manifest.raw["evaluation"]
    assert {"window", "clip", "room", "quiet", "music"} <= set(evaluation)
    assert set(model.manifest.labels) == set(GENRES)
    frames = np.zeros((50, 64), np.float32)
    assert np.isfinite(model.update(["station"], [frames]).logits).all()

    heard = music_windows.hear(model.manifest, folder, synthesised=4)
    assert {"corpus", "synthesised"} <= set(heard.what)
    assert heard.embedding.shape == (len(heard.music), model.manifest.embedding_width)
    assert not heard.music[heard.what != "corpus"].any()
    assert main(["trunk", "answers", str(tmp_path / "model"), *common]) == 1
    assert "expected a model on MSD_musicnn" in capsys.readouterr().err
