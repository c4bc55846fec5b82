from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import support.train_tones  # noqa: F401 (sets the environment that Keras reads)
from support.train_tunes import encode, tune

from streamgenre.audio.features import MfccStream
from streamgenre.inference.models import load_model
from train.ancestors import ancestor_graph, clip_windows, input_features, train_ancestor
from train.ancestors.ancestor import Ancestor, Assembly
from train.ancestors.nearest_neighbours import Nearest
from train.ancestors.registry import ANCESTORS
from train.cli import main
from train.corpora.corpus import Clip
from train.errors import TrainError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

LABELS = 4
NETWORKS = (
    *("bud-mlp", "bud-cnn", "bud-lstm", "deepmusic-crnn", "deepmusic-cnn-gru", "kelly-cnn"),
    "nycu-lstm-2x128-7",
)
"""One of each kind of graph; the others differ in sizes."""


def heard(samples: Floats, spec: Any) -> NDArray[np.float64]:
    return np.asarray(MfccStream(spec, dtype=np.float64).push(np.asarray(samples, np.float64)))


def sine(hertz: float, seconds: float = 0.5) -> NDArray[np.float64]:
    t = np.arange(int(seconds * input_features.RATE)) / input_features.RATE
    return 0.5 * np.sin(2 * np.pi * hertz * t)


def fresh(ancestor: Ancestor) -> tuple[Assembly, Any]:
    """A network with random weights, and its function from frames to logits."""
    import keras

    keras.utils.set_random_seed(1)
    front = ancestor.front(ancestor.spec) if ancestor.front else np.asarray
    example = np.asarray(front(np.zeros((1, 2, ancestor.spec.numcep), np.float32)))
    columns = example.shape[-1]
    assembly = Assembly((ancestor.window_frames, columns), ancestor.window)
    assert ancestor.build is not None
    scale = np.full(columns, 20, np.float32)
    ancestor.build(assembly, np.zeros(columns, np.float32), scale, LABELS)
    model = assembly.model()
    return assembly, lambda frames: np.asarray(model(np.asarray(front(frames)), training=False))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_from_mfcc_frames_equals_keras(name: str) -> None:
    ancestor = replace(ANCESTORS[name], window_frames=130)
    assembly, predict = fresh(ancestor)
    frames = heard(tune(0, 7), ancestor.spec).astype(np.float32)
    windows = np.stack([frames[:130], frames[130:260]])
    serialised = ancestor_graph.export(ancestor, assembly, predict, windows, LABELS)
    assert b"Loop" not in serialised  # recurrent layers are fused
    assert np.ptp(predict(windows), axis=0).max() > 1e-3  # the windows differ


def test_a_graph_that_differs_is_rejected() -> None:
    ancestor = replace(ANCESTORS["bud-lstm"], window_frames=20)
    assembly, predict = fresh(ancestor)
    frames = heard(tune(0, 2), ancestor.spec).astype(np.float32)[None, :20]
    with pytest.raises(TrainError, match="the exported graph differs by"):
        ancestor_graph.export(
            ancestor, assembly, lambda f: 1.01 * predict(f) + 0.01, frames, LABELS
        )


def test_nearest_neighbours_are_the_same_in_onnx() -> None:
    rng = np.random.default_rng(0)
    shapes = rng.normal(size=(LABELS, 13, 13))
    targets = np.arange(40) % LABELS
    windows = np.stack([rng.normal(size=(200, 13)) @ shapes[t] + 3 for t in targets])
    nearest = Nearest.of(windows, targets, LABELS)
    asked = np.stack([rng.normal(size=(200, 13)) @ shapes[t] + 3 for t in range(LABELS)])
    asked = asked.astype(np.float32)
    assert nearest.logits(asked).argmax(axis=1).tolist() == list(range(LABELS))
    ancestor_graph.checked(nearest.graph(200), nearest.logits, asked)
    # With wrong inverses of the covariances, other neighbours are nearest.
    wrong = replace(nearest, inverses=nearest.inverses[::-1])
    with pytest.raises(TrainError, match="differs"):
        ancestor_graph.checked(wrong.graph(200), nearest.logits, asked)


def test_decibels_match_those_of_white_noise() -> None:
    samples = 0.1 * np.random.default_rng(0).normal(size=10 * input_features.RATE)
    frames = heard(samples, input_features.MEL)
    found = np.asarray(input_features.mel_decibels(input_features.MEL)(frames.astype(np.float32)))
    # By Parseval each bin has the variance times the window's energy; a filter has the area 1.
    density = 0.1**2 * np.square(np.hanning(2048)).sum() / (input_features.RATE / 2048)
    power = np.mean(10 ** (found / 10), axis=0)
    np.testing.assert_allclose(power[60::20], density, rtol=0.3)  # edges are rounded to bins
    # 13 MFCC are the transform of these.
    few = np.asarray(
        input_features.mfcc_decibels(input_features.MFCC)(heard(samples, input_features.MFCC))
    )
    np.testing.assert_allclose(few[:, 0], found.sum(axis=1) / np.sqrt(128), rtol=1e-3)


