"""What the fuzzers call: one function of bytes for each parser of what comes from outside.

A target fails with any error that the parser does not document. ``scripts/fuzz`` looks for such
bytes guided by coverage; ``tests/hostile/test_corpus.py`` replays what it found.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from streamgenre.bus import control_json
from streamgenre.config.build import load
from streamgenre.errors import (
    BusError,
    ControlError,
    HistoryError,
    InputError,
    ModelError,
    SettingsError,
)
from streamgenre.events import from_json
from streamgenre.history import times
from streamgenre.inference import onnx_file
from streamgenre.inference.manifest import parse_manifest
from streamgenre.sources import playlist_formats, signatures, tags
from streamgenre.sources.charsets import TextDecoder
from streamgenre.sources.ogg import OggChain
from streamgenre.sources.stream import hls_playlist, station_lists
from streamgenre.sources.stream.connection import AnswerError, Connection
from streamgenre.sources.stream.http_body import Body
from streamgenre.sources.stream.http_head import read_head
from streamgenre.sources.stream.icy import IcyDemuxer
from streamgenre.urls import redacted, shown

if TYPE_CHECKING:
    from collections.abc import Callable

CORPUS: Final = Path(__file__).resolve().parents[1] / "data" / "fuzz"
BASE: Final = "http://radio.example/list/"
NEVER: Final = float("inf")


class Received(Connection):
    """A connection that has received these bytes and was closed."""

    def __init__(self, data: bytes) -> None:
        self._buffer = bytearray(data)
        self._ended = True
        self.received = len(data)


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="streamgenre-fuzz-"))


def http_answer(data: bytes) -> None:
    connection = Received(data)
    try:
        head = read_head(connection, NEVER)
        assert 0 <= head.status <= 999
        assert all(name == name.lower() for name in head.headers)
        body = Body(connection, head.headers)
        while body.read(1000, NEVER):
            pass
    except AnswerError as error:
        str(error).encode()


def icy(data: bytes) -> None:
    """The first byte is the interval, the second one where the data is cut."""
    if len(data) < 2:
        return
    interval, cut, stream = data[0], data[1], data[2:]
    whole, cut_up = IcyDemuxer(interval), IcyDemuxer(interval)
    audio, titles = whole.push(stream)
    parts = [cut_up.push(stream[:cut]), cut_up.push(stream[cut:])]
    assert b"".join(part for part, _ in parts) == audio
    assert [t for _, found in parts for _, t in found] == [title for _, title in titles]
    for _, title in titles:
        assert title.raw.isprintable() or not title.raw
        title.raw.encode()


def charset(data: bytes) -> None:
    decoder = TextDecoder()
    for part in data.split(b"\n")[:20]:
        decoder.decode(part).encode()


def playlist(data: bytes) -> None:
    playlist_formats.is_list(data)
    playlist_formats.is_hls(data)
    with suppress(InputError):
        for entry in playlist_formats.entries(data):
            assert entry.place
            if (title := entry.title()) is not None:
                title.raw.encode()


def station_list(data: bytes) -> None:
    station_lists.is_list(BASE, {"content-type": "text/plain"}, data[:512])
    try:
        for url in station_lists.streams(data, BASE, "list"):
            shown(url).encode()
    except InputError as error:
        str(error).encode()


def hls(data: bytes) -> None:
    with suppress(InputError):
        hls_playlist.parse(data, BASE, "list")


def ogg(data: bytes) -> None:
    chain = OggChain()
    cut = len(data) // 2
    pieces = [*chain.push(data[:cut]), *chain.push(data[cut:]), chain.flush()]
    assert b"".join(pieces) == data


def signature(data: bytes) -> None:
    signatures.format_of(data)
    signatures.format_of(data, more_follows=True)


def id3(data: bytes) -> None:
    title = tags.id3_title(data)
    if title is not None:
        title.raw.encode()


def request(data: bytes) -> None:
    try:
        found = control_json.parsed(data)
    except ControlError as error:
        str(error).encode()
        return
    json.dumps(found, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")


def event(data: bytes) -> None:
    try:
        found = from_json(data)
    except BusError as error:
        str(error).encode()
        return
    found.to_json().encode()


def manifest(data: bytes) -> None:
    (_folder() / "manifest.json").write_bytes(data)
    try:
        parse_manifest(_folder())
    except ModelError as error:
        str(error).encode()


def graph(data: bytes) -> None:
    onnx_file.problem_of(data).encode()


def configuration(data: bytes) -> None:
    file = _folder() / "config.toml"
    file.write_bytes(data)
    try:
        load(str(file), {}, None, models=False)
    except SettingsError as error:
        str(error).encode()


def time(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for zone in ("UTC", "Europe/Berlin", "Pacific/Apia"):
        with suppress(HistoryError):
            assert times.EARLIEST <= times.parse(text, ZoneInfo(zone), 1.78e9) <= times.LATEST
        with suppress(HistoryError):
            times.parse_day(text, ZoneInfo(zone), 1.78e9)


def url(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    assert "s3cret" not in redacted(f"http://user:s3cret@host/{text}")
    redacted(text).encode()
    shown(text).encode()


TARGETS: Final[dict[str, Callable[[bytes], Any]]] = {
    "http_answer": http_answer,
    "icy": icy,
    "charset": charset,
    "playlist": playlist,
    "station_list": station_list,
    "hls": hls,
    "ogg": ogg,
    "signature": signature,
    "id3": id3,
    "request": request,
    "event": event,
    "manifest": manifest,
    "graph": graph,
    "configuration": configuration,
    "time": time,
    "url": url,
}
SEEDS: Final[dict[str, tuple[bytes, ...]]] = {
    "http_answer": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
        b"ICY 200 OK\r\nicy-metaint: 16\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
    ),
    "icy": (b"\x04\x05abcd\x02StreamTitle='A - B';".ljust(39, b"\0"), b"\x01\x01a\x00b\x00"),
    "charset": ("Кино - Группа крови".encode("cp1251"), "Björk".encode(), "日本".encode("sjis")),
    "playlist": (
        b"#EXTM3U\n#EXTINF:1,A - B\na.mp3\n",
        b"[playlist]\nFile1=a.mp3\nTitle1=A\n",
        b'<?xml version="1.0"?><playlist><track><location>a</location></track></playlist>',
        b'<asx><entry><ref href="http://a/b"/></entry></asx>',
        "#EXTM3U\na.mp3\n".encode("utf-16"),
    ),
    "station_list": (b"[playlist]\nFile1=http://a/b\n", b"http://a/b\n/live\n"),
    "hls": (
        b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-KEY:METHOD=AES-128,"
        b'URI="k",IV=0x01\n#EXTINF:4,\na.ts\n#EXT-X-DISCONTINUITY\n#EXT-X-BYTERANGE:5@1\n#EXTINF:4'
        b",\nb.ts\n#EXT-X-ENDLIST\n",
        b'#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="mp4a.40.2"\nlow.m3u8\n',
    ),
    "ogg": (b"OggS\0\2" + bytes(20) + b"\1\3abc" + b"OggS\0\4" + bytes(20) + b"\1\1x",),
    "signature": (
        b"ID3\4\0\0\0\0\0\0",
        b"fLaC\0",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"\xff\xf1\x50\x80\1\x1f",
    ),
    "id3": (b"ID3\4\0\0\0\0\0\x14TIT2\0\0\0\x0a\0\0\3title 123",),
    "request": (b'{"request":"status","id":1}', b'{"request":"reset","station":"a"}'),
    "event": (
        b'{"v":1,"type":"gap","station":"a","session":"s","seq":1,"time":1.0,"stream_time":1.0,'
        b'"samples":1,"rate":1,"seconds":1.0,"reason":"overflow"}',
    ),
    "manifest": (b'{"manifest_version":1,"name":"a","kind":"windowed","labels":["a","b"]}',),
    "graph": (b"\x08\x09\x3a\x04\x0a\x02\x0a\x00",),
    "configuration": (
        b'[engine]\nhop_s = 0.5\n[[station]]\nname = "a"\ninput = "demo"\nheaders = { a = "b" }\n',
    ),
    "time": (b"2h ago", b"last monday 10:30", b"2026-07-01T12:00:00+02:00", b"@1767225600"),
    "url": (b"http://user:secret@host:1/p?token=a#b", b"//a@b", b"rtsp://[::1]/x"),
}
