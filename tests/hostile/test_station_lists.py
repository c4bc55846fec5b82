"""Whatever a server sends in place of a station is followed to a stream, or explained."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.audio import music, write_wav
from support.fuzzing import examples
from support.live import until
from support.radio_server import MisbehavingServer, free_port
from support.requirements import require_programs
from support.web_server import WebServer

from streamgenre.config import StationSettings
from streamgenre.errors import InputError
from streamgenre.sources.factory import open_input
from streamgenre.sources.stream import connecting, radio
from streamgenre.sources.stream.hls_playlist import MAX_SEGMENTS, Playlist, parse
from streamgenre.sources.stream.hls_position import Position
from streamgenre.sources.stream.radio import RadioSource

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
def mp3(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    require_programs("ffmpeg")
    folder = tmp_path_factory.mktemp("mp3")
    wav = write_wav(folder / "a.wav", music(5))
    command = ["ffmpeg", "-v", "error", "-i", str(wav), "-b:a", "64k"]
    subprocess.run([*command, str(folder / "a.mp3")], check=True)
    return (folder / "a.mp3").read_bytes()


def until_live(source: RadioSource) -> None:
    source.start()
    until(lambda: source.state == "live", 60)
    source.stop()


def lost(source: RadioSource) -> str:
    source.start()
    until(lambda: source.state == "lost", 60)
    source.stop()
    return source.state_changes[0].detail


# ---- recognition --------------------------------------------------------------------------------

LISTS = {
    "line": "{url}",
    "lines": "\r\n\r\n{url}\r\n",
    "m3u": "#EXTM3U\r#EXTINF:-1,x\r{url}\r",
    "pls": "; a comment\n\n[PlayList]\nfile1={url}\n",
    "xspf": '<?xml version="1.0"?><p:playlist xmlns:p="x"><p:track><p:location><![CDATA[{url}]]>'
    "</p:location></p:track></p:playlist>",
    "asx": "<ASX><ENTRY><REF HREF='{url}'/></ENTRY></ASX>",
}


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("kind", ["text/html", "text/plain", "audio/mpeg", "binary/octet-stream"])
@pytest.mark.parametrize("form", LISTS)
def test_a_list_of_any_type_and_name_leads_to_the_stream(
    server: WebServer, mp3: bytes, form: str, kind: str, charset: str
) -> None:
    server.pages["/s"] = (mp3, "application/octet-stream")
    server.pages["/listen"] = (LISTS[form].format(url=f"{server.url}/s").encode(charset), kind)
    until_live(RadioSource(f"{server.url}/listen"))


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "audio/x-scpls", "video/x-ms-asf", ""])
def test_audio_of_any_type_plays_from_its_first_byte(
    server: WebServer, mp3: bytes, kind: str
) -> None:
    server.pages["/live.pls"] = (mp3, kind)
    source = RadioSource(f"{server.url}/live.pls")
    source.start()
    until(lambda: source.state == "lost", 60)
    source.stop()
    assert source.ring is not None
    assert source.ring.written / 44_100 == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (
            "<!DOCTYPE html><p>http://a.example/",
            "text/html",
            "is a text/html page, not audio; look",
        ),
        ("<p>Hello", "text/html", "is a text/html page, not audio; look there"),
        ("Not on air.", "text/plain", "is a text/plain page, not audio"),
        ('{"error": 1}', "application/json", "is an application/json page, not audio"),
        ("[playlist]\nNumberOfEntries=0\n", "audio/x-scpls", "contains no stream; expected a URL"),
        ("#EXTM3U\n", "audio/x-mpegurl", "contains no stream"),
        ("#EXTM3U\nmms://a.example/x\n", "audio/x-mpegurl", "contains no stream"),
    ],
)
def test_what_is_no_stream_is_explained(
    server: WebServer, body: str, kind: str, words: str
) -> None:
    server.pages["/live"] = (body, kind)
    assert words in lost(RadioSource(f"{server.url}/live"))


def test_a_short_list_before_a_silent_server_is_read(
    server: WebServer, mp3: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radio, "TIMEOUT_S", 2.0)
    server.pages["/s"] = mp3
    text = f"[playlist]\nFile1={server.url}/s\n".encode()

    def behave(connection: Any, _: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text)
        connection.sendall(head + text)
        connection.recv(1)  # keeps the connection open

    silent = MisbehavingServer(behave)
    until_live(RadioSource(silent.url))
    silent.close()


# ---- entries that do not play -------------------------------------------------------------------


def test_the_next_entry_is_tried_and_the_list_is_read_again(server: WebServer, mp3: bytes) -> None:
    dead = f"http://127.0.0.1:{free_port()}/dead"
    server.pages["/good"] = (mp3, "audio/mpeg")
    server.pages["/text"] = ("Not on air", "text/plain")
    server.pages["/noise"] = (bytes(range(256)) * 200, "audio/mpeg")
    entries = [dead, f"{server.url}/text", f"{server.url}/noise", f"{server.url}/good"]
    server.pages["/list.m3u"] = "\n".join(entries)
    source = RadioSource(f"{server.url}/list.m3u")
    source.start()
    until(lambda: source.state == "live", 60)
    until(lambda: server.asked.count("/list.m3u") > 1, 60)  # started again after the loss
    source.stop()
    assert server.asked[:4] == ["/list.m3u", "/text", "/noise", "/good"]


def test_the_reason_names_every_address(server: WebServer) -> None:
    dead = f"http://127.0.0.1:{free_port()}/dead"
    server.pages["/text"] = ("Not on air", "text/plain")
    server.pages["/list.pls"] = (
        f"[playlist]\nFile1={dead}?key=secret\nFile2={server.url}/text\nFile3={server.url}/gone\n"
    )
    source = RadioSource(f"{server.url}/list.pls")
    source.start()
    until(lambda: "none of 3 addresses can be played" in str(source.state_changes), 60)
    source.stop()
    why = next(change.detail for change in source.state_changes if "none of 3" in change.detail)
    for words in (
        f"{dead}?…: cannot be reached",
        "/text: is a text/plain page",
        "/gone: the server",
    ):
        assert words in why
    assert "secret" not in why


def test_a_local_list_tries_its_next_station(server: WebServer, mp3: bytes, tmp_path: Path) -> None:
    server.pages["/good"] = mp3
    path = tmp_path / "jazz.pls"
    path.write_text(f"[playlist]\nFile1={server.url}/gone\nFile2={server.url}/good\n")
    source, _ = open_input(StationSettings(input=str(path)))
    assert isinstance(source, RadioSource)
    until_live(source)
    assert server.asked[:2] == ["/gone", "/good"]


def test_lists_that_lead_to_each_other_or_to_very_many_end(server: WebServer) -> None:
    server.pages["/a.m3u"] = f"{server.url}/b.m3u"
    server.pages["/b.m3u"] = f"{server.url}/a.m3u\n{server.url}/b.m3u"
    assert "the station list leads to itself" in lost(RadioSource(f"{server.url}/a.m3u"))
    for number in range(6):
        server.pages[f"/{number}.m3u"] = f"{server.url}/{number + 1}.m3u"
    server.asked.clear()
    why = lost(RadioSource(f"{server.url}/0.m3u"))
    assert f"more than {connecting.MAX_LISTS} nested station lists" in why
    server.asked.clear()
    server.pages["/many.m3u"] = "\n".join(f"{server.url}/gone{n}" for n in range(100_000))
    source = RadioSource(f"{server.url}/many.m3u")
    source.start()
    until(lambda: server.asked.count("/many.m3u") > 1, 60)  # in the next attempt
    source.stop()
    assert server.asked.index("/many.m3u", 1) == connecting.MAX_TRIED


# ---- HLS playlists ------------------------------------------------------------------------------

TAGS = st.sampled_from(
    [
        *(
            "#EXTM3U",
            "#EXTINF:2,",
            "#EXTINF:-1e999,",
            "#EXTINF:nan",
            "#EXT-X-ENDLIST",
            "#EXT-X-GAP",
        ),
        *("#EXT-X-MEDIA-SEQUENCE:99999999999999999999999", "#EXT-X-MEDIA-SEQUENCE:-1"),
        *("#EXT-X-TARGETDURATION:1e9", "#EXT-X-TARGETDURATION:0", "#EXT-X-DISCONTINUITY"),
        *("#EXT-X-BYTERANGE:5@1", "#EXT-X-BYTERANGE:5", "#EXT-X-BYTERANGE:@", "seg.ts", "/x?y=1"),
        *('#EXT-X-KEY:METHOD=AES-128,URI="k"', "#EXT-X-KEY:METHOD=NONE", "#EXT-X-KEY:METHOD=X"),
        *('#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0xFF', '#EXT-X-MAP:URI="i",BYTERANGE="9"'),
        *(
            '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="g"',
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",URI="a"',
        ),
        *(
            '#EXT-X-DEFINE:NAME="v",VALUE="{$v}{$v}"',
            "{$v}/a.ts",
            "http://[",
            "file:///x",
            "//",
            "?",
        ),
        *("http://a.example:99999999/", "#EXT-X-STREAM-INF:", "#", "#EXT-X-VERSION:\u0665"),
    ]
)
PLAYLIST = st.lists(TAGS | st.text(max_size=8), max_size=20).map("\n".join)


@given(PLAYLIST, st.sampled_from(["", "#EXTM3U\n", "\ufeff#EXTM3U\r\n"]))
@example("#EXT-X-MEDIA-SEQUENCE:\u0665\nx\n", "#EXTM3U\n")
@examples(200)
def test_no_text_breaks_the_reader_of_hls(text: str, head: str) -> None:
    with suppress(InputError):
        found = parse((head + text).encode(errors="replace"), "http://radio.example/a/b", "x")
        urls = found if isinstance(found, list) else [s.media.url for s in found.segments]
        assert all(url.startswith(("http://", "https://")) for url in urls)
        if isinstance(found, Playlist):
            assert 1 <= found.target_s <= 30
            for segment in found.segments:
                assert 0 <= segment.seconds <= 600
                assert len(segment.media.iv) in (0, 16)


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.text("abcd", max_size=6), st.booleans(), st.booleans()),
        max_size=8,
    )
)
@examples(100)
def test_the_position_never_repeats_a_segment_of_the_same_playlist(
    loads: list[tuple[int, str, bool, bool]],
) -> None:
    position = Position()
    for first, names, ended, reconnected in loads:
        text = f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
        text += "".join(f"{name}\n" for name in names) + "#EXT-X-ENDLIST\n" * ended
        playlist = parse(text.encode(), "http://radio.example/", "x")
        assert isinstance(playlist, Playlist)
        new, missing = position.new(playlist, connecting=reconnected)
        assert missing >= 0
        assert new == [] or new == playlist.segments[-len(new) :]
        for segment in new:
            position.played(segment)
        assert position.new(playlist, connecting=True) == ([], 0)


def test_huge_hls_playlists_are_refused() -> None:
    with pytest.raises(InputError, match=f"more than {MAX_SEGMENTS} segments"):
        parse(b"#EXTM3U\n" + b"a\n" * (MAX_SEGMENTS + 1), "http://radio.example/", "x")
    with pytest.raises(InputError, match="longer than 4 MiB"):
        parse(b"#EXTM3U\n" + b"#\n" * (3 << 20), "http://radio.example/", "x")
