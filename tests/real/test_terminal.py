"""`streamgenre listen` and `dashboard` in a real terminal: start, resize, Ctrl-C."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support.audio import music, write_wav
from support.commands import events_of, free_endpoint, start
from support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def terminal(tmux: str) -> Iterator[Terminal]:
    terminal = Terminal(80, 24)
    yield terminal
    terminal.kill()


def listen(folder: Path, wav: Path, endpoint: str) -> str:
    return (
        f"COLUMNS=80 LINES=24 {sys.executable} -m streamgenre listen --model {folder} "
        f"--input {wav} --publish {endpoint} --threshold 0.05; echo code=$?"
    )


def test_listen_draws_resizes_and_restores_the_terminal(
    terminal: Terminal, stateful_folder: Path, tmp_path: Path
) -> None:
    wav = write_wav(tmp_path / "song.wav", music(55))
    endpoint = free_endpoint()
    with start("subscribe", "--connect", endpoint) as subscriber:
        terminal.type(listen(stateful_folder, wav, endpoint))
        genres = ("blues", "classical", "reggae", "rock")
        terminal.until(lambda s: "song.wav" in s and all(genre in s for genre in genres))
        assert terminal.ask("#{alternate_on}") == "1"
        terminal.tmux("resize-window", "-t", "t", "-x", "150", "-y", "40")
        wide = terminal.until(lambda s: any(len(line) > 100 for line in s.splitlines()))
        assert "song.wav" in wide
        terminal.tmux("resize-window", "-t", "t", "-x", "60", "-y", "15")
        terminal.until(lambda s: "song.wav" in s and len(s.splitlines()) <= 15)
        terminal.key("C-c")
        screen = terminal.until(lambda s: "code=0" in s)
        assert "heard: " in screen
        assert terminal.ask("#{alternate_on}") == "0"
        assert terminal.ask("#{cursor_flag}") == "1"
        terminal.type("stty -a | tr ' ' '\\n' | grep -x -e echo -e icanon | sort | xargs")
        terminal.until(lambda s: "echo icanon" in s)
        subscriber.terminate()
        assert subscriber.stdout is not None
        events = events_of(subscriber.stdout.read())
    assert [e["type"] for e in events[-3:]] == ["segment", "source", "status"]  # all arrived


def test_the_dashboard_shows_a_daemon_on_another_endpoint(
    terminal: Terminal, stateful_folder: Path, tmp_path: Path
) -> None:
    wav = write_wav(tmp_path / "song.wav", music(40))
    endpoint = free_endpoint()
    with start(
        *("listen", "--model", stateful_folder, "--input", wav, "--station", "kitchen"),
        *("--publish", endpoint, "-q"),
    ) as daemon:
        terminal.type(
            f"{sys.executable} -m streamgenre dashboard --connect {endpoint}; echo code=$?"
        )
        terminal.until(lambda s: "kitchen" in s and "reggae" in s)
        terminal.key("C-c")
        terminal.until(lambda s: "code=0" in s)
        assert terminal.ask("#{alternate_on}") == "0"
        assert daemon.poll() is None  # the daemon is not affected
        daemon.terminate()
        assert daemon.wait(60) == 0


def test_an_error_restores_the_terminal(terminal: Terminal, stateful_folder: Path) -> None:
    terminal.type(f"{sys.executable} -m streamgenre listen --input no/such.wav; echo code=$?")
    screen = terminal.until(lambda s: "code=1" in s)
    assert "no such file" in screen
    assert "Traceback" not in screen
