"""Heads as real servers send them: a header that is not valid is lost, and nothing else."""

from __future__ import annotations

import gzip
import subprocess
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.audio import music, write_wav
from support.commands import streamgenre
from support.fuzzing import examples
from support.radio_server import MisbehavingServer
from support.requirements import require_programs

from streamgenre.audio.fair_lock import Participant
from streamgenre.errors import InputError
from streamgenre.sources.stream import icy_reader
from streamgenre.sources.stream.connection import AnswerError
from streamgenre.sources.stream.http import open_url
from streamgenre.sources.stream.http_head import MAX_HEAD
from streamgenre.sources.stream.icy_reader import IcyReader
from streamgenre.sources.titles import Title

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AUDIO = bytes(range(250)) * 16
TITLE = b"StreamTitle='Nina - Sinnerman';".ljust(48, b"\0")
BODY = AUDIO[:1000] + b"\3" + TITLE + AUDIO[1000:2000] + b"\0" + AUDIO[2000:3000] + b"\0"
WITH_TITLES = AUDIO[:3000], [Title("Nina - Sinnerman", "Nina", "Sinnerman")]
STATUS = b"HTTP/1.0 200 OK\r\n"
METAINT = b"icy-metaint: 1000\r\n"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icy_reader, "_EVERY_S", 0.0)


@pytest.fixture(scope="module")
def answer() -> Iterator[Callable[[bytes], str]]:
    """Return a function that sets what a server sends, and returns its URL."""
    sent = [b""]
    server = MisbehavingServer(lambda c, _: c.sendall(sent[0]))

    def answer(data: bytes) -> str:
        sent[0] = data
        return server.url

    yield answer
    server.close()


def received(url: str) -> tuple[bytes, list[Title]]:
    """The audio and the titles of a stream."""
    response = open_url(url, timeout_s=20)
    lock = Participant()
    with lock:
        reader = IcyReader(response, 20, lock)
        audio = b"".join(iter(lambda: reader.read(4096), b""))
        titles = reader.titles_until(None)
    response.close()
    return audio, titles


ODD: dict[str, bytes] = {
    "name in Latin-1": STATUS + "icy-título: hola\r\n".encode("latin-1") + METAINT,
    "name in UTF-8": STATUS + "icy-título: hola\r\n".encode() + METAINT,
    "name in Cyrillic": STATUS + "icy-имя: радио\r\n".encode("cp1251") + METAINT,
    "value in another charset": STATUS + "icy-name: Кино\r\n".encode("cp1251") + METAINT,
    "value in UTF-8": STATUS + "icy-name: Кино \u2028\x85\r\n".encode() + METAINT,
    "no colon": STATUS + b"Radio of the year\r\n" + METAINT,
    "only a colon": STATUS + b":\r\n" + METAINT,
    "empty name": STATUS + b": value\r\n" + METAINT,
    "space in a name": STATUS + b"icy name: x\r\n" + METAINT,
    "space before the colon": STATUS + b"icy-metaint : 1000\r\n",
    "tab after the colon": STATUS + b"icy-metaint:\t1000\t\r\n",
    "no space": STATUS + b"icy-metaint:1000\r\n",
    "any case": STATUS + b"ICY-MetaInt: 1000\r\n",
    "folded": STATUS + b"icy-description: all\r\n day\r\n\t long: really\r\n" + METAINT,
    "folded after a line that is lost": STATUS + b"icy name: all\r\n day\r\n" + METAINT,
    "folded at once": STATUS + b" icy-name: x\r\n" + METAINT,
    "indented": STATUS + b"  icy-name: x\r\n  icy-metaint: 1000\r\n",
    "only spaces": STATUS + b"  \r\nicy-name: x\r\n \t\r\n" + METAINT,
    "zero bytes": STATUS + b"X\0Y: z\r\nicy-name: a\0b\r\n\0\r\n" + METAINT,
    "control characters": STATUS + b"icy-name: \x1b[2J\x07\x0b\x0c\x85\x1c\r\n" + METAINT,
    "a bare carriage return": STATUS + b"icy-name: a\rb\r\n" + METAINT,
    "two carriage returns": STATUS + b"icy-name: a\r\r\n" + METAINT,
    "line feeds only": (STATUS + b"icy-name: x\r\n" + METAINT).replace(b"\r", b""),
    "mixed line ends": STATUS.replace(b"\r", b"") + b"icy-name: x\r\n" + METAINT,
    "200 headers": STATUS + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + METAINT,
    "one name 200 times": STATUS + b"Set-Cookie: a=b\r\n" * 200 + METAINT,
    "given twice": STATUS + METAINT * 2,
    "given twice, once empty": STATUS + b"icy-metaint:\r\n" + METAINT,
    "a long line": STATUS + b"Set-Cookie: " + b"y" * 30_000 + b"\r\n" + METAINT,
    "a line of the longest length": STATUS + b"X: " + b"y" * 16_381 + b"\r\n" + METAINT,
    "Shoutcast": b"ICY 200 OK\r\nicy-notice1: <BR>This stream requires\r\n" + METAINT,
    "Shoutcast in lower case": b"icy 200 ok\r\n" + METAINT,
    "no reason": b"HTTP/1.1 200\r\n" + METAINT,
    "another version": b"HTTP/2 200\r\n" + METAINT,
    "an odd reason": "HTTP/1.0 200 Está bien\r\n".encode("latin-1") + METAINT,
    "an empty line first": b"\r\n\r\n" + STATUS + METAINT,
    "an interim head first": b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + STATUS + METAINT,
    "like a parser's defect": STATUS + b"From nobody\r\n>From: x\r\n=: y\r\n" + METAINT,
    "a separator": STATUS + b"--x\r\nContent-Type: audio/mpeg; a=\xff\r\n" + METAINT,
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_one_odd_line_costs_no_other_header(name: str, answer: Any) -> None:
    assert received(answer(ODD[name] + b"\r\n" + BODY)) == WITH_TITLES


LINE = st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"").lstrip(b" \t\r"))


