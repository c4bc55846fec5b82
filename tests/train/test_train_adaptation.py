"""The trunk adapted to microphones, on tones and with random weights."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.train_tones import write_corpus, write_talk
from support.train_trunk import random_trunk, with_dead_filters

from streamgenre.inference.models import load_model
from train.augmentation.audio import through_a_microphone
from train.augmentation.room_acoustics import RATE
from train.cli import main
from train.corpora import talk_files
from train.corpora.corpus import read_corpus
from train.corpora.recordings import decode, frames_of
from train.job import TrainingJob
from train.trunk import (
    checkpoint,
    front_windows,
    lstm_memory,
    mel_adapter,
    microphone_training,
    model_graph,
    musicnn,
    pruning,
    train_head,
)
from train.trunk.head_training import RECIPES
from train.trunk.heads import embedding
from train.trunk.microphone_training import Settings, adapt, adapted

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_compiling")
SETTINGS = Settings(versions=2, epochs=20, batch=8, mix=1.0, learning_rate=2e-4)


@pytest.fixture(scope="module")
def weights() -> Any:
    return random_trunk()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fronts")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), per_genre=3, seconds=(2.4, 6.0, 4.0))
    write_talk(folder)
    found = read_corpus(folder)
    return found, talk_files.read_talk(folder, found.folds)


@pytest.fixture(scope="module")
def heard(corpus: Any, weights: Any, cache: Path) -> front_windows.FrontFeatures:
    clips, files = corpus
    return front_windows.front_features(clips, weights, cache, versions=2, seed=1, talk=files)


def units(weights: Any, features: Any) -> Any:
    """Units of the trunk, shape ``(n, 200)``."""
    _, pooled, *_ = musicnn.back(weights)(features.astype(np.float32), training=False)
    scale, shift = musicnn.normalisation(weights, 9)
    return embedding(weights, np.asarray(pooled) * scale + shift)[:, -250:-50]


def test_front_and_back_are_the_trunk(
    corpus: Any, weights: Any, heard: front_windows.FrontFeatures
) -> None:
    short, long = corpus[0].clips[:2]
    assert short.path.stat().st_size < 3 * 2 * RATE  # one window
    first = frames_of(decode(long.path, RATE), mel_adapter.SPEC)[None, : musicnn.FRAMES]
    whole = musicnn.build(weights)(mel_adapter.mel_bands(first), training=False)
    parts = musicnn.back(weights)(heard.features[1:2, 0].astype(np.float32), training=False)
    for one, other in zip(parts, whole, strict=True):
        scale = np.abs(np.asarray(other)).max()
        np.testing.assert_allclose(one / scale, other / scale, atol=2e-3)  # kept in 16 bits


def test_windows_are_those_of_clips_and_of_music(
    corpus: Any, heard: front_windows.FrontFeatures
) -> None:
    clips, files = corpus
    music = [file.fold for file in files if file.kind == talk_files.MUSIC]
    for fold in clips.folds:
        least = sum(clip.fold == fold for clip in clips.clips) + music.count(fold)
        assert (heard.folds == fold).sum() >= least
    clean, first, second = (heard.features[:, version] for version in range(3))
    assert np.isfinite(heard.features).all()
    assert not np.array_equal(clean, first)
    assert not np.array_equal(first, second)


def test_windows_come_from_the_cache_and_depend_on_the_seed(
    corpus: Any,
    weights: Any,
    cache: Path,
    heard: front_windows.FrontFeatures,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clips, files = corpus
    monkeypatch.setattr(front_windows, "_fronts", None)
    again = front_windows.front_features(clips, weights, cache, versions=2, seed=1, talk=files)
    assert np.array_equal(again.features, heard.features)
    assert front_windows._key(b"", [], [], (2, 1)) != front_windows._key(b"", [], [], (2, 2))


def test_changed_windows_come_closer_to_clean_ones(
    weights: Any, heard: front_windows.FrontFeatures
) -> None:
    fold = int(heard.folds[0])
    shown = heard.folds != fold
    trained = adapt(weights, heard, SETTINGS, without=fold)
    assert {name for name in weights if not np.array_equal(weights[name], trained[name])} == {
        f"{layer}/{part}" for layer in musicnn.TRAINED for part in ("kernel", "bias")
    }
    wanted = units(weights, heard.features[shown, 0])

    def apart(trunk: Any, version: int) -> float:
        return float(np.abs(units(trunk, heard.features[shown, version]) - wanted).mean())

    for version in (1, 2):
        assert apart(trained, version) < 0.9 * apart(weights, version)
    assert apart(trained, 0) < apart(weights, 1)
    # Half of the way.
    half = adapt(weights, heard, replace(SETTINGS, mix=0.5), without=fold)
    for kernel in ("conv2d_6/kernel", "dense/kernel"):
        middle = (weights[kernel] + trained[kernel]) / 2
        np.testing.assert_allclose(half[kernel], middle, atol=1e-3)


def test_the_fold_held_out_is_not_used(
    weights: Any, heard: front_windows.FrontFeatures, tmp_path: Path
) -> None:
    quick = replace(SETTINGS, epochs=1)
    fold = int(heard.folds[0])
    spoilt = replace(
        heard, features=np.where((heard.folds == fold)[:, None, None, None], 0, heard.features)
    )
    expected = adapted(weights, heard, quick, tmp_path, without=fold)
    found = adapt(weights, spoilt, quick, without=fold)
    gone = replace(spoilt, features=spoilt.features[:0])
    kept = adapted(weights, gone, quick, tmp_path, without=fold)
    other = adapt(weights, spoilt, quick)
    kernel = "dense/kernel"
    np.testing.assert_allclose(found[kernel], expected[kernel], atol=1e-5)
    np.testing.assert_array_equal(kept[kernel], expected[kernel])
    assert np.abs(other[kernel] - expected[kernel]).max() > 1e-4


def test_a_simulated_microphone_keeps_the_played_music() -> None:
    t = np.arange(5 * RATE) / RATE
    song = (0.2 * np.sin(2 * np.pi * 1500 * t)).astype(np.float32)
    levels = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        copy = through_a_microphone(song, rng)
        assert copy.shape == song.shape
        assert copy.dtype == np.float32
        assert np.abs(copy).max() <= 1
        spectrum = np.abs(np.fft.rfft(copy))
        levels.append(float(np.sqrt(np.mean(np.square(copy)))))
        around = spectrum[4000:15_000]  # 800 to 3000 Hz
        assert abs(around.argmax() / 5 + 800 - 1500) < 5
    assert max(levels) > 8 * min(levels)


@pytest.mark.parametrize("microphone", [True, False])
def test_every_fold_is_embedded_by_a_trunk_not_adapted_on_it(
    corpus: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, microphone: bool
) -> None:
    clips, _ = corpus

    def heard_by(corpus: Any, trunks: Any, *_: Any, **more: Any) -> list[str]:
        return [f"heard by {trunk}" for trunk in trunks]

    def trunk_without(*_: Any, without: int | None, **more: Any) -> str:
        return f"trunk without {without}"

    monkeypatch.setattr(checkpoint, "load", lambda folder: "published")
    monkeypatch.setattr(pruning, "pruned", lambda weights: f"{weights}, pruned")
    monkeypatch.setattr(front_windows, "front_features", lambda *_, **more: None)
    monkeypatch.setattr(microphone_training, "adapted", trunk_without)
    monkeypatch.setattr(train_head, "embed_corpus", heard_by)
    job = TrainingJob(
        recipe=RECIPES["cnn"], settings=lstm_memory.Settings(), out=tmp_path / "out", command=""
    )
    given = train_head.TrunkInput(clips, tmp_path, tmp_path, microphone=microphone)
    found: dict[Any, Any] = dict(train_head._material(job, given))
    assert set(found) == {*clips.measured, None}
    for fold, (trunk, heard) in found.items():
        assert trunk == (f"trunk without {fold}" if microphone else "published, pruned")
        assert heard == f"heard by {trunk}"


def test_fit_adapts_the_trunk_to_microphones_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Random weights are less robust than trained ones and amplify rounding.
    monkeypatch.setattr(model_graph, "TOLERANCE", 1e-3)
    monkeypatch.setattr(microphone_training, "Settings", partial(Settings, learning_rate=2e-5))
    folder = write_corpus(tmp_path / "corpus", per_genre=2, seconds=(3.2, 4.0))
    checkpoint.save(with_dead_filters(random_trunk()), tmp_path / "trunk")
    common = [
        *("fit", "--corpus", str(folder), "--cache", str(tmp_path / "cache")),
        *("--out", str(tmp_path / "model"), "--no-folds", "--microphone"),
    ]
    assert main([*common, "--recipe", "lite"]) == 1
    assert "--microphone does not apply to the recipe lite" in capsys.readouterr().err
    done = main([*common, "--recipe", "cnn", "--trunk", str(tmp_path / "trunk")])
    said = capsys.readouterr().err
    assert done == 0, said
    assert "trunk: epoch 12 of 12, loss" in said
    model = load_model(str(tmp_path / "model"))
    trunk = json.loads((tmp_path / "model" / "manifest.json").read_text())["training"]["trunk"]
    assert trunk["trained_on"]["mix"] == Settings().mix
    assert model.manifest.name == "model"
    card = " ".join((tmp_path / "model" / "README.md").read_text().split())
    assert "on rooms, microphones and noise: for 12 epochs" in card
    assert "75% new" in card
    # The published weights of the trained layers are no longer in it.
    graph = (tmp_path / "model" / "model.onnx").read_bytes()
    published = random_trunk()
    for name, there in (("dense_1/bias", True), ("dense/bias", False)):
        assert (published[name].tobytes() in graph) is there
