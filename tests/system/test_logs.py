"""The daemon's log, and how a flood of lines is limited."""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from support.audio import MemorySource, music, write_wav
from support.commands import free_endpoint, start, streamgenre

from streamgenre.daemon.event_log import EventLog
from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.events import SourceChange
from streamgenre.inference.models import load_model
from streamgenre.system import repeats
from streamgenre.system.journal import Journal, entry, leads_to_journal, priority
from streamgenre.system.logs import logging_to_user
from streamgenre.system.redact import redact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamgenre.events import AnyEvent

LOG = logging.getLogger("streamgenre.test")


class Pipe:
    """A pipe in place of standard error."""

    def __init__(self) -> None:
        self._reading, writing = os.pipe()
        os.set_blocking(self._reading, False)
        self.stream = os.fdopen(writing, "w")

    def lines(self) -> list[str]:
        """Lines written since the last call."""
        try:
            return os.read(self._reading, 1 << 20).decode().splitlines()
        except BlockingIOError:
            return []

    def close(self) -> None:
        self.stream.close()
        os.close(self._reading)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@contextmanager
def logging_to(pipe: Pipe, level: str | None = None, *, hold: bool = False) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", pipe.stream)
        with logging_to_user(level, hold=hold) as journal:
            assert not journal
            yield


# ---- repetitions --------------------------------------------------------------------------------


def test_repetitions_are_counted_and_reported(pipe: Pipe) -> None:
    with logging_to(pipe):
        for number in range(125):
            LOG.warning("%s: lost, %d", "kitchen", number)
        LOG.warning("another")
        said = pipe.lines()
        assert said == [
            *(f"streamgenre: kitchen: lost, {number}" for number in range(repeats.MAX_PER_KIND)),
            "streamgenre: another",
        ]
    assert pipe.lines() == ["streamgenre: kitchen: lost, 124 (and 119 more like it)"]


