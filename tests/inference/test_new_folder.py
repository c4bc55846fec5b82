"""Folders that are written completely or not at all."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from streamgenre.inference import new_folder as module
from streamgenre.inference.new_folder import new_folder

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
