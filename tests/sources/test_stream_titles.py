"""Stream titles other than ICY, each at its sample."""

from __future__ import annotations

import io
import subprocess
import threading
import time
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen import id3
from support.audio import music, write_wav
from support.live import until
from support.radio_server import MisbehavingServer, Rtsp, free_port
from support.requirements import require_programs

from streamgenre.audio.fair_lock import Participant
from streamgenre.audio.ring import Gap
from streamgenre.errors import InputError
from streamgenre.sources.base import StateChange
from streamgenre.sources.ogg import OggChain
from streamgenre.sources.stream import icy_reader, radio
from streamgenre.sources.stream.http_response import Response
from streamgenre.sources.stream.icy_reader import IcyReader
from streamgenre.sources.stream.radio import RadioSource
from streamgenre.sources.stream.settings import StreamSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OK = b"HTTP/1.0 200 OK\r\nContent-Type: application/ogg\r\n\r\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio, "BACKOFF_S", (0.05, 0.2))


def encoded(folder: Path, name: str, *codec: str, seconds: float = 2, rate: int = 44_100) -> bytes:
    wav = write_wav(folder / "a.wav", music(seconds, rate=rate), rate)
    file = folder / name
    file.unlink(missing_ok=True)
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, *codec, file], check=True)
    return file.read_bytes()


def heard(source: RadioSource, seconds: float) -> tuple[int, list[tuple[int, str]], list[str]]:
    """Samples until the stream is lost, titles with their places, and states."""
    source.start()
    samples = 0
    ends = time.monotonic() + seconds
    while source.state in ("connecting", "live") and time.monotonic() < ends:
        item = source.ring.read(100_000) if source.ring is not None else None
        if item is None:
            time.sleep(0.01)
        else:
            samples += item.samples if isinstance(item, Gap) else len(item)
    source.stop()
    while source.ring is not None and (item := source.ring.read(100_000)) is not None:
        samples += item.samples if isinstance(item, Gap) else len(item)
    titles = [(change.at, change.title.raw) for change in source.titles]
    return samples, titles, [n.state for n in source.state_changes]


# ---- Ogg ----------------------------------------------------------------------------------------


def tags(artist: str, title: str) -> tuple[str, ...]:
    return ("-metadata", f"artist={artist}", "-metadata", f"title={title}")


def test_every_link_of_an_ogg_chain_plays_under_its_title(tmp_path: Path) -> None:
    require_programs("ffmpeg")
    vorbis, opus = ("-c:a", "libvorbis"), ("-c:a", "libopus")
    flac = ("-c:a", "flac", "-f", "ogg")
    links = [
        encoded(tmp_path, "1.ogg", *vorbis, *tags("Björk", "Jóga")),
        encoded(tmp_path, "2.ogg", *vorbis, *tags("", "Nina - Sinnerman"), rate=22_050),
        encoded(tmp_path, "3.opus", *opus, *tags("A", "Opus")),
        encoded(tmp_path, "4.opus", *opus, "-ac", "2", *tags("A", "Stereo")),
        encoded(tmp_path, "5.ogg", *flac, *tags("A", "Flac")),
    ]
    server = MisbehavingServer(lambda c, _: c.sendall(OK + b"".join(links)))
    samples, titles, states = heard(RadioSource(server.url), 20)
    server.close()
    assert states[:2] == ["live", "lost"]
    assert [raw for _, raw in titles] == [
        *("Björk - Jóga", "Nina - Sinnerman", "A - Opus", "A - Stereo", "A - Flac")
    ]
    assert [at / 44_100 for at, _ in titles] == pytest.approx([0, 2, 4, 6, 8], abs=0.05)
    assert samples / 44_100 == pytest.approx(10, abs=0.05)


