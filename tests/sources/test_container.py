"""The files that FFmpeg may open for a file or a stream, and differences between PyAV releases."""

from __future__ import annotations

import ast
import re
import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest
from support.audio import music, write_wav
from support.live import until
from support.radio_server import MisbehavingServer
from support.requirements import require_programs

from streamgenre.errors import InputError
from streamgenre.sources.container import open_container
from streamgenre.sources.files.file import decode, describe
from streamgenre.sources.formats import AUDIO_FORMATS
from streamgenre.sources.stream import radio
from streamgenre.sources.stream.radio import RadioSource

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "streamgenre"


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


def test_keywords_that_differ_between_releases_are_in_one_module() -> None:
    users = [path for path in PACKAGE.rglob("*.py") if "import av" in path.read_text("utf-8")]
    assert len(users) > 2
    for path in users:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "av.open"
                and path.name != "container.py"
                and [ast.unparse(mode) for mode in node.args[1:]] != ["'w'"]  # no input
            ):
                assert node.keywords == [], f"{path.name}:{node.lineno}"


def test_metadata_in_another_charset_is_accepted(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", music(1))
    title = b"INAM\x05\x00\x00\x00Caf\xe9\x00\x00"
    data = path.read_bytes() + b"LIST" + (4 + len(title)).to_bytes(4, "little") + b"INFO" + title
    path.write_bytes(data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:])
    assert sum(len(block) for _, block in decode(path)) == 44_100
    assert describe(path).codec == "pcm_s16le"
    with open_container(path) as container:
        assert re.fullmatch("Caf[\ufffd\udce9]", container.metadata["title"])


def test_the_formats_that_are_played_are_known_to_ffmpeg() -> None:
    newer = {"iamf", "osq", "qoa", "rka", "wavarc"}  # absent from older releases
    assert set(AUDIO_FORMATS) - av.formats_available <= newer


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("ffconcat version 1.0\nfile a.wav\n", r"playlist of FFmpeg's own \(concat\), not audio"),
        ("v=0\r\no=- 1 1 IN IP4 0\r\n", r"session description \(SDP\), not audio"),
    ],
)
def test_a_file_that_names_other_files_is_not_audio(tmp_path: Path, head: str, words: str) -> None:
    write_wav(tmp_path / "a.wav", music(1))
    path = tmp_path / "b.mp3"
    path.write_text(head)
    with pytest.raises(InputError, match=words):
        list(decode(path))


def test_a_station_cannot_open_local_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wav(tmp_path / "a.wav", music(2))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(radio, "BACKOFF_S", (0.05, 0.2))
    ok = b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n"
    server = MisbehavingServer(lambda c, _: c.sendall(ok + b"ffconcat version 1.0\nfile a.wav\n"))
    source = RadioSource(server.url)
    source.start()
    until(lambda: source.state == "lost")
    source.stop()
    server.close()
    assert "is a playlist of FFmpeg's own (concat), not audio" in source.state_changes[0].detail
    assert source.ring is None


def test_hls_segments_may_have_any_name_but_only_allowed_locations(tmp_path: Path) -> None:
    require_programs("ffmpeg")
    wav = write_wav(tmp_path / "a.wav", music(4))
    hls = ["-c:a", "aac", "-f", "mpegts", str(tmp_path / "segment.php")]
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(wav), *hls], check=True)
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n"
    (tmp_path / "live.m3u8").write_text(f"{head}segment.php?id=1\n#EXT-X-ENDLIST\n")
    (tmp_path / "local.m3u8").write_text(f"{head}file://{wav}\n#EXT-X-ENDLIST\n")
    with web(tmp_path) as url:
        source = RadioSource(f"{url}/live.m3u8")
        source.start()
        until(lambda: source.state == "lost")
        source.stop()
        assert source.ring is not None
        assert source.ring.written > 3.5 * 44_100
        source = RadioSource(f"{url}/local.m3u8")
        source.start()
        until(lambda: source.state == "lost")
        source.stop()
    assert source.ring is None
