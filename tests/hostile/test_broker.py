"""Nothing that a broker, or what is taken for one, sends ends the bridge or fills its memory."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.live import until
from support.mosquitto import PASSWORD, USER, Listener, Mosquitto, make_certificate, running_broker

from streamgenre.bridges import connection as module
from streamgenre.bridges.broker import parse_broker
from streamgenre.bridges.connection import BrokerConnection
from streamgenre.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG_S = 60
CONNACK = b"\x20\x02\x00\x00"
AFTER_HELLO = {
    "an unknown refusal": b"\x20\x02\x00\x63",
    "a CONNACK without content": b"\x20\x00",
    "a long CONNACK": b"\x20\x05\x00\x00\x00\x00\x00",
    "a packet of 256 MB": CONNACK + b"\x30\xff\xff\xff\x7f" + b"\0" * 1000,
    "a length without end": CONNACK + b"\x30" + b"\xff" * 20,
    "a topic that is not UTF-8": CONNACK + b"\x31\x05\x00\x02\xff\xfex",
    "a topic longer than its packet": CONNACK + b"\x30\x04\xff\xff\x00\x00",
    "an empty publication": CONNACK + b"\x30\x00",
    "an acknowledgement of nothing": CONNACK + b"\x40\x02\x12\x34",
    "a short acknowledgement": CONNACK + b"\x40\x01\x12",
    "a SUBACK without content": CONNACK + b"\x90\x00",
    "a SUBACK with odd codes": CONNACK + b"\x90\x04\x00\x01\x55\xaa",
    "an unknown command": CONNACK + b"\xf0\x02\x00\x00",
    "a CONNECT": CONNACK + b"\x10\x02\x00\x00",
    "a web server": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "an SSH server": b"SSH-2.0-OpenSSH_9.2\r\n",
    "zeros": b"\0" * 4096,
    "nothing, and closes": b"",
}


class FakeBroker:
    """Sends the same bytes to every client and closes, or waits."""

    def __init__(self, data: bytes, *, wait: bool = False) -> None:
        self.accepted = 0
        self._data, self._wait = data, wait
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.append(peer)
            peer.settimeout(5)
            try:
                peer.recv(1000)
                peer.sendall(self._data)
                if not self._wait:
                    time.sleep(0.1)
                    peer.close()
            except OSError:
                continue

    def close(self) -> None:
        self._socket.close()
        for peer in self._open:
            peer.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less patience."""
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.2)
    monkeypatch.setattr(module, "ANSWER_S", 0.5)


def connection(url: str, said: list[str], ca: str | None = None) -> BrokerConnection:
    broker = parse_broker(url, password=PASSWORD, ca=ca)
    return BrokerConnection(broker, "t/availability", said.append, filters=("t/+",))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("data", AFTER_HELLO.values(), ids=AFTER_HELLO)
def test_the_bridge_tries_again_whatever_a_broker_answers(data: bytes) -> None:
    fake = FakeBroker(data)
    said: list[str] = []
    bridge = connection(f"mqtt://127.0.0.1:{fake.port}", said)
    bridge.start()
    try:
        bridge.publish("t/a", "x", retain=True)
        until(lambda: fake.accepted >= 3, LONG_S)
        assert said
        assert all(len(line) < 300 and "Traceback" not in line for line in said)
    finally:
        bridge.close()
        fake.close()


@pytest.mark.usefixtures("quick")
def test_a_server_that_never_answers_is_left_after_a_while() -> None:
    fake = FakeBroker(b"", wait=True)
    said: list[str] = []
    bridge = connection(f"mqtt://127.0.0.1:{fake.port}", said)
    bridge.start()
    try:
        until(lambda: fake.accepted >= 2, LONG_S)
        assert "does not answer; is it an MQTT broker" in said[0]
    finally:
        bridge.close()
        fake.close()