def page(flags: int, body: bytes) -> bytes:
    table = bytes([255] * (len(body) // 255) + [len(body) % 255])
    return b"OggS\0" + bytes([flags]) + b"\0" * 20 + bytes([len(table)]) + table + body


LINKS = st.lists(
    st.tuples(st.integers(1, 2), st.lists(st.binary(max_size=600), min_size=1, max_size=4)),
    min_size=1,
    max_size=5,
)


@given(LINKS, st.lists(st.integers(0, 8000), max_size=12))
def test_links_are_separated_however_the_stream_is_split(
    links: list[tuple[int, list[bytes]]], cuts: list[int]
) -> None:
    wholes = [
        b"".join([page(2, b"head")] * streams + [page(0, body) for body in bodies])
        for streams, bodies in links
    ]
    data = b"".join(wholes)
    chain, pieces = OggChain(), [b""]
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    for start, end in pairwise(edges):
        first, *more = chain.push(data[start:end])
        pieces[-1] += first
        pieces += more
    assert chain.flush() == b""
    assert pieces == wholes


@given(st.lists(st.sampled_from([b"OggS", b"\0\2", page(2, b"x")]) | st.binary(max_size=40)))
def test_no_bytes_break_the_chain_reader(pieces: list[bytes]) -> None:
    chain = OggChain()
    out = b"".join(b"".join(chain.push(piece)) for piece in pieces)
    held = chain.flush()
    assert out + held == b"".join(pieces)
    assert len(held) < 27 + 255


# ---- ICY ----------------------------------------------------------------------------------------


def test_a_rate_change_keeps_the_title_at_its_sample(tmp_path: Path) -> None:
    require_programs("ffmpeg")
    one = encoded(tmp_path, "1.mp3", "-b:a", "64k", seconds=4)
    two = encoded(tmp_path, "2.mp3", "-b:a", "64k", seconds=4, rate=22_050)
    title = b"StreamTitle='N - S';".ljust(32, b"\0")
    head = OK.replace(b"\r\n\r\n", f"\r\nicy-metaint: {len(one)}\r\n\r\n".encode())
    server = MisbehavingServer(lambda c, _: c.sendall(head + one + b"\2" + title + two))
    samples, titles, states = heard(RadioSource(server.url), 20)
    server.close()
    assert states[:2] == ["live", "lost"]
    assert [raw for _, raw in titles] == ["N - S"]
    assert titles[0][0] / 44_100 == pytest.approx(4, abs=0.1)
    assert samples / 44_100 == pytest.approx(8, abs=0.2)


# ---- HLS ----------------------------------------------------------------------------------------


def segment(path: Path, start_s: float, seconds: float, titles: dict[float, str]) -> None:
    """Write a piece of an HLS stream with timed ID3 tags."""
    with av.open(str(path), "w", format="mpegts", options={"mpegts_copyts": "1"}) as container:
        stream: Any = container.add_stream("aac", rate=44_100, layout="mono")
        data: Any = container.add_data_stream("timed_id3")
        data.time_base = Fraction(1, 90_000)
        signal = music(seconds)
        for start in range(0, len(signal) - 1023, 1024):
            for at in [at for at in titles if start <= at * 44_100 < start + 1024]:
                tag: Any = id3.ID3()  # type: ignore[no-untyped-call]
                for frame_of in (id3.TPE1, id3.TIT2):
                    text = "Ä" if frame_of is id3.TPE1 else titles[at]
                    tag.add(frame_of(encoding=3, text=text))
                buffer = io.BytesIO()
                tag.save(buffer)
                packet = av.Packet(buffer.getvalue())
                packet.stream, packet.time_base = data, data.time_base
                packet.pts = packet.dts = int((start_s + at) * 90_000)
                container.mux(packet)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(signal[None, start : start + 1024]), "fltp", "mono"
            )
            frame.sample_rate, frame.time_base = 44_100, Fraction(1, 44_100)
            frame.pts = start + int(start_s * 44_100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@contextmanager
def web(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_hls_plays_timed_titles_across_a_discontinuity_and_a_missing_segment(
    tmp_path: Path,
) -> None:
    segment(tmp_path / "0.ts", 0, 2, {0: "one", 1: "two"})
    segment(tmp_path / "1.ts", 2, 2, {})
    segment(tmp_path / "3.ts", 6, 2, {0.5: "three"})
    segment(tmp_path / "4.ts", 500, 2, {0: "four"})
    (tmp_path / "live.m3u8").write_text(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"
        + "".join(f"#EXTINF:2,\n{n}.ts\n" for n in range(4))
        + "#EXT-X-DISCONTINUITY\n#EXTINF:2,\n4.ts\n#EXT-X-ENDLIST\n"
    )
    with web(tmp_path) as url:
        samples, titles, states = heard(RadioSource(f"{url}/live.m3u8"), 20)
    assert states[:2] == ["live", "lost"]
    assert [raw for _, raw in titles] == ["Ä - one", "Ä - two", "Ä - three", "Ä - four"]
    assert [at / 44_100 for at, _ in titles] == pytest.approx([0, 1, 6.5, 8], abs=0.15)
    assert samples / 44_100 == pytest.approx(10, abs=0.3)  # with those that are lost


def test_a_live_hls_stream_waits_for_its_next_segment_and_stops_at_once(tmp_path: Path) -> None:
    segment(tmp_path / "0.ts", 0, 2, {})
    (tmp_path / "live.m3u8").write_text(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\n0.ts\n"
    )
    with web(tmp_path) as url:
        source = RadioSource(f"{url}/live.m3u8")
        source.start()
        until(lambda: source.state == "live")
        time.sleep(1)
        assert source.state == "live"
        source.stop()
    assert source.state_changes[-1] == StateChange("ended", "stopped")


# ---- RTSP and SRT -------------------------------------------------------------------------------


@pytest.fixture
def rtsp() -> Iterator[Rtsp]:
    server = Rtsp()
    yield server
    server.close()


def test_rtsp_plays_is_lost_and_plays_again(rtsp: Rtsp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio, "TIMEOUT_S", 1.0)
    settings = StreamSettings(user_agent="Agent/7")
    source = RadioSource(rtsp.url.replace("rtsp://", "rtsp://user:secret@"), settings=settings)
    source.start()
    until(lambda: source.state == "live")
    rtsp.silent.set()  # connected, but no more data
    until(lambda: source.state == "lost")
    rtsp.silent.clear()
    until(lambda: source.state == "live")
    source.stop()
    assert source.rate == 44_100
    assert source.failure is None
    assert rtsp.agents == {"Agent/7"}
    assert "secret" not in str(source.state_changes) + source.name


def test_an_unreachable_rtsp_server_is_reported() -> None:
    source = RadioSource(f"rtsp://127.0.0.1:{free_port()}/live")
    source.start()
    until(lambda: "Connection refused" in str(source.state_changes))
    source.stop()
    assert source.state == "ended"


def test_features_missing_from_ffmpeg_are_named() -> None:
    try:
        av.open("srt:")
    except av.ProtocolNotFoundError:
        with pytest.raises(InputError, match=r"srt://radio\.example\?…: .*built without srt; pipe"):
            RadioSource("srt://user:secret@radio.example?passphrase=secret").start()
    except (av.FFmpegError, OSError):
        pytest.skip("this PyAV knows srt")


# ---- arbitrary server data ----------------------------------------------------------------------


@given(
    st.lists(st.sampled_from([b"OggS", page(2, b"x"), b"StreamTitle='a - b';"]) | st.binary()),
    st.integers(0, 40),
    st.integers(1, 64),
)
def test_no_bytes_break_the_path_to_the_decoder(
    pieces: list[bytes], interval: int, size: int
) -> None:
    data = b"".join(pieces)
    stream = io.BytesIO(data)
    received: Any = SimpleNamespace(read=lambda size, _: stream.read(size))
    lock = Participant()
    body = IcyReader(Response(received, {"icy-metaint": str(interval)}, ""), 10.0, lock)
    out = 0
    with pytest.MonkeyPatch.context() as patch, lock:
        patch.setattr(icy_reader, "_EVERY_S", 0.0)
        while True:
            while audio := body.read(size):
                assert len(audio) <= size
                out += len(audio)
            titles = body.titles_until(None)
            assert all(title.raw for title in titles if title.title)
            if not body.next_link():
                break
    assert out <= len(data)
    assert interval or out == len(data)
