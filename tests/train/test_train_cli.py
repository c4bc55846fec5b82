from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.train_tones import GENRES, tone, uncompiled, write_corpus, write_wav

from streamgenre.inference.models import load_model
from train.cli import main
from train.corpora.recordings import SPEC, frames_of
from train.export import keras_to_onnx
from train.fitting import train_network
from train.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

ROOT = Path(__file__).parents[2]
QUICK = ["--epochs", "3", "--steps", "20", "--batch", "12", "--units", "16", "--quiet"]


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory, two_folds: None) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), per_genre=4, seconds=(2.4, 8.0, 4.0))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def measured(corpus_folder: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recurrent network that was measured on folds."""
    out: Path = tmp_path_factory.mktemp("models") / "lite-lstm"
    command = ["fit", "--recipe", "lite-lstm", "--corpus", str(corpus_folder), "--out", str(out)]
    assert main([*command, "--cache", str(cache), *QUICK]) == 0
    return out


@pytest.fixture(scope="module")
def unmeasured(corpus_folder: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolutional network; ``test_train_split.py`` measures one."""
    out: Path = tmp_path_factory.mktemp("models") / "lite-cnn"
    command = ["fit", "--recipe", "lite-cnn", "--corpus", str(corpus_folder), "--out", str(out)]
    assert main([*command, "--cache", str(cache), "--no-folds", *QUICK]) == 0
    return out


@pytest.fixture(params=["measured", "unmeasured"])
def fitted(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def test_a_fitted_model_classifies_unseen_tones(fitted: Path) -> None:
    model = load_model(str(fitted))
    assert model.manifest.name == fitted.name
    assert model.manifest.labels == tuple(sorted(GENRES))
    right = 0
    for n, (genre, hertz) in enumerate(3 * list(GENRES.items())):
        samples = tone(hertz, 5, 1000 + n).astype(np.float32)
        logits = model.update([str(n)], [frames_of(samples, SPEC)]).logits
        right += model.manifest.labels[int(logits[0].argmax())] == genre
    assert right >= 7  # of 9; chance is 3


def test_the_manifest_is_the_record(measured: Path, corpus_folder: Path, cache: Path) -> None:
    manifest = json.loads((measured / "manifest.json").read_text())
    training, evaluation = manifest["training"], manifest["evaluation"]
    assert training["command"].startswith(
        f"python -m train fit --recipe {measured.name} --corpus DIR"
    )
    assert training["corpus"]["clips"] == 12
    assert training["corpus"]["genres"] == dict.fromkeys(sorted(GENRES), 4)
    assert training["corpus"]["folds_by"] == "artist"
    assert len(training["corpus"]["sha256"]) == 64
    assert training["seed"] == 1
    assert training["settings"]["epochs"] == 3
    assert {"keras", "tensorflow", "tf2onnx", "onnx"} <= set(training["versions"])
    assert evaluation["window"]["accuracy"] > 0.6
    assert evaluation["clip"]["accuracy"] > 0.6
    assert evaluation["chance"] == pytest.approx(1 / 3)
    assert len(evaluation["window"]["by_fold"]) == 2
    assert evaluation["calibration"]["temperature"] == manifest["calibration"]["temperature"]


def test_card_and_record_name_no_path_of_this_machine(
    measured: Path, corpus_folder: Path, cache: Path
) -> None:
    for file in ("README.md", "manifest.json", "confusion.svg"):
        text = (measured / file).read_text("utf-8")
        for path in (corpus_folder, cache, measured.parent, Path.home(), ROOT):
            assert str(path) not in text
    card = " ".join((measured / "README.md").read_text("utf-8").split())
    for words in ("chance", "95 % interval", "--corpus DIR", "no known artist in two folds"):
        assert words in card


def test_no_files_are_left_beside_the_folder(measured: Path) -> None:
    assert [path.name for path in measured.parent.iterdir()] == [measured.name]
    assert sorted(path.name for path in measured.iterdir()) == [
        "README.md", "confusion.svg", "manifest.json", "model.onnx",
    ]  # fmt: skip


def test_evaluate_warns_of_its_own_corpus(
    fitted: Path, corpus_folder: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", str(fitted), "--corpus", str(corpus_folder), "--cache", str(cache)]
    assert main([*command, "--json"]) == 0
    out, err = capsys.readouterr()
    figures = json.loads(out)
    assert figures["window"]["accuracy"] > 0.8
    assert figures["corpus"]["clips"] == 12
    assert "trained on this very corpus" in err


def test_evaluate_works_on_other_music(
    fitted: Path, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n, (genre, hertz) in enumerate(GENRES.items()):
        write_wav(tmp_path / genre / "new.wav", tone(hertz, 4, 50 + n))
    command = ["evaluate", str(fitted), "--corpus", str(tmp_path), "--cache", str(cache)]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "3 s windows" in out
    assert "trained on this very corpus" not in err


def test_evaluate_rejects_genres_unknown_to_the_model(
    fitted: Path, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for genre in ("low", "polka"):
        write_wav(tmp_path / genre / "a.wav", tone(300, 4, 0))
    command = ["evaluate", str(fitted), "--corpus", str(tmp_path), "--cache", str(cache)]
    assert main(command) == 1
    assert "does not know: polka" in capsys.readouterr().err


def fit_quickly(corpus: Path, out: Path, cache: Path, *more: str) -> int:
    """Train for two steps."""
    with uncompiled():
        return main(
            ["fit", "--recipe", "lite-cnn", "--corpus", str(corpus), "--out", str(out), "--cache",
             str(cache), "--no-folds", "--epochs", "1", "--steps", "2", "--batch", "4",
             "--units", "4", *more]
        )  # fmt: skip


@pytest.fixture(scope="module")
def quick(corpus_folder: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that two steps made, with the seed 5."""
    out = tmp_path_factory.mktemp("quick") / "out"
    assert fit_quickly(corpus_folder, out, cache, "--seed", "5", "--quiet") == 0
    return out


def test_unreadable_files_are_skipped_and_reported(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_corpus(tmp_path / "corpus", per_genre=2)
    (corpus / "music" / "low" / "low.00001.wav").write_bytes(b"no audio")
    assert fit_quickly(corpus, tmp_path / "out", cache, "--json") == 0
    out, err = capsys.readouterr()
    manifest = json.loads(out)
    assert "skipped:" in err
    assert "low.00001.wav" in err
    assert manifest["training"]["corpus"]["clips"] == 5
    assert "evaluation" not in manifest
    assert manifest["calibration"]["temperature"] == 1
    assert "Not measured" in (tmp_path / "out" / "README.md").read_text()


def logits_of(folder: Path) -> Any:
    """Logits of a model for a tone."""
    frames = frames_of(tone(500, 4, 0).astype(np.float32), SPEC)
    return load_model(str(folder)).update(["a"], [frames]).logits


def test_the_same_seed_gives_the_same_model(
    quick: Path, corpus_folder: Path, tmp_path: Path, cache: Path
) -> None:
    again = tmp_path / "again"
    assert fit_quickly(corpus_folder, again, cache, "--seed", "5", "--quiet") == 0
    np.testing.assert_allclose(logits_of(again), logits_of(quick), atol=1e-4)


def test_a_mismatch_writes_nothing(
    corpus_folder: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    true_weights = keras_to_onnx.export

    def perturbed(network: Any, frames: Any) -> Any:
        graph = keras_to_onnx._windowed_graph

        def wrong(n: Any) -> Any:
            n.whole.layers[-1].set_weights([w + 0.01 for w in n.whole.layers[-1].get_weights()])
            model = graph(n)
            n.whole.layers[-1].set_weights([w - 0.01 for w in n.whole.layers[-1].get_weights()])
            return model

        monkeypatch.setattr(keras_to_onnx, "_windowed_graph", wrong)
        return true_weights(network, frames)

    monkeypatch.setattr(train_network, "export", perturbed)
    assert fit_quickly(corpus_folder, tmp_path / "models" / "out", cache) == 1
    assert "differs from Keras" in capsys.readouterr().err
    assert not (tmp_path / "models").exists() or not list((tmp_path / "models").iterdir())


def test_an_interrupt_while_writing_leaves_only_what_was_there(
    quick: Path,
    corpus_folder: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "models" / "out"
    out.parent.mkdir()
    shutil.copytree(quick, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def interrupted(*args: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_network, "load_model", interrupted)
        new = ("--out", str(out.parent / "new"), "--quiet")
        assert fit_quickly(corpus_folder, out, cache, *new) == 130
        assert [path.name for path in out.parent.iterdir()] == ["out"]
        assert fit_quickly(corpus_folder, out, cache, "--quiet", "--replace", "--seed", "9") == 130
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert fit_quickly(corpus_folder, out, cache, "--quiet", "--replace", "--seed", "9") == 0
    # Another seed gives another model.
    assert np.abs(logits_of(out) - logits_of(quick)).max() > 0.01
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def one_genre(folder: Path) -> None:
    write_wav(folder / "jazz" / "a.wav", tone(300, 4, 0))


def nothing_readable(folder: Path) -> None:
    for genre in ("a", "b"):
        (folder / genre).mkdir()
        (folder / genre / "x.wav").write_bytes(b"no audio")


def genre_unreadable(folder: Path) -> None:
    write_wav(folder / "a" / "x.wav", tone(300, 4, 0))
    (folder / "b").mkdir()
    (folder / "b" / "x.wav").write_bytes(b"no audio")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "no audio files"),
        (one_genre, "at least two"),
        (nothing_readable, "none of its 2 files could be read"),
        (genre_unreadable, "genre b: none of its files could be read"),
    ],
)
def test_bad_corpora_raise_clear_errors(
    tmp_path: Path,
    cache: Path,
    make: Callable[[Path], object],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    make(corpus)
    assert fit_quickly(corpus, tmp_path / "out", cache) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_an_artist_alone_in_a_genre_cannot_be_held_out(
    tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_corpus(tmp_path / "corpus", per_genre=2)
    command = [
        "fit",
        "--recipe",
        "lite-cnn",
        "--corpus",
        str(corpus),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*command, "--cache", str(cache)]) == 1
    assert "all of its 2 clips are in one fold" in capsys.readouterr().err


def test_an_existing_folder_is_not_replaced_without_permission(
    corpus_folder: Path, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "precious").write_text("mine")
    assert fit_quickly(corpus_folder, tmp_path, cache) == 1
    assert "--replace" in capsys.readouterr().err
    assert fit_quickly(corpus_folder, tmp_path, cache, "--replace") == 1
    assert "is not a model folder" in capsys.readouterr().err
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize(
    "flag", [["--units", "6"], ["--epochs", "0"], ["--dropout", "1"], ["--learning-rate", "nan"]]
)
def test_bad_flags_are_rejected(
    tmp_path: Path, flag: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "fit",
        "--recipe",
        "lite-cnn",
        "--corpus",
        str(tmp_path),
        "--out",
        str(tmp_path / "o"),
    ]
    with pytest.raises(SystemExit) as exit_:
        main([*command, *flag])
    assert exit_.value.code == 2
    assert flag[0] in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["fit"], ["evaluate"]])
def test_help_is_printed_without_loading_the_heavy_packages(command: list[str]) -> None:
    code = (
        "import sys\nfrom train.cli import main\n"
        "try: main([*sys.argv[1:], '--help'])\nexcept SystemExit as done: assert not done.code\n"
        "assert not {'tensorflow', 'keras', 'onnxruntime', 'librosa'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "usage: python -m train" in done.stdout


def test_ctrl_c_leaves_no_partial_folder(corpus_folder: Path, tmp_path: Path, cache: Path) -> None:
    out = tmp_path / "models" / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "train", "fit", "--recipe", "lite-cnn",
         "--corpus", str(corpus_folder), "--out", str(out), "--cache", str(cache),
         "--epochs", "1000", "--steps", "2", "--batch", "2", "--units", "4"],
        cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 2" in line:
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in error
    assert "Traceback" not in error
    assert not out.exists()
    assert not (tmp_path / "models").exists()


def test_training_uses_the_features_of_the_daemon() -> None:
    import train.corpora.recordings

    module: ModuleType = train.corpora.recordings
    assert module.MfccStream.__module__ == "streamgenre.audio.features"


def test_an_interrupt_swallowed_by_a_callback_ends_the_work_at_the_next_step() -> None:
    before = signal.getsignal(signal.SIGINT)  # a background job may ignore it
    with Progress(quiet=True) as progress:
        progress.stage("training", 2)
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            progress.step()
    assert signal.getsignal(signal.SIGINT) is before
