"""Sorting never loses a file, and can be undone."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import av
import mutagen
import numpy as np
import pytest
from support.audio import music, write_wav
from support.commands import streamgenre
from support.requirements import require_programs

from streamgenre.errors import InputError
from streamgenre.library import placing, sorting, tagging
from streamgenre.library.journal import Journal, Step, read_steps
from streamgenre.library.locking import only_run
from streamgenre.library.results import FileResult, Stretch
from streamgenre.library.sorting import Sorter, folder_of, undo
from streamgenre.library.splitting import split

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def contents(folder: Path) -> dict[str, str]:
    """Return the hash of every file by its path in a folder; unfinished files and locks apart."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(placing.PART)
    }


def results(folder: Path, count: int, genre: str = "jazz") -> list[FileResult]:
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number in range(count):
        path = folder / f"{number}.bin"
        path.write_bytes(random.Random(number).randbytes(20_000 + number))
        found.append(FileResult(path=path, state="music", genre=genre, seconds=5))
    return found


def journal_of(state: Path) -> Path:
    [path] = (state / "streamgenre/journals").glob("*.jsonl")
    return path


@pytest.mark.parametrize("how", ["copy", "move", "link"])
def test_a_journal_undoes_everything(private: Path, how: sorting.How) -> None:
    source, target = private / "source", private / "target"
    given = results(source, 3)
    before = contents(source)
    with Journal() as journal:
        sorter = Sorter(target, how, journal)
        placed = [sorter.sort(result) for result in given]
    assert [path.relative_to(target).as_posix() for path in placed] == [
        f"jazz/{number}.bin" for number in range(3)
    ]
    assert sorted(contents(target).values()) == sorted(before.values())
    assert contents(source) == ({} if how == "move" else before)
    assert all(path.is_symlink() == (how == "link") for path in placed)
    assert [problem for _, problem in undo(journal.path)] == [None] * 3
    assert contents(source) == before
    assert not list(target.rglob("*"))
    assert [problem for _, problem in undo(journal.path)] == [None] * 3, "twice is harmless"
    assert contents(source) == before


def test_files_of_one_name_are_kept_apart(private: Path) -> None:
    one, two = results(private / "a", 1), results(private / "b", 1)
    two[0].path.write_bytes(b"another")
    with Journal() as journal:
        sorter = Sorter(private / "target", "copy", journal)
        placed = [sorter.sort(result) for result in (*one, *two, *one)]
    assert [path.name for path in placed] == ["0.bin", "0 (2).bin", "0.bin"]
    assert journal.steps == 2, "what is there already is not copied again"


def test_a_dry_run_writes_nothing_and_shows_the_names_of_a_real_one(private: Path) -> None:
    given = [*results(private / "a", 1), *results(private / "b", 1)]
    given[1].path.write_bytes(b"another")
    with Journal() as journal:
        shown = [Sorter(private / "target", "dry-run", journal).sort(each) for each in given[:1]]
        sorter = Sorter(private / "target", "dry-run", journal)
        shown = [sorter.sort(each) for each in given]
        assert not (private / "target").exists()
        real = Sorter(private / "target", "copy", journal)
        assert shown == [real.sort(each) for each in given]


def test_undo_leaves_what_has_changed_since(private: Path) -> None:
    given = results(private / "a", 2)
    with Journal() as journal:
        placed = [Sorter(private / "t", "move", journal).sort(each) for each in given]
    placed[0].write_bytes(b"edited")
    given[1].path.write_bytes(b"somebody else's")
    problems = [problem for _, problem in undo(journal.path)]
    assert problems == [
        f"cannot go back: another file is at {given[1].path}",
        "has changed since; it is left there",
    ]
    assert placed[0].read_bytes() == b"edited"
    assert given[1].path.read_bytes() == b"somebody else's"
    assert placed[1].is_file()


