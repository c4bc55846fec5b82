"""``teach --keep``: the base model's genres stay, by rows that come with the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.train_tones import GENRES, tone, write_wav

from streamgenre.cli import main
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import find_model
from streamgenre.paths import models_dir
from streamgenre.teach.rehearsal import FILE, MOST_BYTES, read_rehearsal
from train.cli import main as train

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True, scope="module")
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("CACHE", "DATA", "STATE"):
            patch.setenv(f"XDG_{kind}_HOME", str(tmp_path_factory.mktemp(kind)))
        yield


def music(top: Path, genres: dict[str, float]) -> Path:
    for g, (genre, hertz) in enumerate(genres.items()):
        for n in range(5):
            write_wav(top / genre / f"band {n} - {genre}.wav", tone(hertz, 3.2, 100 * g + n))
    return top


def test_genres_of_the_base_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = music(tmp_path / "old", GENRES)
    new = music(tmp_path / "new", {"bass": 80.0, "Low": 210.0})
    assert main(["teach", "old", "--from", str(old), "--base", "lite"]) == 0
    arguments = ["teach", "both", "--from", str(new), "--base", "old", "--keep", "--json"]
    assert main(arguments) == 1
    assert "no examples of its own genres" in capsys.readouterr().err

    folder = models_dir() / "old"
    assert train(["rehearsal", str(folder), "--corpus", str(old), "--quiet"]) == 0
    rehearsal = read_rehearsal(parse_manifest(folder))
    assert len(rehearsal.rows) == 15
    assert (folder / FILE).stat().st_size < MOST_BYTES
    capsys.readouterr()
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    # The user's Low joins the model's own.
    assert found["confusion"]["labels"] == [*sorted(GENRES), "bass"]
    assert found["genres"]["low"]["recordings"] == 10
    assert found["kept"] == sorted(GENRES)
    assert found["accuracy"]["value"] > 0.8
    assert parse_manifest(find_model("both")).labels == (*sorted(GENRES), "bass")

    (folder / FILE).write_bytes(b"\0" * (folder / FILE).stat().st_size)
    assert main([*arguments, "--replace"]) == 1
    assert "damaged or was exchanged" in capsys.readouterr().err
