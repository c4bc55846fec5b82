from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.model_factory import SPEC, write_stateful_model, write_windowed_model

from streamgenre.audio.features import MfccSpec
from streamgenre.inference.models import WindowedModel, load_model
from train.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from streamgenre.inference.model import Model

HOPS = (25, 1, 25, 60, 7, 25)


def member(folder: Path, kind: str, **more: Any) -> Path:
    if kind == "stateful":
        return write_stateful_model(folder, **more)
    return write_windowed_model(folder, window_frames=int(kind), **more)


def averaged(tmp_path: Path, kinds: list[str], **more: Any) -> tuple[Model, list[Model]]:
    folders = [
        member(tmp_path / f"m{n}", kind, seed=n, temperature=0.5 + n, **more)
        for n, kind in enumerate(kinds)
    ]
    out = tmp_path / "ensemble"
    assert main(["ensemble", *map(str, folders), "--out", str(out), "--quiet"]) == 0
    return load_model(str(out)), [load_model(str(folder)) for folder in folders]


def some_frames(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    return rng.normal(0, 10, (n, SPEC.numcep)).astype(np.float32)


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [
        (["stateful", "stateful"], "stateful"),
        (["50", "50", "50"], "windowed"),
        (["50", "30"], "stateful"),
        (["stateful", "50"], "stateful"),
    ],
)
@pytest.mark.parametrize("speech", [False, True])
def test_an_ensemble_is_the_mean_of_its_members(
    tmp_path: Path, rng: np.random.Generator, kinds: list[str], kind: str, speech: bool
) -> None:
    together, alone = averaged(tmp_path, kinds, answers=["speech"] if speech else [])
    assert together.manifest.kind == kind
    # The second station is younger, so that their windows are filled differently.
    for number, n in enumerate(HOPS):
        stations = ["old"] if number < 2 else ["old", "young"]
        frames = [some_frames(rng, n) for _ in stations]
        said = together.update(stations, frames)
        each = [(model, model.update(stations, frames)) for model in alone]
        mean = np.mean([model.probabilities(output) for model, output in each], axis=0)
        np.testing.assert_allclose(together.probabilities(said), mean, atol=1e-6)
        assert np.ptp([model.probabilities(output) for model, output in each], axis=0).max() > 0.01
        if speech:
            speeches = [np.asarray(model.speech(output)) for model, output in each]
            np.testing.assert_allclose(
                np.asarray(together.speech(said)), np.mean(speeches, axis=0), atol=1e-6
            )
        else:
            assert together.speech(said) is None


@pytest.mark.parametrize("kinds", [["stateful", "50"], ["50", "30"]])
def test_a_reset_clears_the_past_of_every_member(
    tmp_path: Path, rng: np.random.Generator, kinds: list[str]
) -> None:
    together, _ = averaged(tmp_path, kinds)
    past, new = some_frames(rng, 40), some_frames(rng, 5)
    fresh = together.update(["a"], [new]).logits
    together.update(["b"], [past])
    after_past = together.update(["b"], [new]).logits
    assert np.abs(after_past - fresh).max() > 1e-3
    together.reset("b")
    np.testing.assert_allclose(together.update(["b"], [new]).logits, fresh, atol=1e-6)


def test_an_ensemble_can_be_a_member(tmp_path: Path) -> None:
    together, _ = averaged(tmp_path, ["stateful", "50"])
    more = member(tmp_path / "more", "30", seed=9)
    out = tmp_path / "nested"
    folders = [str(together.manifest.folder), str(more)]
    assert main(["ensemble", *folders, "--out", str(out), "--quiet"]) == 0
    assert not isinstance(load_model(str(out)), WindowedModel)
    assert len(json.loads((out / "manifest.json").read_text())["training"]["members"]) == 2


def test_only_members_with_a_speech_output_give_speech(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    one = member(tmp_path / "one", "stateful", answers=["speech"])
    other = member(tmp_path / "other", "50")
    out = tmp_path / "out"
    assert main(["ensemble", str(one), str(other), "--out", str(out)]) == 0
    assert "only one can detect speech" in capsys.readouterr().err
    together, alone = load_model(str(out)), load_model(str(one))
    for n in HOPS:
        frames = [some_frames(rng, n)]
        speeches = together.speech(together.update(["a"], frames))
        expected = alone.speech(alone.update(["a"], frames))
        assert speeches is not None
        assert expected is not None
        np.testing.assert_allclose(speeches, expected, atol=1e-6)


def test_folders_of_fold_models_are_averaged_fold_by_fold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, (name, folds) in enumerate((("a", (1, 2)), ("b", (1, 2)), ("c", (1, 3)))):
        for fold in folds:
            member(tmp_path / name / f"fold-{fold}", "50", seed=10 * seed + fold)
    out = tmp_path / "out"
    folders = [str(tmp_path / name) for name in "ab"]
    assert main(["ensemble", *folders, "--out", str(out), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    for fold in (1, 2):
        members = load_model(str(out / f"fold-{fold}")).manifest.raw["training"]["members"]
        assert [m["sha256"] for m in members] == [
            load_model(str(tmp_path / name / f"fold-{fold}")).manifest.sha256 for name in "ab"
        ]
        training = load_model(str(out / f"fold-{fold}")).manifest.raw["training"]
        assert training["without_fold"] == fold
        assert training["command"] == "python -m train ensemble FOLDS FOLDS --out FOLDS"


@pytest.mark.parametrize(
    ("other", "out", "more", "message"),
    [
        ("c", "no", (), "every member must have models of the same folds: "),
        ("a/fold-1", "no", (), "is one model, and others are folders of fold models"),
        ("typo", "no", (), "typo"),
        ("b", "a/fold-1", (), "is a model folder; fold models need a folder of their own"),
        ("b", "c", ("--replace",), "has models of further folds: 3"),
        ("b", "b", (), "exists; give another --out"),
    ],
)
def test_mismatched_folders_of_fold_models_are_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: str, out: str,
    more: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    for name, folds in (("a", (1, 2)), ("b", (1, 2)), ("c", (1, 3))):
        for fold in folds:
            member(tmp_path / name / f"fold-{fold}", "50", seed=fold)
    (tmp_path / "a" / "fold-old").mkdir()
    (tmp_path / "a" / "fold-old" / "manifest.json").touch()  # not a fold's number: left alone
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    command = ["ensemble", str(tmp_path / "a"), str(tmp_path / other), "--out", str(tmp_path / out)]
    assert main([*command, *more]) == 1
    assert message in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"labels": ("blues", "jazz", "polka")}, "only one of them knows polka, rock"),
        ({"labels": ("jazz", "blues", "rock")}, "same labels in the same order"),
        ({"spec": MfccSpec(numcep=12)}, "take different frames .*numcep 40 and 12"),
    ],
)
def test_mismatched_members_are_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: dict[str, Any], message: str
) -> None:
    one = member(tmp_path / "one", "stateful")
    other = member(tmp_path / "other", "stateful", **more)
    out = tmp_path / "out"
    assert main(["ensemble", str(one), str(other), "--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: one and other")
    assert re.search(message, error)
    assert not out.exists()


def test_one_model_is_not_an_ensemble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ensemble", "lite", "--out", str(tmp_path / "out")]) == 1
    assert "at least two models" in capsys.readouterr().err
