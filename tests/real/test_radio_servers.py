"""Radio from a real Icecast, fed by ffmpeg."""

from __future__ import annotations

import subprocess
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from audio import music, write_wav
from commands import events_of, free_endpoint, start, streamgenre
from heard import Heard, collect, wait_for
from needs import need
from radio_server import Icecast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MP3 = ("-c:a", "libmp3lame", "-b:a", "128k", "-content_type", "audio/mpeg", "-f", "mp3")
OGG = ("-c:a", "libvorbis", "-content_type", "application/ogg", "-f", "ogg")
AAC = ("-c:a", "aac", "-content_type", "audio/aac", "-f", "adts")


@pytest.fixture
def icecast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Icecast]:
    need("icecast2", "ffmpeg")
    server = Icecast(tmp_path_factory.mktemp("icecast"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "song.wav", music(30))


@pytest.mark.timeout(120)
def test_a_station_its_title_and_its_return(
    icecast: Icecast, song: Path, stateful_folder: Path
) -> None:
    icecast.feed("live.mp3", song, *MP3)
    heard: Heard = []
    with start(
        *("listen", "--input", icecast.url("live.mp3"), "--model", stateful_folder),
        *("--publish", free_endpoint(), "--json"),
    ) as daemon:
        collect(daemon, heard)
        wait_for(heard, 15, type="source", state="live")
        icecast.title("live.mp3", "Björk - Jóga")
        asked = time.monotonic()
        title = wait_for(heard, 10, type="title", raw="Björk - Jóga")
        assert (title["artist"], title["title"]) == ("Björk", "Jóga")
        assert time.monotonic() - asked < 6  # Icecast buffers some seconds itself
        icecast.stop()
        wait_for(heard, 15, type="source", state="lost")
        icecast.start()
        icecast.feed("live.mp3", song, *MP3)
        gap = wait_for(heard, 30, type="gap")
        assert gap["reason"] == "reconnect"
        updates = sum(e["type"] == "update" for _, e in heard)
        time.sleep(3)
        assert sum(e["type"] == "update" for _, e in heard) >= updates + 2
        daemon.terminate()
        assert daemon.wait(5) == 0
        assert daemon.stderr is not None
        assert daemon.stderr.read() == ""
    updates_heard = [(at, e) for at, e in heard if e["type"] == "update"]
    assert [e["seq"] for _, e in updates_heard] == list(range(len(updates_heard)))
    # The server's burst at the beginning does not set the clock wrong.
    at, last = updates_heard[-1]
    assert abs(at - last["time"]) < 0.7


@pytest.mark.timeout(120)
@pytest.mark.parametrize("codec", [OGG, AAC], ids=["ogg", "aac"])
def test_other_codecs(
    icecast: Icecast, song: Path, stateful_folder: Path, codec: tuple[str, ...]
) -> None:
    icecast.feed("live", song, *codec)
    heard: Heard = []
    with start(
        *("listen", "--input", icecast.url("live"), "--model", stateful_folder),
        *("--publish", free_endpoint(), "--json", "--duration", "5"),
    ) as daemon:
        collect(daemon, heard)
        assert daemon.wait(30) == 0
    levels = [e["level_dbfs"] for _, e in heard if e["type"] == "update"]
    assert len(levels) == 5
    assert all(level is not None and level > -60 for level in levels)


@pytest.mark.timeout(60)
def test_hls_from_a_plain_http_server(song: Path, stateful_folder: Path, tmp_path: Path) -> None:
    need("ffmpeg")
    folder = tmp_path / "hls"
    folder.mkdir()
    hls = ("-c:a", "aac", "-f", "hls", "-hls_time", "2", "-hls_list_size", "0")
    subprocess.run(["ffmpeg", "-v", "error", "-i", song, *hls, folder / "live.m3u8"], check=True)
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/live.m3u8"
    done = streamgenre(
        *("listen", "--input", url, "--model", stateful_folder, "--duration", "5", "--json"),
        *("--publish", free_endpoint()),
    )
    server.shutdown()
    assert (done.returncode, done.stderr) == (0, "")
    levels = [e["level_dbfs"] for e in events_of(done.stdout) if e["type"] == "update"]
    assert len(levels) == 5
    assert all(level > -60 for level in levels)
