"""Radio against servers that misbehave, and the metadata in their streams."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
import unicodedata
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audio import music, write_wav
from support.commands import streamgenre
from support.live import until
from support.live_engine import LiveEngine
from support.paced_station import paced_station
from support.radio_server import MisbehavingServer
from support.requirements import require_programs

from streamgenre.audio.ring import Gap
from streamgenre.config import StationSettings
from streamgenre.errors import InputError, SettingsError
from streamgenre.sources.backoff import Backoff
from streamgenre.sources.charsets import TextDecoder
from streamgenre.sources.factory import input_name, open_input
from streamgenre.sources.playlist_formats import is_hls
from streamgenre.sources.stream import arrival, radio
from streamgenre.sources.stream.http import open_url, require_usable
from streamgenre.sources.stream.icy import IcyDemuxer, parse_title
from streamgenre.sources.stream.radio import RadioSource
from streamgenre.sources.stream.station_lists import is_list, streams
from streamgenre.sources.titles import MAX_TITLE, Title, split_title
from streamgenre.urls import is_stream, redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OK = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n"


# ---- ICY ----------------------------------------------------------------------------------------


def woven(audio: bytes, interval: int, titles: list[bytes]) -> bytes:
    """An ICY stream as a server sends it."""
    out = bytearray()
    for number, start in enumerate(range(0, len(audio), interval)):
        piece = audio[start : start + interval]
        out += piece
        if len(piece) == interval:
            block = titles[number] if number < len(titles) else b""
            block += b"\0" * (-len(block) % 16)
            out += bytes([len(block) // 16]) + block
    return bytes(out)


@given(
    audio=st.binary(max_size=400),
    interval=st.integers(1, 50),
    titles=st.lists(st.text("abcäé -;'", max_size=30), max_size=8),
    cuts=st.lists(st.integers(0, 600), max_size=10),
)
def test_audio_and_titles_are_separated_however_the_stream_is_split(
    audio: bytes, interval: int, titles: list[str], cuts: list[int]
) -> None:
    blocks = [f"StreamTitle='{t}';StreamUrl='';".encode() for t in titles]
    stream = woven(audio, interval, blocks)
    demuxer = IcyDemuxer(interval)
    edges = [0, *sorted(min(c, len(stream)) for c in cuts), len(stream)]
    heard, found = b"", []
    for start, end in pairwise(edges):
        piece, new = demuxer.push(stream[start:end])
        found += [(len(heard) + place, title) for place, title in new]
        heard += piece
    assert heard == audio
    complete = len(audio) // interval
    assert found == [
        ((number + 1) * interval, parse_title(block, TextDecoder()))
        for number, block in enumerate(blocks[:complete])
    ]


@given(st.binary(max_size=3000), st.integers(0, 64))
def test_no_bytes_break_the_demuxer(data: bytes, interval: int) -> None:
    audio, titles = IcyDemuxer(interval).push(data)
    assert len(audio) <= len(data)
    for place, title in titles:
        assert 0 <= place <= len(audio)
        assert len(title.raw) <= MAX_TITLE
        assert title.raw.isprintable() or title.raw == ""


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"StreamTitle='Nina - Sinnerman';", Title("Nina - Sinnerman", "Nina", "Sinnerman")),
        (b"StreamTitle='News';StreamUrl='x';", Title("News", None, "News")),
        (b"StreamTitle='';", Title("", None, None)),
        (b"StreamTitle='N' Roses - Don't';", Title("N' Roses - Don't", "N' Roses", "Don't")),
        ("StreamTitle='Björk - Jóga';".encode(), Title("Björk - Jóga", "Björk", "Jóga")),
        ("StreamTitle='Björk - Jóga';".encode("latin-1"), Title("Björk - Jóga", "Björk", "Jóga")),
        (b"StreamTitle='A - B - C'", Title("A - B - C", "A", "B - C")),
        (b"StreamTitle=' - B';", Title("- B", None, "- B")),
        (b"StreamTitle='\x1b[2Jevil\x07\n - x\x00y';", Title("[2Jevil - x y", "[2Jevil", "x y")),
        (
            b"StreamTitle='&#1063;&#x430;&#23376; &#128512; &#8238;- R&amp;B &amp;lt;';",
            Title("Ча子 😀 - R&B &lt;", "Ча子 😀", "R&B &lt;"),
        ),
        (b"StreamUrl='http://x';", None),
        (b"StreamUrl='x';StreamTitle='A - B';", Title("A - B", "A", "B")),
        (b"streamtitle = 'A - B' ; streamurl=''", Title("A - B", "A", "B")),
        (b"STREAMTITLE='A - B';", Title("A - B", "A", "B")),
        (b"StreamTitle=A - B;", Title("A - B", "A", "B")),
        (b"StreamTitle=A - B; C;StreamUrl=x;", Title("A - B; C", "A", "B; C")),
        (b"StreamTitle=A - B", Title("A - B", "A", "B")),
        (b"StreamTitle='A - B", Title("A - B", "A", "B")),
        (b"StreamTitle='A - B;", Title("A - B", "A", "B")),
        (b"StreamTitle='A - B'", Title("A - B", "A", "B")),
        (b"StreamTitle='A - 'n'; B';StreamUrl='';", Title("A - 'n'; B", "A", "'n'; B")),
        (b"StreamTitle='A - B's';;", Title("A - B's", "A", "B's")),
        (b'StreamTitle="A - \'B\'";', Title("A - 'B'", "A", "'B'")),
        (b"StreamTitle=;", Title("", None, None)),
        (b"StreamTitle=", Title("", None, None)),
        (b"StreamTitle", None),
        (b"MyStreamTitle='x';", None),
        ("StreamTitle='Björk - Jóga".encode()[:-1], Title("Björk - Jóg", "Björk", "Jóg")),
        ("StreamTitle='Кино - Сказка".encode()[:-1], Title("Кино - Сказк", "Кино", "Сказк")),
        ("StreamTitle='Кот - Дом".encode()[:-1] + b"';", Title("Кот - До", "Кот", "До")),
        ("StreamTitle='Кино - Сон';".encode("cp1251"), Title("Кино - Сон", "Кино", "Сон")),
        (b"", None),
    ],
)  # fmt: skip
def test_titles_are_parsed(block: bytes, expected: Title | None) -> None:
    assert parse_title(block, TextDecoder()) == expected


ENTITIES = st.builds("&#{};".format, st.integers(0, 0x110FFF)) | st.builds(
    "&#x{:x};".format, st.integers(0, 0x110FFF)
)


@given(
    st.lists(
        ENTITIES | st.sampled_from(["&amp;", "&#", ";", " - ", "&#8238"]) | st.text(max_size=8),
        max_size=20,
    )
)
def test_no_entity_yields_terminal_control_characters(pieces: list[str]) -> None:
    title = parse_title(f"StreamTitle='{''.join(pieces)}';".encode(), TextDecoder())
    assert title is not None
    for text in (title.raw, title.artist or "", title.title or ""):
        assert not any(unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" for c in text)


def test_long_titles_are_truncated() -> None:
    assert len(split_title("x" * 10_000).raw) == MAX_TITLE


# ---- station lists ------------------------------------------------------------------------------

BASE = "http://radio.example/lists/all.m3u"


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:-1,Jazz\nhttp://a.example/jazz\nhttp://b.example/x\n",
        "[playlist]\nNumberOfEntries=1\nFile1=http://a.example/jazz\nTitle1=Jazz http://no\n",
        "<playlist><trackList><track><location>http://a.example/jazz</location></track>",
        '<ASX version="3"><Entry><Ref HREF="http://a.example/jazz"/></Entry></ASX>',
        "\r\nhttp://a.example/jazz\r\n",
        "//a.example/jazz",
    ],
)
def test_station_lists_are_read(text: str) -> None:
    assert streams(text.encode(), BASE, "list")[0] == "http://a.example/jazz"


def test_a_station_list_leads_only_to_network_addresses() -> None:
    with pytest.raises(InputError, match="contains no stream"):
        streams(b"file:///etc/passwd\nftp://x/y.mp3\n", BASE, "list")


@given(st.text(max_size=500))
def test_no_text_breaks_the_station_list_reader(text: str) -> None:
    is_hls(text)
    with suppress(InputError):
        for url in streams(text.encode(errors="surrogatepass"), BASE, "list"):
            assert is_stream(url)


def test_lists_and_hls_are_distinguished_from_streams() -> None:
    name = b"stream.mp3\n"  # it may be a list or not
    assert is_list("http://x/a.pls", {}, name)
    assert is_list("http://x/listen", {"content-type": "audio/x-scpls; charset=utf-8"}, name)
    assert not is_list("http://x/a.m3u", {"content-type": "audio/mpeg"}, name)
    assert not is_list("http://x/a.m3u", {"content-type": "audio/x-mpegurl"}, b"\xff\xfb\x90\0")
    assert is_hls("#EXTM3U\n#EXT-X-TARGETDURATION:4\nx.ts\n")
    assert not is_hls("#EXTM3U\nhttp://x/y\n")


# ---- HTTP ---------------------------------------------------------------------------------------


def test_credentials_never_show() -> None:
    assert redacted("http://u:secret@h:8000/x?token=secret") == "http://h:8000/x?…"
    assert "secret" not in redacted("http://u:secret@[::1]:99999/x")
    assert "secret" not in RadioSource("http://u:secret@h/x?key=secret").name
    assert redacted("http://h/x;jsessionid=secret/y") == "http://h/x;…/y"
    assert redacted("http://u:1/secret@h:8000/x") == "http://…@h:8000/x"
    assert redacted("http://u:1?secret@h:8000/x") == "http://…"


DELIMITED = st.lists(st.sampled_from(["SECRET", *"/?#@:;%&= []\\é", "80", "//"])).map("".join)


@given(
    scheme=st.sampled_from(["http", "https", "rtsp", "HTTP", "srt", "ftp", "icy"]),
    divider=st.sampled_from(["://", ":/", ":", ":///"]),
    user=st.sampled_from(["SECRET", "u"]),
    password=DELIMITED,
    query=DELIMITED,
)
def test_no_part_of_a_login_or_query_appears_in_an_error(
    scheme: str, divider: str, user: str, password: str, query: str
) -> None:
    url = f"{scheme}{divider}{user}:{password}@127.0.0.1:1/a.mp3?token={query}"
    text = redacted(url) + input_name(url)
    try:
        source, _ = open_input(StationSettings(input=url))
        assert isinstance(source, RadioSource)
        if divider == "://":
            require_usable(url)
            text += source.name
    except (InputError, SettingsError) as error:
        text += str(error)
    assert "SECRET" not in text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://usr:sek/ret@127.0.0.1:{port}/a.mp3", "percent-encode "),
        ("http:/usr:sekret@127.0.0.1/x?token=sek", "expected http://"),
        ("usr:sekret@127.0.0.1:8000/x", "expected http://"),
        ("http//usr:sekret@127.0.0.1/x?token=sek", "expected http://"),
        ("http://usr:sekret@127.0.0.1:1/é x.mp3?token=sek", "cannot be reached"),
    ],
)
def test_unusable_urls_are_reported_without_their_secrets(
    url: str, words: str, stateful_folder: Path
) -> None:
    done = streamgenre("probe", url.replace("{port}", "8000"), "--model", stateful_folder)
    assert done.returncode == (2 if words.startswith("expected") else 1)
    assert words in done.stderr
    for part in ("sek", "usr", "Traceback"):
        assert part not in done.stderr


@pytest.fixture
def server() -> Iterator[Callable[..., MisbehavingServer]]:
    servers: list[MisbehavingServer] = []

    def start(behave: Callable[[socket.socket, bytes], None]) -> MisbehavingServer:
        servers.append(MisbehavingServer(behave))
        return servers[-1]

    yield start
    for one in servers:
        one.close()


def endless(connection: socket.socket, start: bytes, forever: bytes) -> None:
    connection.sendall(start)
    while True:
        connection.sendall(forever)
        time.sleep(0.001)


def test_credentials_are_sent_to_the_station_but_not_to_a_redirect_target(server: Any) -> None:
    target = server(lambda c, _: c.sendall(OK))
    first = server(
        lambda c, _: c.sendall(f"HTTP/1.0 302 Found\r\nLocation: {target.url}\r\n\r\n".encode())
    )
    open_url(first.url.replace("http://", "http://me:secret@"), timeout_s=2).close()
    assert b"Authorization: Basic bWU6c2VjcmV0" in first.requests[0]
    assert b"Authorization" not in target.requests[0]
    login = target.url.replace("http://", "http://u:sek%2Fret@")
    second = server(
        lambda c, _: c.sendall(f"HTTP/1.0 302 Found\r\nLocation: {login}\r\n\r\n".encode())
    )
    open_url(second.url, timeout_s=2).close()
    assert b"Authorization: Basic dTpzZWsvcmV0" in target.requests[1]
    assert b"Icy-Metadata: 1" in first.requests[0].replace(b"MetaData", b"Metadata")


def test_the_shoutcast_status_line_is_accepted(server: Any) -> None:
    one = server(lambda c, _: c.sendall(b"ICY 200 OK\r\nicy-metaint:8192\r\n\r\nabc"))
    response = open_url(one.url, timeout_s=2)
    assert response.headers["icy-metaint"] == "8192"
    assert response.read(3) == b"abc"
    response.close()


def moved(location: bytes) -> bytes:
    return b"HTTP/1.0 302 Found\r\nLocation: " + location + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (lambda c, _: c.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n"), "404 Not Found"),
        (
            lambda c, _: c.sendall(b"HTTP/1.0 302 Found\r\nLocation: /live\r\n\r\n"),
            "in a circle (more than 10",
        ),
        (lambda c, _: c.sendall(moved(b"file:///etc/passwd")), "expected http://"),
        (
            lambda c, _: c.sendall(moved(b"http://u:sekret@127.0.0.1:1/y")),
            "127.0.0.1:1/y): cannot be",
        ),
        (lambda c, _: c.sendall(moved(b"http://u:sek/ret@127.0.0.1/y")), "not a valid URL"),
        (lambda c, _: endless(c, moved(b"/live"), b"x" * 65_536), "in a circle"),
        (lambda c, _: endless(c, b"HTTP/1.0 200 OK\r\nX: ", b"x" * 65_536), "no usable answer"),
        (lambda c, _: endless(c, b"HTTP/1.0 200 OK\r\n", b"X: y\r\n" * 999), "no usable answer"),
        (lambda c, _: c.sendall(b"\x00\xff\x13garbage\r\n\r\n"), "no usable answer"),
        (lambda c, _: c.close(), "no usable answer"),
        (lambda c, _: time.sleep(600), "no answer in 1 s"),
    ],
)
def test_servers_that_are_not_stations_are_explained(server: Any, behave: Any, words: str) -> None:
    one = server(behave)
    with pytest.raises(InputError) as error:
        open_url(one.url, timeout_s=1)
    assert words in str(error.value)
    assert "sek" not in str(error.value)
    assert one.url.removesuffix("/live") in str(error.value)


def test_an_unreachable_server_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.raises(InputError, match="cannot be reached"):
        open_url(f"http://127.0.0.1:{port}/", timeout_s=2)


# ---- the source ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    require_programs("ffmpeg")
    folder = tmp_path_factory.mktemp("mp3")
    wav = write_wav(folder / "a.wav", music(8))
    file = folder / "a.mp3"
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, "-b:a", "64k", file], check=True)
    return file.read_bytes()


@pytest.fixture(scope="module")
def programme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes: where a file begins again, its decoder finds a damaged packet."""
    require_programs("ffmpeg")
    folder = tmp_path_factory.mktemp("programme")
    wav = write_wav(folder / "a.wav", music(10))
    command = ["ffmpeg", "-v", "error", "-stream_loop", "29", "-i", str(wav), "-b:a", "64k"]
    subprocess.run([*command, str(folder / "a.mp3")], check=True)
    return folder / "a.mp3"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio, "BACKOFF_S", (0.05, 0.2))
    monkeypatch.setattr(radio, "TIMEOUT_S", 1.0)


