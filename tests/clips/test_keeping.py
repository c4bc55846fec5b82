"""What a real daemon keeps: nothing unless asked, within limits, whatever happens to the disk."""

from __future__ import annotations

import json
import os
import socket
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.audio import music, write_wav
from support.clips import settings_text, station
from support.commands import events_of, free_endpoint, start, streamgenre
from support.live import until
from support.radio_server import Rtsp
from support.small_disk import small_disk

from streamgenre.bus.control import request
from streamgenre.clips.flac import decode
from streamgenre.clips.store import ClipStore
from streamgenre.config.settings import StationSettings

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.clips.clip import Clip

SECONDS = 21


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wav(tmp_path_factory.mktemp("songs") / "song.wav", music(SECONDS))


def clips_in(folder: Path) -> list[Clip]:
    with closing(ClipStore(folder)) as store:
        return store.clips()


def listen(tmp_path: Path, text: str, *flags: str, stdin: bytes | None = None) -> str:
    """Listen to the end; return what was logged."""
    config = tmp_path / "config.toml"
    config.write_text(text)
    done = streamgenre(
        *("listen", "--config", str(config), "-q", "--log-level", "warning", *flags), stdin=stdin
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_nothing_is_kept_unless_asked_for(
    tmp_path: Path, song: Path, stateful_folder: Path, private_state: Path
) -> None:
    text = settings_text(tmp_path, stateful_folder, station("a", song))
    listen(tmp_path, text.replace("seconds = 3.0", "seconds = 0.0"))
    assert not (tmp_path / "clips").exists()
    flags = ("--model", stateful_folder, "--publish", free_endpoint(), "--no-history", "-q")
    done = streamgenre("listen", "--input", song, "--pace", "fast", *flags)
    assert done.returncode == 0
    assert not list(private_state.rglob("*.flac"))


def test_the_flag_keeps_clips_in_the_state_folder(
    tmp_path: Path, song: Path, stateful_folder: Path
) -> None:
    flags = ("--model", stateful_folder, "--publish", free_endpoint(), "--no-history", "-q")
    state = {"XDG_STATE_HOME": str(tmp_path)}
    more = ("--input", song, "--pace", "fast", "--keep-uncertain", "5")
    done = streamgenre("listen", *more, *flags, env=state)
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "streamgenre" / "clips"
    (clip,) = clips_in(folder)  # of 21 s one: at most one in five minutes
    samples, rate = decode(folder / clip.name)
    assert len(samples) == 5 * rate
    assert clip.facts.station == "song.wav"
    assert sum(clip.facts.probabilities.values()) == pytest.approx(1, abs=0.01)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    wrong = streamgenre("listen", "--input", song, "--keep-uncertain", "1", *flags, env=state)
    assert wrong.returncode == 2
    assert "--keep-uncertain 1: expected 3 to 60 seconds, or 0" in wrong.stderr
    alone = streamgenre("listen", "--input", song, "--keep-uncertain-device", *flags, env=state)
    assert alone.returncode == 2
    assert "--keep-uncertain-device keeps nothing by itself" in alone.stderr


def test_standard_input_is_kept_only_where_it_is_named(
    tmp_path: Path, song: Path, stateful_folder: Path
) -> None:
    text = settings_text(tmp_path, stateful_folder, station("a", "-"))
    listen(tmp_path, text, stdin=song.read_bytes())
    assert not list(tmp_path.rglob("*.flac"))
    listen(tmp_path, text + 'keep_clips = "always"\n', stdin=song.read_bytes())
    assert list(tmp_path.rglob("*.flac"))


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        (None, False),
        ("default", False),
        ("USB Audio", False),
        ("hw:1", False),
        ("usb:1-1.2", False),
        ("alsa_output.monitor", False),
        ("-", False),
        ("rtsp://camera.example/1", False),
        ("srt://studio.example:9000", False),
        ("HTTP://radio.example/jazz", True),
        ("https://radio.example/jazz", True),
        ("demo", True),
        ("/music/a.flac", True),
    ],
)
def test_what_may_be_a_microphone_is_kept_only_if_named(source: str | None, kept: bool) -> None:
    assert StationSettings(input=source).clips_allowed == kept
    assert StationSettings(input=source, keep_clips="always").clips_allowed
    assert not StationSettings(input=source, keep_clips="never").clips_allowed


