"""Folders that are written completely or not at all."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from streamgenre.inference import new_folder as module
from streamgenre.inference.new_folder import new_folder, put_all_back
from streamgenre.inference.own_models import own_model, own_models

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_what_a_killed_run_left_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "mine"
    child = f"""
import os, signal
from pathlib import Path
from streamgenre.inference.new_folder import new_folder
with new_folder(Path({str(out)!r})) as part:
    (part / "file").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", child], check=False)
    with new_folder(out) as part:
        (part / "file").write_text("whole")
    [left] = tmp_path.glob(".mine.part-*")
    with new_folder(out) as part:
        (part / "file").write_text("another run may still be at it")
    assert left.exists()
    monkeypatch.setattr(module, "_ABANDONED_S", -1.0)
    with new_folder(out) as part:
        (part / "file").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (out / "file").read_text() == "new"


KILLED = """
import os, signal, sys
from pathlib import Path
from streamgenre.inference.new_folder import new_folder
rename = Path.rename
def dies(self, to):
    rename(self, to)
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    print("moved away", flush=True)
    sys.stdin.readline()
Path.rename = dies
with new_folder(Path(sys.argv[1])) as part:
    (part / "manifest.json").write_text("new")
"""


def killed_between_two_renames(out: Path) -> None:
    out.mkdir(exist_ok=True)
    (out / "manifest.json").write_text("old")
    subprocess.run([sys.executable, "-c", KILLED, str(out), "killed"], check=False)
    assert not out.exists()


def test_a_folder_that_was_moved_away_is_put_back_by_the_next_write(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    killed_between_two_renames(out)
    with new_folder(out) as part:
        (part / "manifest.json").write_text("newer")
        assert (out / "manifest.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (out / "manifest.json").read_text() == "newer"


@pytest.mark.parametrize("look", [lambda: list(own_models()), lambda: [own_model("mine")]])
def test_and_by_the_next_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[[], list[object]]
) -> None:
    monkeypatch.setattr("streamgenre.paths.models_dirs", lambda: (tmp_path,))
    out = tmp_path / "mine"
    killed_between_two_renames(out)
    assert look() in (["mine"], [out])
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_run_that_is_alive_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "manifest.json").write_text("old")
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(out), "alive"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "moved away\n"
        put_all_back(tmp_path)
        assert not out.exists()
        child.communicate("\n\n")
    assert (out / "manifest.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
