"""``streamgenre probe``: the description of an input."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.audio import music, write_wav
from support.commands import free_endpoint, streamgenre
from support.radio_server import MisbehavingServer
from support.requirements import require_programs

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

TAGS = ("-metadata", "artist=Björk", "-metadata", "title=Jóga")


@pytest.fixture
def mp3(tmp_path: Path) -> Path:
    require_programs("ffmpeg")
    wav = write_wav(tmp_path / "a.wav", np.stack([music(8)] * 2, axis=1))
    file = tmp_path / "music" / "a.mp3"
    file.parent.mkdir()
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, "-b:a", "128k", *TAGS, file], check=True)
    return file


@pytest.fixture
def station(mp3: Path) -> Iterator[MisbehavingServer]:
    head = (
        "HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\nicy-metaint: 16000\r\nicy-br: 128\r\n"
        "icy-name: Radio Zürich\x1b[2J\r\nicy-genre: Jazz\r\nicy-description: all day\r\n"
        "icy-url: http://me:secret@radio.example/?key=secret\r\n\r\n"
    ).encode()

    def behave(connection: socket.socket, _: bytes) -> None:
        audio = mp3.read_bytes()
        title = b"StreamTitle='N - S';".ljust(32, b"\0")
        connection.sendall(head + audio[:16_000] + b"\2" + title)
        connection.sendall(audio[16_000:32_000] + b"\1" + b"StreamTitle='';".ljust(16, b"\0"))
        for start in range(32_000, len(audio), 16_000):
            connection.sendall(audio[start : start + 16_000] + b"\0")
        time.sleep(600)

    server = MisbehavingServer(behave)
    yield server
    server.close()


def found(*arguments: Any) -> dict[str, Any]:
    done = streamgenre("probe", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_files_and_folders_are_described(mp3: Path, stateful_folder: Path) -> None:
    one = found(mp3, "--seconds", "5", "--model", stateful_folder)
    assert one["stream"]["codec"] == "mp3"
    assert one["stream"]["bit_rate"] == pytest.approx(128_000, rel=0.02)
    assert one["stream"]["seconds"] == pytest.approx(8, abs=0.1)
    assert (one["rate"], one["channels"], one["heard_s"]) == (44_100, 2, 5.0)
    signal = music(5)  # analysed at the model's rate
    assert one["level_dbfs"] == pytest.approx(10 * np.log10(np.mean(signal**2)), abs=0.6)
    assert one["peak_dbfs"] == pytest.approx(20 * np.log10(np.abs(signal).max()), abs=1)
    assert one["loudness_lufs"] == pytest.approx(one["level_dbfs"] + 3, abs=4)
    assert [(t["stream_time"], t["raw"]) for t in one["titles"]] == [(0, "Björk - Jóga")]
    assert sum(one["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    (mp3.parent / "b.mp3").write_bytes(mp3.read_bytes())
    many = found(mp3.parent, "--seconds", "10", "--model", stateful_folder)
    assert many["stream"]["files"] == 2
    assert [t["stream_time"] for t in many["titles"]] == [0, pytest.approx(8, abs=0.1)]


def test_a_radio_station_is_described(station: MisbehavingServer, stateful_folder: Path) -> None:
    url = station.url.replace("http://", "http://user:secret@") + "?token=secret"
    done = streamgenre("probe", url, "--seconds", "4", "--json", "--model", stateful_folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "secret" not in done.stdout
    result = json.loads(done.stdout)
    assert result["input"] == station.url + "?…"
    stream = result["stream"]
    assert (stream["codec"], stream["bit_rate"]) == ("mp3", 128_000)
    assert (stream["name"], stream["genre"]) == ("Radio Zürich [2J", "Jazz")
    assert stream["description"] == "all day"
    assert [t["raw"] for t in result["titles"]] == ["Björk - Jóga", "N - S", ""]
    shown = streamgenre("probe", station.url, "--seconds", "3", "--model", stateful_folder)
    assert shown.returncode == 0
    for words in ("Radio Zürich", "128 kb/s", "44100 Hz, 2 channels", "N - S", "heard", "dBFS"):
        assert words in shown.stdout
    assert "\x1b" not in shown.stdout
    assert shown.stdout.count("title ") == 2  # the empty one has no line


def test_probe_makes_one_attempt_and_gives_up(stateful_folder: Path) -> None:
    silent = MisbehavingServer(lambda c, _: time.sleep(600))
    missing = MisbehavingServer(lambda c, _: c.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n"))
    for server, words in ((silent, "no audio in 2 s"), (missing, "404 Not Found")):
        url = server.url.replace("http://", "http://user:secret@")
        done = streamgenre(
            *("probe", url, "--seconds", "1", "--timeout", "1", "--model", stateful_folder)
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr
        assert "secret" not in done.stderr
        assert len(server.requests) == 1
        server.close()


def test_absurd_times_are_rejected() -> None:
    done = streamgenre("probe", "demo", "--seconds", "0")
    assert done.returncode == 2
    assert "--seconds 0: expected" in done.stderr


def test_an_input_that_is_too_quiet_is_reported(tmp_path: Path, stateful_folder: Path) -> None:
    for name, gain, warned in (("usual", 1.0, False), ("quiet", 0.02, True)):
        file = write_wav(tmp_path / f"{name}.wav", gain * music(3))
        done = streamgenre("probe", file, "--seconds", "2", "--model", stateful_folder)
        assert done.returncode == 0
        assert ("too quiet: most music is at about -15 dBFS" in done.stdout) is warned
        assert ("listen with --gain 40" in done.stdout) is warned
    hiss = write_wav(tmp_path / "hiss.wav", 1e-4 * np.sin(np.arange(3 * 44_100)))
    idle = streamgenre("probe", hiss, "--seconds", "3", "--model", stateful_folder)
    assert "silence" in idle.stdout  # a silent input is not to be amplified
    assert "too quiet" not in idle.stdout
    listened = streamgenre(
        "listen", "--input", tmp_path / "quiet.wav", "--gain", "34", "--pace", "fast", "--json",
        "--no-history", "--publish", free_endpoint(), "--model", stateful_folder,
    )  # fmt: skip
    levels = [
        e["level_dbfs"]
        for e in map(json.loads, listened.stdout.splitlines())
        if e["type"] == "update"
    ]
    usual = found(tmp_path / "usual.wav", "--seconds", "2", "--model", stateful_folder)
    assert np.mean(levels) == pytest.approx(usual["level_dbfs"], abs=1.5)
