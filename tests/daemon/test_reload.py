"""`listen` with many stations: several inputs, SIGHUP, and an orderly end."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import sqlite3
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from support.audio import music, write_wav
from support.commands import COMMAND, environment, events_of, free_endpoint, start, streamgenre
from support.live import end, until
from support.service_manager import Manager

from streamgenre.bus.control import request
from streamgenre.cli.flags import split_name
from streamgenre.client.subscriber import Subscriber
from streamgenre.config.build import load
from streamgenre.daemon.reload import Reloader
from streamgenre.daemon.stations import StationSet
from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import SettingsError
from streamgenre.worker.unit import Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamgenre.events import AnyEvent


class Configured:
    """A configuration file, and a daemon that uses it."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.file = folder / "config.toml"
        self._log = folder / "log"
        self.endpoint, self.control = free_endpoint(), free_endpoint()
        self.head = (
            f'model = "{model}"\n[bus]\npublish = "{self.endpoint}"\ncontrol = "{self.control}"\n'
            f'[engine]\nhop_s = 0.5\n[history]\npath = "{folder}/h.sqlite3"\n'
        )

    def write(self, *stations: str, more: str = "") -> None:
        tables = (f'[[station]]\nname = "{s}"\ninput = "demo"\n' for s in stations)
        self.file.write_text(self.head + more + "".join(tables))

    @contextmanager
    def listening(self, env: Mapping[str, str] | None = None) -> Iterator[Any]:
        with self._log.open("w") as log:
            daemon = start("listen", "--config", self.file, "-q", stderr=log, env=env)
        try:
            yield daemon
        finally:
            end(daemon)

    @property
    def said(self) -> list[str]:
        return self._log.read_text().splitlines()


@pytest.fixture
def configured(tmp_path: Path, stateful_folder: Path) -> Configured:
    return Configured(tmp_path, stateful_folder)


def test_a_hundred_good_and_bad_reloads_leak_nothing(
    configured: Configured, tmp_path: Path
) -> None:
    """The daemon survives, nothing leaks, and unchanged stations continue undisturbed."""
    configured.write("stays", "x0")
    events: list[AnyEvent] = []
    with (
        Manager(tmp_path / "notify") as manager,
        configured.listening(manager.environment) as daemon,
        Subscriber(configured.endpoint) as subscriber,
    ):

        def listen() -> None:
            while (event := subscriber.receive(timeout=0.01)) is not None:
                events.append(event)

        manager.wait_for(READY="1")
        until(lambda: any(e.station == "stays" for e in events), pump=listen)
        process = psutil.Process(daemon.pid)
        for number in range(1, 101):
            if number % 2:
                broken = ("[[[", "[bus]\npublish = 3\n", "modl = 1\n", f'x = "{number}"\n')
                configured.file.write_text(configured.head + broken[number % 4])
            else:
                # A name is reused while the old station of that name may still be stopping.
                configured.write("stays", f"x{number % 4}")
            daemon.send_signal(signal.SIGHUP)
            manager.wait_for(READY="1")
            listen()
            if number == 20:
                before = process.memory_info().rss, process.num_fds()
        after = process.memory_info().rss, process.num_fds()
        until(lambda: any(e.station == "x0" and e.TYPE == "update" for e in events), pump=listen)
        until(lambda: process.num_threads() < 20, pump=listen)
        daemon.terminate()
        assert daemon.wait(60) == 0
        listen()
    broken_line, mended_line, *_ = configured.said
    assert f"the configuration stays as it was: {configured.file}:" in broken_line
    assert "configuration read again: started: x2; stopped: x0" in mended_line
    assert after[0] - before[0] < 30e6
    assert after[1] <= before[1] + 8
    updates = [e for e in events if e.station == "stays" and e.TYPE == "update"]
    assert len({u.session for u in updates}) == 1
    assert [u.seq for u in updates] == list(range(updates[0].seq, updates[0].seq + len(updates)))
    steps = {round(b.stream_time - a.stream_time, 3) for a, b in pairwise(updates)}
    assert steps == {0.5}
    assert {e.station for e in events} == {"stays", "x0", "x2"}


