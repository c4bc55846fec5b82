"""Under no attack the daemon's memory grows by more than 48 MB, or another station is delayed."""

from __future__ import annotations

import itertools
import os
import random
import socket
import struct
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import pytest
import zmq
from support.audio import music, write_wav
from support.flac_frames import flac
from support.hostile_models import write_hostile
from support.live import until
from support.paced_station import paced_station
from support.radio_server import MisbehavingServer
from support.requirements import require_programs
from support.two_stations import ATTACKED, MB, Attack, Daemon, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\n"
GREETING: Final = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + bytes(32)
SENT: Final = 300 * MB
"""What an attacker sends without an end, at most."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacks")


@pytest.fixture(scope="module")
def mp3(folder: Path) -> Path:
    require_programs("ffmpeg")
    wav = write_wav(folder / "a.wav", music(10))
    # Ten minutes: where a file begins again, its decoder finds a damaged packet.
    command = ["ffmpeg", "-v", "error", "-stream_loop", "59", "-i", str(wav), "-b:a", "64k"]
    subprocess.run([*command, str(folder / "a.mp3")], check=True)
    return folder / "a.mp3"


@pytest.fixture(scope="module")
def daemons(mp3: Path, folder: Path, stateful_folder: Path) -> Iterator[tuple[Daemon, Daemon]]:
    """The one that is attacked, and one beside it."""
    with paced_station(mp3, 8_000) as url:
        for name in ("one", "other"):
            (folder / name).mkdir()
        daemon = Daemon(folder / "one", stateful_folder, url)
        control = Daemon(folder / "other", stateful_folder, url)
        try:
            yield daemon, control
        finally:
            control.close()
            said = daemon.close()
        assert "Traceback" not in said
        assert "internal error" not in said


@pytest.fixture
def daemon(daemons: tuple[Daemon, Daemon]) -> Daemon:
    return daemons[0]


@pytest.fixture
def attack(daemons: tuple[Daemon, Daemon]) -> Attack:
    return Attack(*daemons)


# ---- the bus and the control socket -------------------------------------------------------------


def admitted(endpoint: str, kind: bytes) -> socket.socket:
    """Connect as a ZeroMQ peer of this kind."""
    host, port = endpoint.removeprefix("tcp://").split(":")
    raw = socket.create_connection((host, int(port)), timeout=60)
    raw.sendall(GREETING)
    got = b""
    while len(got) < 64:
        got += raw.recv(64 - len(got))
    body = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    raw.sendall(b"\x04" + bytes([len(body)]) + body)
    return raw


def never_ending(endpoint: str, kind: bytes, frame: bytes) -> None:
    """Send frames that are all said to be followed by more, until the peer closes."""
    with admitted(endpoint, kind) as raw, suppress(OSError):
        for _ in range(SENT // len(frame)):
            raw.sendall(frame)


def large(size: int, first: bytes = b"") -> bytes:
    """Return a frame with the flag of more to come."""
    return b"\x03" + struct.pack(">Q", size) + first + bytes(size - len(first))


@pytest.mark.parametrize("size", [200, 500, (1 << 20) - 1])
def test_an_unfinished_message_to_the_bus(daemon: Daemon, attack: Attack, size: int) -> None:
    never_ending(daemon.publish, b"SUB", large(size, b"\1\0"))
    attack.check()


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_an_unfinished_request(daemon: Daemon, attack: Attack, size: int) -> None:
    never_ending(daemon.control, b"DEALER", large(size))
    attack.check()


def test_garbage_for_the_control_socket(daemon: Daemon, attack: Attack) -> None:
    rng = random.Random(20_260_101)
    heads = (b'{"request":"status","id":"\\ud800"}', b'{"request":', b"[" * 4000, b"\xff", b"")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    for _ in range(20):
        with context.socket(zmq.DEALER) as client:
            client.set(zmq.LINGER, 1000)
            client.connect(daemon.control)
            for _ in range(100):
                parts = [rng.choice(heads) + rng.randbytes(20) for _ in range(rng.randint(1, 5))]
                client.send_multipart(parts)
            client.send(os.urandom(900_000))
    attack.check()


# ---- radio --------------------------------------------------------------------------------------


def slow_trailer(mp3: bytes) -> Callable[[socket.socket, bytes], None]:
    def behave(connection: socket.socket, _: bytes) -> None:
        head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b"%x\r\n" % len(mp3) + mp3 + b"\r\n0\r\n")
        while True:
            connection.sendall(b"X-A: b\r\n")
            time.sleep(0.1)

    return behave


def slow_chunk_size(mp3: bytes) -> Callable[[socket.socket, bytes], None]:
    def behave(connection: socket.socket, _: bytes) -> None:
        head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b"%x\r\n" % len(mp3) + mp3 + b"\r\n")
        while True:
            connection.sendall(b"0")
            time.sleep(0.1)

    return behave


def rate_switch() -> Callable[[socket.socket, bytes], None]:
    first = flac(768_000, 8, block=65_535, frames=3)
    then = flac(4_000, 8, block=65_535, frames=127)
    turns = itertools.count()

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(OK.replace(b"mpeg", b"flac") + b"\r\n")
        connection.sendall((first, then)[next(turns) % 2])

    return behave


def body(kind: bytes, text: bytes) -> Callable[[socket.socket, bytes], None]:
    def behave(connection: socket.socket, _: bytes) -> None:
        head = b"HTTP/1.0 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n"
        connection.sendall(head + text)

    return behave


def hls(segment: Callable[[socket.socket], None]) -> Callable[[socket.socket, bytes], None]:
    """A playlist of very many segments, and what is sent for each of them."""
    head = b"HTTP/1.0 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\n\r\n"
    text = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n" + b"#EXTINF:2,\nsegment\n" * 19_000

    def behave(connection: socket.socket, request: bytes) -> None:
        if b"/segment " not in request:
            connection.sendall(head + text)
            return
        connection.sendall(head)
        segment(connection)

    return behave


def without_end(connection: socket.socket) -> None:
    for _ in range(SENT // MB):
        connection.sendall(bytes(MB))


SDP: Final = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 5004 RTP/AVP 96\r\na=rtpmap:96 L16/44100/8\r\n"
)
LONG_LIST: Final = b"[playlist]\n" + b"File1=/live\n" * 1_000_000
RADIOS: Final = {
    "a slow trailer": lambda mp3: slow_trailer(mp3),
    "a slow chunk size": lambda mp3: slow_chunk_size(mp3),
    "a change of rate": lambda mp3: rate_switch(),
    "FFmpeg's concat": lambda mp3: body(b"audio/mpeg", b"ffconcat version 1.0\nfile a.mp3\n"),
    "an SDP": lambda mp3: body(b"application/sdp", SDP),
    "a list of a million lines": lambda mp3: body(b"audio/x-scpls", LONG_LIST),
    "HLS without an end": lambda mp3: hls(without_end),
    "HLS of web pages": lambda mp3: hls(lambda connection: connection.sendall(b"<html>" * 1000)),
    "a line without an end": lambda mp3: body(b"audio/x-mpegurl", b"x" * (50 * MB)),
}


@pytest.mark.parametrize("name", RADIOS)
def test_a_hostile_radio(daemon: Daemon, attack: Attack, name: str, mp3: Path) -> None:
    server = MisbehavingServer(RADIOS[name](mp3.read_bytes()[:80_000]))
    remove = reading(daemon, server.url)
    try:
        until(lambda: daemon.was_lost() and len(server.requests) > 1, 120)
        attack.check()
    finally:
        remove()
        server.close()


def test_a_list_of_a_million_lines_in_a_file(
    daemon: Daemon, attack: Attack, tmp_path: Path
) -> None:
    (tmp_path / "long.pls").write_bytes(LONG_LIST)
    remove = reading(daemon, str(tmp_path / "long.pls"))
    try:
        until(daemon.was_lost, 120)
        attack.check()
    finally:
        remove()


# ---- models -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["constant", "endless loop"])
def test_a_hostile_model(daemon: Daemon, attack: Attack, name: str, tmp_path: Path) -> None:
    """It is refused, or runs in a process with limits of its own."""
    daemon.heard[ATTACKED].clear()
    daemon.configure("demo", model=write_hostile(tmp_path / "m", name))
    accepted = daemon.reload()
    try:
        attack.check(updates=8)
        assert not accepted or daemon.was_lost()
    finally:
        daemon.configure()
        until(daemon.reload)  # a model that is still being loaded has its time for that