@pytest.mark.parametrize(("hertz", "pitch"), [(440.0, 9), (523.25, 0), (1244.5, 3)])
def test_features_of_a_tone_show_its_pitch(hertz: float, pitch: int) -> None:
    frames = heard(
        sine(hertz) + 1e-4 * np.random.default_rng(0).normal(size=11_025), input_features.FINE
    )
    features = np.asarray(
        input_features.thirty_three(input_features.FINE)(frames.astype(np.float32))
    )
    assert features.shape[1] == 33
    middle = features[len(features) // 2]
    chroma, contrast = middle[14:26], middle[26:]
    assert chroma.argmax() == pitch
    assert chroma.max() == pytest.approx(1)
    band = int(np.searchsorted((200, 400, 800, 1600), hertz, side="right"))
    assert contrast.argmax() == band
    assert hertz < middle[13] < 6000  # the centroid: the tone, shifted up by the noise


def some_windows(ancestor: Ancestor) -> clip_windows.Windows:
    """Twelve clips of two genres by four artists, one artist a genre in each of two folds."""
    from pathlib import Path

    clips = [
        Clip(f"c{n}", Path(f"c{n}"), "ab"[n % 2], f"artist {n % 4}", 1 + (n % 4) // 2)
        for n in range(12)
    ]
    shape = (clip_windows.CLIP_FRAMES, ancestor.spec.numcep)
    frames = tuple(np.zeros(shape, np.float32) for _ in clips)
    return clip_windows.cut(ancestor, clip_windows.FullClips(tuple(clips), frames, 0, ""))


def test_authors_leak_and_folds_do_not() -> None:
    ancestor = ANCESTORS["bud-mlp"]
    windows = some_windows(ancestor)
    assert len(windows.clip) == 12 * ancestor.windows
    split = clip_windows.authors_split(ancestor, windows)
    assert set(windows.clip[split.test]) & set(windows.clip[split.train])
    everything = np.concatenate([split.train, split.validation, split.test])
    assert sorted(everything) == list(range(len(windows.clip)))
    by_clip = replace(ancestor, protocol=replace(ancestor.protocol, split="clips"))
    split = clip_windows.authors_split(by_clip, windows)
    assert not set(windows.clip[split.test]) & set(windows.clip[split.train])
    splits = list(clip_windows.artist_splits(ancestor, windows))
    assert sorted(np.concatenate([s.test for s in splits])) == list(range(len(windows.clip)))
    for split in splits:
        artists = [
            {windows.clips[c].artist for c in windows.clip[rows]}
            for rows in (split.test, np.concatenate([split.train, split.validation]))
        ]
        assert not artists[0] & artists[1]


def test_early_stopping_is_by_the_validation_loss() -> None:
    ancestor = replace(ANCESTORS["kelly-cnn"], window_frames=10, windows=2)
    ancestor = replace(ancestor, protocol=replace(ancestor.protocol, patience=2))
    windows = some_windows(ancestor)  # nothing to learn: all is zero
    trained = train_ancestor.train(
        replace(ancestor, protocol=replace(ancestor.protocol, learning_rate=1e-12)),
        windows,
        clip_windows.authors_split(ancestor, windows),
    )
    assert trained.epochs < 20


def test_the_command_makes_table_figures_and_model_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, out, folders = (tmp_path / name for name in ("corpus", "out", "folders"))
    for g, genre in enumerate(("a", "b")):
        for n in range(6):
            encode(corpus / genre / f"{n}.flac", tune(100 * g + n, 30) * (1 - 0.9 * g))
    encode(corpus / "a" / "short.flac", tune(7, 2))
    command = ["reproduce", "--corpus", str(corpus), "--out", str(out), "--folders", str(folders)]
    command += ["--cache", str(tmp_path / "cache"), "--only"]
    assert main([*command, "knn-psf"]) == 0
    short = [*command, "bud-mlp", "--protocol", "authors", "--most-epochs", "1"]
    assert main(short) == 0
    page = (out / "README.md").read_text("utf-8")
    words = " ".join(page.split())
    assert "12 of its 1000 clips" in words
    assert "1 shorter ones were left out" in words
    assert "**1 of 50**" in page
    assert "| `kelly-cnn` |" in page
    assert "not run here" in words
    assert "made by file, artists unknown" in words
    record = json.loads((out / "knn-psf.json").read_text("utf-8"))
    assert record["artists"]["window"]["plain"] > 0.8  # the genres differ by 20 dB
    assert record["authors"]["confusion"]["of"] == "clips"
    assert np.sum(record["artists"]["confusion"]["counts"]) == 12
    assert (out / "knn-psf-artists.svg").is_file()
    for name in ("bud-mlp", "knn-psf"):
        model = load_model(str(folders / name))
        rows = heard(tune(3, 31), model.manifest.features).astype(np.float32)
        assert np.isfinite(model.update(["x"], [rows]).logits).all()
    model = load_model(str(folders / "knn-psf"))
    quiet = heard(0.1 * tune(103, 30), model.manifest.features).astype(np.float32)
    assert model.update(["quiet"], [quiet]).logits.argmax() == 1
    assert model.update(["loud"], [rows]).logits.argmax() == 0
    # Finished work is not repeated; missing pictures and tables are made again.
    (out / "README.md").unlink()
    capsys.readouterr()
    assert main(short) == 0
    assert "epoch" not in capsys.readouterr().err
    assert (out / "README.md").read_text("utf-8") == page


def test_a_reader_that_leaves_is_not_an_error() -> None:
    leaving, writing = os.pipe()
    os.close(leaving)
    command = [sys.executable, "-m", "train", "reproduce", "--list", "--json"]
    with os.fdopen(writing, "w") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_cannot_be_reproduced_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", "--corpus", str(tmp_path), "--only", "bud-cn"]) == 1
    assert "did you mean 'bud-cnn'" in capsys.readouterr().err
    for genre in "ab":
        encode(tmp_path / genre / "short.flac", tune(0, 2))
    assert main(["reproduce", "--corpus", str(tmp_path), "--only", "knn-psf", "--quiet"]) == 1
    assert "none of 2 clips lasts 29.9 s" in capsys.readouterr().err
    assert main(["reproduce", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {row["name"]: row["published"] for row in listed}["deepmusic-cnn"] == 0.72
