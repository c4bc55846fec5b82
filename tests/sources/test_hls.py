"""HTTP Live Streaming from a real server: formats, names, variants, and what servers do to it."""

from __future__ import annotations

import subprocess
import time
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from mutagen import id3
from support.audio import music, write_wav
from support.live import until
from support.radio_server import MisbehavingServer
from support.requirements import require_programs
from support.web_server import WebServer, self_signed

from streamgenre.audio.ring import Gap
from streamgenre.sources.stream import hls, hls_segments, radio
from streamgenre.sources.stream.aes import Decryptor
from streamgenre.sources.stream.hls_playlist import Playlist, parse
from streamgenre.sources.stream.hls_position import Position
from streamgenre.sources.stream.radio import RadioSource
from streamgenre.sources.stream.settings import StreamSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RATE = 44_100
HEAD = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"
END = "#EXT-X-ENDLIST\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio, "BACKOFF_S", (0.05, 0.2))
    monkeypatch.setattr(hls_segments, "_RETRY_S", 0.05)


@pytest.fixture
def server() -> Iterator[WebServer]:
    one = WebServer()
    yield one
    one.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same 8 s of music in several kinds of HLS."""
    require_programs("ffmpeg")
    folder = tmp_path_factory.mktemp("hls")
    wav = write_wav(folder / "a.wav", music(8))
    (folder / "key").write_bytes(bytes(range(16)))
    (folder / "key.info").write_text(f"key\n{folder}/key\n{'0f' * 16}\n")
    (folder / "key-alone.info").write_text(f"key\n{folder}/key\n")  # IV from the numbers
    for kind, flags in {
        "ts": (),
        "fmp4": ("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "fmp4-init"),
        "single": ("-hls_flags", "single_file"),
        "aes": ("-hls_key_info_file", folder / "key.info"),
        "aes-numbers": ("-hls_key_info_file", folder / "key-alone.info", "-start_number", "7"),
        "fmp4-single": ("-hls_segment_type", "fmp4", "-hls_flags", "single_file"),
    }.items():
        command = [
            *("ffmpeg", "-v", "error", "-i", wav, "-c:a", "aac", "-b:a", "96k", "-hls_time", "2"),
            *("-hls_list_size", "0", *flags, folder / f"{kind}.m3u8"),
        ]
        subprocess.run(command, check=True, cwd=folder)
    for name, codec in {"adts": "aac", "mp3": "libmp3lame"}.items():
        command = ["ffmpeg", "-v", "error", "-i", wav, "-c:a", codec, "-b:a", "96k"]
        suffix = "aac" if codec == "aac" else "mp3"
        pattern = folder / f"{name}%d.{suffix}"
        plain = "write_xing=0:id3v2_version=0" if suffix == "mp3" else ""
        segments = ("-f", "segment", "-segment_time", "2", "-segment_format_options", plain)
        subprocess.run([*command, *segments, pattern], check=True)
    return folder


def serve(server: WebServer, folder: Path) -> None:
    """Serve the files of a folder, but the playlists."""
    server.pages |= {f"/{file.name}": file.read_bytes() for file in folder.iterdir()}


def heard(source: RadioSource, seconds: float = 60) -> tuple[float, list[Gap], list[str]]:
    """Seconds until the stream is lost, gaps, and titles."""
    samples, gaps = 0, list[Gap]()

    def read() -> None:
        nonlocal samples
        while source.ring is not None and (item := source.ring.read(100_000)) is not None:
            if isinstance(item, Gap):
                gaps.append(item)
            else:
                samples += len(item)
        time.sleep(0.01)

    source.start()
    until(lambda: source.state == "lost", seconds, pump=read)
    source.stop()
    read()
    return samples / (source.rate or 1), gaps, [change.title.raw for change in source.titles]


def reason(source: RadioSource) -> str:
    return next(change.detail for change in source.state_changes if change.state == "lost")


# ---- formats ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ts", "fmp4", "single", "aes", "aes-numbers", "fmp4-single"])
def test_every_kind_of_segment_plays(server: WebServer, made: Path, kind: str) -> None:
    serve(server, made)
    source = RadioSource(f"{server.url}/{kind}.m3u8")
    seconds, gaps, _ = heard(source)
    assert seconds == pytest.approx(8, abs=0.15)
    assert gaps == []
    assert "the stream ended" in reason(source)


@pytest.mark.parametrize("kind", ["single", "fmp4-single"])
def test_a_server_may_ignore_byte_ranges(server: WebServer, made: Path, kind: str) -> None:
    serve(server, made)
    server.honours_ranges = False
    seconds, gaps, _ = heard(RadioSource(f"{server.url}/{kind}.m3u8"))
    assert seconds == pytest.approx(8, abs=0.15)
    assert gaps == []


@pytest.mark.parametrize("kind", ["adts0.aac", "mp30.mp3"])
def test_packed_audio_plays_with_its_titles(server: WebServer, made: Path, kind: str) -> None:
    stem, _, suffix = kind.rpartition("0")
    lines = ""
    for number in range(4):
        tag: Any = id3.ID3()  # type: ignore[no-untyped-call]
        clock = b"com.apple.streaming.transportStreamTimestamp"
        tag.add(id3.PRIV(owner=clock.decode(), data=(number * 180_000).to_bytes(8, "big")))  # type: ignore[no-untyped-call]
        tag.add(id3.TIT2(encoding=3, text=f"Title {number // 2}"))  # type: ignore[no-untyped-call]
        start = BytesIO()
        tag.save(start)
        body = (made / f"{stem}{number}{suffix}").read_bytes()
        server.pages[f"/{number}"] = start.getvalue() + body
        lines += f"#EXTINF:2,\n{number}\n"
    server.pages["/live"] = HEAD + lines + END
    seconds, gaps, titles = heard(RadioSource(f"{server.url}/live"))
    assert seconds == pytest.approx(8, abs=0.3)
    assert gaps == []
    assert titles == ["Title 0", "Title 1"]


@pytest.mark.parametrize("name", ["hls?seg={}", "t/{}.txt", "{}", "{}.php?x=.mp4", "{}.jpg"])
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/octet-stream", "audio/x-mpegurl", "text/html", "audio/mpeg"]
)
def test_names_and_types_do_not_matter(server: WebServer, made: Path, name: str, kind: str) -> None:
    lines = ""
    for number in range(4):
        body = (made / f"ts{number}.ts").read_bytes()
        server.pages["/" + name.format(number)] = (body, kind)
        lines += f"#EXTINF:2,\n{name.format(number)}\n"
    server.pages["/listen"] = (f"\ufeff\n{HEAD}{lines}{END}", kind)
    server.pages["/start"] = (f"{server.url}/listen\r\n", kind)  # a list that leads there
    seconds, gaps, _ = heard(RadioSource(f"{server.url}/start"))
    assert seconds == pytest.approx(8, abs=0.15)
    assert gaps == []


def test_names_in_other_charsets_are_requested_byte_for_byte(server: WebServer, made: Path) -> None:
    for name in ("caf%E9.ts", "caf%C3%A9.ts"):
        server.pages[f"/{name}"] = (made / "ts0.ts").read_bytes()
    text = f"{HEAD}#EXTINF:2,\ncafé.ts\n{END}"
    for path, charset in (("/a.m3u8", "latin-1"), ("/b.m3u8", "utf-8"), ("/c.m3u8", "utf-16")):
        server.pages[path] = text.encode(charset)
        seconds, _, _ = heard(RadioSource(f"{server.url}{path}"))
        assert seconds == pytest.approx(2, abs=0.2)
    assert server.asked[1] == "/caf%E9.ts"


def test_a_change_of_rate_and_channels_is_no_gap(server: WebServer, tmp_path: Path) -> None:
    require_programs("ffmpeg")
    wav = write_wav(tmp_path / "a.wav", music(4))
    for name, rate, channels in (("0", 48_000, 2), ("1", 22_050, 1), ("2", 48_000, 2)):
        command = ["ffmpeg", "-v", "error", "-i", str(wav), "-ar", str(rate), "-ac", str(channels)]
        subprocess.run([*command, "-c:a", "aac", "-f", "mpegts", str(tmp_path / name)], check=True)
        server.pages[f"/{name}"] = (tmp_path / name).read_bytes()
    adverts = "#EXTINF:4,\n0\n#EXT-X-DISCONTINUITY\n#EXTINF:4,\n1\n#EXT-X-DISCONTINUITY\n"
    server.pages["/marked"] = f"{HEAD}{adverts}#EXTINF:4,\n2\n{END}"
    server.pages["/unmarked"] = f"{HEAD}#EXTINF:4,\n0\n#EXTINF:4,\n1\n{END}"
    seconds, gaps, _ = heard(RadioSource(f"{server.url}/marked"))
    assert gaps == []
    assert seconds == pytest.approx(12, abs=0.3)
    seconds, gaps, _ = heard(RadioSource(f"{server.url}/unmarked"))
    assert sum(gap.samples for gap in gaps) / 48_000 < 0.2
    assert seconds == pytest.approx(8, abs=0.3)


@pytest.mark.parametrize("kind", ["gone", "absent", "cut"])
def test_missing_segments_are_gaps_of_their_length(
    server: WebServer, made: Path, kind: str
) -> None:
    serve(server, made)
    text = (made / "ts.m3u8").read_text()
    if kind == "gone":
        del server.pages["/ts1.ts"]
    elif kind == "absent":
        text = text.replace("ts1.ts", "ts1.ts").replace("\nts1.ts", "\n#EXT-X-GAP\nts1.ts")
    else:
        body = server.pages["/ts1.ts"]
        assert isinstance(body, bytes)
        server.pages["/ts1.ts"] = body[: len(body) // 2 // 188 * 188]
    server.pages["/live"] = text
    seconds, gaps, _ = heard(RadioSource(f"{server.url}/live"))
    lost_s = sum(gap.samples for gap in gaps) / RATE
    assert lost_s == pytest.approx(1 if kind == "cut" else 2, abs=0.2)
    assert seconds + lost_s == pytest.approx(8, abs=0.2)


def test_a_gap_is_never_longer_than_what_can_have_passed(server: WebServer, made: Path) -> None:
    serve(server, made)
    absent = "#EXTINF:600,\n#EXT-X-GAP\nx\n" * 5000
    server.pages["/live"] = f"{HEAD}#EXTINF:2,\nts0.ts\n{absent}#EXTINF:2,\nts1.ts\n{END}"
    _, gaps, _ = heard(RadioSource(f"{server.url}/live"))
    assert sum(gap.samples for gap in gaps) / RATE < 100


def test_user_and_password_are_sent_to_the_own_server_only(server: WebServer, made: Path) -> None:
    serve(server, made)
    other = WebServer()
    serve(other, made)
    port = server.url.rpartition(":")[2]
    lines = f"ts0.ts\n#EXTINF:2,\n{server.url}/ts1.ts\n#EXTINF:2,\n{other.url}/ts2.ts\n"
    server.pages["/live"] = f"{HEAD}#EXTINF:2,\n{lines}{END}"
    seconds, _, _ = heard(RadioSource(f"http://me:secret@127.0.0.1:{port}/live"))
    other.close()
    assert seconds == pytest.approx(6, abs=0.2)
    assert all("authorization" in headers for headers in server.headers)
    assert server.asked[:3] == ["/live", "/ts0.ts", "/ts1.ts"]
    assert other.asked == ["/ts2.ts"]
    assert "authorization" not in other.headers[0]


def test_a_segment_that_drips_is_no_audio(
    server: WebServer, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radio, "TIMEOUT_S", 1.0)

    def drip(connection: Any, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\nG")
        while True:
            connection.sendall(b"x")
            time.sleep(0.2)

    dripping = MisbehavingServer(drip)
    server.pages["/live"] = f"{HEAD}#EXTINF:2,\n{dripping.url}\n{END}"
    source = RadioSource(f"{server.url}/live")
    heard(source)
    dripping.close()
    assert "no audio for 2 s in what it sends" in reason(source)


def test_many_missing_segments_end_the_stream_with_the_reason(
    server: WebServer, made: Path
) -> None:
    server.pages["/live"] = (made / "ts.m3u8").read_text()
    source = RadioSource(f"{server.url}/live")
    heard(source)
    assert "3 segments in a row cannot be played" in reason(source)
    assert "the server answers 404" in reason(source)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x"', "encrypted with SAMPLE-AES"),
        ('#EXT-X-KEY:METHOD=AES-128,URI="short"', "the key of its segments is not of 16 bytes"),
        ('#EXT-X-KEY:METHOD=AES-128,URI="file:///etc/passwd"', "leads to file://"),
        ('#EXT-X-MAP:URI="file:///etc/passwd"', "leads to file://"),
        ("data:audio/mpeg;base64,AAAA", "leads to data:"),
        ("concat:a|b", "leads to concat:"),
        ("ftp://127.0.0.1/x", "leads to ftp://"),
    ],
)
def test_what_cannot_be_played_is_said(
    server: WebServer, made: Path, line: str, words: str
) -> None:
    serve(server, made)
    server.pages["/short"] = b"x" * 15
    server.pages["/live"] = f"{HEAD}{line}\n#EXTINF:2,\nts0.ts\n{END}"
    source = RadioSource(f"{server.url}/live")
    seconds, _, _ = heard(source)
    assert words in reason(source)
    assert reason(source).count(source.name) == 1
    assert seconds == 0


# ---- variants -----------------------------------------------------------------------------------


def variants(server: WebServer, made: Path, text: str) -> set[str]:
    """Serve a master playlist; return which of its variants were asked for."""
    for name in "abcdef":
        for number in range(4):
            server.pages[f"/{name}/ts{number}.ts"] = (made / f"ts{number}.ts").read_bytes()
        server.pages[f"/{name}/live"] = (made / "ts.m3u8").read_text()
    server.pages["/master"] = f"#EXTM3U\n{text}"
    seconds, _, _ = heard(RadioSource(f"{server.url}/master"))
    assert seconds == pytest.approx(8, abs=0.2)
    return {path[1] for path in server.asked} - {"m"}


STREAM = "#EXT-X-STREAM-INF:BANDWIDTH={},{}\n{}/live\n"


def test_one_of_several_variants_is_downloaded(server: WebServer, made: Path) -> None:
    audio = 'CODECS="mp4a.40.2"'
    text = "".join(STREAM.format(b, audio, n) for n, b in (("a", 48_000), ("b", 320_000)))
    assert variants(server, made, text + STREAM.format(128_000, audio, "c")) == {"c"}


def test_audio_alone_is_preferred_to_video(server: WebServer, made: Path) -> None:
    video = 'CODECS="avc1.4d,mp4a.40.2",RESOLUTION=640x360'
    text = STREAM.format(200_000, video, "a") + STREAM.format(900_000, video, "b")
    assert variants(server, made, text + STREAM.format(64_000, 'CODECS="mp4a.40.2"', "c")) == {"c"}
    server.asked.clear()
    assert variants(server, made, text) == {"a"}


def test_a_rendition_with_audio_is_preferred(server: WebServer, made: Path) -> None:
    media = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="{0}",DEFAULT={1},URI="{0}/live"\n'
    text = media.format("a", "NO") + media.format("b", "YES")
    more = STREAM.format(900_000, 'CODECS="avc1.4d,mp4a.40.2",AUDIO="g"', "c")
    assert variants(server, made, text + more) == {"b"}


def test_a_variant_without_sound_is_the_last_choice(server: WebServer, made: Path) -> None:
    text = STREAM.format(90_000, 'CODECS="avc1.4d400d"', "a")
    text += STREAM.format(900_000, 'CODECS="avc1.4d,mp4a.40.2",RESOLUTION=640x360', "b")
    assert variants(server, made, text) == {"b"}


def test_a_dead_variant_is_passed_over(server: WebServer, made: Path) -> None:
    text = STREAM.format(96_000, 'CODECS="mp4a.40.2"', "gone")
    text += STREAM.format(128_000, 'CODECS="mp4a.40.2"', "c")
    assert variants(server, made, text) == {"c", "g"}


# ---- stalls and restarts ------------------------------------------------------------------------


def test_a_playlist_that_never_changes_is_not_played_again(
    server: WebServer, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hls, "STANDSTILL_S", 0.5)
    serve(server, made)
    text = (made / "ts.m3u8").read_text().replace(END, "")
    server.pages["/live"] = text.replace("TARGETDURATION:2", "TARGETDURATION:1")
    source = RadioSource(f"{server.url}/live")
    source.start()
    until(lambda: sum(change.state == "lost" for change in source.state_changes) >= 1, 60)
    until(lambda: server.asked.count("/live") > 12, 60)
    source.stop()
    assert "the playlist has not changed for" in reason(source)
    # A live stream starts three segments before its end.
    assert [path for path in server.asked if path != "/live"] == ["/ts2.ts", "/ts3.ts", "/ts4.ts"]
    assert source.ring is not None
    assert 4 < source.ring.written / RATE < 6.2


def test_an_ended_stream_is_not_played_again(server: WebServer, made: Path) -> None:
    serve(server, made)
    source = RadioSource(f"{server.url}/ts.m3u8")
    source.start()
    until(lambda: server.asked.count("/ts.m3u8") > 4, 60)
    source.stop()
    assert server.asked.count("/ts0.ts") == 1
    changes = [change.detail for change in source.state_changes if change.state == "lost"]
    assert "the stream ended" in changes[0]
    assert "the stream has ended; the playlist has not changed" in changes[1]


def test_a_live_stream_continues_in_its_next_playlist_and_after_a_restart_of_its_server(
    server: WebServer, made: Path
) -> None:
    serve(server, made)

    def live(first: int, *numbers: int, discontinuity: int | None = None) -> str:
        text = HEAD.replace("DURATION:2", "DURATION:1") + f"#EXT-X-MEDIA-SEQUENCE:{first}\n"
        for number in numbers:
            text += "#EXT-X-DISCONTINUITY\n" * (number == discontinuity)
            text += f"#EXTINF:2,\nts{number}.ts?token={time.monotonic()}\n"
            path = text.splitlines()[-1]
            server.pages[f"/{path}"] = (made / f"ts{number}.ts").read_bytes()
        return text

    def segments() -> list[str]:
        return [path[3] for path in server.asked if path.startswith("/ts")]

    server.pages["/live"] = live(10, 0, 1)
    source = RadioSource(f"{server.url}/live")
    source.start()
    until(lambda: segments() == ["0", "1"], 60)
    asked = server.asked.count("/live")
    until(lambda: server.asked.count("/live") > asked + 1, 60)  # nothing new
    server.pages["/live"] = live(11, 1, 2)
    until(lambda: segments() == ["0", "1", "2"], 60)
    server.pages["/live"] = live(0, 3, 0, discontinuity=0)  # the server restarted
    until(lambda: segments() == ["0", "1", "2", "3", "0"], 60)
    source.stop()


def numbered(first: int | None, *names: str, ended: bool = False) -> Playlist:
    text = HEAD + (f"#EXT-X-MEDIA-SEQUENCE:{first}\n" if first is not None else "")
    text += "".join(f"#EXTINF:2,\n{name}\n" for name in names) + END * ended
    found = parse(text.encode(), "http://radio.example/", "x")
    assert isinstance(found, Playlist)
    return found


@pytest.mark.parametrize(
    ("playlists", "played"),
    [
        ([(1, "abcd"), (3, "cdef"), (5, "efgh")], "bcdefgh"),
        ([(1, "abcd"), (1, "abcd"), (1, "abcd")], "bcd"),
        ([(None, "abcd"), (None, "bcde"), (None, "bcde"), (None, "defg")], "bcdefg"),
        ([(7, "abcd"), (0, "pq"), (0, "pqr")], "bcdpqr"),
        ([(7, "abcd"), (0, "cdef")], "bcdef"),
        ([(0, "abcd"), (0, "pqrs")], "bcdqrs"),
        ([(5, "abcd"), (20, "vwxyz")], "bcdvwxyz"),
        ([(5, "abcd"), (0, ""), (5, "abcde")], "bcde"),
    ],
)
def test_no_segment_is_played_twice_or_left_out(
    playlists: list[tuple[int | None, str]], played: str
) -> None:
    position, found = Position(), ""
    for number, (first, names) in enumerate(playlists):
        new, _ = position.new(numbered(first, *names), connecting=number == 0)
        for segment in new:
            position.played(segment)
            found += segment.media.url[-1]
    assert found == played


def test_missing_segments_are_counted() -> None:
    position = Position()
    for segment in position.new(numbered(5, *"abcd"), connecting=True)[0]:
        position.played(segment)
    assert position.new(numbered(12, *"hij"), connecting=False)[1] == 3
    assert position.new(numbered(12, *"hij"), connecting=True)[1] == 0


def test_tokens_do_not_make_segments_new() -> None:
    position = Position()
    for names in (("a?1", "b?1"), ("a?2", "b?2")):
        for segment in position.new(numbered(None, *names), connecting=False)[0]:
            position.played(segment)
    assert position.new(numbered(None, "t3/a", "t3/b"), connecting=False) == ([], 0)
    same_path = Position()  # the query names the segment
    for segment in same_path.new(numbered(None, "x?1", "x?2"), connecting=False)[0]:
        same_path.played(segment)
    found, _ = same_path.new(numbered(None, "x?2", "x?3"), connecting=False)
    assert [segment.media.url[-1] for segment in found] == ["3"]


# ---- TLS ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["segment", "key", "variant"])
def test_certificates_of_everything_in_a_playlist_are_verified(
    server: WebServer, made: Path, tmp_path: Path, what: str
) -> None:
    require_programs("openssl")
    secure = WebServer(self_signed(tmp_path))
    try:
        serve(server, made)
        serve(secure, made)
        text = (made / ("aes.m3u8" if what == "key" else "ts.m3u8")).read_text()
        if what == "segment":
            text = text.replace("\nts", f"\n{secure.url}/ts")
        elif what == "key":
            text = text.replace('"key"', f'"{secure.url}/key"')
        else:
            text = f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=96000\n{secure.url}/ts.m3u8\n"
        server.pages["/live"] = text
        source = RadioSource(f"{server.url}/live")
        seconds, _, _ = heard(source)
        assert seconds == 0
        assert secure.asked == []
        assert "certificate is not valid" in reason(source)
        settings = StreamSettings(ca_file=tmp_path / "ca.pem")
        seconds, _, _ = heard(RadioSource(f"{server.url}/live", settings=settings))
        assert seconds == pytest.approx(8, abs=0.2)
    finally:
        secure.close()


# ---- AES ----------------------------------------------------------------------------------------


def test_decryption_agrees_with_the_standard() -> None:
    # SP 800-38A, F.2.2 CBC-AES128.Decrypt
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    cipher = bytes.fromhex(
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
        "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
    )
    plain = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
        "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
    )
    for size in (1, 7, 16, 64):
        decryptor = Decryptor(key, bytes(range(16)))
        found = b"".join(decryptor.update(cipher[at : at + size]) for at in range(0, 64, size))
        assert found + decryptor.finish() == plain
