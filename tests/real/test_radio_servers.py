"""Radio from a real Icecast, fed by ffmpeg."""

from __future__ import annotations

import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from audio import music, write_wav
from commands import free_endpoint, start
from heard import Heard, collect, wait_for
from live import until
from needs import need
from radio_server import Icecast
from several import Listening

from streamgenre.sources import radio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MP3 = ("-c:a", "libmp3lame", "-b:a", "128k", "-content_type", "audio/mpeg", "-f", "mp3")
OGG = ("-content_type", "application/ogg", "-f", "ogg")
OTHER_RATE = ("-c:a", "aac", "-ar", "22050", "-ac", "2", "-content_type", "audio/aac", "-f", "adts")
CODECS = {
    "mp3": MP3,
    "aac": ("-c:a", "aac", "-content_type", "audio/aac", "-f", "adts"),
    "vorbis": ("-c:a", "libvorbis", *OGG),
    "opus": ("-c:a", "libopus", *OGG),
    "flac": ("-c:a", "flac", *OGG),
}


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
        title = wait_for(heard, 10, type="title", raw="Björk - Jóga")
        assert (title["artist"], title["title"]) == ("Björk", "Jóga")
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
def test_five_codecs_at_once_their_titles_and_what_becomes_of_them(
    icecast: Icecast, song: Path, stateful_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radio, "TIMEOUT_S", 3.0)
    feeders = {mount: icecast.feed(mount, song, *codec) for mount, codec in CODECS.items()}
    urls = {mount: icecast.url(mount) for mount in CODECS}
    with Listening(urls, stateful_folder) as listening:

        def hears(mount: str, since: float) -> bool:
            updates = [e for at, e in listening.of(mount, "update") if at > since]
            return len(updates) >= 2 and all(e["level_dbfs"] > -60 for e in updates)

        def hear(*mounts: str, seconds: float = 20) -> None:
            now = time.time()
            until(lambda: all(hears(mount, now) for mount in mounts), seconds)

        hear(*CODECS)
        for mount in ("mp3", "aac", "vorbis"):
            asked = time.time()
            icecast.title(mount, "Björk - Jóga")
            until(partial(listening.of, mount, "title"), 10)
            at, event = listening.of(mount, "title")[-1]
            assert (event["artist"], event["title"]) == ("Björk", "Jóga")
            assert at - asked < 2, mount
        feeders["aac"].send_signal(signal.SIGSTOP)  # connected, but no more data
        feeders["mp3"].kill()
        icecast.feed("mp3", song, *OTHER_RATE)  # another codec under the same name
        until(lambda: listening.states("aac")[-1] == "lost", 20)
        until(lambda: listening.states("mp3")[-2:] == ["lost", "live"], 20)
        hear("mp3")
        feeders["aac"].send_signal(signal.SIGCONT)
        hear("aac", seconds=40)
    for mount in ("vorbis", "opus", "flac"):
        listening.assert_unbroken(mount)
    for mount in CODECS:
        assert listening.sources[mount].failure is None
