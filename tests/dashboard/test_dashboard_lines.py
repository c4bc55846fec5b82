from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from support.commands import free_endpoint, start
from support.dashboard_events import gap, segment, source, status, update

from streamgenre.dashboard import lines
from streamgenre.dashboard.app import run_dashboard

FEEDER = Path(__file__).parents[1] / "support" / "dashboard_feeder.py"


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_each_relevant_event_gets_one_line() -> None:
    assert lines.line(update(11)) == "00:00:12  kitchen  jazz 83 %  -18.2 dBFS  (since 0.0 s)"
    silent = update(0, None, state="silence", level=None)
    assert lines.line(silent) == "00:00:01  kitchen  silence  digital silence  (since 0.0 s)"
    assert lines.line(segment(0, 3, 90)) == (
        "00:01:30  kitchen  segment jazz from 3.0 s to 90.0 s (1 min 27 s, 70 % on average)"
    )
    assert lines.line(gap(0, 5)) == "00:00:05  kitchen  gap: 2205 samples lost (0.050 s, overflow)"
    assert lines.line(source(0, 5, "lost", detail="unplugged")) == (
        "00:00:05  kitchen  source lost  http://radio.example/jazz: unplugged"
    )
    assert lines.line(status(0, 10)) is None


def test_a_pipe_gets_lines_without_escapes() -> None:
    file = io.StringIO()
    events = [source(0, 0, "live"), update(0), None, replace(update(1), station="\x1b[2Jx")]
    run_dashboard(events, console=Console(file=file), stop=lambda: False)
    assert len(file.getvalue().splitlines()) == 3
    assert "\x1b" not in file.getvalue()


def test_a_dumb_terminal_gets_lines() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, _environ={"TERM": "dumb"})
    run_dashboard([update(0)], console=console, stop=lambda: False)
    assert file.getvalue().endswith("(since 0.0 s)\n")
    assert "\x1b" not in file.getvalue()


def test_each_line_is_flushed_and_stop_is_checked() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    with os.fdopen(read, "rb", buffering=0) as reader, os.fdopen(write, "w") as writer:
        asked = iter([False, True])
        lines.run_lines([update(0), update(1), update(2)], file=writer, stop=lambda: next(asked))
        assert (reader.read(1000) or b"").count(b"\n") == 2


def test_a_missing_update_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 4.0, 5.0, 6.0, 7.0, 11.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    file = io.StringIO()
    events = [update(0), None, None, None, update(1), None, None]
    lines.run_lines(events, file=file, stop=lambda: False)
    reported = [one for one in file.getvalue().splitlines() if "no update" in one]
    assert reported == [
        "00:00:05  kitchen  no update for 4 s",
        "00:00:07  kitchen  no update for 5 s",
    ]


def test_a_reader_that_leaves_is_not_an_error() -> None:
    command = f"{sys.executable} {FEEDER} endless | head -n 2"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2


def test_an_encoding_without_the_letters_is_not_an_error() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="latin-1")
    lines.run_lines([replace(update(0), station="音楽")], file=file, stop=lambda: False)
    assert b"  ??  jazz" in raw.getvalue()


def test_an_unknown_station_lists_the_known_ones() -> None:
    endpoint = free_endpoint()
    flags = ("--publish", endpoint, "--input", "a=demo", "--input", "b=demo", "--no-history")
    watch = ("dashboard", "--connect", endpoint, "--station", "nosuch")
    with start("listen", "--quiet", *flags) as daemon, start(*watch) as dashboard:
        assert dashboard.stderr is not None
        lines = [dashboard.stderr.readline()]
        while "stations" not in lines[-1] and lines[-1]:  # before it: no daemon has answered yet
            lines.append(dashboard.stderr.readline())
        dashboard.terminate()
        assert dashboard.stdout is not None
        assert dashboard.stdout.read() == ""
        daemon.terminate()
    assert lines[-1].startswith(
        f"streamgenre: nothing from nosuch yet, still waiting; the stations at {endpoint} are a"
    )