def drain(source: RadioSource) -> tuple[int, list[Gap]]:
    samples, losses = 0, list[Gap]()
    while source.ring is not None and (item := source.ring.read(100_000)) is not None:
        if isinstance(item, Gap):
            losses.append(item)
        else:
            samples += len(item)
    return samples, losses


def test_a_broken_stream_reconnects(server: Any, mp3: bytes, quick: None) -> None:
    connections = []
    titled = woven(mp3, 4096, [b"StreamTitle='News';"])

    def behave(connection: socket.socket, _: bytes) -> None:
        connections.append(connection)
        connection.sendall(with_header(b"icy-metaint: 4096") + titled)
        if len(connections) == 1:
            time.sleep(600)  # connected, but no more data: half open

    source = RadioSource(server(behave).url)
    source.start()
    samples, losses = 0, list[Gap]()
    ends = time.monotonic() + 60
    while time.monotonic() < ends and (not losses or samples < 8 * 44_100):
        more, lost = drain(source)
        samples, losses = samples + more, losses + lost
        time.sleep(0.01)
    source.stop()
    assert samples >= 8 * 44_100
    assert losses[0].reason == "reconnect"
    assert losses[0].samples > 0.5 * 44_100
    first, again = list(source.titles)[:2]  # it is a new stream: its title is reported again
    assert first.title == again.title
    assert again.at > losses[0].samples
    states = [n.state for n in source.state_changes]
    assert states[:3] == ["live", "lost", "live"]
    assert states[-1] == "ended"


