from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from train import model_folder
from train.cards import model_card, models_table
from train.cli import main

if TYPE_CHECKING:
    import pytest

MODELS = Path(__file__).parents[2] / "models"


def test_the_report_and_the_cards_match_the_manifests() -> None:
    manifests = model_folder.read_all_measured(MODELS)
    assert (MODELS / "README.md").read_text("utf-8") == models_table.table_of(manifests)
    for path in sorted(MODELS.glob("*/manifest.json")):
        manifest = json.loads(path.read_text("utf-8"))
        assert (path.parent / "README.md").read_text("utf-8") == model_card.card(manifest)


def test_a_manifest_that_is_written_again_is_the_same(tmp_path: Path) -> None:
    """Its long lists stay on one line each."""
    for name in ("cnn", "lstm"):
        model_folder.write_manifest(tmp_path, model_folder.read_manifest(MODELS / name))
        written = (tmp_path / "manifest.json").read_bytes()
        assert written == (MODELS / name / "manifest.json").read_bytes()


def test_missing_measurements_are_left_blank(tmp_path: Path) -> None:
    for name in ("lite", "lstm"):
        shutil.copytree(MODELS / name, tmp_path / name)
    path = tmp_path / "lite" / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    del manifest["evaluation"]["window"]
    path.write_text(json.dumps(manifest), "utf-8")
    assert main(["report", str(tmp_path)]) == 0
    lines = (tmp_path / "README.md").read_text("utf-8").splitlines()
    windows = next(line for line in lines if line.startswith("| 3 s windows |"))
    assert [cell.strip() == "–" for cell in windows.split("|")[2:4]] == [True, False]
    clips = next(line for line in lines if line.startswith("| whole clips |"))
    assert f"{manifest['evaluation']['clip']['accuracy']:.3f}" in clips


def test_a_folder_without_models_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 1
    assert "no model folders in it" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
