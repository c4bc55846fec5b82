"""Helpers for real processes and sockets."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from streamgenre.bus.keys import allow, new_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamgenre.bus.keys import KeyPair

HERE = Path(__file__).resolve().parent

PATIENCE_S: Final = 60.0
"""How long to wait for what must come about. No verdict depends on how busy the machine is."""


def until(
    condition: Callable[[], Any],
    seconds: float = PATIENCE_S,
    *,
    pump: Callable[[], object] | None = None,
) -> Any:
    """Wait until a condition is true and return its value; ``pump`` is called meanwhile.

    A shorter limit than ``PATIENCE_S`` is raised to it: only a failure takes as long.
    """
    seconds = max(seconds, PATIENCE_S)
    ends = time.monotonic() + seconds
    while True:
        if pump is not None:
            pump()
        if found := condition():
            return found
        if time.monotonic() > ends:
            pytest.fail(f"did not come about within {seconds} s")
        if pump is None:
            time.sleep(0.02)


def spawn_bus(endpoint: str, *flags: str | Path, **more: Any) -> tuple[subprocess.Popen[str], str]:
    """Start ``bus_daemon.py``; return the process and its endpoint."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "bus_daemon.py"), endpoint, *map(str, flags)],
        stdout=subprocess.PIPE,
        text=True,
        **more,
    )
    assert process.stdout is not None
    bound = process.stdout.readline().strip()
    assert bound, "the daemon did not start"
    return process, bound


@contextmanager
def bus(endpoint: str = "tcp://127.0.0.1:*", *flags: str | Path, **more: Any) -> Iterator[str]:
    """Run ``bus_daemon.py`` and yield its endpoint."""
    process, bound = spawn_bus(endpoint, *flags, **more)
    try:
        yield bound
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process and close its pipes."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr, process.stdin):
        if stream is not None:
            stream.close()


class KeyRing:
    """A daemon's keys and those of two clients, of which ``alice`` is allowed."""

    def __init__(self, folder: Path) -> None:
        self.daemon = folder / "daemon"
        self.server: KeyPair = new_pair(self.daemon)
        self.alice: KeyPair = new_pair(folder / "alice")
        self.mallory: KeyPair = new_pair(folder / "mallory")
        self.alices = folder / "alice"
        allow(self.daemon, "alice", self.alice.public.decode())

    @property
    def server_key(self) -> str:
        return self.server.public.decode()
