"""One input that hangs is lost and tried again; the others, and the daemon, do not notice."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.audio import music, write_wav
from support.commands import free_endpoint, start
from support.event_recorder import TimedEvents, collect, wait_for
from support.live import until
from support.radio_server import MisbehavingServer
from support.requirements import require_programs
from support.service_manager import Manager

if TYPE_CHECKING:
    import socket
    from pathlib import Path

BITRATE = 128_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n"
LOST_AFTER_S = 3


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A minute of mp3 at a constant rate."""
    require_programs("ffmpeg")
    folder = tmp_path_factory.mktemp("song")
    wav = write_wav(folder / "song.wav", music(60))
    mp3 = folder / "song.mp3"
    codec = ("-c:a", "libmp3lame", "-b:a", str(BITRATE), "-write_xing", "0", "-id3v2_version", "0")
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, *codec, mp3], check=True)
    return mp3.read_bytes()


class Station(MisbehavingServer):
    """A radio that plays in real time, and hangs its first listener after some seconds."""

    def __init__(self, song: bytes, hangs: str = "", after_s: float = 3) -> None:
        self._song = song
        self._hangs = hangs
        self._after_s = after_s
        self.over = threading.Event()
        super().__init__(self._play)

    def _play(self, connection: socket.socket, request: bytes) -> None:
        first = len(self.requests) == 1
        connection.sendall(HEAD)
        step = BITRATE // 8 // 10
        began = time.monotonic()
        for number in range(10_000):
            at = number * step % (len(self._song) - step)
            if first and self._hangs and time.monotonic() - began > self._after_s:
                self._hang(connection)
                return
            connection.sendall(b"%x\r\n%b\r\n" % (step, self._song[at : at + step]))
            if self.over.wait(max(0.0, began + 0.1 * (number + 1) - time.monotonic())):
                return

    def _hang(self, connection: socket.socket) -> None:
        if self._hangs == "trailer":
            connection.sendall(b"0\r\n")
        while not self.over.wait(0.5):
            if self._hangs == "trailer":
                connection.sendall(b"X-A: b\r\n")

    def close(self) -> None:
        self.over.set()
        super().close()


@pytest.mark.parametrize("hangs", ["trailer", "silence"])
def test_a_radio_that_hangs_is_lost_and_restarts_nothing(
    hangs: str, song: bytes, stateful_folder: Path, tmp_path: Path
) -> None:
    bad, good = Station(song, hangs), Station(song)
    config = tmp_path / "config.toml"
    config.write_text(
        f'model = "{stateful_folder}"\n[bus]\npublish = "{free_endpoint()}"\n'
        f'[engine]\nhop_s = 0.5\nlost_after_s = {LOST_AFTER_S}\n[history]\nkeep = "none"\n'
        f'[[station]]\nname = "bad"\ninput = "{bad.url}"\n'
        f'[[station]]\nname = "good"\ninput = "{good.url}"\n'
    )
    heard: TimedEvents = []
    with (
        Manager(tmp_path / "notify", watchdog_s=4) as manager,
        start("listen", "--config", config, "--json", env=manager.environment) as daemon,
    ):
        collect(daemon, heard)
        manager.wait_for_status("2 stations live", 60)
        wait_for(heard, 60, type="source", station="bad", state="lost")
        lost = len(heard)
        until(
            lambda: any(
                e["type"] == "gap" and e["station"] == "bad" for _, e in list(heard)[lost:]
            ),
            60,
            pump=lambda: list(manager.listen(0.1)),
        )
        list(manager.listen(1))
        daemon.terminate()
        assert daemon.wait(60) == 0
    bad.close()
    good.close()
    changes = [
        (e["state"], e["detail"])
        for _, e in heard
        if (e["type"], e["station"]) == ("source", "bad")
    ]
    assert all(detail for state, detail in changes if state == "lost")
    if hangs == "silence":  # else the connection itself may notice
        assert (
            f"no audio for {LOST_AFTER_S} s though the source reports none lost"
            in dict(reversed([change for change in changes if change[0] == "lost"]))["lost"]
        )
    gaps = [e for _, e in heard if (e["type"], e["station"]) == ("gap", "bad")]
    assert sum(e["seconds"] for e in gaps) >= 0.5
    updates = [e for _, e in heard if (e["type"], e["station"]) == ("update", "good")]
    assert [e["seq"] for e in updates] == list(range(len(updates)))
    assert not [e for _, e in heard if (e["type"], e["station"]) == ("gap", "good")]
    fed = [message.at for message in manager.heard if message.feeds]
    assert len(fed) > 3
    assert all(message.feeds for message in manager.heard[2:] if "WATCHDOG" in message.fields)
    withheld = [m for m in manager.heard if "STATUS" in m.fields and not m.feeds]
    assert all("READY" in m.fields or "STOPPING" in m.fields for m in withheld)


def test_a_stopped_process_declares_nothing_lost(
    song: bytes, stateful_folder: Path, tmp_path: Path
) -> None:
    radio = Station(song)
    config = tmp_path / "config.toml"
    config.write_text(
        f'model = "{stateful_folder}"\n[bus]\npublish = "{free_endpoint()}"\n'
        f'[engine]\nhop_s = 0.5\nlost_after_s = 2\n[history]\nkeep = "none"\n'
        f'[[station]]\nname = "radio"\ninput = "{radio.url}"\n'
    )
    heard: TimedEvents = []
    with start("listen", "--config", config, "--json") as daemon:
        collect(daemon, heard)
        wait_for(heard, 60, type="update", seq=3)
        os.kill(daemon.pid, signal.SIGSTOP)
        time.sleep(5)
        os.kill(daemon.pid, signal.SIGCONT)
        wait_for(heard, 60, type="update", seq=16)
        daemon.terminate()
        assert daemon.wait(60) == 0
    radio.close()
    assert not [e for _, e in heard if e["type"] == "source" and e["state"] == "lost"]