def test_a_reload_changes_only_what_it_can(configured: Configured) -> None:
    configured.write("a", "b")
    with configured.listening() as daemon:
        ask = {"request": "reload"}
        until(lambda: daemon.poll() is None and _asks(configured, "stations"))
        before = {s["station"]: s["session"] for s in _asks(configured, "stations")}
        configured.file.write_text(
            configured.head.replace("hop_s = 0.5", "hop_s = 0.6").replace(
                configured.endpoint, "ipc://x"
            )
            + '[[station]]\nname = "a"\ninput = "demo"\n'
            + '[[station]]\nname = "b"\ninput = "demo"\ndecision.enter = 0.9\n'
        )
        received = request(configured.control, ask)["result"]["config"]
        assert received["restarted"] == ["b"]
        assert received["unchanged"] == ["a"]
        assert received["needs_restart"] == ["engine.hop_s", "bus.publish"]
        assert "needs a restart: engine.hop_s, bus.publish" in until(lambda: configured.said)[0]

        def sessions() -> dict[str, str]:
            return {s["station"]: s["session"] for s in _asks(configured, "stations")}

        until(lambda: sessions().get("b") not in (None, before["b"]))
        assert sessions()["a"] == before["a"]
        configured.write("a")
        assert request(configured.control, ask)["result"]["config"]["stopped"] == ["b"]
        until(lambda: set(sessions()) == {"a"})
        with Subscriber(configured.endpoint) as late:
            until(lambda: (event := late.receive(timeout=60)) and event.TYPE == "update")
            found = [event for _ in range(8) if (event := late.receive(timeout=0.5))]
        assert {event.station for event in found} == {"a"}
        configured.write("c")
        with configured.file.open("a") as file:
            file.write('model = "lstn"\n')
        answer = request(configured.control, ask)
        assert not answer["ok"]
        line = configured.file.read_text().count("\n")
        assert f"{configured.file}:{line}: no model 'lstn'" in answer["error"]["message"]
        for emptied in ("", configured.head):
            configured.file.write_text(emptied)
            answer = request(configured.control, ask)
            assert "no [[station]]" in answer["error"]["message"]
        assert {s["station"] for s in _asks(configured, "stations")} == {"a"}
        daemon.terminate()
        assert daemon.wait(60) == 0


def test_a_station_that_failed_is_tried_again_with_the_same_settings(
    configured: Configured, tmp_path: Path
) -> None:
    """One that has ended in good order is not, and the others go on."""
    missing, short = tmp_path / "later.wav", write_wav(tmp_path / "short.wav", music(1))
    configured.write(
        "stays", more=f'[[station]]\nname = "late"\ninput = "{missing}"\n'
        f'[[station]]\nname = "short"\ninput = "{short}"\npace = "fast"\n'
    )  # fmt: skip
    ask = {"request": "reload"}
    with configured.listening() as daemon:

        def states() -> dict[str, tuple[str, str]]:
            return {
                s["station"]: (s["source_state"], s["session"])
                for s in _asks(configured, "stations")
            }

        until(lambda: any("late has failed" in line for line in configured.said), 60)
        until(lambda: states()["short"][0] == states()["late"][0] == "ended", 60)
        before = states()
        write_wav(missing, music(30))
        received = request(configured.control, ask)["result"]["config"]
        assert received["restarted"] == ["late"]
        assert sorted(received["unchanged"]) == ["short", "stays"]
        until(lambda: states().get("late", ("",))[0] == "live", 60)
        after = states()
        assert after["stays"] == before["stays"]
        assert after["short"] == before["short"]
        daemon.terminate()
        assert daemon.wait(60) == 0


def test_a_missing_configuration_changes_nothing() -> None:
    """Missing default files do not mean that the default input is wanted."""
    phases: list[str] = []
    host = Unit(Engine(lambda event: None, EngineSettings()))
    nothing = load("/dev/null", {}, None)
    reloader = Reloader(lambda: replace(nothing, files=()), StationSet(host), host, phases.append)
    with pytest.raises(SettingsError, match="no configuration file"):
        reloader.reload()
    assert phases == ["begin", "refused"]


def _asks(configured: Configured, what: str) -> Any:
    return request(configured.control, {"request": what}, timeout=60)["result"]


def test_fifty_stations_end_cleanly(configured: Configured) -> None:
    names = [f"s{n:02}" for n in range(50)]
    configured.write(*names, more='keep = "all"\n')
    with configured.listening() as daemon, Subscriber(configured.endpoint) as subscriber:
        heard: dict[str, list[AnyEvent]] = {name: [] for name in names}

        def listen() -> None:
            while (event := subscriber.receive(timeout=0.01)) is not None:
                heard[event.station].append(event)

        until(
            lambda: all(sum(e.TYPE == "update" for e in events) > 2 for events in heard.values()),
            pump=listen,
        )  # fmt: skip
        daemon.terminate()
        assert daemon.wait(60) == 0
        listen()
    assert configured.said == []
    for received in heard.values():
        assert [e.TYPE for e in received][-3:] == ["segment", "source", "status"]
    with sqlite3.connect(configured.file.parent / "h.sqlite3") as history:
        rows = history.execute("SELECT count(*) FROM segments").fetchone()[0]
    assert rows >= 50  # the open ones were closed and written


