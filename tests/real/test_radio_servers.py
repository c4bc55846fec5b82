"""Radio from a real Icecast, fed by ffmpeg."""

from __future__ import annotations

import signal
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.audio import music, write_wav
from support.commands import free_endpoint, start
from support.event_recorder import TimedEvents, clock_error_s, collect, wait_for
from support.live import until
from support.live_engine import LiveEngine
from support.radio_server import Icecast
from support.requirements import require_programs

from streamgenre.sources.stream import radio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MP3 = ("-c:a", "libmp3lame", "-b:a", "128k", "-content_type", "audio/mpeg", "-f", "mp3")
SONG = "Björk - Чайка 子 😀"
# Pages of a quarter of a second: ffmpeg's own, of a whole one, hold every title back by as much.
OGG = ("-page_duration", "250000", "-content_type", "application/ogg", "-f", "ogg")
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
    require_programs("icecast2", "ffmpeg")
    server = Icecast(tmp_path_factory.mktemp("icecast"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "song.wav", music(30))


def test_one_daemon_follows_three_stations_their_titles_and_their_return(
    icecast: Icecast, song: Path, stateful_folder: Path
) -> None:
    mounts = ("mp3", "vorbis", "aac")
    for mount in mounts:
        icecast.feed(mount, song, *CODECS[mount])
    heard: TimedEvents = []
    inputs = [f"--input={mount}={icecast.url(mount)}" for mount in mounts]
    with start(
        *("listen", *inputs, "--publish", free_endpoint()),
        *("--model", stateful_folder, "--json"),
    ) as daemon:
        collect(daemon, heard)
        for mount in mounts:
            wait_for(heard, 60, type="update", station=mount)
        for mount in mounts:
            icecast.title(mount, SONG)  # as entities, where the mount is not Ogg
            title = wait_for(heard, 60, type="title", station=mount, raw=SONG)
            assert (title["artist"], title["title"]) == ("Björk", "Чайка 子 😀")
        icecast.stop()
        for mount in mounts:
            wait_for(heard, 60, type="source", station=mount, state="lost")
        icecast.start()
        for mount in mounts:
            icecast.feed(mount, song, *CODECS[mount])
        for mount in mounts:
            gap = wait_for(heard, 60, type="gap", station=mount)
            assert gap["reason"] == "reconnect"
        began = time.time()
        for mount in mounts:
            until(partial(hears_again, heard, mount, began))
        daemon.terminate()
        assert daemon.wait(60) == 0
        assert daemon.stderr is not None
        assert daemon.stderr.read() == ""
    for mount in mounts:
        updates = of(heard, mount)
        assert [e["seq"] for _, e in updates] == list(range(len(updates)))
        # The server's initial burst does not set the clock wrong.
        assert clock_error_s(of(heard, mount, began)) < 0.7
        playing = [e["now_playing"] for _, e in updates if e["now_playing"]]
        assert playing[-1]["raw"] == SONG


def hears_again(heard: TimedEvents, station: str, since: float) -> bool:
    return len(of(heard, station, since)) >= 2


def of(heard: TimedEvents, station: str, since: float = 0) -> TimedEvents:
    """The updates of a station."""
    return [
        (at, e)
        for at, e in list(heard)
        if at > since and e["station"] == station and e["type"] == "update"
    ]


def test_five_codecs_survive_a_stopped_feeder_and_a_codec_change(
    icecast: Icecast, song: Path, stateful_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radio, "TIMEOUT_S", 6.0)
    feeders = {mount: icecast.feed(mount, song, *codec) for mount, codec in CODECS.items()}
    urls = {mount: icecast.url(mount) for mount in CODECS}
    with LiveEngine(urls, stateful_folder) as listening:

        def hears(mount: str, since: float) -> bool:
            updates = [e for at, e in listening.of(mount, "update") if at > since]
            return len(updates) >= 2 and all(e["level_dbfs"] > -60 for e in updates)

        def hear(*mounts: str, seconds: float = 60) -> None:
            now = time.time()
            until(lambda: all(hears(mount, now) for mount in mounts), seconds)

        hear(*CODECS)
        feeders["aac"].send_signal(signal.SIGSTOP)  # connected, but no more data
        feeders["mp3"].kill()
        icecast.feed("mp3", song, *OTHER_RATE)  # another codec under the same name
        until(lambda: listening.states("aac")[-1] == "lost")
        until(lambda: listening.states("mp3")[-2:] == ["lost", "live"])
        hear("mp3")
        feeders["aac"].send_signal(signal.SIGCONT)
        hear("aac")
    for mount in ("vorbis", "opus", "flac"):
        listening.assert_unbroken(mount)
    for mount in CODECS:
        assert listening.sources[mount].failure is None
