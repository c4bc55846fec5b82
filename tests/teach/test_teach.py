"""``streamgenre teach``: the real command on synthesised tones, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.commands import streamgenre
from support.train_tones import GENRES, tone, write_wav
from support.train_tunes import encode

from streamgenre import classify
from streamgenre.cli import main
from streamgenre.inference.manifest import parse_manifest
from streamgenre.inference.model_names import find_model
from streamgenre.inference.settings import DecisionSettings
from streamgenre.paths import cache_dir, models_dir, state_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

TEACH = ("teach", "mine", "--base", "lite")


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three genres of six recordings by six artists each, in tags, names and folders."""
    top = tmp_path_factory.mktemp("music")
    for g, (genre, hertz) in enumerate(GENRES.items()):
        for n in range(6):
            samples = tone(hertz, 3.2, seed=10 * g + n)
            if n == 0:
                path = top / genre / "by tag.flac"
                encode(
                    path,
                    samples.astype(np.float32),
                    tags={"artist": f"{genre} tagged", "title": "t"},
                )
            elif n == 1:
                write_wav(top / genre / f"{genre} singer {n}" / "song.wav", samples)
            else:
                write_wav(top / genre / f"{genre} band {n} - song.wav", samples)
    return top


@pytest.fixture(scope="module")
def taught(music: Path) -> dict[str, Any]:
    """What the command prints as JSON."""
    done = streamgenre(*TEACH, "--from", music, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Return what a command says that must fail with words."""
    capsys.readouterr()
    assert main([str(each) for each in arguments]) in (1, 2)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "internal error" not in said
    return said


def copied(music: Path, tmp_path: Path) -> Path:
    return shutil.copytree(music, tmp_path / "music")


def test_a_taught_model_is_used_at_once(taught: dict[str, Any], music: Path) -> None:
    assert taught["accuracy"]["value"] > 0.9
    assert taught["accuracy"]["chance"] == pytest.approx(1 / 3, abs=1e-3)
    assert list(taught["genres"]) == sorted(GENRES)
    assert {each["artists"] for each in taught["genres"].values()} == {6}
    assert taught["few_recordings"] == dict.fromkeys(sorted(GENRES), 6)
    done = streamgenre("classify", music / "low", "--model", "mine", "--json")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 6
    # The base may call tones noise, which has no genre.
    decision = DecisionSettings(music_enter=0, music_keep=0)
    results = list(classify(music / "low", model="mine", decision=decision))
    assert sum(each.genre == "low" for each in results) >= 5
    assert set(results[0].probabilities) == set(GENRES)
    assert "speech" in parse_manifest(find_model("mine")).outputs


def test_nothing_in_the_model_folder_names_the_users_files(
    taught: dict[str, Any], music: Path
) -> None:
    folder = Path(taught["folder"])
    text = (folder / "manifest.json").read_text("utf-8")
    assert str(music) not in text
    assert "--from DIR" in text
    lesson = state_dir() / "teach" / "mine.json"
    assert str(music) in lesson.read_text("ascii")
    assert lesson.stat().st_mode & 0o777 == 0o600


def test_the_second_run_hears_nothing(
    taught: dict[str, Any],
    music: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also after a run that was interrupted: what had been heard is in the cache."""
    from streamgenre.teach import ear, teaching

    def hear(*_: Any, **__: Any) -> None:
        raise AssertionError("heard again")

    monkeypatch.setattr(ear.Ear, "hear", hear)
    assert main(["teach", "--try", str(music), "--base", "lite", "--json"]) == 0
    capsys.readouterr()
    monkeypatch.setattr(teaching, "MOST_RECORDINGS", 5)
    assert main([*TEACH, "--from", str(music), "--json", "--replace"]) == 0
    assert "low: 5 of 6 recordings drawn" in capsys.readouterr().out


def test_an_interrupted_run_goes_on(
    music: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from streamgenre.teach import ear, hearing

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    real = ear.Ear.hear
    heard: list[Path | None] = []

    def hear(self: ear.Ear, path: Path, **more: Any) -> hearing.Heard:
        if len(heard) == 7:
            heard.append(None)
            raise KeyboardInterrupt
        heard.append(path)
        return real(self, path, **more)

    monkeypatch.setattr(ear.Ear, "hear", hear)
    command = ["teach", "late", "--from", str(music), "--base", "lite"]
    assert main(command) == 130
    assert "run it again to go on" in capsys.readouterr().err
    assert not (models_dir() / "late").exists()
    assert main(command) == 0
    assert len(heard) == 18 + 1, "what had been heard is heard again"


CRASHES = """
import os, signal, sys
if "streamgenre.teach.ear" in sys.orig_argv:
    import av
    real = av.open
    def opened(file, *args, **more):
        if os.path.basename(str(getattr(file, "name", file))).startswith("crash"):
            os.kill(os.getpid(), signal.SIGSEGV)
        return real(file, *args, **more)
    av.open = opened
"""


def test_a_file_that_crashes_its_decoder_is_named_and_skipped(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "sitecustomize.py").write_text(CRASHES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    top = copied(music, tmp_path)
    songs = [song for song in sorted((top / "low").iterdir()) if song.suffix == ".wav"]
    bad = [song.with_name(f"crash{song.name}") for song in songs]
    songs[0].rename(bad[0])
    assert main(["teach", "--try", str(top), "--base", "lite", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["unreadable"] == [f"{bad[0]}: its decoder ended by signal 11 (SIGSEGV)"]
    assert found["genres"]["low"]["recordings"] == 5
    for song, crashing in zip(songs[1:], bad[1:], strict=True):
        song.rename(crashing)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    said = refused(capsys, "teach", "--try", top, "--base", "lite")
    assert f"low ({6 - len(bad)})" in said
    assert f"{len(bad)} files cannot be used" in said


def test_a_genre_of_unreadable_files_is_named(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = copied(music, tmp_path)
    (top / "noises").mkdir()
    for n in range(6):
        (top / "noises" / f"{n}.mp3").write_bytes(bytes([n]) * 500)
    said = refused(capsys, "teach", "other", "--from", top, "--base", "lite")
    assert "noises (0)" in said
    assert "6 files cannot be used" in said


def test_again_after_the_base_was_replaced(
    taught: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = state_dir() / "teach" / "mine.json"
    lesson = json.loads(path.read_text())
    gone = lesson["recordings"][0] | {"path": "/nonexistent/song.wav", "sha256": "0" * 64}
    path.write_text(json.dumps(lesson | {"recordings": [*lesson["recordings"], gone]}))
    capsys.readouterr()
    assert main(["teach", "mine", "--again"]) == 0
    said = capsys.readouterr().out
    assert "no longer there: /nonexistent/song.wav" in said
    assert "streamgenre listen --model mine" in said


def test_a_trial_writes_no_model(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(models_dir().iterdir()) if models_dir().is_dir() else []
    capsys.readouterr()
    assert main(["teach", "--try", str(music), "--base", "lite"]) == 0
    said = capsys.readouterr().out
    assert "nothing was written" in said
    assert (sorted(models_dir().iterdir()) if models_dir().is_dir() else []) == before


def test_genres_get_other_names_and_files_that_cannot_be_read_are_listed(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = copied(music, tmp_path)
    (top / "low" / "broken.mp3").write_bytes(b"no audio" * 100)
    write_wav(top / "low" / "silent - song.wav", np.zeros(48_000))
    write_wav(top / "low" / "short - song.wav", tone(200, 0.5, 1))
    (top / "empty 🎷").mkdir()
    (top / "loose.txt").write_text("?")
    shutil.copy(top / "low" / "by tag.flac", top / "low" / "by tag again.flac")
    capsys.readouterr()
    arguments = ["teach", "named", "--from", str(top), "--base", "lite", "--as", "low=Døb & Bass"]
    picture = tmp_path / "picture.svg"
    assert main([*arguments, "--as", "mid=🎷 jazz", "--picture", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "Døb & Bass" in said
    assert "3 files cannot be used" in said
    for words in ("broken.mp3", "silent - song.wav: silent", "short - song.wav: 0.5 s of audio"):
        assert words in said
    assert "no audio files in this folder" in said
    assert "1 copy of a file counted once" in said
    drawn = picture.read_text("utf-8")
    assert drawn.startswith("<svg")
    assert "Døb &amp; Bass heard as" in drawn
    labels = json.loads((models_dir() / "named" / "manifest.json").read_text("utf-8"))["labels"]
    assert "🎷 jazz" in labels


def test_the_same_file_in_two_genres_is_refused(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = copied(music, tmp_path)
    shutil.copy(top / "low" / "by tag.flac", top / "mid" / "other name.flac")
    said = refused(capsys, "teach", "other", "--from", top, "--base", "lite")
    assert "the same file in two genres" in said
    assert "other name.flac (mid)" in said
    assert not (models_dir() / "other").exists()


def test_one_artist_is_a_warning(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = tmp_path / "music"
    for genre in ("low", "mid"):
        for n, path in enumerate(sorted((music / genre).rglob("*.wav"))):
            artist = "Anna" if genre == "low" else f"band {n}"
            (top / genre).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, top / genre / f"{artist} - song {n}.wav")
    assert main(["teach", "--try", str(top), "--base", "lite"]) == 0
    assert "low: all recordings are by Anna" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        ((), "no audio files in sub-folders"),
        (("low",), "audio files of one genre only (low)"),
        (("low", "Low"), "expected two different names"),
        (("low", "speech"), "Rename the folder, or name its genre with --as"),
        (("low", "x" * 200), "expected 1 to 64 characters"),
    ],
)
def test_folders_that_teach_nothing(
    folders: tuple[str, ...],
    words: str,
    music: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for n, name in enumerate(folders):
        for k, path in enumerate(sorted((music / list(GENRES)[n]).rglob("*.wav"))):
            (tmp_path / name).mkdir(exist_ok=True)
            shutil.copy(path, tmp_path / name / f"{k}.wav")
    assert words in refused(capsys, "teach", "other", "--from", tmp_path, "--base", "lite")


def test_too_few_recordings(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = copied(music, tmp_path)
    for path in list((top / "low").glob("*.wav"))[:2]:
        path.unlink()
    said = refused(capsys, "teach", "other", "--from", top, "--base", "lite")
    assert "low (4)" in said
    assert "at least 5" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("teach",), "expected --from DIR"),
        (("teach", "--from", "MUSIC"), "expected a NAME"),
        (("teach", "lstm", "--from", "MUSIC"), "comes with streamgenre"),
        (("teach", "a/b", "--from", "MUSIC"), "expected letters"),
        (("teach", "n" * 300, "--from", "MUSIC"), "expected 1 to 64 characters"),
        (("teach", "mine", "--from", "MUSIC"), "--replace"),
        (("teach", "mine", "--from", "/nonexistent"), "--replace"),
        (("teach", "other", "--from", "/nonexistent"), "no such folder"),
        (("teach", "other", "--from", ""), "an empty path"),
        (("teach", "other", "--from", "MUSIC", "--base", "nothing"), "no model"),
        (("teach", "other", "--from", "MUSIC", "--as", "x"), "expected FOLDER=GENRE"),
        (("teach", "other", "--from", "MUSIC", "--as", "x=y"), "there is no such folder"),
        (("teach", "other", "--from", "MUSIC", "--as", "low=a/b"), "no slash"),
        (("teach", "other", "--from", "MUSIC", "--picture", "a.png"), "ends in .svg"),
        (("teach", "other", "--try", "MUSIC"), "--try writes no model"),
        (("teach", "other", "--again"), "not known here"),
        (("teach", "mine", "--again", "--keep"), "give no further flags"),
    ],
)
def test_wrong_usage_is_explained(
    arguments: tuple[str, ...],
    words: str,
    taught: dict[str, Any],
    music: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(music) if each == "MUSIC" else each for each in arguments]
    assert words in refused(capsys, *given)


def test_a_base_without_an_embedding_is_refused(
    stateful_folder: Path, music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "teach", "other", "--from", music, "--base", stateful_folder)
    assert "no embedding" in said


def test_damaged_entries_of_the_cache_are_heard_again(
    taught: dict[str, Any], music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n, entry in enumerate(sorted((cache_dir() / "teach").iterdir())):
        if n % 3 == 0:
            np.save(entry.with_suffix(".npy"), np.zeros(3))
            entry.with_suffix(".npy").replace(entry)  # an array, not an archive of arrays
        else:
            whole = entry.read_bytes()
            entry.write_bytes(
                whole[:100] if n % 3 == 1 else whole.replace(b"PK\1\2", b"PK\1\2\xff")
            )
    assert main(["teach", "--try", str(music), "--base", "lite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unreadable"] == []


def test_a_pipe_or_device_among_the_files_is_left_out(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = copied(music, tmp_path)
    os.mkfifo(top / "low" / "pipe.wav")
    (top / "low" / "zero.wav").symlink_to("/dev/zero")
    (top / "low" / "up").symlink_to("..")  # to the files of the other genres
    assert main(["teach", "--try", str(top), "--base", "lite", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recordings"] == 18
    left_out = [note for note in found["notes"] if "is not a regular file" in note]
    assert len(left_out) == 2


@pytest.mark.parametrize(
    ("recordings", "words"),
    [
        ([], "at least two"),
        ([{"path": "/x", "genre": 5, "artist": None, "sha256": ""}], "damaged"),
        ([{"path": "/x", "genre": "a/b", "artist": "", "sha256": ""}], "damaged"),
    ],
)
def test_a_damaged_list_of_files_is_explained(
    recordings: list[dict[str, Any]],
    words: str,
    taught: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = state_dir() / "teach" / "mine.json"
    whole = path.read_text()
    try:
        path.write_text(json.dumps(json.loads(whole) | {"recordings": recordings}))
        assert words in refused(capsys, "teach", "mine", "--again")
    finally:
        path.write_text(whole)


def test_again_hears_a_file_that_has_changed(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    top = copied(music, tmp_path)
    command = ["teach", "changed", "--from", str(top), "--base", "lite"]
    assert main(command) == 0
    changed = top / "low" / "by tag.flac"
    changed.write_bytes(b"no audio any more")
    capsys.readouterr()
    assert main(["teach", "changed", "--again", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [str(changed) in message for message in found["unreadable"]] == [True]


def test_what_is_heard_of_a_recording() -> None:
    from streamgenre.teach.hearing import stretches_of

    def seconds(length: float, **more: bool) -> list[tuple[float, float]]:
        return [(a / 100, n / 100) for a, n in stretches_of(round(100 * length), 100, **more)]

    assert seconds(2.5) == [(0, 2.5)]
    assert seconds(9) == [(1.5, 6)]
    assert len(seconds(30)) == 4
    assert len(seconds(300)) == 8
    assert len(seconds(300, few=True)) == 2
    for length in (2.0, 6.1, 12, 30, 47.3, 300):
        found = seconds(length)
        assert all(a >= 0 and a + n <= length + 0.01 for a, n in found)
        assert all(a + n <= b + 0.01 for (a, n), (b, _) in pairwise(found))