def test_titles_in_the_stream_are_reported_once(server: Any, mp3: bytes, quick: None) -> None:
    title = "StreamTitle='Björk - Jóga';".encode()
    stream = woven(mp3, 4096, [title, title, b"", title])
    head = OK.replace(b"\r\n\r\n", b"\r\nicy-metaint: 4096\r\n\r\n")
    source = RadioSource(server(lambda c, _: c.sendall(head + stream)).url)
    source.start()
    until(lambda: source.state == "lost")
    source.stop()
    assert [change.title for change in source.titles] == [Title("Björk - Jóga", "Björk", "Jóga")]
    samples, _ = drain(source)
    assert samples > 7 * 44_100  # the titles did not get into the audio


def with_header(header: bytes) -> bytes:
    return OK.replace(b"\r\n\r\n", b"\r\n" + header + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (lambda c, _: endless(c, OK, b"\x00" * 4096), ""),
        (lambda c, _: c.sendall(OK + bytes(range(256)) * 400), ""),
        (lambda c, _: c.sendall(with_header(b"icy-metaint: x")), "icy-metaint"),
        (
            lambda c, _: endless(c, with_header(b"icy-metaint: 1"), b"a\xff" + b"z" * 4080),
            "",
        ),
        (
            lambda c, _: c.sendall(
                b"HTTP/1.0 200 OK\r\nContent-Type: audio/x-scpls\r\n\r\nFile1=/live\r\n"
            ),
            "the station list leads to itself",
        ),
    ],
)
def test_invalid_data_never_goes_live_and_ends_quickly(
    server: Any, quick: None, behave: Any, words: str
) -> None:
    source = RadioSource(server(behave).url)
    source.start()
    if words:
        until(lambda: any(words in n.detail for n in source.state_changes))
    time.sleep(0.5)
    assert source.state == "lost" if words else source.state != "live"
    source.stop()
    assert source.failure is None
    assert len(source.state_changes) <= 64