def test_of_rtsp_that_a_list_leads_to_clips_are_kept_only_where_it_is_named(
    tmp_path: Path, stateful_folder: Path
) -> None:
    room = Rtsp()
    listed = tmp_path / "stations.m3u"
    listed.write_text(room.url)
    stations = (
        station("unnamed", listed),
        station("named", listed, 'keep_clips = "always"'),
    )
    config = tmp_path / "config.toml"
    config.write_text(settings_text(tmp_path, stateful_folder, *stations))
    with start("listen", "--config", config, "-q") as daemon:
        until(lambda: len(list((tmp_path / "clips").glob("*.flac"))) >= 2)
        daemon.terminate()
        daemon.wait()
    room.close()
    assert {clip.facts.station for clip in clips_in(tmp_path / "clips")} == {"named"}


@pytest.mark.parametrize("what", ["pipe", "socket", "device"])
def test_special_files_may_be_microphones(tmp_path: Path, what: str) -> None:
    path = tmp_path / "x.wav"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        if what == "socket":
            listening.bind(str(path))
        assert not StationSettings(input=str(path)).clips_allowed


def test_workers_keep_the_limits_together(
    tmp_path: Path, song: Path, stateful_folder: Path
) -> None:
    stations = [station(name, song) for name in ("a", "b", "c", "d")]
    text = settings_text(tmp_path, stateful_folder, *stations, clips="max_clips = 6")
    assert listen(tmp_path, text, "--workers", "2") == ""
    found = clips_in(tmp_path / "clips")
    assert len(found) == 6
    assert len({clip.facts.station for clip in found}) == 4  # equal music, equally uncertain
    alone = tmp_path / "alone"
    alone.mkdir()
    listen(alone, settings_text(alone, stateful_folder, stations[0]))
    best = sorted(clip.facts.uncertainty for clip in clips_in(alone / "clips"))
    assert min(clip.facts.uncertainty for clip in found) >= best[-2]


def test_a_full_and_a_read_only_disk_cost_one_warning_and_no_update(
    tmp_path: Path, song: Path, stateful_folder: Path
) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "config.toml").write_text(settings_text(plain, stateful_folder, station("a", song)))
    usual = streamgenre("listen", "--config", plain / "config.toml", "--json")
    with small_disk(tmp_path / "disk") as disk:
        text = settings_text(disk.folder, stateful_folder, station("a", song))
        (tmp_path / "config.toml").write_text(text)
        disk.fill()
        for trouble in ("full", "read-only"):
            disk.writable(yes=trouble == "full")
            done = streamgenre(
                *("listen", "--config", tmp_path / "config.toml"),
                *("--json", "--log-level", "warning"),
            )
            assert done.returncode == 0
            assert done.stderr.count("clips cannot be kept") == 1, done.stderr
            updates = [e["probabilities"] for e in events_of(done.stdout) if e["type"] == "update"]
            assert updates == [
                e["probabilities"] for e in events_of(usual.stdout) if e["type"] == "update"
            ]
        disk.writable(yes=True)


def test_status_and_doctor_say_what_is_kept(
    tmp_path: Path, song: Path, stateful_folder: Path
) -> None:
    control = free_endpoint()
    text = settings_text(
        tmp_path, stateful_folder, station("a", song, "loop = true").replace("fast", "real")
    ).replace("[bus]\n", f'[bus]\ncontrol = "{control}"\n')
    config = tmp_path / "config.toml"
    config.write_text(text)
    with start("listen", "--config", config, "-q") as daemon:
        until(lambda: list((tmp_path / "clips").glob("*.flac")))
        found = until(lambda: (a := request(control, {"request": "status"}))["ok"] and a["result"])
        assert found["clips"]["folder"] == str(tmp_path / "clips")
        assert found["clips"]["kept"] >= 1
        assert found["stations"]
        daemon.terminate()
        daemon.wait()
    (tmp_path / "clips").chmod(0o755)
    done = streamgenre("doctor", "--config", config, "--json")
    findings = [f for f in json.loads(done.stdout)["findings"] if f["check"] == "clips"]
    assert [f["verdict"] for f in findings] == ["problem", "ok"]
    assert "chmod 700" in findings[0]["do"]
    assert "streamgenre label" in findings[1]["says"]
    config.write_text(text.replace("seconds = 3.0", "seconds = 0.0"))
    done = streamgenre("doctor", "--config", config, "--json")
    findings = [f for f in json.loads(done.stdout)["findings"] if f["check"] == "clips"]
    assert "--forget-all" in findings[-1]["do"]
