"""A pipe or device in place of a file is refused in words, and never waited for without end."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.commands import COMMAND, environment, streamgenre

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["fifo", "/dev/zero", "folder"])
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A path that is no file."""
    path = tmp_path / "odd"
    if request.param == "fifo":
        os.mkfifo(path)
    elif request.param == "folder":
        path.mkdir()
    else:
        return str(request.param)
    return str(path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("config", "check"),
        ("config", "show", "--config"),
        ("listen", "--input", "demo", "--config"),
        ("doctor", "--config"),
        ("history", "segments", "--history"),
        ("report", "--out", "/nonexistent/x.html", "--history"),
        ("bridge", "mqtt", "--broker", "mqtt://127.0.0.1:1", "--password-file"),
        ("classify", "--undo"),
        ("picture", "--out", "/nonexistent/x.svg"),
        ("listen", "--input", "demo", "--model"),
    ],
)
def test_no_command_waits_for_a_writer_or_reads_a_device(
    odd: str, arguments: tuple[str, ...]
) -> None:
    done = streamgenre(*arguments, odd, timeout=240)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert done.stderr.count("\n") <= 4, done.stderr


def test_a_configuration_may_come_from_a_pipe_with_a_writer() -> None:
    command = f"{' '.join(COMMAND)} config show --json --config <(sleep 1; echo 'model = \"lite\"')"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"lite"' in done.stdout
