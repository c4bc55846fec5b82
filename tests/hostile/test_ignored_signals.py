"""What a command was started to survive does not end it: nohup, and background jobs of a script."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from support.commands import COMMAND, environment, free_endpoint
from support.live import until

from streamgenre.client.subscriber import Subscriber

if TYPE_CHECKING:
    from collections.abc import Iterator

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _take_terminal() -> None:
    """Make standard input the controlling terminal of a new session."""
    os.setsid()
    os.close(os.open(os.ttyname(0), os.O_RDWR))


@contextmanager
def shell(script: str, *arguments: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run a script in a shell with a terminal of its own; yield the terminal and the shell."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(),
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    try:
        yield ours, process
    finally:
        with suppress(OSError):
            os.close(ours)
        process.kill()
        process.wait()


def started(file: Path) -> psutil.Process:
    """Return the process whose id a script has written."""
    return psutil.Process(until(lambda: file.exists() and int(file.read_text() or 0), 60))


def handles(process: psutil.Process, number: signal.Signals) -> bool:
    """Return whether a process has a handler for a signal."""
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    caught = next(line.split()[1] for line in status if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def wait_until_ready(process: psutil.Process) -> None:
    """Wait until the command has set its handlers, of which SIGALRM is always one."""
    until(lambda: handles(process, signal.SIGALRM), 60)


def test_a_daemon_under_nohup_survives_its_terminal(stateful_folder: Path, tmp_path: Path) -> None:
    endpoint, number = free_endpoint(), tmp_path / "pid"
    flags = ("listen", "--input", "demo", "--model", str(stateful_folder), "--publish", endpoint)
    script = f'cd {tmp_path}; nohup "$@" & echo $! > {number}; wait'
    with shell(script, *COMMAND, *flags) as (terminal, _):
        daemon = started(number)
        try:
            with Subscriber(endpoint, types=["update"]) as subscriber:
                assert subscriber.receive(60) is not None
                os.close(terminal)
                daemon.send_signal(signal.SIGHUP)  # as some shells do as well
                last = until(lambda: subscriber.receive(0.1), 60)
                until(lambda: getattr(subscriber.receive(1), "seq", 0) > last.seq + 2, 60)
        finally:
            daemon.terminate()
        daemon.wait(60)


def bridge(endpoint: str) -> tuple[str, ...]:
    url = "http://127.0.0.1:9/"
    return ("bridge", "webhook", "--connect", endpoint, "--url", url)


def listen(folder: Path) -> tuple[str, ...]:
    return ("listen", "--input", "demo", "--model", str(folder), "--publish", free_endpoint())


@pytest.mark.parametrize("command", ["listen", "bridge"])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_an_ignored_signal_stays_ignored_and_sigterm_ends(
    command: str, number: signal.Signals, stateful_folder: Path, tmp_path: Path
) -> None:
    flags = listen(stateful_folder) if command == "listen" else bridge(free_endpoint())
    script = f"trap '' {number.name[3:]}; exec \"$@\""
    process = subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", *COMMAND, *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
        cwd=tmp_path,
    )
    try:
        command_process = psutil.Process(process.pid)
        wait_until_ready(command_process)
        expected = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} - {number}
        assert {n for n in HANDLED if handles(command_process, n)} == expected
        process.send_signal(number)
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_signals_that_are_not_ignored_end_the_daemon(stateful_folder: Path) -> None:
    for number in HANDLED:
        process = subprocess.Popen(
            [*COMMAND, *listen(stateful_folder)], stdout=subprocess.DEVNULL, env=environment()
        )
        try:
            wait_until_ready(psutil.Process(process.pid))
            process.send_signal(number)
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