def test_a_huge_packet_is_not_held_in_memory() -> None:
    """The 256 MB that the header names are neither awaited nor stored."""
    fake = FakeBroker(CONNACK + b"\x30\xff\xff\xff\x7f" + b"\0" * 5_000_000)
    said: list[str] = []
    bridge = connection(f"mqtt://127.0.0.1:{fake.port}", said)
    bridge.start()
    try:
        until(lambda: any("lost the broker" in line for line in said), LONG_S)
    finally:
        bridge.close()
        fake.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with running_broker(tmp_path_factory.mktemp("mosquitto"), tls=True) as broker:
        Listener(broker.port).close()  # it accepts connections
        yield broker


def first_line(url: str, ca: str | None = None) -> str:
    """Return what is said of the first attempt, which must be one line, and not change later."""
    said: list[str] = []
    bridge = connection(url, said, ca)
    bridge.start()
    try:
        until(lambda: said, LONG_S)
        time.sleep(0.3)
    finally:
        bridge.close()
    assert len(said) == 1, said
    return said[0]


def test_the_reason_of_a_failed_connection_is_said_in_one_line(
    broker: Mosquitto, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    own = f"127.0.0.1:{broker.tls_port}"
    assert "connection refused" in first_line(f"mqtt://127.0.0.1:{closed}")
    assert "name cannot be resolved" in first_line("mqtt://no-such-host.invalid")
    assert "name" in first_line(f"mqtt://{'x' * 70}.example")
    assert "certificate is not trusted: self-signed" in first_line(f"mqtts://{own}").replace(
        "self signed", "self-signed"
    )
    assert "--ca FILE" in first_line(f"mqtts://{own}")
    assert "use TLS on this port" in first_line(f"mqtts://127.0.0.1:{broker.port}")
    said = first_line(f"mqtt://{USER}@{own}")
    assert "does it expect TLS (mqtts://)" in said
    assert "connected" in first_line(f"mqtts://{USER}@{own}", str(broker.ca))
    make_certificate(tmp_path, "127.0.0.9")
    refused = first_line(f"mqtt://nobody@127.0.0.1:{broker.port}")
    assert "refuses: Not authorized" in refused
    assert "--password-file" in refused
    assert PASSWORD not in refused


def test_a_certificate_for_another_name_is_not_accepted(tmp_path: Path) -> None:
    key = make_certificate(tmp_path, "127.0.0.9")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", key)
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            context.wrap_socket(server.accept()[0], server_side=True)
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    url = f"mqtts://127.0.0.1:{server.getsockname()[1]}"
    line = first_line(url, str(tmp_path / "cert.pem"))
    assert "certificate is not trusted" in line
    assert "127.0.0.1" in line.partition("not trusted")[2]
    server.close()


def test_a_wrong_ca_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("not a certificate")
    (tmp_path / "empty.pem").touch()
    (tmp_path / "binary.pem").write_bytes(bytes(range(256)))
    (tmp_path / "cut.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n")
    (tmp_path / "bad.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )
    os.mkfifo(tmp_path / "fifo")
    words = {
        "missing.pem": "No such file",
        "text.pem": "no usable certificate",
        "empty.pem": "no usable certificate",
        "binary.pem": "no usable certificate",
        "cut.pem": "no usable certificate",
        "bad.pem": "no usable certificate",
        "fifo": "not a regular file",
        ".": "a directory",
        "nul\0": "null",
        "x" * 300: "too long",
    }
    for name, expected in words.items():
        path = f"{tmp_path}/{name}"
        with pytest.raises(SettingsError) as caught:
            parse_broker("mqtts://h", password=None, ca=path)
        assert str(caught.value).startswith(f"--ca {path}: ")
        assert expected in str(caught.value)
    if os.geteuid() != 0:
        (tmp_path / "text.pem").chmod(0)
        with pytest.raises(SettingsError, match="Permission denied"):
            parse_broker("mqtts://h", password=None, ca=str(tmp_path / "text.pem"))
