"""Servers that break the rules of their own formats are heard all the same, with right titles."""

from __future__ import annotations

import fcntl
import os
import socket
import ssl
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

import pytest
from support.audio import music, write_wav
from support.commands import streamgenre
from support.live import until
from support.radio_server import MisbehavingServer
from support.requirements import require_programs
from support.web_server import WebServer, self_signed

from streamgenre.sources.charsets import TextDecoder
from streamgenre.sources.stream import radio
from streamgenre.sources.stream.http import open_url
from streamgenre.sources.stream.icy_reader import IcyReader
from streamgenre.sources.stream.radio import RadioSource
from streamgenre.sources.stream.settings import StreamSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio, "BACKOFF_S", (0.05, 0.2))


@pytest.fixture
def server() -> Iterator[WebServer]:
    one = WebServer()
    yield one
    one.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same 3 s of music in several formats."""
    require_programs("ffmpeg")
    folder = tmp_path_factory.mktemp("made")
    wav = write_wav(folder / "a.wav", music(3))
    for name in ("a.ts", "a.mp3", "a.aac", "a.ac3"):
        plain = ("-write_xing", "0", "-id3v2_version", "0") if name == "a.mp3" else ()
        command = ["ffmpeg", "-v", "error", "-i", str(wav), "-b:a", "96k", *plain]
        subprocess.run([*command, str(folder / name)], check=True)
    return folder


def until_lost(source: RadioSource) -> float:
    """Receive a stream until it is lost; return the seconds of audio in it."""
    source.start()
    until(lambda: source.state == "lost", 60)
    source.stop()
    assert source.ring is not None, source.state_changes
    return source.ring.written / (source.rate or 1)


# ---- titles -------------------------------------------------------------------------------------


def titles(*blocks: bytes) -> list[str]:
    """The titles that a station is heard to send."""
    body = b"".join(
        b"a" * 100 + bytes([-(-len(block) // 16)]) + block + bytes(-len(block) % 16)
        for block in blocks
    )
    head = b"HTTP/1.0 200 OK\r\nicy-metaint: 100\r\n\r\n"
    server = MisbehavingServer(lambda connection, _: connection.sendall(head + body))
    try:
        response = open_url(server.url, timeout_s=20)
        reader = IcyReader(response, 20)
        with reader._lock:
            while reader.read(4096):
                pass
        response.close()
        return [title.raw for title in reader.titles_until(None)]
    finally:
        server.close()


@pytest.mark.parametrize(
    "block",
    [
        "StreamTitle='A - B;StreamUrl='http://x/';",
        "StreamTitle='A - B; streamurl = 'http://x/';",
        "StreamTitle='A - B';StreamUrl='http://x/?a=';'b';",
        'StreamTitle="A - B;StreamUrl="";',
        "StreamTitle=A - B;StreamUrl=;",
        "StreamUrl='http://x/';StreamTitle='A - B",
    ],
)
def test_a_title_ends_before_the_address_even_without_its_quote(block: str) -> None:
    assert titles(block.encode()) == ["A - B"]


def test_titles_of_one_station_may_come_in_several_charsets() -> None:
    russian = ["Кино - Группа крови", "Земфира - Искала", "Сплин - Выхода нет", "ДДТ - Осень"]
    western = ["Beyoncé - Déjà Vu", "Sigur Rós - Hoppípolla"]
    polish = ["Myslovitz - Długość dźwięku samotności"]
    sent = [
        *((title, title.encode("cp1251")) for title in russian),
        *((title, title.encode("latin-1")) for title in western),
        *((title, title.encode("cp1250")) for title in polish),
        *((title, title.encode("utf-8")) for title in western),
        *((title, title.encode("cp1251")) for title in reversed(russian)),
    ]
    decoder = TextDecoder()
    assert [decoder.decode(data) for _, data in sent] == [title for title, _ in sent]


# ---- audio --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["-5", "16000;x", "x", "99999999999", "16000, 16000", "²"])
def test_an_interval_of_titles_that_is_none_costs_the_titles_alone(made: Path, value: str) -> None:
    audio = (made / "a.mp3").read_bytes()

    def answer(connection: socket.socket, request: bytes) -> None:
        asked = b"icy-metadata: 1" in request.lower()
        line = f"icy-metaint: {value}\r\n".encode() if asked else b""
        body = b"".join(audio[at : at + 1000] + b"\0" for at in range(0, len(audio), 1000))
        connection.sendall(b"HTTP/1.0 200 OK\r\n" + line + b"\r\n" + (body if asked else audio))

    server = MisbehavingServer(answer)
    source = RadioSource(server.url)
    assert until_lost(source) == pytest.approx(3, abs=0.2)
    server.close()


@pytest.mark.parametrize(
    "order", [("a.ts", "a.mp3", "a.ts"), ("a.mp3", "a.aac", "a.ac3"), ("a.aac", "a.ts", "a.aac")]
)
def test_hls_that_changes_its_format_unannounced_is_heard_whole(
    server: WebServer, made: Path, order: tuple[str, ...]
) -> None:
    server.pages |= {f"/{name}": (made / name).read_bytes() for name in order}
    lines = "".join(f"#EXTINF:3,\n{name}\n" for name in order)
    server.pages["/live"] = f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n{lines}#EXT-X-ENDLIST\n"
    assert until_lost(RadioSource(f"{server.url}/live")) == pytest.approx(9, abs=0.4)


def test_hls_that_numbers_its_segments_anew_invents_no_gap(server: WebServer, made: Path) -> None:
    server.pages |= {f"/{name}": (made / "a.ts").read_bytes() for name in ("a", "b")}
    start = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:"
    server.pages["/live"] = f"{start}7\n#EXTINF:3,\na\n"
    source = RadioSource(f"{server.url}/live")
    source.start()
    began = time.monotonic()
    until(lambda: "/a" in server.asked, 60)
    server.pages["/live"] = f"{start}1795000000\n#EXTINF:3,\nb\n#EXT-X-ENDLIST\n"
    until(lambda: source.state == "lost", 60)
    lasted_s = time.monotonic() - began
    source.stop()
    assert source.ring is not None
    assert source.ring.written / 44_100 == pytest.approx(6, abs=0.2)
    assert source.ring.lost / 44_100 <= lasted_s + 1.5


@pytest.mark.parametrize("first", ["mms://a.example/x", "file:///etc/passwd", "rtmp://a.example/x"])
def test_a_list_may_begin_with_an_address_that_is_no_stream(
    server: WebServer, made: Path, first: str
) -> None:
    server.pages["/s"] = ((made / "a.mp3").read_bytes(), "audio/mpeg")
    server.pages["/listen"] = (f"{first}\n{server.url}/s\n", "text/plain")
    source = RadioSource(f"{server.url}/listen")
    source.start()
    until(lambda: source.state == "live", 60)
    source.stop()


# ---- connections --------------------------------------------------------------------------------


def reset(connection: socket.socket) -> None:
    """Close a connection as if the machine had crashed, once its data has been received."""
    until(lambda: not struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_connection_that_breaks_is_told_from_a_stream_that_ends(made: Path) -> None:
    audio = (made / "a.mp3").read_bytes()

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + audio[:20_000])
        time.sleep(0.05)  # the rest and the breaking are found together
        connection.sendall(audio[20_000:])
        reset(connection)

    server = MisbehavingServer(answer)
    source = RadioSource(server.url)
    assert until_lost(source) == pytest.approx(3, abs=0.2)
    server.close()
    assert "Connection reset by peer" in source.state_changes[-2].detail


@pytest.mark.parametrize("length", [True, False])
def test_hls_whose_server_ends_by_breaking_the_connection_has_no_gaps(
    made: Path, length: bool
) -> None:
    segment = (made / "a.ts").read_bytes()
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\na\n#EXTINF:3,\nb\n#EXT-X-ENDLIST\n"

    def answer(connection: socket.socket, request: bytes) -> None:
        body = playlist if b"/live " in request else segment
        line = f"Content-Length: {len(body)}\r\n" if length else ""
        connection.sendall(f"HTTP/1.0 200 OK\r\n{line}\r\n".encode() + body)
        reset(connection)

    server = MisbehavingServer(answer)
    source = RadioSource(server.url)
    assert until_lost(source) == pytest.approx(6, abs=0.2)
    server.close()
    assert "the stream ended" in source.state_changes[-2].detail


def test_a_tls_record_that_is_damaged_is_told_in_words(made: Path, tmp_path: Path) -> None:
    audio = (made / "a.mp3").read_bytes()
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + audio)
        os.write(connection.fileno(), b"\x17\x03\x03\x01\x00" + bytes(256))
        connection.recv(1)  # until the client closes

    server = MisbehavingServer(answer, tls=context)
    source = RadioSource(server.url, settings=StreamSettings(ca_file=tmp_path / "ca.pem"))
    until_lost(source)
    server.close()
    why = next(change.detail for change in source.state_changes if change.state == "lost")
    assert "the TLS connection broke: decryption failed or bad record mac" in why
    assert "_ssl" not in why


def test_a_url_with_bytes_that_are_not_utf_8_is_requested_byte_for_byte(
    server: WebServer, made: Path
) -> None:
    server.pages["/caf%E9"] = ((made / "a.mp3").read_bytes(), "audio/mpeg")
    done = streamgenre("probe", "--seconds", "1", os.fsdecode(server.url.encode() + b"/caf\xe9"))
    assert done.returncode == 0, done.stderr
    assert "mp3" in done.stdout
