"""A thread that hangs does not hang the end of the daemon."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from support.commands import environment, events_of, free_endpoint, start
from support.live import until
from support.sample_events import SampleStation
from support.service_manager import Manager

from streamgenre.ending import end_process, has_ended
from streamgenre.events.queue import EventQueue

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

HANGS_IN_A_SINK = """
import sys
from streamgenre.config.build import load
from streamgenre.daemon.app import Daemon
from streamgenre.daemon.sinks import Sink
from streamgenre.errors import StreamgenreError
from streamgenre.system.logs import logging_to_user
from streamgenre.system.signals import stop_on_signals

class Blocked(Sink):
    def take(self, event):
        if event.TYPE == "update" and event.seq >= 3:
            print("hangs", flush=True)
            open(sys.argv[2], "w")

def read():
    return load(sys.argv[1], {})

try:
    with (
        logging_to_user(None),
        Daemon(read(), read, sinks=[Blocked()]) as daemon,
        stop_on_signals() as stop,
    ):
        daemon.run(lambda queue: queue.discard(), stop)
except StreamgenreError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def write(folder: Path, model: Path) -> Path:
    file = folder / "config.toml"
    file.write_text(
        f'model = "{model}"\n[bus]\npublish = "{free_endpoint()}"\n[engine]\nhop_s = 0.5\n'
        f'[history]\nkeep = "all"\npath = "{folder}/h.sqlite3"\n[metrics]\nlisten = ":0"\n'
        '[[station]]\nname = "a"\ninput = "demo"\n'
    )
    return file


def segments(folder: Path) -> list[Any]:
    with sqlite3.connect(folder / "h.sqlite3") as history:
        return history.execute("SELECT * FROM segments").fetchall()


def test_a_reload_that_hangs_on_its_file_is_left_behind(
    tmp_path: Path, stateful_folder: Path
) -> None:
    """What was heard is published and written, and the exit code is that of a normal end."""
    file = write(tmp_path, stateful_folder)
    with (
        Manager(tmp_path / "notify") as manager,
        start("listen", "--config", file, "--json", env=manager.environment) as daemon,
    ):
        assert daemon.stdout is not None
        manager.wait_for(READY="1")
        lines: list[str] = []
        while sum(event["type"] == "update" for event in events_of("".join(lines))) < 3:
            lines.append(daemon.stdout.readline())
        file.unlink()
        os.mkfifo(file)
        daemon.send_signal(signal.SIGHUP)
        manager.wait_for(RELOADING="1")
        daemon.terminate()
        out, err = daemon.communicate(timeout=60)
        assert daemon.returncode == 0, err
    events = events_of("".join(lines) + out)
    assert "the thread 'reload' hangs" in err
    assert [e["state"] for e in events if e["type"] == "source"][-1] == "ended"
    assert any(e["type"] == "segment" for e in events)
    assert segments(tmp_path)


def test_an_engine_that_hangs_in_a_sink_is_an_error_and_the_history_is_closed(
    tmp_path: Path, stateful_folder: Path
) -> None:
    file = write(tmp_path, stateful_folder)
    os.mkfifo(tmp_path / "fifo")
    with subprocess.Popen(
        [sys.executable, "-c", HANGS_IN_A_SINK, file, tmp_path / "fifo"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "hangs\n"
        daemon.terminate()
        try:
            _, err = daemon.communicate(timeout=60)
        finally:
            daemon.kill()
    assert daemon.returncode == 1
    assert "the thread 'engine' hangs" in err
    assert "the engine hangs and was left behind" in err
    assert segments(tmp_path)


def test_a_thread_that_hangs_is_named(caplog: pytest.LogCaptureFixture) -> None:
    mine, other = os.pipe()
    thread = threading.Thread(target=os.read, args=(mine, 1), name="the reader", daemon=True)
    assert has_ended(thread)
    thread.start()
    assert not has_ended(thread, 0.01)
    assert "'the reader' hangs" in caplog.text
    os.write(other, b"x")
    assert has_ended(thread, 60)
    os.close(mine)
    os.close(other)


def test_a_process_that_does_not_end_is_killed() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        assert end_process(process, "sleep", patience=0) == -signal.SIGKILL
    with subprocess.Popen(["true"]) as process:
        assert end_process(process, "true", patience=60) == 0


def test_a_queue_whose_reader_hangs_is_ended_all_the_same() -> None:
    queue = EventQueue(lossless=True, capacity=1)
    queue.put(SampleStation().update())
    done = threading.Thread(target=queue.end, args=(0.01,), daemon=True)
    done.start()
    until(lambda: not done.is_alive())
