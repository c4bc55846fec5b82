"""``streamgenre label``: from a pipe, in a real terminal, and two at once."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.clips import GENRES, new_clip
from support.commands import start, streamgenre
from support.terminal import Terminal

from streamgenre.clips.adding import add
from streamgenre.clips.settings import ClipSettings
from streamgenre.clips.store import ClipStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.sound_server import SoundServer

UNCERTAIN = (0.9, 0.8, 0.7, 0.6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    with closing(ClipStore(folder, create=True)) as store:
        for each in UNCERTAIN:
            add(store, new_clip(each), ClipSettings(seconds=3.0))
    return folder


@pytest.fixture
def terminal(tmux: str) -> Iterator[Terminal]:
    del tmux
    terminal = Terminal(100, 30)
    yield terminal
    terminal.kill()


def label(folder: Path, answers: str) -> subprocess.CompletedProcess[str]:
    return streamgenre("label", "--folder", folder, stdin=answers.encode())


def labels(folder: Path) -> dict[float, str | None]:
    with closing(ClipStore(folder)) as store:
        return {clip.facts.uncertainty: clip.label for clip in store.clips()}


def test_answers_come_from_a_pipe(folder: Path) -> None:
    done = label(folder, "4\nn\ns\nROCK\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert labels(folder) == {0.9: "jazz", 0.8: "", 0.7: None, 0.6: "rock"}
    assert "Ella - Blue Moon" in done.stdout
    assert "4 jazz 28%" in done.stdout
    assert str(folder / "clip-900-00000000.flac") in done.stdout  # no output device here
    assert "3 labelled, 1 skipped; 1 clips without a label" in done.stdout


def test_the_end_of_the_input_quits_and_keeps_what_was_said(folder: Path) -> None:
    assert label(folder, "jazz\n").returncode == 0
    assert labels(folder)[0.9] == "jazz"
    assert labels(folder)[0.8] is None
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m streamgenre label --folder {folder} <&-"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_undo_takes_back_labels_skips_and_the_last_deletion(folder: Path) -> None:
    label(folder, "jazz\nu\nblues\ns\nu\nd\nu\nq\n")
    assert labels(folder) == {0.9: "blues", 0.8: None, 0.7: None, 0.6: None}
    assert "nothing to undo" in label(folder, "u\nq\n").stdout


def test_a_deleted_clip_is_gone_with_the_next_answer_or_the_end(folder: Path) -> None:
    label(folder, "d\nq\n")
    assert labels(folder).keys() == {0.8, 0.7, 0.6}
    assert not (folder / "clip-900-00000000.flac").exists()


def test_a_genre_that_the_model_lacks_needs_a_yes(folder: Path) -> None:
    done = label(folder, "jaz\nk-pop\nn\nk-pop\ny\nk-pop\nq\n")
    assert labels(folder) == {0.9: "jazz", 0.8: "k-pop", 0.7: "k-pop", 0.6: None}
    assert "'k-pop' is not a genre of this station's model" in done.stdout
    assert done.stdout.count("[y/N]") == 2  # known from then on


@pytest.mark.parametrize("name", ["a/b", "silence", "x" * 101, "\x1b[31m", "99", "-1"])
def test_a_name_that_is_none_is_refused(folder: Path, name: str) -> None:
    done = label(folder, f"{name}\ny\nq\n")
    assert done.returncode == 0
    assert labels(folder)[0.9] in (None, "-1")
    assert "\x1b" not in done.stdout.replace(name, "")


def test_a_beginning_that_fits_several_is_asked_about(folder: Path) -> None:
    assert "may be classical, country" in label(folder, "c\nq\n").stdout
    assert labels(folder)[0.9] is None


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_a_clip_that_cannot_be_played_can_be_deleted(folder: Path, damage: str) -> None:
    path = folder / "clip-900-00000000.flac"
    path.unlink() if damage == "missing" else path.write_bytes(b"nothing")
    done = label(folder, "d\nq\n")
    assert done.returncode == 0
    assert ("deleted meanwhile" if damage == "missing" else "damaged") in done.stdout
    assert 0.9 not in labels(folder)


def test_two_at_once_label_each_clip_once(folder: Path) -> None:
    flags = ("label", "--folder", folder)
    pipe = -1
    with start(*flags, stdin=pipe) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        while "Ella" not in first.stdout.readline():
            pass
        assert label(folder, "rock\nq\n").returncode == 0
        out, _ = first.communicate("jazz\njazz\nq\n", timeout=60)
    assert "it was labelled meanwhile, as rock" in out
    assert labels(folder) == {0.9: "rock", 0.8: "jazz", 0.7: None, 0.6: None}


def test_list_as_text_and_json(folder: Path, tmp_path: Path) -> None:
    label(folder, "jazz\nq\n")
    shown = streamgenre("label", "--folder", folder, "--list")
    assert len(shown.stdout.splitlines()) == 4
    rows = json.loads(streamgenre("label", "--folder", folder, "--list", "--json").stdout)
    assert rows[-1]["label"] == "jazz"
    assert rows[0]["top"][0] == {"genre": "jazz", "probability": pytest.approx(0.36)}
    assert {row["path"] for row in rows} == {str(path) for path in folder.glob("*.flac")}
    none = streamgenre("label", "--folder", tmp_path / "none", "--list", "--json")
    assert (none.returncode, none.stdout) == (0, "[]\n")
    assert streamgenre("label", "--folder", tmp_path / "none").returncode == 1


def test_forget_all_says_what_went(folder: Path) -> None:
    label(folder, "jazz\nq\n")
    done = streamgenre("label", "--folder", folder, "--forget-all", "--json")
    assert json.loads(done.stdout)["clips"] == 4
    assert json.loads(done.stdout)["labels"] == 1
    assert not list(folder.glob("*.flac"))
    again = streamgenre("label", "--folder", folder, "--forget-all")
    assert again.returncode == 0
    assert "nothing to delete" in again.stdout


def test_keys_and_completion_in_a_terminal(folder: Path, terminal: Terminal) -> None:
    terminal.type(f"{sys.executable} -m streamgenre label --folder {folder}; echo code=$?")
    screen = terminal.until(lambda s: "genre, or s n p d u ? q:" in s.splitlines()[-1])
    assert all(genre in screen for genre in GENRES)
    terminal.key("j")
    terminal.key("Tab")
    terminal.until(lambda s: s.splitlines()[-1].endswith(": jazz"))
    terminal.key("Enter")
    terminal.until(lambda s: "3 to label" in s and "? q:" in s.splitlines()[-1])
    terminal.key("C-c")
    screen = terminal.until(lambda s: "code=0" in s)
    assert "1 labelled; 3 clips without a label" in screen
    assert labels(folder)[0.9] == "jazz"


def test_clips_are_played_where_there_is_an_output(folder: Path, sound_server: SoundServer) -> None:
    done = streamgenre(
        *("label", "--folder", folder), stdin=b"p\np\nq\n", env=sound_server.environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert str(folder) not in done.stdout  # it was played instead