def test_the_count_is_reported_with_the_next_message_of_its_kind(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    with logging_to(pipe):
        for _ in range(10):
            LOG.warning("lost")
        monkeypatch.setattr(repeats, "WINDOW_S", 0.0)
        LOG.warning("lost")
        assert pipe.lines()[-1] == "streamgenre: lost (and 5 more like it)"
    assert pipe.lines() == []


def test_stations_do_not_silence_one_another(pipe: Pipe) -> None:
    with logging_to(pipe):
        for _ in range(20):
            LOG.warning("%s: lost", "kitchen", extra={"station": "kitchen"})
        LOG.warning("%s: lost", "cellar", extra={"station": "cellar"})
        assert pipe.lines()[-1] == "streamgenre: cellar: lost"


def test_distinct_messages_are_bounded_too(pipe: Pipe) -> None:
    with logging_to(pipe):
        for number in range(20_000):
            LOG.warning(f"message {number}")
        (handler,) = (h for h in logging.getLogger("streamgenre").handlers if h.filters)
        (limit,) = handler.filters
        assert isinstance(limit, repeats.RepeatFilter)
        assert len(limit._kinds) <= repeats.MAX_KINDS
        assert len(pipe.lines()) == repeats.MAX_TOTAL
    reported = pipe.lines()
    assert reported[-1] == "streamgenre: 19644 more lines were held back"
    assert len(reported) == repeats.MAX_KINDS + 1


class Storm(MemorySource):
    """A source that changes its state all the time, with a kilobyte of detail."""

    def __init__(self) -> None:
        super().__init__("storm")
        self.sent = 0
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.over.set()
        self._thread.join()
        super().stop()

    def _run(self) -> None:
        while not self.over.wait(0.0005):
            for state in ("lost", "live"):
                self.set_state(state, f"{self.sent} {'x' * 1000}")
                self.sent += 1000


def test_a_storm_of_a_megabyte_a_second_costs_a_few_lines(
    pipe: Pipe, stateful_folder: Path
) -> None:
    events: list[AnyEvent] = []

    event_log = EventLog()

    def publish(event: AnyEvent) -> None:
        events.append(event)
        event_log.take(event)

    storm = Storm()
    engine = Engine(publish, EngineSettings(status_s=0.1))
    engine.add("storm", storm, load_model(str(stateful_folder), trusted=True))
    with logging_to(pipe):
        engine.run(lambda: storm.sent > 400_000 and len(events) > 500)
    changes = [event for event in events if isinstance(event, SourceChange)]
    said = pipe.lines()
    assert len(changes) > 100
    assert 2 <= len(said) <= 2 * (repeats.MAX_PER_KIND + 1) + 2
    assert sum(map(len, said)) < 20_000
    assert "more like it" in said[-1]


# ---- readers ------------------------------------------------------------------------------------


def test_a_reader_that_does_not_read_costs_lines_but_no_time(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "MAX_PER_KIND", 1000)
    monkeypatch.setattr(repeats, "MAX_TOTAL", 1000)
    with logging_to(pipe):
        for _ in range(200):
            LOG.warning("%s", "x" * 1000)  # three times the capacity of the pipe
        taken = len(pipe.lines())
        assert taken < 100
        LOG.warning("%s", "awake")
        assert pipe.lines() == [f"streamgenre: awake ({200 - taken} lines before it were lost)"]


def test_the_dashboard_keeps_its_screen(pipe: Pipe) -> None:
    with logging_to(pipe, hold=True):
        for _ in range(3):
            LOG.warning("lost")
        assert pipe.lines() == []
    assert pipe.lines() == ["streamgenre: lost"]


def test_control_characters_do_not_reach_the_terminal(pipe: Pipe) -> None:
    with logging_to(pipe):
        LOG.warning("%s", "a\x1b[31m\nstreamgenre: forged")
        assert pipe.lines() == ["streamgenre: a\ufffd[31m; streamgenre: forged"]


def test_the_journal_is_recognised_by_its_descriptor(
    pipe: Pipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = os.fstat(pipe.stream.fileno())
    monkeypatch.setenv("JOURNAL_STREAM", f"{there.st_dev}:{there.st_ino}")
    assert leads_to_journal(pipe.stream)
    with (tmp_path / "log").open("w") as other:
        # As a shell inherits the variable from a session that systemd started.
        assert not leads_to_journal(other)
    monkeypatch.delenv("JOURNAL_STREAM")
    assert not leads_to_journal(pipe.stream)
    assert not leads_to_journal(None)


def test_an_entry_keeps_its_values_unchanged(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "journal"))
        journal = Journal(str(tmp_path / "journal"))
        fields = {"MESSAGE": "a\nPRIORITY=0\n", "PRIORITY": "4", "STREAMGENRE_STATION": "küche"}
        assert journal.send(fields)
        data = listener.recv(65_536)
        journal.close()
    assert data == entry(fields)
    found = {}
    while data:
        name, _, data = data.partition(b"\n")
        (length,) = struct.unpack("<Q", data[:8])
        found[name.decode()] = data[8 : 8 + length].decode()
        assert data[8 + length : 9 + length] == b"\n"
        data = data[9 + length :]
    assert found == fields
    levels = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
    assert [priority(level) for level in levels] == [3, 4, 6, 7]


# ---- the command --------------------------------------------------------------------------------


def test_levels_choose_what_is_logged_about_an_input(stateful_folder: Path, tmp_path: Path) -> None:
    raw = write_wav(tmp_path / "a.wav", music(1))
    flags = ("--model", stateful_folder, "--input", raw, "--pace", "fast", "-q")
    for level, words in (("info", ["live", "ended"]), ("warning", [])):
        endpoint = free_endpoint()
        done = streamgenre("listen", *flags, "--publish", endpoint, "--log-level", level)
        assert done.returncode == 0
        said = done.stderr.splitlines()
        assert len(said) == len(words)
        for line, word in zip(said, words, strict=True):
            assert line.startswith(f"streamgenre: a.wav: {word}")


def test_under_systemd_without_its_journal_lines_have_levels(
    stateful_folder: Path, tmp_path: Path
) -> None:
    """As in a container whose journal is elsewhere: the receiver takes `<4>` for a warning."""
    log = tmp_path / "log"
    with log.open("w") as stream:
        there = os.fstat(stream.fileno())
        variables = {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"}
        command = ("listen", "--input", "demo", "--pace", "fast", "--duration", "80", "-q")
        more = ("--model", stateful_folder, "--publish", free_endpoint())
        with start(*command, *more, env=variables, stderr=stream) as daemon:
            assert daemon.wait(60) == 0
        wrong = ["listen", "--input", "no/such.wav", "--publish", free_endpoint()]
        with start(*wrong, env=variables, stderr=stream) as daemon:
            assert daemon.wait(60) == 1
    said = log.read_text().splitlines()
    assert said[0].startswith("<6>demo: live")
    assert any(line.startswith("<4>demo: ") and "s lost" in line for line in said)
    assert said[-1].startswith("<3>error: ")


# ---- secrets ------------------------------------------------------------------------------------

S = "hunter2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"http://joe:{S}@host:8000/jazz.mp3: cannot be", "http://host:8000/jazz.mp3: cannot be"),
        (f"see https://host/a?token={S}&b=1, then", "see https://host/a?… then"),
        (f"rtsp://joe:{S}@[::1]:554/x", "rtsp://[::1]:554/x"),
        (f"tried joe:{S}@radio.example/live", "tried …@radio.example/live"),
        (f'password = "{S} and more"', 'password = "…"'),
        (f"api_key={S}", "api_key=…"),
        (f"{{'stream-token': '{S}'}}", "{'stream-token': '…'}"),
        (f"Authorization: Basic {S}==", "Authorization: …"),
        (f"sent Bearer {S}", "sent Bearer …"),
        (f'secret_keys = ["{S}", "x"]', "secret_keys = …"),
        ("12:30:05 kitchen: live, http://host/x", "12:30:05 kitchen: live, http://host/x"),
        ("Key: C major, tokenless", "Key: C major, tokenless"),
    ],
)
def test_secrets_are_removed_and_the_rest_is_kept(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_no_secret_of_an_input_is_logged(pipe: Pipe) -> None:
    with logging_to(pipe, "debug"):
        LOG.error("cannot open http://joe:%s@host/x?key=%s", S, S)
        try:
            raise OSError(f"http://joe:{S}@host")
        except OSError as error:
            LOG.warning("%s", error)
    said = pipe.lines()
    assert len(said) == 2
    assert S not in " ".join(said)
