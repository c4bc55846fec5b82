"""Whatever broker, receiver or bus send, the bridges go on and stay small."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from support.commands import COMMAND, environment
from support.live import bus, end, until
from support.receiver import Receiver
from support.sample_events import SampleStation

if TYPE_CHECKING:
    from collections.abc import Callable

ANY = "tcp://127.0.0.1:*"
LONG_S = 60
MOST_MB = 80
"""A bridge takes about 40 MB."""
CONNACK = b"\x20\x02\x00\x00"


def highest_mb(pid: int) -> float:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1000


def spawn(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "bridge", *arguments],
        env=environment({"XDG_STATE_HOME": str(tmp_path)}),
        stderr=subprocess.PIPE,
        text=True,
    )


def flood(start: bytes, rest: bytes) -> Callable[[int, socket.socket], None]:
    def answer(_: int, peer: socket.socket) -> None:
        peer.sendall(start)
        while True:
            peer.sendall(rest)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
        flood(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536),
        flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    ],
    ids=["body", "header", "interim answers"],
)
def test_a_receiver_that_never_stops_sending_fills_no_memory(answer: Any, tmp_path: Path) -> None:
    receiver = Receiver(answer)
    with bus(ANY) as endpoint:
        flags = ("--connect", endpoint, "--url", receiver.url, "--timeout", "2")
        bridge = spawn(tmp_path, "webhook", *flags)
        try:
            until(lambda: receiver.accepted >= 3, LONG_S)
            assert highest_mb(bridge.pid) < MOST_MB
            bridge.terminate()
            assert bridge.wait(LONG_S) == 0
        finally:
            end(bridge)
    receiver.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\xff\xff\xff\x7f" + b"\0" * 65536,
        b"\x31\x10\x00\x03t/u" + b"x" * 11,
        b"\xd0\x00" * 1000,
    ],
    ids=["a packet of 256 MB", "endless publications", "endless answers to pings"],
)
def test_a_broker_that_never_stops_sending_fills_no_memory(data: bytes, tmp_path: Path) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    sent = {"bytes": 0, "clients": 0}

    def one(peer: socket.socket) -> None:
        try:
            peer.recv(1000)
            peer.sendall(CONNACK)
            while True:
                peer.sendall(data)
                sent["bytes"] += len(data)
        except OSError:
            return

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            sent["clients"] += 1
            threading.Thread(target=one, args=(peer,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with bus(ANY) as endpoint:
        url = f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        bridge = spawn(tmp_path, "mqtt", "--connect", endpoint, "--broker", url)
        try:
            until(lambda: sent["bytes"] > 3_000_000 or sent["clients"] >= 3, LONG_S)
            assert highest_mb(bridge.pid) < MOST_MB
            bridge.terminate()
            assert bridge.wait(LONG_S) == 0
        finally:
            end(bridge)
            server.close()


@pytest.mark.parametrize("kind", ["mqtt", "webhook"])
def test_no_message_from_the_bus_ends_a_bridge(kind: str, tmp_path: Path) -> None:
    """A publisher of whatever it likes, then of a good event."""
    publisher: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
    publisher.set(zmq.LINGER, 0)
    port = publisher.bind_to_random_port("tcp://127.0.0.1")
    received: list[bytes] = []
    receiver = Receiver(b"HTTP/1.1 204 No\r\n\r\n")
    broker = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            peer, _ = broker.accept()
            peer.recv(1000)
            peer.sendall(CONNACK)
            while data := peer.recv(65536):
                received.append(data)
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    to = {
        "mqtt": ("--broker", f"mqtt://127.0.0.1:{broker.getsockname()[1]}"),
        "webhook": ("--url", receiver.url),
    }[kind]
    bridge = spawn(tmp_path, kind, "--connect", f"tcp://127.0.0.1:{port}", *to)
    good = SampleStation("good").segment()
    text = good.to_json()
    odd = [
        *(b"", b"{}", b"null", b"\xff\xfe", b"[" * 100_000, b"NaN", text.encode("utf-16")),
        text.replace('"good"', '"\\ud800"').encode(),
        text.replace('"good"', '"' + "x" * 300_000 + '"').encode(),
        *(text.replace('"seq": 0', f'"seq": {n}').encode() for n in ("1e999", "-1", "null")),
        *(text.replace('"end": 0.0', f'"end": {n}').encode() for n in ("1e308", "NaN", "9" * 5000)),
        text.replace('"v": 1', '"v": 2').encode(),
    ]
    try:
        assert publisher.recv()  # it has subscribed
        for data in odd:
            publisher.send_multipart([b"segment/good", data])
            publisher.send_multipart([b"segment/\xff", data])
            publisher.send_multipart([b"segment/good", data, data])
        last = SampleStation("last").segment().to_json().encode()

        def arrived() -> bool:
            publisher.send_multipart([b"segment/last", last])
            return b'"last"' in b"".join(received) + b"".join(receiver.bodies)

        until(arrived, LONG_S)
        assert bridge.poll() is None
        assert highest_mb(bridge.pid) < MOST_MB
        bridge.terminate()
        assert bridge.wait(LONG_S) == 0
        assert bridge.stderr is not None
        said = bridge.stderr.read()
        assert "Traceback" not in said
        assert len(said) < 20_000
    finally:
        end(bridge)
        publisher.close()
        broker.close()
        receiver.close()
