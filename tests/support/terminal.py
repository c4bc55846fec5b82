"""A real terminal: a shell in tmux."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


class Terminal:
    """A shell in tmux, on a separate tmux server."""

    def __init__(self, width: int, height: int) -> None:
        self._socket = f"streamgenre-{uuid.uuid4().hex[:8]}"
        env = {**os.environ, "PULSE_SERVER": "unix:/nonexistent"}
        env.pop("TMUX", None)
        self._env = env
        size = ("-x", str(width), "-y", str(height))
        self.tmux("new-session", "-d", "-s", "t", *size, "bash --norc --noprofile")
        self.type("PS1='ready> '")
        self.until(lambda s: "ready>" in s.splitlines()[-1] if s.splitlines() else False)

    def tmux(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-L", self._socket, "-f", "/dev/null", *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=self._env,
            timeout=60,
        ).stdout

    def type(self, line: str) -> None:
        self.tmux("send-keys", "-t", "t", line, "Enter")

    def key(self, key: str) -> None:
        self.tmux("send-keys", "-t", "t", key)

    def screen(self) -> str:
        return self.tmux("capture-pane", "-t", "t", "-p").rstrip()

    def ask(self, what: str) -> str:
        return self.tmux("display-message", "-t", "t", "-p", what).strip()

    def until(self, condition: Callable[[str], bool], seconds: float = 60) -> str:
        ends = time.monotonic() + seconds
        while True:
            screen = self.screen()
            if condition(screen):
                return screen
            if time.monotonic() > ends:
                size = self.ask("#{pane_width} × #{pane_height}")
                pytest.fail(f"not on the screen ({size}) in {seconds} s:\n{screen}")
            time.sleep(0.1)

    def kill(self) -> None:
        self.tmux("kill-server")
