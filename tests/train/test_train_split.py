from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from support.train_tones import uncompiled
from support.train_tunes import RATE, encode, tune

from train.cli import main
from train.corpora import splitfile
from train.corpora.inventory import Index
from train.errors import TrainError

if TYPE_CHECKING:
    from pathlib import Path

GENRES = ("folk", "polka")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two genres of six clips by three artists; one of them twice, by another name and codec."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = []
    for g, genre in enumerate(GENRES):
        for n in range(6):
            name = f"{genre}.{n:05}"
            encode(folder / genre / f"{name}.flac", tune(10 * g + n, 3), tags={"artist": f"t{n}"})
            part = ("train", "valid", "test")[n // 2]
            rows.append([name, genre, f"{genre} artist {n // 2}", part])
    encode(folder / "folk" / "folk.00006.mp3", tune(0, 3)[RATE // 3 :], bit_rate=48_000)
    rows.append(["folk.00006", "folk", "somebody else", "left"])
    (folder / "folk" / "folk.00007.flac").write_bytes(b"no audio")
    rows.append(["folk.00007", "folk", "folk artist 0", "train"])
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["clip", "genre", "artist", "part"], *rows])
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def split(corpus: Path, cache: Path, out: Path, *more: str) -> dict[str, Any]:
    command = ["split", str(corpus), "--out", str(out), "--cache", str(cache), "--quiet"]
    assert main([*command, *more]) == 0
    return dict(json.loads(out.read_text("utf-8")))


def sides_by(held: dict[str, Any], field: str) -> dict[str, set[str]]:
    sides: dict[str, set[str]] = defaultdict(set)
    for clip in held["clips"]:
        sides[clip[field]].add(clip["side"])
    return sides


def test_inspect_shows_the_corpus(
    corpus: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(corpus), "--cache", str(cache), "--json", "--quiet"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["clips"] == 13
    assert summary["artists"] == 7
    assert summary["genres"]["folk"]["clips"] == 7
    assert summary["genres"]["folk"]["most_of_one_artist"] == 2
    assert summary["genres"]["polka"]["shortest"] == pytest.approx(3, abs=0.1)
    assert len(summary["unreadable"]) == 1
    assert "folk.00007" in summary["unreadable"][0]
    assert [(c["first"], c["second"]) for c in summary["copies"]] == [("folk.00000", "folk.00006")]
    assert main(["inspect", str(corpus), "--cache", str(cache), "--quiet"]) == 0
    page = capsys.readouterr().out
    assert "the same recording: 1" in page
    assert "cannot be read: 1" in page


def test_inspect_does_not_warn_about_folds_it_does_not_make(
    corpus: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["inspect", str(corpus), "--cache", str(cache), "--json", "--quiet"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == []
    assert main([*command, "--tags"]) == 0  # the copy has none
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert warning.startswith("1 of 13 clips have no artist")
    assert "fold" not in warning


def test_no_artist_and_no_copy_is_on_two_sides(corpus: Path, cache: Path, tmp_path: Path) -> None:
    held = split(corpus, cache, tmp_path / "s.json")
    assert all(len(sides) == 1 for sides in sides_by(held, "artist").values())
    side = {clip["clip"]: clip["side"] for clip in held["clips"]}
    assert side["folk.00000"] == side["folk.00006"]
    assert set(side.values()) == {"1", "2", "3"}
    assert len(side) == 13
    again = split(corpus, cache, tmp_path / "again.json")
    assert again == held


def test_more_folds_than_a_genre_can_fill_are_rejected(
    corpus: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["split", str(corpus), "--cache", str(cache), "--out", str(tmp_path / "s.json")]
    assert main([*command, "--folds", "4"]) == 1
    error = capsys.readouterr().err
    # The copy joins its two artists.
    assert "folk has 7 clips of 3 artists, polka has 6 clips of 3 artists; --folds 3 is" in error
    assert not (tmp_path / "s.json").exists()
    table = (corpus / "clips.csv").read_text()
    alone = tmp_path / "alone.csv"
    alone.write_text(re.sub("polka artist .", "all", table))
    assert main([*command, "--table", str(alone)]) == 1
    assert "polka has 6 clips of 1 artist; not even 2 folds are" in capsys.readouterr().err


def test_artists_are_read_from_tags(corpus: Path, cache: Path, tmp_path: Path) -> None:
    held = split(corpus, cache, tmp_path / "s.json", "--tags", "--folds", "2")
    assert {clip["artist"] for clip in held["clips"]} == {"", *(f"t{n}" for n in range(6))}
    # Now both genres' n-th clips are by one artist.
    assert all(len(sides_by(held, "artist")[f"t{n}"]) == 1 for n in range(6))
    assert held["artists_from"] == "the files' tags"


def test_parts_are_read_from_a_column(corpus: Path, cache: Path, tmp_path: Path) -> None:
    held = split(corpus, cache, tmp_path / "s.json", "--column", "part")
    assert held["sides"] == {"test": 4, "train": 4, "validation": 4}
    assert {"clip": "folk.00006", "why": "part: left"} in held["left_out"]


def test_lists_that_share_a_recording_are_rejected_or_repaired(
    corpus: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = {
        "train": ["folk/folk.00000.wav", "polka/polka.00000.wav", "polka/polka.00002.wav"],
        "test": ["folk/folk.00006.wav", "polka/polka.00003.wav", "polka/polka.00004.wav"],
    }
    for name, lines in lists.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")
    files = [f"{name}={tmp_path / name}.txt" for name in lists]
    command = ["split", str(corpus), "--cache", str(cache), "--out", str(tmp_path / "s.json")]
    assert main([*command, "--lists", *files]) == 1
    error = capsys.readouterr().err
    assert "2 pairs of clips must not be on two sides" in error
    assert "folk.00000 (train) and folk.00006 (test), the same recording" in error
    assert not (tmp_path / "s.json").exists()
    held = split(corpus, cache, tmp_path / "s.json", "--lists", *files, "--leave-out")
    side = {clip["clip"]: clip["side"] for clip in held["clips"]}
    assert side == {
        "polka.00000": "train",
        **dict.fromkeys(["folk.00006", "polka.00003", "polka.00004"], "test"),
    }
    # Without fingerprints a copy under another name is not detected; the artist still is.
    assert main([*command, "--lists", *files, "--no-fingerprints"]) == 1
    assert "1 pairs of clips must not be on two sides" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "clip"),
    [
        ("rock/01.wav", "rock/01.mp3"),
        ("Jazz\\01.au", "jazz/01.mp3"),
        ("01.wav", None),  # ambiguous: two candidates
        ("blues.00012", "blues.00012"),
        ("blues/blues.00012.wav", "blues.00012"),
        ("elsewhere/BLUES.00012.au", "blues.00012"),
        ("blues.00013", None),
    ],
)
def test_clips_are_found_by_their_names_in_lists(text: str, clip: str | None) -> None:
    clips = [("rock", "rock/01.mp3"), ("jazz", "jazz/01.mp3"), ("blues", "blues.00012")]
    assert Index(clips).find(text) == clip


def test_a_split_file_becomes_folds(corpus: Path, cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    held = split(corpus, cache, path)
    read = splitfile.read(path, corpus)
    assert {c.name: str(c.fold) for c in read.clips} == {
        c["clip"]: c["side"] for c in held["clips"]
    }
    assert read.measured == (1, 2, 3)
    split(corpus, cache, path, "--column", "part")
    read = splitfile.read(path, corpus)
    assert read.measured == (3,)
    assert {c.fold for c in read.clips if c.artist.endswith("2")} == {3}
    assert read.folds_by == "split"


def test_folds_without_artists_are_by_file(tmp_path: Path, cache: Path) -> None:
    for genre in GENRES:
        for n in range(3):
            encode(tmp_path / genre / f"{genre}{n}.flac", tune(n, 1))
    held = split(tmp_path, cache, tmp_path / "s.json", "--no-fingerprints")
    assert held["unknown_artists"] == 6
    read = splitfile.read(tmp_path / "s.json", tmp_path)
    assert read.folds_by == "file"
    assert any("6 of 6 clips have no artist" in warning for warning in read.warnings)


def test_changed_and_missing_files_are_rejected(tmp_path: Path, cache: Path) -> None:
    corpus = tmp_path / "corpus"
    for genre in GENRES:
        for n in range(2):
            encode(corpus / genre / f"{genre}{n}.flac", tune(n, 1))
    path = tmp_path / "s.json"
    split(corpus, cache, path, "--folds", "2", "--no-fingerprints")
    changed = corpus / "folk" / "folk0.flac"
    was = changed.read_bytes()
    encode(changed, tune(9, 1))
    with pytest.raises(TrainError, match=r"1 of its 4 files have changed since the split"):
        splitfile.read(path, corpus)
    changed.write_bytes(was)
    splitfile.read(path, corpus)
    changed.unlink()
    with pytest.raises(TrainError, match=r"1 of its 4 clips are not in"):
        splitfile.read(path, corpus)
    path.write_text("{}")
    with pytest.raises(TrainError, match="is not a split file"):
        splitfile.read(path, corpus)


def test_fit_measures_only_on_the_test_part(
    corpus: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.json"
    split(corpus, cache, path, "--column", "part")
    out = tmp_path / "model"
    command = ["--corpus", str(corpus), "--split", str(path), "--cache", str(cache), "--quiet"]
    small = ["--epochs", "1", "--steps", "1", "--batch", "4", "--units", "4"]
    small += ["--fold-models", str(tmp_path / "folds")]
    with uncompiled():
        assert main(["fit", "--recipe", "lite-cnn", "--out", str(out), *command, *small]) == 0
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert manifest["evaluation"]["clips"] == 4
    assert len(manifest["evaluation"]["window"]["by_fold"]) == 1
    assert manifest["training"]["corpus"]["clips"] == 12
    assert "--split SPLIT" in manifest["training"]["command"]
    assert any("train 4" in warning for warning in manifest["training"]["corpus"]["warnings"])
    capsys.readouterr()
    assert main(["evaluate", str(out), *command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["corpus"]["clips"] == 4
    # The one fold that is measured leaves nothing to calibrate its model on.
    assert main(["evaluate", str(tmp_path / "folds"), *command, "--json"]) == 0
    of_fold = json.loads(capsys.readouterr().out)
    assert of_fold["calibration"]["temperature"] == 1
    assert of_fold["window"] == manifest["evaluation"]["window"]