def test_a_list_leads_to_the_stream(server: Any, mp3: bytes, quick: None) -> None:
    stream = server(lambda c, _: c.sendall(OK + mp3))
    list_ = server(
        lambda c, _: c.sendall(
            b"HTTP/1.0 200 OK\r\nContent-Type: audio/x-mpegurl\r\n\r\n" + stream.url.encode()
        )
    )
    source = RadioSource(list_.url)
    source.start()
    until(lambda: source.state == "live")
    source.stop()


def test_a_fast_server_is_throttled(
    server: Any, mp3: bytes, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "AHEAD_S", 2.0)
    source = RadioSource(server(lambda c, _: c.sendall(OK + mp3)).url)
    source.start()
    until(lambda: source.state == "live")
    live_at = time.monotonic()
    until(lambda: source.state == "lost")
    assert time.monotonic() - live_at > 5  # for 8 s of audio that came at once
    source.stop()
    assert drain(source)[0] > 7.5 * 44_100


def test_pauses_grow_and_reset_after_a_stable_stretch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    backoff = Backoff(1.0, 8.0, stable_s=30.0)
    pauses = []
    for _ in range(6):
        backoff.begin()
        now[0] += 5
        pauses.append(backoff.next_s())
    for pause, expected in zip(pauses, [1, 2, 4, 8, 8, 8], strict=True):
        assert 0.8 * expected <= pause <= 1.2 * expected
    backoff.begin()
    now[0] += 31
    assert backoff.next_s() <= 1.2