def test_killed_two_hundred_times_it_has_lost_nothing(private: Path) -> None:
    rng = random.Random(1)
    source, target = private / "source", private / "target"
    given = results(source, 20)
    whole = sorted(contents(source).values())
    kills = 0
    for _ in range(200):
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException), Journal(private / "journals") as journal:
                sorter = Sorter(target, "move", journal)
                for result in given:
                    if result.path.exists():
                        sorter.sort(result)
            os._exit(0)
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        kills += os.WIFSIGNALED(status)
        there = {**contents(source), **{f"t/{k}": v for k, v in contents(target).items()}}
        assert sorted(set(there.values())) == whole, "a file is lost or damaged"
        for path in sorted((private / "journals").glob("*.jsonl")):
            assert not [problem for _, problem in undo(path) if problem is not None]
            path.unlink()
        assert sorted(contents(source).values()) == whole, "undo brings all back"
        assert contents(target) == {} if target.exists() else True
    assert kills > 100, "the test kills it in the middle"


@pytest.fixture
def other_disk() -> Iterator[Path]:
    """A folder on another file system."""
    folder = Path("/dev/shm") / f"streamgenre-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("needs /dev/shm")
    yield folder
    shutil.rmtree(folder)


def test_a_move_to_another_disk_copies_compares_and_deletes(
    private: Path, other_disk: Path
) -> None:
    given = results(private / "a", 2)
    if other_disk.stat().st_dev == given[0].path.stat().st_dev:
        pytest.skip("/dev/shm is on the same file system")
    before = contents(private / "a")
    os.utime(given[0].path, (1_000_000, 1_000_000))
    with Journal() as journal:
        placed = [Sorter(other_disk, "move", journal).sort(each) for each in given]
    assert placed[0].stat().st_mtime == 1_000_000
    assert contents(private / "a") == {}
    assert sorted(contents(other_disk).values()) == sorted(before.values())
    assert not [problem for _, problem in undo(journal.path) if problem]
    assert contents(private / "a") == before


def test_a_full_disk_leaves_the_file_where_it_was(private: Path) -> None:
    given = results(private / "a", 1)
    with Journal() as journal, pytest.raises(InputError, match="not sorted"):
        Sorter(Path("/proc/self/fd"), "move", journal).sort(given[0])
    assert given[0].path.is_file()


def test_two_runs_do_not_sort_into_one_folder(private: Path) -> None:
    with (
        only_run(private / "t"),
        pytest.raises(InputError, match="another run"),
        only_run(private / "t"),
    ):
        pass
    with only_run(private / "t"):
        pass
    assert not list((private / "t").iterdir())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/b", "a_b"), ("..", "unknown"), (".x", "x"), ("Ö", "Ö"), ("", "unknown")],
)
def test_any_genre_gives_a_folder_inside_the_target(name: str, expected: str) -> None:
    assert folder_of(name) == expected