@given(st.lists(LINE.filter(bool), max_size=12), st.sampled_from([b"\r\n", b"\n"]))
@example([b"icy-t\xedtulo: hola"], b"\r\n")
@examples(80)
def test_no_line_costs_another_header(answer: Any, lines: list[bytes], end: bytes) -> None:
    """Except one that says itself how the stream is sent."""
    framing = (
        b"transfer-encoding",
        b"content-length",
        b"content-encoding",
        b"content-type",
        b"icy",
    )
    lines = [b"X: y", *(line for line in lines if not line.lower().startswith(framing))]
    head = end.join([b"HTTP/1.0 200 OK", *lines, b"icy-metaint: 1000", b"", b""])
    assert received(answer(head + BODY)) == WITH_TITLES


@given(st.binary(max_size=600))
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffffffff\r\n")
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc")
@example(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nabc")
@example(b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + b"\xff" * 100)
@example(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\nicy-metaint: 0x10\r\n\r\n")
@examples(80)
def test_no_answer_causes_more_than_an_error_in_words(answer: Any, data: bytes) -> None:
    for start in (
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ):
        with suppress(InputError, AnswerError):
            received(answer(start + data))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"", "it ends within its head"),
        (AUDIO, "it is not HTTP"),
        (b"\xff\xfb\x90\x64" * 50_000, "it is not HTTP"),
        (b"<html>\r\n", "it is not HTTP"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "it is not HTTP"),
        (b"HTTP/1.1 OK\r\n\r\n", "it is not HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "it is not HTTP"),
        (STATUS + b"X: y\r\n", "it ends within its head"),
        (STATUS + b"X: y\r\n" * 5_000, "more than 1000 lines"),
        (STATUS + b"X: " + b"y" * 2 * MAX_HEAD, f"longer than {MAX_HEAD} bytes"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "the server answers 401 Unauthorized"),
        (b"ICY 401 Service Unavailable\r\n\r\n", "the server answers 401 Service Unavailable"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "the server answers 204 No Content"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "the server answers 101 Switching"),
        (b"HTTP/1.1 302 Found\r\n\r\n", "the server answers 302 Found"),
        (b"HTTP/1.1 503 \x1b[2J\r\n\r\n", "the server answers 503"),
        (STATUS + b"Content-Encoding: br\r\n\r\n", "compressed in a way that was not asked for"),
        (STATUS + b"Transfer-Encoding: xyz, chunked\r\n\r\n", "compressed in a way"),
        (STATUS + b"Content-Encoding: gzip, gzip\r\n\r\n", "compressed more than once"),
        (STATUS + b"icy-metaint: abc\r\n\r\n", "icy-metaint is 'abc'; expected 0 to"),
        (STATUS + b"icy-metaint: -8192\r\n\r\n", "icy-metaint is '-8192'; expected 0 to"),
        (STATUS + b"icy-metaint: 1000000000000\r\n\r\n", "icy-metaint is '1000000000000'; exp"),
        (STATUS + b"icy-metaint: 8_192\r\n\r\n", "icy-metaint is '8_192'; expected 0 to"),
        (STATUS + b"icy-metaint: 8192.0\r\n\r\n", "icy-metaint is '8192.0'; expected 0 to"),
        (STATUS + b"icy-metaint: \xb2\r\n\r\n", "icy-metaint is '²'; expected 0 to"),
        (STATUS + b"icy-metaint: " + b"9" * 9_999 + b"\r\n\r\n", "icy-metaint is '99999999"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_answer_is_said(answer: Any, head: bytes, words: str) -> None:
    with pytest.raises(InputError) as error:
        received(answer(head))
    assert words in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 250


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"icy-metaint:\r\n",
        b"icy-metaint: 0\r\n",
        b"icy-metaint:  \r\n",
        b"icy-metaint: 00\r\n",
    ],
)
def test_without_an_interval_there_are_no_titles(answer: Any, headers: bytes) -> None:
    assert received(answer(STATUS + headers + b"\r\n" + AUDIO)) == (AUDIO, [])


def chunks(data: bytes, size: int, extension: bytes = b"", end: bytes = b"\r\n") -> bytes:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    sent = [b"%X%s%s%s%s" % (len(piece), extension, end, piece, end) for piece in pieces]
    return b"".join(sent) + b"0" + end + end


CHUNKED = b"Transfer-Encoding: chunked\r\n"
RAW = zlib.compressobj(wbits=-15)
SENT: dict[str, tuple[bytes, bytes]] = {
    "chunked": (CHUNKED, chunks(BODY, 700)),
    "any case": (b"Transfer-Encoding: Chunked\r\n", chunks(BODY, 700)),
    "identity first": (b"Transfer-Encoding: identity, chunked\r\n", chunks(BODY, 700)),
    "in two headers": (b"Transfer-Encoding: identity\r\n" + CHUNKED, chunks(BODY, 700)),
    "one byte each": (CHUNKED, chunks(BODY, 1)),
    "extensions": (CHUNKED, chunks(BODY, 99, b' ; a=b;c="d"')),
    "line feeds only": (CHUNKED, chunks(BODY, 99, end=b"\n")),
    "trailer": (CHUNKED, chunks(BODY, 700)[:-2] + b"X: y\r\n\r\n"),
    "data after the end": (CHUNKED, chunks(BODY, 700) + b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "cut off": (CHUNKED, chunks(BODY, 5_000)[:-7] + BODY[-2:]),
    "chunked, and a length": (CHUNKED + b"Content-Length: 5\r\n", chunks(BODY, 700)),
    "length": (b"Content-Length: %d\r\n" % len(BODY), BODY + b"more"),
    "length given twice": (b"Content-Length: %d\r\n" % len(BODY) * 2, BODY + b"more"),
    "length in a list": (b"Content-Length: %d, %d\r\n" % (len(BODY), len(BODY)), BODY + b"more"),
    "longer than it is": (b"Content-Length: 99999999999999\r\n", BODY),
    "not a length": (b"Content-Length: unknown\r\n", BODY),
    "negative length": (b"Content-Length: -1\r\n", BODY),
    "two lengths": (b"Content-Length: 5, 7\r\n", BODY),
    "gzip": (b"Content-Encoding: gzip\r\n", gzip.compress(BODY)),
    "gzip in two parts": (
        b"Content-Encoding: X-GZIP\r\n",
        gzip.compress(BODY[:1234]) + gzip.compress(BODY[1234:]),
    ),
    "gzip and chunked": (b"Content-Encoding: gzip\r\n" + CHUNKED, chunks(gzip.compress(BODY), 9)),
    "gzip as a transfer coding": (
        b"Transfer-Encoding: gzip, chunked\r\n",
        chunks(gzip.compress(BODY), 9),
    ),
    "deflate": (b"Content-Encoding: deflate\r\n", zlib.compress(BODY)),
    "deflate without its wrapper": (
        b"Content-Encoding: deflate\r\n",
        RAW.compress(BODY) + RAW.flush(),
    ),
    "identity": (b"Content-Encoding: identity\r\n", BODY),
    "empty": (b"Content-Encoding:\r\nTransfer-Encoding:\r\nContent-Length:\r\n", BODY),
}


@pytest.mark.parametrize("name", SENT)
def test_content_is_read_as_it_is_sent(name: str, answer: Any) -> None:
    headers, body = SENT[name]
    head = b"HTTP/1.1 200 OK\r\n" + headers + METAINT + b"\r\n"
    assert received(answer(head + body)) == WITH_TITLES


def test_compression_takes_no_more_memory_than_is_asked_for(answer: Any) -> None:
    packed = gzip.compress(bytes(1 << 25), 9)
    url = answer(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + packed)
    response = open_url(url, timeout_s=20)
    sizes = [len(response.read(65_536)) for _ in range(50)]
    response.close()
    assert 0 < max(sizes) <= 65_536


def test_a_station_with_an_odd_header_has_its_titles_and_no_metadata_in_its_audio(
    answer: Any, tmp_path: Path, stateful_folder: Path
) -> None:
    require_programs("ffmpeg")
    wav, file = write_wav(tmp_path / "a.wav", music(4)), tmp_path / "a.mp3"
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, "-b:a", "64k", file], check=True)
    mp3 = file.read_bytes()
    body = b"".join(
        mp3[start : start + 1000] + (b"\3" + TITLE if len(mp3) - start >= 1000 else b"")
        for start in range(0, len(mp3), 1000)
    )
    head = STATUS + "icy-título: hola\r\nicy-name: Café\r\n".encode("latin-1") + METAINT
    url = answer(head + b"Content-Type: audio/mpeg\r\n\r\n" + body)
    done = streamgenre("probe", url, "--model", stateful_folder, "--seconds", "3")
    assert "Nina - Sinnerman" in done.stdout
    assert "damaged" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
