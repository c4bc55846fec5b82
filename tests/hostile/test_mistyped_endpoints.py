"""A mistyped endpoint or port is shown as typed, with what was expected; nothing is waited for."""

from __future__ import annotations

import json
import os
import threading

import pytest
import zmq
from support.commands import streamgenre

PORTS = "no such port: expected a number from 0 to 65535"
LISTEN = ("listen", "--input", "demo")


@pytest.mark.parametrize(
    ("command", "typed", "words"),
    [
        ((*LISTEN, "--publish"), "tcp://127.0.0.1:99999", PORTS),
        ((*LISTEN, "--publish"), "tcp://127.0.0.1:-1", PORTS),
        ((*LISTEN, "--publish"), "tcp:/127.0.0.1:5757", "expected tcp://127.0.0.1:PORT"),
        ((*LISTEN, "--publish"), "tcp://127.0.0.1:5757/x", "expected tcp://127.0.0.1:PORT"),
        ((*LISTEN, "--control"), "tcp://[::1]:65536", PORTS),
        ((*LISTEN, "--control"), "5758", "expected tcp://127.0.0.1:PORT"),
        ((*LISTEN, "--metrics"), ":65536", PORTS),
        ((*LISTEN, "--metrics"), "localhost:999999999999999999999999", PORTS),
        (("subscribe", "--connect"), "tcp://127.0.0.1:99999", PORTS),
        (("subscribe", "--connect"), "tcp://127.0.0.1", "expected tcp://HOST:PORT"),
        (("subscribe", "--connect"), "tcp://127.0.0.1:0", "a port from 1 to 65535"),
        (("dashboard", "--connect"), "tcp://pi:5757x", "expected tcp://HOST:PORT"),
        (("dashboard", "--connect"), "pi:5757", "expected tcp://HOST:PORT"),
        (("control", "status", "--connect"), "tcp://127.0.0.1:70000", PORTS),
        (("bridge", "webhook", "--url", "http://h/", "--connect"), "tcp://h:65536", PORTS),
    ],
    ids=range(15),
)
def test_it_is_shown_as_typed(command: tuple[str, ...], typed: str, words: str) -> None:
    done = streamgenre(*command, typed)
    assert done.returncode in (1, 2)
    assert typed in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [
        ("bridge", "mqtt", "--broker", "mqtt://localhost:99999"),
        ("bridge", "webhook", "--url", "http://localhost:99999/"),
    ],
    ids=["broker", "webhook"],
)
def test_a_wrong_port_is_told_without_what_may_be_a_password(command: tuple[str, ...]) -> None:
    done = streamgenre(*command)
    assert done.returncode == 2
    assert PORTS in done.stderr
    assert "99999" not in done.stderr


def test_arguments_that_are_not_utf_8_are_no_reason_for_a_traceback() -> None:
    odd = "\udcff"  # how Python passes on the byte 0xff
    for command in (
        (*LISTEN, "--publish", f"ipc:///tmp/{odd}"),
        ("subscribe", "--connect", f"tcp://{odd}:5757"),
        ("subscribe", "--connect", "tcp://127.0.0.1:1", "--station", odd, "--timeout", "0.1"),
        ("control", "reset", odd, "--connect", "tcp://127.0.0.1:1", "--timeout", "0.1"),
    ):
        done = streamgenre(*command)
        assert done.returncode in (1, 2)
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"7", b"{", b"\xff", b"[" * 100_000, b'{"ok":false,"error":"x"}',
     b'{"ok":false,"error":{"message":"\\ud800"}}', b'{"ok":true,"result":"\\ud800"}',
     b'{"ok":true,"result":1e400}'],
    ids=range(10),
)  # fmt: skip
def test_any_answer_to_a_request_is_survived(answer: bytes) -> None:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
    with socket:
        socket.set(zmq.LINGER, 1000)
        port: int = socket.bind_to_random_port("tcp://127.0.0.1")

        def serve() -> None:
            assert socket.poll(60_000)
            *envelope, body = socket.recv_multipart()
            assert json.loads(body)["request"] == "status"
            socket.send_multipart([*envelope, answer])

        thread = threading.Thread(target=serve)
        thread.start()
        done = streamgenre("control", "status", "--connect", f"tcp://127.0.0.1:{port}")
        thread.join()
    assert done.returncode == (0 if answer.startswith(b'{"ok":true,"result":"') else 1)
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr


@pytest.mark.parametrize("command", [("subscribe",), ("control", "status")], ids=["bus", "control"])
@pytest.mark.parametrize("typed", [b"tcp://\xff:1", b"ipc:///tmp/\xff\xfe"], ids=["tcp", "ipc"])
def test_one_that_is_not_utf_8_is_told_in_words(command: tuple[str, ...], typed: bytes) -> None:
    done = streamgenre(*command, "--connect", os.fsdecode(typed))
    assert done.returncode == 1
    assert "its characters are not UTF-8" in done.stderr
    assert "codec" not in done.stderr