# ---- tags ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "suffix", ["mp3", "flac", "ogg", "opus", "m4a", "wav", "aiff", "wma", "wv"]
)
def test_a_genre_is_written_and_restored_in_every_kind_of_tags(private: Path, suffix: str) -> None:
    require_programs("ffmpeg")
    path = private / f"song.{suffix}"
    wav = write_wav(private / "in.wav", music(2))
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", wav, "-metadata", "genre=Old", "-metadata",
         "title=Song", path],
        check=True,
    )  # fmt: skip
    old = tagging.read_genres(path)
    with Journal() as journal:
        assert tagging.write_genre(path, "jazz", journal)
        assert not tagging.write_genre(path, "Jazz", journal)
    assert tagging.read_genres(path) == ["jazz"]
    with av.open(str(path)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 44_100
    assert [problem for _, problem in undo(journal.path)] == [None]
    assert tagging.read_genres(path) == old
    assert sorted(each.name for each in private.iterdir() if each.name[0] == ".") == []


def test_a_format_without_tags_is_said_to_be_one(private: Path) -> None:
    path = private / "song.mp3"
    path.write_text("words")
    with Journal() as journal, pytest.raises(InputError, match=r"song\.mp3"):
        tagging.write_genre(path, "jazz", journal)
    assert path.read_text() == "words"


def test_tags_go_into_copies_and_not_into_the_files(private: Path) -> None:
    (private / "a").mkdir()
    path = write_wav(private / "a" / "x.wav", music(1))
    before = contents(private / "a")
    result = FileResult(path=path, state="music", genre="jazz", seconds=1)
    with Journal() as journal:
        placed = Sorter(private / "t", "copy", journal, tags=True).sort(result)
    assert contents(private / "a") == before
    assert str(mutagen.File(placed).tags["TCON"]) == "jazz"
    assert not [problem for _, problem in undo(journal.path) if problem]
    assert not placed.exists()


# ---- pieces --------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 6, 12])
def test_pieces_hold_the_samples_of_the_file_in_the_folders_of_their_genres(
    private: Path, channels: int
) -> None:
    samples = np.repeat(music(5)[:, None], channels, axis=1)
    path = write_wav(private / "long.wav", samples)
    segments = (
        Stretch(0, 2.2, "music", "jazz", 0.8),
        Stretch(2.2, 4, "speech", None, None),
        Stretch(4, 5, "music", "pop", 0.5),
    )
    result = FileResult(path=path, state="music", genre="jazz", seconds=5, segments=segments)
    with Journal() as journal:
        pieces = split(result, private / "t", 2, journal)
    assert [piece.relative_to(private / "t").as_posix() for piece in pieces] == [
        "jazz/long 00m00s.flac",
        "speech/long 00m02s.flac",
        "pop/long 00m04s.flac",
    ]
    heard = []
    for piece in pieces:
        with av.open(str(piece)) as container:
            heard += [frame.to_ndarray() for frame in container.decode(audio=0)]
            stereo = container.streams.audio[0].codec_context.channels
    assert stereo == (channels if channels <= 8 else 1)
    whole = np.concatenate([part.reshape(-1) for part in heard])[::stereo] / 32_767
    assert len(whole) == len(samples)
    assert np.abs(whole - samples[:, 0]).max() < 1e-4
    assert not [problem for _, problem in undo(journal.path) if problem]
    assert not list((private / "t").rglob("*.flac"))


# ---- journals, and the command -------------------------------------------------------------------


def test_a_journal_that_was_cut_short_can_be_read(private: Path) -> None:
    step = Step("copy", "/a\udcff", "/b", "00")
    with Journal() as journal:
        journal.write(step)
    with journal.path.open("a") as file:
        file.write('{"kind": "mo')
    assert read_steps(journal.path) == [step]
    assert journal.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text", ["", "\n", "words", '{"version": 9}\n', '{"version": 1}\n{"a":1}\n', "é"]
)
def test_what_is_no_journal_is_refused_in_words(private: Path, text: str) -> None:
    path = private / "x"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match="journal"):
        read_steps(path)


def test_a_library_is_sorted_listed_and_brought_back(private: Path) -> None:
    source = private / "music"
    source.mkdir()
    write_wav(source / "one.wav", music(3))
    write_wav(source / "two.wav", music(3, seed=2))
    (source / "empty.mp3").touch()
    before = contents(source)
    target = source / "sorted"  # within the source
    done = streamgenre(
        "classify", source, "--model", "lite", "--threshold", "0", "--sort-into", target,
        "--move", "--m3u", private / "lists",
    )  # fmt: skip
    assert done.returncode == 1, "the empty file"
    moved = [path for path in contents(target) if path.endswith(".wav")]
    assert len(moved) == 2
    assert (source / "empty.mp3").exists()
    listed = "".join(path.read_text() for path in (private / "lists").glob("*.m3u8"))
    assert all(str(target / path) in listed for path in moved)
    again = streamgenre("classify", source, "--model", "lite", "--sort-into", target, "--move")
    assert "0 files" in again.stdout, "what was sorted is not sorted again"
    done = streamgenre("classify", "--undo", journal_of(private / "state"))
    assert done.returncode == 0, done.stderr
    assert contents(source) == before
    assert contents(private / "lists") == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/tmp", "--move"], "--move: expected --sort-into"),
        (["/tmp", "--split", "5"], "--split: expected --sort-into"),
        (["/tmp", "--split", "0", "--sort-into", "/tmp/x"], "expected 1 to 86400 seconds"),
        (["/tmp", "--split", "5", "--move", "--sort-into", "/tmp/x"], "does not fit"),
        ([], "expected files or folders"),
        ([""], "an empty path"),
        (["/tmp", "--sort-into", ""], "an empty path"),
        (["/tmp", "--undo", "/tmp/x"], "takes a journal and no files"),
        (["--undo", "/nonexistent"], "cannot be read"),
    ],
)
def test_flags_that_do_not_fit_are_refused_in_words(arguments: list[str], message: str) -> None:
    done = streamgenre("classify", *arguments)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