def test_a_dead_host_is_tried_about_forty_times_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    backoff = Backoff(*radio.BACKOFF_S)
    attempts = 0
    while now[0] < 3600:
        backoff.begin()
        attempts += 1
        now[0] += backoff.next_s()
    assert attempts < 50


# ---- good stations beside bad ones ---------------------------------------------------------------


def in_real_time(mp3: bytes) -> Callable[[socket.socket, bytes], None]:
    """Act as a station does: send two seconds at once, then 64 kb a second, for ever."""

    def behave(connection: socket.socket, _: bytes) -> None:
        connection.sendall(OK + mp3[:16_000])
        sent, began = 16_000, time.monotonic()
        while True:
            due = 16_000 + int(8_000 * (time.monotonic() - began))
            for place in range(sent, due):
                connection.sendall(mp3[place % len(mp3) : place % len(mp3) + 1])
            sent = due
            time.sleep(0.05)

    return behave


def trickle(connection: socket.socket, mp3: bytes) -> None:
    connection.sendall(OK + mp3[:20_000])
    for start in range(20_000, len(mp3), 100):
        connection.sendall(mp3[start : start + 100])
        time.sleep(0.1)


REDIRECT = b"HTTP/1.0 302 Found\r\nLocation: /live\r\n\r\n"
PAGE = b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<p>"
METADATA = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nicy-metaint: 1\r\n\r\n"


