"""`streamgenre watch` classifies what appears, once it is complete."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.audio import music, write_wav
from support.commands import start, streamgenre

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


@pytest.fixture
def watch(folder: Path) -> Iterator[Any]:
    """Start the command and return it once it watches."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str | Path) -> subprocess.Popen[str]:
        marker = write_wav(folder / "marker.wav", music(1))
        process = start(
            "watch", folder, "--model", "lite", "--json", "--existing", *arguments,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        assert heard(process)["path"] == str(marker)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def heard(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next result."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_file_that_is_still_written_is_waited_for(folder: Path, watch: Any) -> None:
    whole = write_wav(folder.parent / "whole.wav", music(6)).read_bytes()
    process = watch()
    with (folder / "slow.wav").open("wb") as file:
        for start_ in range(0, len(whole), len(whole) // 8):
            file.write(whole[start_ : start_ + len(whole) // 8])
            file.flush()
            time.sleep(0.4)
    assert heard(process)["seconds"] == pytest.approx(6)


def test_files_that_are_moved_here_alone_or_with_their_folder_are_heard(
    folder: Path, watch: Any
) -> None:
    outside = folder.parent / "album"
    outside.mkdir()
    write_wav(outside / "1.wav", music(2, seed=3))
    (outside / "cover.jpg").touch()
    process = watch()
    outside.rename(folder / "album")
    assert heard(process)["path"] == str(folder / "album/1.wav")
    write_wav(folder.parent / "2.wav", music(2, seed=4)).rename(folder / "2.wav")
    assert heard(process)["path"] == str(folder / "2.wav")


def test_hidden_folders_and_files_that_it_tagged_are_left_alone(folder: Path, watch: Any) -> None:
    song = write_wav(folder.parent / "song.wav", music(2))
    process = watch("--write-tags", "--threshold", "0")
    for name in (".stversions", ".Trash/files"):
        (folder / name).mkdir(parents=True)
        shutil.copy(song, folder / name / "hidden.wav")
    shutil.copy(song, folder / "one.wav")
    first = heard(process)
    assert first["path"] == str(folder / "one.wav")
    assert first["tagged"]
    time.sleep(4)  # longer than a file that changes is waited for
    (folder / "one.wav").chmod(0o600)
    shutil.copy(song, folder / "two.wav")
    assert heard(process)["path"] == str(folder / "two.wav")
    (folder / "one.wav").unlink()
    time.sleep(1)
    shutil.copy2(song, folder / "one.wav")
    assert heard(process)["path"] == str(folder / "one.wav"), "another file of the name"


def test_what_was_sorted_within_the_folder_is_not_heard_again(folder: Path, watch: Any) -> None:
    process = watch("--sort-into", folder / "sorted", "--move", "--threshold", "0")
    write_wav(folder / "1.wav", music(2, seed=3))
    first = heard(process)
    assert first["now_at"].startswith(str(folder / "sorted"))
    assert not (folder / "1.wav").exists()
    write_wav(folder / "2.wav", music(2, seed=4))
    assert heard(process)["path"] == str(folder / "2.wav")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(folder: Path, watch: Any, number: signal.Signals) -> None:
    process = watch()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert errors == ""


def test_it_ends_after_the_number_asked_for(folder: Path) -> None:
    for name in "ab":
        write_wav(folder / f"{name}.wav", music(1))
    done = streamgenre("watch", folder, "--existing", "--count", "2", "--model", "lite", "--csv")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["/etc/passwd"], "is not a folder"), (["/tmp", "--count", "0"], "expected 1 or more")],
)
def test_wrong_arguments_are_refused_in_words(arguments: list[str], message: str) -> None:
    done = streamgenre("watch", *arguments)
    assert done.returncode in (1, 2)
    assert message in done.stderr


def test_a_folder_that_is_removed_is_no_traceback(folder: Path, watch: Any) -> None:
    process = watch()
    shutil.rmtree(folder)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
