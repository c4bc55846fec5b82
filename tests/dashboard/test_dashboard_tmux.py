"""The dashboard in a real terminal: tmux."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.commands import free_endpoint, start
from support.live import end

from streamgenre import Status, Subscriber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

FEEDER = Path(__file__).parents[1] / "support" / "dashboard_feeder.py"
ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


class Terminal:
    """A shell in a window of a separate tmux server."""

    def __init__(self, width: int, height: int, folder: Path) -> None:
        self._folder = folder
        self._server = f"streamgenre-{uuid.uuid4().hex[:8]}"
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TZ": "UTC"}
        environment |= {"LANG": "C.UTF-8", "HOME": "/", "PS1": "ready> ", "SHELL": "/bin/sh"}
        self._environment = environment
        self.tmux(
            "-f", os.devnull, "new-session", "-d", "-x", str(width), "-y", str(height),
            "bash --norc --noprofile",
        )  # fmt: skip
        self.wait(lambda: "ready>" in self.screen())

    def tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._server, *arguments],
            check=True, capture_output=True, text=True, env=self._environment, timeout=60,
        )  # fmt: skip
        return done.stdout.rstrip("\n")

    def screen(self, *, escapes: bool = False) -> str:
        return self.tmux("capture-pane", "-p", *(["-e"] if escapes else []))

    def show(self, what: str) -> str:
        return self.tmux("display-message", "-p", what)

    def type(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def start(self, how: str, prefix: str = "", *, wrapped: bool = True) -> None:
        # A shell that does not edit lines leaves the terminal as it finds it: what is wrong after
        # the dashboard stays wrong until it is written down.
        before, after = (self._folder / name for name in ("before", "after"))
        feeder = f"{prefix} {shlex.quote(sys.executable)} {FEEDER} {how}"
        if not wrapped:
            self.type(feeder, "Enter")
            self.wait(lambda: self.show("#{alternate_on}") == "1" and "reggae" in self.screen())
            return
        script = self._folder / "script"
        script.write_text(f"stty -a > {before}; {feeder}; c=$?; stty -a > {after}; echo code=$c")
        self.type(f"bash {script}", "Enter")
        self.wait(lambda: self.show("#{alternate_on}") == "1" and "reggae" in self.screen())

    def stty(self) -> str:
        tty = self.show("#{pane_tty}")
        done = subprocess.run(["stty", "-a", "-F", tty], check=True, capture_output=True, text=True)
        return done.stdout.replace("\n", " ")

    def wait(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, self.screen()
            time.sleep(0.05)

    def process(self, command: str = "feeder.py") -> tuple[int, str]:
        """Number and state of the Python process."""
        done = subprocess.run(
            ["ps", "-ww", "-t", self.show("#{pane_tty}"), "-o", "pid=,state=,args="],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        number, state = next(row.split()[:2] for row in done.stdout.splitlines() if command in row)
        return int(number), state

    def assert_lent(self) -> None:
        """The shell has the normal screen and a cursor."""
        self.wait(lambda: self.show("#{alternate_on} #{cursor_flag}") == "0 1")

    def assert_restored(self, code: int) -> None:
        """Check that the dashboard ended with this code and the terminal is as before."""
        self.wait(lambda: f"code={code}" in self.screen())
        self.assert_lent()
        # The first line has the size, which the window may have changed.
        before, after = (
            (self._folder / name).read_text().split("\n", 1)[1] for name in ("before", "after")
        )
        assert " echo " in after
        assert after == before

    def close(self) -> None:
        subprocess.run(
            ["tmux", "-L", self._server, "kill-server"],
            check=False, capture_output=True, env=self._environment,
        )  # fmt: skip


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(80, 24, tmp_path)
    yield opened
    opened.close()


def test_the_dashboard_is_shown_and_follows_a_resize(terminal: Terminal) -> None:
    terminal.start("endless")
    assert terminal.show("#{cursor_flag}") == "0"
    rows = terminal.screen().split("\n")
    assert rows[0].startswith(" kitchen")
    terminal.wait(lambda: "▸ G  reggae" in terminal.screen())
    assert "segments" not in terminal.screen()
    terminal.tmux("resize-window", "-x", "200", "-y", "50")
    terminal.wait(lambda: "segments ───" in terminal.screen())
    terminal.wait(lambda: "lost" in terminal.screen().split("\n")[-1])
    terminal.tmux("resize-window", "-x", "60", "-y", "16")
    terminal.wait(lambda: "segments" not in terminal.screen() and "level" in terminal.screen())
    terminal.wait(lambda: terminal.screen().split("\n")[0].startswith(" kitchen"))
    terminal.type("C-c")
    terminal.assert_restored(130)


def test_ctrl_c_restores_the_terminal(terminal: Terminal) -> None:
    terminal.start("endless")
    assert " -echo " in terminal.stty()
    terminal.type("C-c")
    terminal.assert_restored(130)
    assert "interrupted" in terminal.screen()


def test_a_crash_restores_the_terminal_and_is_reported(terminal: Terminal) -> None:
    terminal.start("crash")
    terminal.assert_restored(1)
    assert "RuntimeError: the model fell over" in terminal.screen()


def test_the_end_of_the_events_restores_the_terminal(terminal: Terminal) -> None:
    terminal.start("end")
    terminal.assert_restored(0)
    assert "returned" in terminal.screen()


@pytest.mark.parametrize(("how", "code"), [("endless", 143), ("handled", 0)])
def test_sigterm_restores_the_terminal(terminal: Terminal, how: str, code: int) -> None:
    terminal.start(how)
    os.kill(terminal.process()[0], signal.SIGTERM)
    terminal.assert_restored(code)


def test_ctrl_z_returns_the_terminal_to_the_shell(terminal: Terminal) -> None:
    terminal.start("endless", wrapped=False)
    terminal.type("C-z")
    terminal.wait(lambda: "Stopped" in terminal.screen())
    terminal.wait(lambda: terminal.process()[1] == "T")
    terminal.assert_lent()
    terminal.type("fg", "Enter")
    terminal.wait(lambda: terminal.show("#{alternate_on}") == "1" and "level" in terminal.screen())
    assert terminal.show("#{cursor_flag}") == "0"
    terminal.type("C-c")
    terminal.wait(lambda: "interrupted" in terminal.screen())
    terminal.assert_lent()


def test_typed_keys_are_not_echoed(terminal: Terminal) -> None:
    terminal.start("endless")
    terminal.type("zzzqqq")
    time.sleep(0.1)
    assert "zzz" not in terminal.screen()
    terminal.type("C-c")
    terminal.assert_restored(130)
    assert "zzz" not in terminal.screen()


def test_keys_show_one_station_and_all_again(terminal: Terminal) -> None:
    terminal.start("several")
    terminal.wait(lambda: "2 stations" in terminal.screen())
    terminal.type("Down")
    terminal.wait(lambda: "2 stations" not in terminal.screen() and "bar" in terminal.screen())
    terminal.type("Down")
    terminal.wait(lambda: "kitchen" in terminal.screen() and "bar" not in terminal.screen())
    terminal.type("Escape")
    terminal.wait(lambda: "2 stations" in terminal.screen())
    terminal.type("C-c")
    terminal.assert_restored(130)


def test_log_messages_are_shown_at_once_and_repeated_at_the_end(
    terminal: Terminal, tmp_path: Path
) -> None:
    config = tmp_path / "radio.toml"
    config.write_text('[[station]]\nname = "a"\ninput = "demo"\n')
    command = f"{sys.executable} -m streamgenre listen --config {config}"
    command += f" --publish ipc://{tmp_path}/bus"
    terminal.type(command, "Enter")
    terminal.wait(lambda: "● live" in terminal.screen())
    config.write_text("nonsense")
    os.kill(terminal.process("streamgenre listen")[0], signal.SIGHUP)
    terminal.wait(lambda: "the configuration stays as it was" in terminal.screen())
    assert "● live" in terminal.screen().split("\n")[0], "nothing was scrolled"
    assert terminal.show("#{alternate_on}") == "1"
    terminal.type("C-c")
    terminal.assert_lent()
    terminal.wait(lambda: "streamgenre: the configuration stays as it was" in terminal.screen())


def test_a_reload_updates_dashboards_here_and_in_another_process(
    terminal: Terminal, tmp_path: Path
) -> None:
    config, bus = tmp_path / "radio.toml", f"ipc://{tmp_path}/bus"

    def write(**stations: str) -> None:
        tables = (f'[[station]]\nname = "{n}"\ninput = "{i}"\n' for n, i in stations.items())
        config.write_text("model = 'lite'\n" + "".join(tables))

    def reload() -> None:
        os.kill(terminal.process("streamgenre listen")[0], signal.SIGHUP)

    write(stays="demo", goes="demo", faulty=f"{tmp_path}/no.wav")
    streamgenre = f"{sys.executable} -m streamgenre"
    terminal.type(f"{streamgenre} listen --no-history --config {config} --publish {bus}", "Enter")
    terminal.wait(lambda: "faulty has failed" in terminal.screen() and "goes" in terminal.screen())
    other = Terminal(80, 24, tmp_path)
    try:
        other.type(f"{streamgenre} dashboard --connect {bus}", "Enter")
        other.wait(lambda: "3 stations" in other.screen() and "goes" in other.screen())
        config.write_text("nonsense")
        reload()
        terminal.wait(lambda: "stays as it was" in terminal.screen())
        write(stays="demo", faulty="demo")
        reload()
        for seen in (terminal, other):
            seen.wait(lambda: "2 stations   ● 2 live" in seen.screen())  # noqa: B023 - called here
            assert re.findall(r"^ (\w+) +● live", seen.screen(), re.MULTILINE) == [
                "faulty", "stays",
            ]  # fmt: skip
        terminal.wait(lambda: "configuration read again" in terminal.screen())
        terminal.wait(lambda: "stays as it was" not in terminal.screen())
        terminal.wait(lambda: "faulty has failed" not in terminal.screen())
        other.type("C-c")
        other.assert_lent()
        other.type(f"{streamgenre} dashboard --connect {bus} --station faulty", "Enter")
        other.wait(lambda: "● live" in other.screen())
        write(stays="demo")
        reload()
        other.wait(lambda: "nothing from faulty yet, still waiting" in other.screen())
        assert other.screen().endswith("are stays")
        assert "waiting for events" in other.screen()
    finally:
        other.close()


def test_an_unknown_station_lists_the_known_ones_until_it_appears(
    terminal: Terminal,
) -> None:
    endpoint = free_endpoint()
    flags = ("listen", "--quiet", "--no-history", "--publish", endpoint, "--input", "a=demo")
    daemon = start(*flags, "--input", "b=demo")
    try:
        command = f"{sys.executable} -m streamgenre dashboard --connect {endpoint} --station"
        terminal.type(f"{command} nosuch", "Enter")
        message = f"nothing from nosuch yet, still waiting; the stations at {endpoint} are a, b"
        terminal.wait(lambda: message in " ".join(terminal.screen().split()))
        assert "waiting for events" in terminal.screen()
        end(daemon)
        terminal.wait(lambda: "trying again" in terminal.screen())
        daemon = start(*flags, "--input", "nosuch=demo")
        terminal.wait(lambda: "nosuch" in terminal.screen() and "● live" in terminal.screen())
        terminal.wait(lambda: "trying again" not in terminal.screen())
        terminal.wait(lambda: "still waiting" not in terminal.screen())
    finally:
        end(daemon)


def test_no_color_is_obeyed(terminal: Terminal) -> None:
    terminal.start("endless", prefix="NO_COLOR=1")
    assert not re.search(r"\x1b\[[0-9;]*m", terminal.screen(escapes=True))
    terminal.type("C-c")
    terminal.assert_restored(130)


def test_colour_is_used_otherwise(terminal: Terminal) -> None:
    terminal.start("endless", prefix="COLORTERM=truecolor")
    assert re.search(r"\x1b\[[0-9;]*[34]8[;:]", terminal.screen(escapes=True))


def test_s_shows_the_spectrum_and_only_then_it_is_sent(terminal: Terminal, tmp_path: Path) -> None:
    bus = f"ipc://{tmp_path}/bus"
    flags = ("listen", "--quiet", "--no-history", "--publish", bus, "--input", "demo")
    daemon = start(*flags, "--model", "lite")
    watching = Subscriber(bus, types=["status"])

    def subscribers_are(count: int) -> None:
        """Wait for a status that says so; statuses that came before do not count."""
        while watching.receive(0) is not None:
            pass
        while True:
            event = watching.receive(60)
            assert isinstance(event, Status)
            if event.subscribers == count:
                return

    try:
        command = f"COLORTERM=truecolor {sys.executable} -m streamgenre dashboard"
        terminal.type(f"{command} --connect {bus}", "Enter")
        terminal.wait(lambda: "● live" in terminal.screen())
        subscribers_are(2)
        assert "▀▀▀▀▀▀▀▀▀▀" not in terminal.screen()
        terminal.type("s")
        terminal.wait(lambda: "▀▀▀▀▀▀▀▀▀▀" in terminal.screen() and " Hz " in terminal.screen())
        assert "4 k" in terminal.screen()
        terminal.wait(lambda: "the level is fine" in terminal.screen())
        subscribers_are(3)
        terminal.type("s")
        terminal.wait(lambda: "▀▀▀▀▀▀▀▀▀▀" not in terminal.screen())
        subscribers_are(2)
        terminal.type("C-c")
        terminal.assert_lent()
    finally:
        watching.close()
        end(daemon)


def test_s_shows_the_spectrum_of_the_dashboard_of_listen(terminal: Terminal) -> None:
    command = f"NO_COLOR=1 {sys.executable} -m streamgenre listen --input a=demo --input b=demo"
    terminal.type(f"{command} --model lite --publish {free_endpoint()}", "Enter")
    terminal.wait(lambda: "2 stations" in terminal.screen())
    terminal.type("s")
    terminal.type("Down")
    terminal.wait(lambda: " Hz " in terminal.screen() and "#" in terminal.screen())
    assert terminal.screen().startswith(" a ")
    terminal.type("Down")
    terminal.wait(lambda: terminal.screen().startswith(" b ") and "#" in terminal.screen())
    terminal.type("C-c")
    terminal.assert_lent()