def half_open(connection: socket.socket, mp3: bytes) -> None:
    connection.sendall(OK + mp3[:30_000])
    time.sleep(600)


def drip(connection: socket.socket, _: bytes) -> None:
    while True:
        connection.sendall(b"H")
        time.sleep(0.3)


def murmur(connection: socket.socket, _: bytes) -> None:
    connection.sendall(OK)
    while True:
        connection.sendall(b"\0")
        time.sleep(0.1)


FAILURES: dict[str, tuple[Callable[[socket.socket, bytes], None], str]] = {
    "redirects": (lambda c, _: c.sendall(REDIRECT), "redirect"),
    "page": (lambda c, _: c.sendall(PAGE), "is a text/html page"),
    "noise": (lambda c, _: endless(c, OK, bytes(range(256)) * 256), ""),
    "header": (lambda c, _: endless(c, b"HTTP/1.0 200 OK\r\nX: ", b"x" * 65_536), "no usable"),
    "metadata": (lambda c, _: endless(c, METADATA, b"a\xff" + b"z" * 4080), ""),
    "silent": (lambda c, _: time.sleep(600), "no answer"),
    "half open": (half_open, "nothing for"),
    "drip": (drip, "no usable answer"),
    "murmur": (murmur, "no audio for"),
    "trickle": (trickle, "s of audio in"),
    "refused": (lambda c, _: c.close(), "no usable answer"),
}


def test_bad_stations_recover_and_never_delay_a_good_one(
    server: Any,
    mp3: bytes,
    stateful_folder: Path,
    quick: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    programme: Path,
) -> None:
    # The limits are those of the good station too: it must not miss them on a busy machine.
    monkeypatch.setattr(radio, "TIMEOUT_S", 4.0)
    monkeypatch.setattr(arrival, "WINDOW_S", 6.0)
    well = threading.Event()
    good = in_real_time(programme.read_bytes())

    def with_failure(misbehave: Any) -> Callable[[socket.socket, bytes], None]:
        def behave(connection: socket.socket, request: bytes) -> None:
            if well.is_set():
                good(connection, request)
            else:
                misbehave(connection, mp3)

        return behave

    def was_lost(name: str) -> bool:
        return any(
            event["state"] == "lost" and FAILURES[name][1] in event["detail"]
            for _, event in listening.of(name, "source")
            if event["detail"]
        )

    def is_back(name: str) -> bool:
        at, last = listening.of(name, "source")[-1]
        after = [e for heard_at, e in listening.of(name, "update") if heard_at > at]
        return last["state"] == "live" and len(after) >= 2

    urls = {name: server(with_failure(misbehave)).url for name, (misbehave, _) in FAILURES.items()}
    with (
        paced_station(programme, 8_000) as url,
        LiveEngine({"good": url, **urls}, stateful_folder) as listening,
    ):
        until(lambda: all(map(was_lost, FAILURES)))
        well.set()
        until(lambda: all(map(is_back, FAILURES)))
    listening.assert_unbroken("good")
    for name in FAILURES:
        assert listening.sources[name].failure is None
        states = listening.states(name)
        returns = "-".join(states[states.index("live") :]).count("lost-live")
        assert len(listening.of(name, "gap")) == returns, name
    assert capfd.readouterr().err == ""
