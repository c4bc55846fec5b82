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
from support.radio_server import MisbehavingServer, Rtsp
from support.requirements import require_programs

from streamgenre.sources.stream import arrival, hls, radio
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
    shorten(monkeypatch)


def shorten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(radio, "TIMEOUT_S", 1.0)
    patch.setattr(radio, "SILENT_S", 2.0)
    patch.setattr(arrival, "WINDOW_S", 2.0)
    patch.setattr(radio, "BACKOFF_S", (30.0, 30.0))
    patch.setattr(hls, "STANDSTILL_S", 2.0)


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
def test_a_station_that_drips_is_lost_with_a_reason(
    name: str, lost: dict[str, tuple[str, str]]
) -> None:
    url, detail = lost[name]
    assert DRIPS[name][1] in detail
    assert url in detail


@pytest.fixture(scope="module")
def lost(mp3: bytes) -> dict[str, tuple[str, str]]:
    """The URL of each server, and the reason why its station is lost; all at the same time."""
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        servers = {
            name: MisbehavingServer(
                lambda c, request, behave=behave, name=name: behave(  # type: ignore[misc]
                    c, request if name == "redirects" else mp3
                )
            )
            for name, (behave, _) in DRIPS.items()
        }
        sources = {name: RadioSource(server.url) for name, server in servers.items()}
        for source in sources.values():
            source.start()

        def drain_all() -> None:
            for source in sources.values():
                drain(source)

        try:
            until(
                lambda: all(source.state == "lost" for source in sources.values()),
                PATIENT_S,
                pump=drain_all,
            )
        finally:
            for source in sources.values():
                source.stop()
            for server in servers.values():
                server.close()
    assert not any(source.failure for source in sources.values())
    return {
        name: (servers[name].url, next(c for c in source.state_changes if c.state == "lost").detail)
        for name, source in sources.items()
    }


def drain(source: RadioSource) -> None:
    if source.ring is not None:
        source.ring.read(100_000)
    time.sleep(0.005)


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


# ---- HLS and RTSP -------------------------------------------------------------------------------

PLAYLIST = (
    b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n%s"
    b"#EXTINF:1,\n/0.aac\n#EXTINF:1,\n/1.aac\n"
)
M3U8 = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\n\r\n"
KEY = b'#EXT-X-KEY:METHOD=AES-128,URI="/key"\n'
GARBAGE = b"\xff\xf1\x50\x80\x19\x1f\xfc" + b"\xa5" * 193
"""An ADTS frame with a valid header."""


def play_hls(connection: socket.socket, request: bytes, aac: bytes, drips: str) -> None:
    """Send a playlist and its parts, of which one drips."""
    path = request.split()[1].decode()
    good = {"/0.aac": OK + b"\r\n" + aac, "/key": OK + b"\r\n" + bytes(16)}
    playlist = PLAYLIST % (KEY if drips == "/key" else b"")
    if path == drips or (drips == "/live" and path == "/live"):
        drip(connection, M3U8 if path == "/live" else OK + b"\r\n", bytewise(b"#EXTM3U\n"))
    elif path == "/1.aac":
        if drips == "noise":
            drip(connection, OK + b"\r\n", itertools.repeat(GARBAGE))
        connection.sendall(good["/0.aac"])
    else:
        connection.sendall(good.get(path, M3U8 + playlist))


@pytest.fixture(scope="module")
def aac(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    require_programs("ffmpeg")
    folder = tmp_path_factory.mktemp("aac")
    wav, file = write_wav(folder / "a.wav", music(2)), folder / "a.aac"
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, "-b:a", "64k", file], check=True)
    return file.read_bytes()


@pytest.mark.parametrize("drips", ["/live", "/0.aac", "/1.aac", "/key", "noise"])
def test_an_hls_stream_that_drips_is_lost(drips: str, aac: bytes) -> None:
    server = MisbehavingServer(lambda c, request: play_hls(c, request, aac, drips))
    source = RadioSource(server.url)
    source.start()
    try:
        until(lambda: source.state == "lost", PATIENT_S, pump=lambda: drain(source))
    finally:
        source.stop()
        server.close()
    assert source.failure is None
    assert "for " in next(c for c in source.state_changes if c.state == "lost").detail


class DrippingRtsp(Rtsp):
    """Talks as it should until the stream plays, and then sends pieces for ever."""

    pieces: Iterable[bytes] = ()

    def _play(self, connection: socket.socket) -> None:
        drip(connection, b"", self.pieces)


@pytest.mark.parametrize(
    "pieces",
    [
        bytewise(b"$"),
        bytewise(b"RTSP/1.0 200 OK\r\n"),
        itertools.repeat(b"$\x05\x00\x01a"),
        itertools.repeat(b"$\x00\x00\x00"),
        itertools.repeat(b"$\x01\x00\x08\x80\xc9\x00\x01\x00\x00\x00\x01"),
    ],
)
def test_an_rtsp_stream_that_drips_is_lost(pieces: Iterable[bytes]) -> None:
    server = DrippingRtsp()
    server.pieces = pieces
    source = RadioSource(server.url)
    source.start()
    try:
        until(lambda: source.state == "lost", PATIENT_S)
    finally:
        source.stop()
        server.close()
    assert source.failure is None


@pytest.mark.parametrize("text", [b"R", b"RTSP/1.0 200 OK\r\nX: ", b"RTSP/1.0 200 OK\r\nX: y\r\n"])
def test_an_rtsp_answer_that_drips_is_given_up(text: bytes) -> None:
    server = MisbehavingServer(lambda c, _: drip(c, text, bytewise(text[-3:])))
    source = RadioSource(server.url.replace("http", "rtsp"))
    source.start()
    try:
        until(lambda: source.state == "lost", PATIENT_S)
    finally:
        source.stop()
        server.close()
    assert source.failure is None
