"""What is played never leads elsewhere: no stream to a file, no file to the network."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from support.audio import music, write_wav
from support.commands import streamgenre
from support.live import until
from support.opened_files import OpenedFiles
from support.radio_server import Rtsp
from support.requirements import require_programs
from support.web_server import WebServer, self_signed

from streamgenre.errors import InputError
from streamgenre.sources.files.file import decode, describe
from streamgenre.sources.files.listing import is_playlist, list_files
from streamgenre.sources.formats import AUDIO_FORMATS
from streamgenre.sources.stream import radio
from streamgenre.sources.stream.radio import RadioSource
from streamgenre.sources.stream.settings import StreamSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 50104 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
MPD = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="audio/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>{file}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>"
)
BODIES = {
    "concat": "ffconcat version 1.0\nfile {file}\n",
    "relative concat": "ffconcat version 1.0\nfile canary.wav\n",
    "concat below a BOM": "\ufeffffconcat version 1.0\nfile '{file}'\n",
    "concat by a protocol": "ffconcat version 1.0\nfile 'file:{file}'\n",
    "sdp": SDP,
    "dash": MPD,
    "m3u": "#EXTM3U\n{file}\n",
    "m3u by a protocol": "#EXTM3U\nfile://{file}\n",
    "m3u by FFmpeg's protocols": "#EXTM3U\nconcat:{file}\nsubfile,,start,0,end,0,,:{file}\n",
    "pls": "[playlist]\nFile1=file://{file}\n",
    "xspf": "<playlist><track><location>file://{file}</location></track></playlist>",
    "asx": "<asx><entry><ref href='file://{file}'/></entry></asx>",
    "hls": f"{HLS}#EXTINF:2,\nfile://{{file}}\n#EXT-X-ENDLIST\n",
    "hls by a path": f"{HLS}#EXTINF:2,\n{{file}}\n#EXT-X-ENDLIST\n",
    "hls by FFmpeg's protocol": f"{HLS}#EXTINF:2,\ncrypto:{{file}}\n#EXT-X-ENDLIST\n",
    "hls with a key": f'{HLS}#EXT-X-KEY:METHOD=AES-128,URI="file://{{file}}"\n#EXTINF:2,\nx\n',
    "hls with a start": f'{HLS}#EXT-X-MAP:URI="file://{{file}}"\n#EXTINF:2,\nx\n',
    "hls with a variant": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile://{file}\n",
    "images": "\x89PNG\r\n\x1a\n",
    "captions": '{{"captions":[{{"duration":1,"content":"x","startTime":0}}]}}',
    "scripts": "#!/bin/sh\ncat {file}\n",
}
TYPES = ["audio/mpeg", "application/x-mpegurl", "text/plain"]


@pytest.fixture
def server() -> Iterator[WebServer]:
    one = WebServer()
    yield one
    one.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(radio, "BACKOFF_S", (30.0, 30.0))


@contextmanager
def canary(folder: Path) -> Iterator[tuple[Path, OpenedFiles]]:
    """A music file that nobody may open."""
    file = write_wav(folder / "canary.wav", music(2))
    watch = OpenedFiles(folder, file)
    try:
        yield file, watch
        assert not watch.any()
    finally:
        watch.close()


def lost(server: WebServer) -> str:
    """Return why the stream of a server cannot be played."""
    source = RadioSource(f"{server.url}/live")
    source.start()
    until(lambda: source.state == "lost", 60)
    source.stop()
    return source.state_changes[0].detail


def udp_sockets() -> int:
    return len(psutil.Process().net_connections(kind="udp"))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("body", BODIES)
def test_a_stream_never_leads_to_a_file_or_a_port(
    server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = udp_sockets()
    with canary(tmp_path) as (file, _):
        server.pages["/live"] = (BODIES[body].replace("{file}", str(file)), kind)
        source = RadioSource(f"{server.url}/live")
        source.start()
        until(lambda: source.state == "lost", 60)
        assert udp_sockets() == before
        source.stop()
    assert source.ring is None
    why = source.state_changes[0].detail
    assert why.startswith("http://127.0.0.1")
    assert "Errno" not in why
    assert "Traceback" not in why


def test_the_reason_names_what_it_is(server: WebServer, tmp_path: Path) -> None:
    for body, words in (
        ("concat", "is a playlist of FFmpeg's own (concat), not audio"),
        ("sdp", "is a session description (SDP), not audio"),
        ("dash", "is a DASH manifest; DASH is not supported"),
        ("hls", "leads to file:///"),
        ("images", "is a picture, not audio"),
    ):
        text = BODIES[body].replace("{file}", str(tmp_path / "x"))
        server.pages["/live"] = (text.encode("latin-1"), "audio/mpeg")
        assert words in lost(server)


def test_a_stream_in_the_daemon_opens_nothing_of_its_working_directory(
    server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stateful_folder: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    server.pages["/live"] = (BODIES["relative concat"], "audio/mpeg")
    watch = OpenedFiles(write_wav(tmp_path / "canary.wav", music(2)))
    try:
        model = ("--model", stateful_folder, "--seconds", "2")
        done = streamgenre("probe", f"{server.url}/live", *model)
        assert not watch.any()
    finally:
        watch.close()
    assert done.returncode == 1
    assert "is a playlist of FFmpeg's own (concat), not audio" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BODIES["concat"], "is a playlist of FFmpeg's own"),
        (SDP, "is a session description"),
        ("#EXTM3U\nhttp://127.0.0.1:1/stream.mp3\n", "is a playlist (M3U), not audio"),
        ("one line of text after another\n" * 9, "is a text, not audio; expected samples"),
    ],
)
def test_a_text_in_a_pipe_is_not_taken_for_samples(
    tmp_path: Path, stateful_folder: Path, text: str, words: str
) -> None:
    flags = ("--no-dashboard", "--model", stateful_folder, "--publish", "tcp://127.0.0.1:*")
    body = text.replace("{file}", str(tmp_path / "x"))
    done = streamgenre("listen", "--input", "-", *flags, stdin=body.encode())
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


NAMES = ["x.mp3", "x.m3u8", "x.sdp", "x"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", [*BODIES, "hls over the network", "m3u over the network"])
def test_a_file_never_leads_to_the_network_or_another_folder(
    server: WebServer, tmp_path: Path, name: str, body: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    server.pages["/canary.wav"] = write_wav(tmp_path / "b.wav", music(2)).read_bytes()
    url = f"{server.url}/canary.wav"
    text = {
        "hls over the network": f"{HLS}#EXTINF:2,\n{url}\n#EXT-X-ENDLIST\n",
        "m3u over the network": f"ffconcat version 1.0\nfile {url}\n",
        **BODIES,
    }[body]
    path = tmp_path / name
    before = udp_sockets()
    with canary(tmp_path / "elsewhere") as (file, watch):
        path.write_text(text.replace("{file}", str(file)))
        if is_playlist(path):
            list_files(path)  # names the canary, which is played by the user's own wish
        else:
            for reader in (lambda: list(decode(path)), lambda: describe(path)):
                with pytest.raises(InputError, match=str(path)):
                    reader()
        assert not watch.any()
    assert udp_sockets() == before
    assert server.asked == []


def test_names_of_files_are_never_protocols(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a.wav", "data:audio,x", "subfile,,start,0,end,99,,:a.wav", "http:x.wav"):
        path = write_wav(tmp_path / name, music(1))
        assert sum(len(block) for _, block in decode(path.relative_to(tmp_path))) == 44_100


@pytest.mark.parametrize(
    "flags", [(), ("-hls_segment_type", "fmp4"), ("-hls_flags", "single_file")]
)
def test_saved_hls_plays_from_its_folder(tmp_path: Path, flags: tuple[str, ...]) -> None:
    require_programs("ffmpeg")
    wav = write_wav(tmp_path / "a.wav", music(5))
    folder = tmp_path / "my stream #1"
    folder.mkdir()
    command = ["ffmpeg", "-v", "error", "-i", str(wav), "-c:a", "aac", "-hls_time", "2"]
    more = [*flags, "-hls_list_size", "0", str(folder / "live.m3u8")]
    subprocess.run([*command, *more], check=True)
    found = sum(len(block) for _, block in decode(folder / "live.m3u8"))
    assert found / 44_100 == pytest.approx(5, abs=0.15)
    assert describe(folder / "live.m3u8").codec == "aac"
    text = (folder / "live.m3u8").read_text()
    (folder / "live.m3u8").write_text(text.replace("#EXT-X-ENDLIST", ""))  # cut off
    found = sum(len(block) for _, block in decode(folder / "live.m3u8"))
    assert found / 44_100 == pytest.approx(5, abs=0.15)
    other = tmp_path / "other"
    other.mkdir()
    (other / "live.m3u8").write_text(text.replace("\nlive", f"\n../{folder.name}/live"))
    with pytest.raises(InputError, match="no such file beside the playlist"):
        list(decode(other / "live.m3u8"))


def test_no_format_that_names_others_is_allowed() -> None:
    names = {name for each in AUDIO_FORMATS for name in each.split(",")}
    assert not names & {
        *("concat", "dash", "hls", "image2", "imf", "lavfi", "rtp", "rtsp", "sap", "sdp"),
        *("webm_dash_manifest", "tedcaptions", "vapoursynth", "avisynth", "sbg", "tty", "data"),
        *("alsa", "oss", "fbdev", "kmsgrab", "x11grab", "video4linux2", "ffmetadata", "srt"),
    }
    assert not any("_pipe" in name for name in names)


# ---- RTSP ---------------------------------------------------------------------------------------


class SecureRtsp(Rtsp):
    """The RTSP server with TLS."""

    def __init__(self, certificate: Path) -> None:
        super().__init__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._secure = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
        self.url = f"rtsps://127.0.0.1:{self._secure.getsockname()[1]}/live"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._secure.accept()
            except ssl.SSLError:
                continue  # it refuses the certificate
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def close(self) -> None:
        super().close()
        self._secure.close()


def test_the_certificates_of_rtsps_are_verified(tmp_path: Path) -> None:
    require_programs("openssl")
    server = SecureRtsp(self_signed(tmp_path))
    source = RadioSource(server.url)
    source.start()
    until(lambda: source.state == "lost", 60)
    source.stop()
    assert source.ring is None
    assert "its certificate is not valid; ca_file" in source.state_changes[0].detail
    source = RadioSource(server.url, settings=StreamSettings(ca_file=tmp_path / "ca.pem"))
    source.start()
    until(lambda: source.state == "live", 60)
    source.stop()
    server.close()


def test_rtsp_keeps_out_of_private_networks() -> None:
    server: Any = Rtsp()
    source = RadioSource(server.url, settings=StreamSettings(allow_private=False))
    source.start()
    until(lambda: source.state == "lost", 60)
    source.stop()
    server.close()
    assert "127.0.0.1 is not a public address" in source.state_changes[0].detail
