"""What sorting does where names, file systems and earlier runs are in its way."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.audio import music, write_wav
from support.commands import streamgenre

from streamgenre.errors import InputError
from streamgenre.library import placing, sorting
from streamgenre.library.actions import Actions, Plan
from streamgenre.library.finding import Finder
from streamgenre.library.journal import Journal, Step, read_steps
from streamgenre.library.locking import only_run
from streamgenre.library.playlists import Playlists
from streamgenre.library.results import FileResult, Stretch
from streamgenre.library.sorting import Sorter, folder_of, undo
from streamgenre.library.splitting import split

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def other_disk() -> Iterator[Path]:
    folder = Path("/dev/shm") / f"streamgenre-trouble-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("needs /dev/shm")
    yield folder
    shutil.rmtree(folder)


def result_of(path: Path, **more: object) -> FileResult:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(os.fsencode(path))
    given: dict[str, object] = {"state": "music", "genre": "jazz", "seconds": 4, **more}
    return FileResult(path=path, **given)  # type: ignore[arg-type]


def song(path: Path, seconds: float, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_wav(path, music(seconds, seed=seed))


def files(folder: Path) -> list[str]:
    return sorted(
        os.fspath(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()
    )


@pytest.mark.parametrize("name", ["n" * 251 + ".mp3", "ü" * 125 + "a.mp3", "n" * 255, "x." * 127])
def test_the_longest_names_are_kept_apart_too(private: Path, name: str) -> None:
    with Journal() as journal:
        sorter = Sorter(private / "t", "copy", journal)
        placed = [sorter.sort(result_of(private / each / name)) for each in "abc"]
    assert len(set(placed)) == 3
    assert placed[0].name == name
    assert {path.suffix for path in placed} <= {".mp3", "", "."} or name.startswith("x.")


def test_pieces_of_a_file_with_the_longest_name(private: Path) -> None:
    path = song(private / ("n" * 251 + ".wav"), 3)
    with Journal() as journal:
        assert len(split(result_of(path, seconds=3), private / "t", 1, journal)) == 3


@pytest.mark.parametrize("how", ["copy", "link"])
@pytest.mark.parametrize("tags", [False, True])
def test_a_second_run_adds_nothing(private: Path, how: sorting.How, tags: bool) -> None:
    given = [
        result_of(song(private / folder / "01.wav", 1, seed)) for seed, folder in enumerate("abc")
    ]
    for _ in range(2):
        with Journal() as journal:
            sorter = Sorter(private / "t", how, journal, tags=tags and how == "copy")
            for each in given:
                sorter.sort(each)
    assert len(files(private / "t")) == 3


def test_a_second_run_adds_no_pieces_and_others_may_read_them(private: Path) -> None:
    given = [
        result_of(
            song(private / folder / "x.wav", 3, seed),
            seconds=3,
            segments=(Stretch(0, 3, "music", "jazz", 0.9),),
        )
        for seed, folder in enumerate("ab")
    ]
    for _ in range(2):
        with Journal() as journal:
            pieces = [split(each, private / "t", 1, journal) for each in given]
    assert len(files(private / "t")) == 6
    assert len({path for each in pieces for path in each}) == 6
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(pieces[0][0].stat().st_mode) == 0o666 & ~mask


def test_a_source_that_cannot_be_deleted_leaves_no_copy(
    private: Path, other_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = result_of(private / "a" / "x.mp3")
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path == given.path:
            raise OSError(30, "Read-only file system")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)  # a read-only mount needs root
    for target in (private / "t", other_disk):
        with Journal() as journal, pytest.raises(InputError, match="Read-only"):
            Sorter(target, "move", journal).sort(given)
        assert files(target) == []
    assert given.path.is_file()


def test_a_link_that_was_moved_comes_back_as_a_link(private: Path) -> None:
    target = result_of(private / "a" / "song.mp3").path
    link = private / "b" / "link.mp3"
    link.parent.mkdir()
    link.symlink_to("../a/song.mp3")
    with Journal() as journal:
        placed = Sorter(private / "t", "move", journal).sort(result_of(link))
    assert not placed.is_symlink()
    assert not link.is_symlink()
    assert [problem for _, problem in undo(journal.path)] == [None]
    assert os.fspath(link.readlink()) == "../a/song.mp3"
    with Journal(private / "other") as journal:
        Sorter(private / "t", "move", journal).sort(result_of(link))
    content = target.read_bytes()
    target.unlink()
    assert [problem for _, problem in undo(journal.path)] == [None]
    assert link.read_bytes() == content, "the only copy that is left"


def test_unfinished_files_of_a_killed_run_are_removed(private: Path) -> None:
    child = os.fork()
    if child == 0:
        with placing.unfinished(private / "t" / "jazz" / "x.mp3"):
            os._exit(9)
    os.waitpid(child, 0)
    assert len(files(private / "t")) == 1
    with Journal() as journal, Actions(Plan(sort_into=private / "t"), journal):
        assert files(private / "t") == [".streamgenre-sort.lock"]


def test_a_lock_that_its_holder_has_removed_lets_only_one_in(private: Path) -> None:
    inside, most, lock = 0, 0, threading.Lock()

    def runs() -> None:
        nonlocal inside, most
        for _ in range(300):
            try:
                with only_run(private / "t"):
                    with lock:
                        inside += 1
                        most = max(most, inside)
                    os.sched_yield()
                    with lock:
                        inside -= 1
            except InputError:
                pass

    threads = [threading.Thread(target=runs) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_journal_on_a_full_disk_goes_on_once_there_is_room(private: Path) -> None:
    step = Step("link", "/a" * 2000, "/b")
    code = f"""
