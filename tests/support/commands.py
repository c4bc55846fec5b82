"""Runs the real command in its own process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COMMAND: Final = (sys.executable, "-m", "streamgenre")


def free_endpoint() -> str:
    """Return an unused loopback endpoint."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this environment without access to a sound card or coloured output."""
    quiet = {"PULSE_SERVER": "unix:/nonexistent", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **(quiet if more is None else {"NO_COLOR": "1", **more})}


def streamgenre(
    *arguments: str | Path,
    stdin: bytes | None = None,
    timeout: float = 60,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        env=environment(env),
        check=False,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


class Command(subprocess.Popen[str]):
    """A running command; as a context it is waited for at the end, and killed after a failure."""

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, *rest)


def start(
    *arguments: str | Path, env: Mapping[str, str] | None = None, **more: Any
) -> subprocess.Popen[str]:
    """Start the command."""
    return Command(
        [*COMMAND, *map(str, arguments)],
        env=environment(env),
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
    )


def events_of(text: str) -> list[dict[str, Any]]:
    """Return the events in JSON lines."""
    return [json.loads(line) for line in text.splitlines()]