def test_several_inputs_can_be_given_on_the_command_line(
    stateful_folder: Path, tmp_path: Path
) -> None:
    song = write_wav(tmp_path / "a=b.wav", music(3))
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)  # opening it blocks for ever, and no other station waits for it
    flags = ("--model", stateful_folder, "--publish", free_endpoint(), "--pace", "fast")
    with start(
        *("listen", *flags, "--json", "--duration", "3"),
        *("--input", f"kitchen={song}", "--input", song, "--input", "gone=/no/such.wav"),
        *("--input", f"stuck={pipe}"),
    ) as daemon:
        assert daemon.stdout is not None
        assert daemon.stderr is not None
        received: list[dict[str, Any]] = []
        while sum(e["type"] == "source" and e["state"] == "ended" for e in received) < 3:
            received.append(json.loads(daemon.stdout.readline()))
        daemon.terminate()
        received += events_of(daemon.stdout.read())
        assert daemon.wait(60) == 0  # one has failed, not all
        assert re.search("gone has failed: .*no such file", daemon.stderr.read())
    assert {e["station"] for e in received} == {"kitchen", "a=b.wav", "gone", "stuck"}
    heard = [
        [e["probabilities"] for e in received if e["type"] == "update" and e["station"] == name]
        for name in ("kitchen", "a=b.wav")
    ]
    assert heard[0] == heard[1]
    assert len(heard[0]) == 3
    done = streamgenre("listen", *flags, "--input", "a=/no/1.wav", "--input", "b=/no/2.wav")
    assert done.returncode == 1
    assert "all 2 stations have failed" in done.stderr
    done = streamgenre("listen", *flags, "--input", "x=demo", "--station", "y")
    assert done.returncode == 2
    for inputs, words in (
        (("x=demo", "x=demo"), "two stations have this name"),
        (("a=-", "b=-"), "two stations read standard input"),
        (("a=",), "nothing after the ="),
        (("=demo",), "nothing before the ="),
        (("a=foo://h/x", "b=demo"), "--input 'foo://h/x': expected http://"),
    ):
        given = [flag for each in inputs for flag in ("--input", each)]
        done = streamgenre("listen", *flags, *given)
        assert done.returncode == 2
        assert words in done.stderr


@pytest.mark.parametrize(
    ("text", "name", "what"),
    [
        ("kitchen=http://u:p@h/x?a=b", "kitchen", "http://u:p@h/x?a=b"),
        ("my radio = demo", "my radio", " demo"),
        ("http://h/x?a=b", None, "http://h/x?a=b"),
        ("./a=b.wav", None, "./a=b.wav"),
        ("a=b=c.wav", "a", "b=c.wav"),
        ("USB Audio", None, "USB Audio"),
        ("-", None, "-"),
    ],
)
def test_a_station_name_is_split_from_its_input(text: str, name: str | None, what: str) -> None:
    assert split_name(text) == (name, what)


def test_an_existing_file_with_an_equals_sign_is_not_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert split_name("a=b.wav") == ("a", "b.wav")
    Path("a=b.wav").touch()
    assert split_name("a=b.wav") == (None, "a=b.wav")


def test_a_closed_terminal_ends_the_daemon_and_does_not_reload_it(configured: Configured) -> None:
    configured.write("a")
    child, terminal = pty.fork()
    if child == 0:
        command = [*COMMAND, "listen", "--config", str(configured.file), "-q"]
        os.execve(command[0], command, environment())
    with Subscriber(configured.endpoint) as subscriber:
        assert until(lambda: subscriber.receive(timeout=0.2))
        os.kill(child, signal.SIGHUP)  # the terminal is still there: this reloads
        received = b""
        while b"configuration read again" not in received:
            received += os.read(terminal, 1000)
        os.close(terminal)
        status = until(lambda: _ended(child))
        assert os.waitstatus_to_exitcode(status[0]) == 0


def _ended(child: int) -> tuple[int] | None:
    pid, status = os.waitpid(child, os.WNOHANG)
    return (status,) if pid else None