import os, resource, signal
from pathlib import Path
from streamgenre.errors import InputError
from streamgenre.library.journal import Journal, Step
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
step = Step("link", {step.source!r}, "/b")
def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
with Journal(Path({os.fspath(private / "j")!r})) as journal:
    for size in (10, 100, 5000, 100_000):
        room(size)
        for _ in range(2):
            try:
                journal.write(step)
            except InputError as error:
                assert "File too large" in str(error) or "No space" in str(error), error
print(journal.path)
"""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert read_steps(Path(done.stdout.strip())) == [step] * 3


def test_playlists_have_genres_and_tags_and_spare_other_files(private: Path) -> None:
    lists = private / "l"
    hit = result_of(lists / "#1 hit.mp3", tags={"guitar": 0.9, "jazz": 0.5})
    (lists / "tags").mkdir()
    (lists / "tags" / "jazz.m3u8").write_text("#EXTM3U\nmine.mp3\n")
    for _ in range(2):
        with Journal() as journal:
            playlists = Playlists(lists, journal)
            playlists.add(hit, hit.path)
            with pytest.raises(InputError, match=r"tags/jazz.m3u8: .*left as it is"):
                playlists.write()
    assert (lists / "tags" / "jazz.m3u8").read_text() == "#EXTM3U\nmine.mp3\n"
    assert (lists / "jazz.m3u8").read_text().endswith("\n./#1 hit.mp3\n"), "not a comment"
    assert (lists / "tags" / "guitar.m3u8").read_text().endswith(f"\n{hit.path}\n")


def test_a_file_that_is_named_twice_is_found_once(private: Path) -> None:
    folder = private / "music"
    named = result_of(folder / "a.mp3").path
    other = result_of(folder / "notes.txt").path
    (private / "link").symlink_to(folder)
    again = private / "link" / "a.mp3"
    for paths in ([folder, named, again], [named, again, folder], [private / "link", named]):
        assert len(list(Finder(paths).files())) == 1
    assert len(list(Finder([folder, other, other]).files())) == 2, "named, so tried"


def test_a_genre_of_any_length_gives_a_folder(private: Path) -> None:
    (private / folder_of("音" * 100)).mkdir()


def test_two_runs_do_not_write_shards_into_one_folder(private: Path) -> None:
    pytest.importorskip("pyarrow")
    path = song(private / "a" / "x.wav", 1)
    with only_run(private / "p", ".streamgenre-parquet.lock"):
        done = streamgenre("classify", path, "--model", "lite", "--parquet", f"{private / 'p'}/")
    assert done.returncode == 1
    assert "another run is writing into this folder" in done.stderr
