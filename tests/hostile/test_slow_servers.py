"""However slowly a server sends, and whatever: its station is lost in time, with a reason."""

from __future__ import annotations

import gzip
import itertools
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.audio import music, write_wav
from support.certificate import new_certificate
from support.live import until
from support.radio_server import MisbehavingServer
from support.requirements import require_programs

from streamgenre.sources.stream import radio
from streamgenre.sources.stream.radio import RadioSource
from streamgenre.sources.stream.settings import StreamSettings

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LIST = b"HTTP/1.1 200 OK\r\nContent-Type: audio/x-scpls\r\n\r\n"
PAUSE_S = 0.05
PATIENT_S = 60.0


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    require_programs("ffmpeg")
    folder = tmp_path_factory.mktemp("mp3")
    wav = write_wav(folder / "a.wav", music(4))
    file = folder / "a.mp3"
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, "-b:a", "64k", file], check=True)
    return file.read_bytes()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio, "TIMEOUT_S", 1.0)
    monkeypatch.setattr(radio, "SILENT_S", 2.0)
    monkeypatch.setattr(radio, "WINDOW_S", 2.0)
    monkeypatch.setattr(radio, "BACKOFF_S", (30.0, 30.0))


def drip(connection: socket.socket, start: bytes, pieces: Iterable[bytes]) -> None:
    """Send the start, and then the pieces with pauses in which no time limit passes."""
    connection.sendall(start)
    for piece in pieces:
        connection.sendall(piece)
        time.sleep(PAUSE_S)


def bytewise(text: bytes) -> Iterator[bytes]:
    return (bytes([each]) for each in itertools.cycle(text))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def empty_gzip() -> Iterator[bytes]:
    return itertools.repeat(gzip.compress(b""))


def rounds(connection: socket.socket, request: bytes) -> None:
    """Redirect to a new path each time, after most of the time of one request."""
    number = int(request.split()[1].rpartition(b"/")[2] or b"0") if b"/r/" in request else 0
    time.sleep(0.7)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /r/%d\r\n\r\n" % (number + 1))


DRIPS: dict[str, tuple[Callable[[socket.socket, bytes], None], str]] = {
    "trailer": (
        lambda c, mp3: drip(c, CHUNKED + chunk(mp3) + b"0\r\n", itertools.repeat(b"X-A: b\r\n")),
        "the stream ended",
    ),
    "size of a chunk": (
        lambda c, mp3: drip(c, CHUNKED + chunk(mp3), bytewise(b"0")),
        "nothing for 1 s",
    ),
    "extension of a chunk": (
        lambda c, mp3: drip(c, CHUNKED + chunk(mp3) + b"10;a=", bytewise(b"b")),
        "nothing for 1 s",
    ),
    "endless extension": (
        lambda c, mp3: c.sendall(CHUNKED + chunk(mp3) + b"10;a=" + b"b" * 100_000),
        "longer than 4096 bytes",
    ),
    "interim heads": (
        lambda c, _: drip(c, b"", itertools.repeat(b"HTTP/1.1 102 Processing\r\n\r\n")),
        "its head does not end",
    ),
    "endless interim heads": (
        lambda c, _: c.sendall(b"HTTP/1.1 102 Processing\r\n\r\n" * 100_000),
        "its head has more than",
    ),
    "head": (lambda c, _: drip(c, b"", bytewise(b"HTTP/1.1 200 OK")), "its head does not end"),
    "header": (lambda c, _: drip(c, OK + b"X: ", bytewise(b"y")), "its head does not end"),
    "headers": (lambda c, _: drip(c, OK, itertools.repeat(b"X: y\r\n")), "its head does not end"),
    "empty lines": (lambda c, _: drip(c, b"", itertools.repeat(b"\r\n")), "its head does not end"),
    "nothing": (lambda c, _: time.sleep(30), "no answer in 1 s"),
    "redirects": (rounds, "in 1 s"),
    "list": (lambda c, _: drip(c, LIST, bytewise(b"[playlist]\n")), "nothing for 1 s"),
    "audio": (
        lambda c, mp3: drip(c, OK + b"\r\n", (mp3[n : n + 1] for n in range(999))),
        "no audio",
    ),
    "audio after a while": (
        lambda c, mp3: drip(c, OK + b"\r\n" + mp3[:16_000], bytewise(mp3[16_000:])),
        "",
    ),
    "chunks of one byte": (
        lambda c, mp3: drip(c, CHUNKED, (chunk(bytes([each])) for each in mp3)),
        "no audio for",
    ),
    "metadata": (
        lambda c, mp3: drip(
            c, OK + b"icy-metaint: 8000\r\n\r\n" + mp3[:8000] + b"\xff", bytewise(b"z")
        ),
        "",
    ),
    "compressed nothing": (
        lambda c, _: drip(c, OK + b"Content-Encoding: gzip\r\n\r\n", empty_gzip()),
        "nothing for 1 s",
    ),
}


@pytest.mark.parametrize("name", DRIPS)
def test_a_station_that_drips_is_lost_with_a_reason(name: str, mp3: bytes) -> None:
    behave, words = DRIPS[name]
    server = MisbehavingServer(
        lambda c, request: behave(c, request if name == "redirects" else mp3)
    )
    source = RadioSource(server.url)
    source.start()
    try:
        until(lambda: source.state == "lost", PATIENT_S, pump=lambda: drain(source))
    finally:
        source.stop()
        server.close()
    lost = next(change for change in source.state_changes if change.state == "lost")
    assert words in lost.detail
    assert server.url in lost.detail
    assert source.failure is None


def drain(source: RadioSource) -> None:
    if source.ring is not None:
        source.ring.read(100_000)
    time.sleep(0.01)


def handshake(connection: socket.socket) -> None:
    """Begin a TLS record that never ends."""
    drip(connection, b"\x16\x03\x03\x40\x00\x02", bytewise(b"\0"))


@pytest.mark.parametrize("behave", [handshake, lambda _: time.sleep(30)])
def test_a_tls_handshake_that_never_ends_is_given_up(behave: Any) -> None:
    server = MisbehavingServer(lambda c, _: behave(c))
    source = RadioSource(server.url.replace("http", "https"))
    source.start()
    try:
        until(lambda: source.state == "lost", PATIENT_S)
    finally:
        source.stop()
        server.close()
    assert "the TLS handshake does not end in 1 s" in source.state_changes[0].detail


def test_a_tls_connection_that_drips_is_given_up(tmp_path: Path) -> None:
    certificate, tls = new_certificate(tmp_path)
    server = MisbehavingServer(lambda c, _: drip(c, OK + b"X: ", bytewise(b"y")), tls)
    source = RadioSource(server.url, settings=StreamSettings(ca_file=certificate))
    source.start()
    try:
        until(lambda: source.state == "lost", PATIENT_S)
    finally:
        source.stop()
        server.close()
    assert "its head does not end" in source.state_changes[0].detail
