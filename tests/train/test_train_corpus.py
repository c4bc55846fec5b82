from __future__ import annotations

import csv
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.train_tones import tone, write_corpus, write_wav

from streamgenre.teach.folds import make_folds
from train.corpora.corpus import read_corpus
from train.errors import TrainError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def rewrite(folder: Path, change: Callable[[dict[str, str]], dict[str, Any]]) -> None:
    with (folder / "clips.csv").open() as file:
        rows = [change(dict(row)) for row in csv.DictReader(file)]
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y", "z", "u", "v", "w"])),
        max_size=60,
    ),
    st.integers(2, 5),
)
def test_no_artist_is_on_two_sides(clips: list[tuple[str, str]], n_folds: int) -> None:
    folds = make_folds([g for g, _ in clips], [a for _, a in clips], n_folds=n_folds)
    where = defaultdict(set)
    for (_, artist), fold in zip(clips, folds, strict=True):
        assert 1 <= fold <= n_folds
        where[artist].add(fold)
    assert all(len(of_artist) == 1 for of_artist in where.values())


def test_single_clips_are_distributed_evenly() -> None:
    genres = ["a"] * 9 + ["b"] * 6
    folds = make_folds(genres, [str(i) for i in range(15)])
    for genre, share in (("a", 3), ("b", 2)):
        counts = Counter(f for f, g in zip(folds, genres, strict=True) if g == genre)
        assert set(counts.values()) == {share}


def test_the_table_gives_artists_and_folds_follow_them(corpus_folder: Path) -> None:
    corpus = read_corpus(corpus_folder)
    assert corpus.labels == ("high", "low", "mid")
    assert corpus.folds_by == "artist"
    assert corpus.warnings == ()
    assert len(corpus.clips) == 18
    folds = defaultdict(set)
    for clip in corpus.clips:
        folds[clip.artist].add(clip.fold)
    assert all(len(f) == 1 for f in folds.values())
    assert corpus.folds == (1, 2, 3)


def test_given_folds_are_kept_and_their_leaks_are_reported(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    rewrite(tmp_path, lambda row: row | {"fold": 1 + int(row["clip"][-1]) % 2})
    corpus = read_corpus(tmp_path)
    assert corpus.folds_by == "clips.csv"
    assert {clip.name: clip.fold for clip in corpus.clips}["low.00003"] == 2
    assert any("9 artists are in more than one fold" in w for w in corpus.warnings)


def test_unknown_artists_are_reported(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    rewrite(tmp_path, lambda row: row | {"artist": "" if "low" in row["clip"] else row["artist"]})
    assert any("6 clips have no artist" in w for w in read_corpus(tmp_path).warnings)


def test_folders_without_a_table_warn_that_artists_may_leak(corpus_folder: Path) -> None:
    corpus = read_corpus(corpus_folder / "music")
    assert corpus.folds_by == "file"
    assert len(corpus.clips) == 18
    assert any("same artist" in warning for warning in corpus.warnings)


def test_variants_are_found_but_are_not_clips(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    write_wav(tmp_path / "air" / "low" / "low.00001-snippet-1.wav", tone(200, 3, 1))
    clips = {clip.name: clip for clip in read_corpus(tmp_path).clips}
    assert len(clips) == 18
    assert [path.name for path in clips["low.00001"].variants] == ["low.00001-snippet-1.wav"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "no audio files"),
        (lambda folder: write_wav(folder / "jazz" / "a.wav", tone(200, 1, 0)), "at least two"),
        (lambda folder: (folder / "clips.csv").write_text("name\nx\n"), "columns clip and genre"),
        (lambda folder: (folder / "clips.csv").write_bytes(b"clip,genre\n\xff\xfe,x\n"), "UTF-8"),
        (lambda folder: (folder / "clips.csv").write_text("clip,genre\na,b\n"), "none of its 1"),
    ],
)
def test_unusable_corpora_are_rejected(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path)
    with pytest.raises(TrainError, match=message):
        read_corpus(tmp_path)


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="no corpus at"):
        read_corpus(tmp_path / "nowhere")


def test_a_fold_that_is_not_a_number_is_rejected(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    rewrite(tmp_path, lambda row: row | {"fold": "first"})
    with pytest.raises(TrainError, match="whole number in the column fold"):
        read_corpus(tmp_path)


def test_a_clip_listed_twice_is_rejected(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    with (tmp_path / "clips.csv").open("a") as file:
        file.write("low.00001,low,somebody\n")
    with pytest.raises(TrainError, match=r"low\.00001 is listed 2 times"):
        read_corpus(tmp_path)
