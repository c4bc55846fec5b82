"""The main job on a real (virtual) sound card: PulseAudio's null sink through PortAudio."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.audio import music, write_wav
from support.commands import events_of, free_endpoint, start, streamgenre
from support.event_recorder import TimedEvents, clock_error_s, collect, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from support.sound_server import SoundServer


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "song.wav", music(45))


def test_the_devices_are_listed(sound_server: SoundServer) -> None:
    devices = json.loads(streamgenre("devices", "--json", env=sound_server.environment).stdout)
    assert {"pulse", "default"} <= {d["name"] for d in devices}
    assert [d["name"] for d in devices if d["default"]] == ["default"]
    assert all(d["rate"] == 44_100 and d["channels"] >= 1 for d in devices)


def test_thirty_seconds_travel_from_the_card_to_another_process(
    sound_server: SoundServer, song: Path
) -> None:
    endpoint = free_endpoint()
    env = sound_server.environment
    heard: TimedEvents = []
    with (
        sound_server.play(song) as player,
        start("subscribe", "--connect", endpoint, env=env) as subscriber,
        start("listen", "--input", "pulse", "--publish", endpoint, "-q", env=env) as daemon,
    ):
        collect(subscriber, heard)
        wait_for(heard, 60, type="update", seq=0)
        time.sleep(31)
        daemon.terminate()
        assert daemon.wait(60) == 0
        wait_for(heard, 60, type="source", state="ended")
        player.kill()
        subscriber.terminate()
    updates = [(at, e) for at, e in heard if e["type"] == "update"]
    assert len(updates) >= 31
    assert [e["seq"] for _, e in updates] == list(range(len(updates)))
    for _, event in updates:
        assert abs(sum(event["probabilities"].values()) - 1) < 1e-6
        assert abs(sum(event["smoothed"].values()) - 1) < 1e-6
    delays = [at - event["time"] for at, event in updates]
    assert min(delays) >= -0.2  # the sound server hands samples over in pieces of up to 0.1 s
    assert min(delays[-10:]) < 0.5  # nothing piles up; the others may be due to a busy machine
    steps = np.diff([e["stream_time"] for _, e in updates])
    np.testing.assert_allclose(steps, 1.0)
    assert np.median([e["level_dbfs"] for _, e in updates[2:]]) == pytest.approx(-20, abs=8)
    status = [e for _, e in heard if e["type"] == "status"][-1]
    assert status["samples_lost"] == 0
    assert status["latency_ms"]["p50"] > 0


def test_card_and_file_give_the_same_decisions(
    sound_server: SoundServer, song: Path, tmp_path: Path
) -> None:
    env = sound_server.environment
    # The made-up song is hardly like any genre: whether it is `unknown` is a toss-up.
    config = tmp_path / "config.toml"
    config.write_text("[decision]\nknown_enter = 0\nknown_keep = 0\n")
    alone = ("--config", config, "--publish", free_endpoint(), "--json")
    heard: TimedEvents = []
    with start("listen", "--input", "pulse", *alone, env=env) as daemon:
        collect(daemon, heard)
        wait_for(heard, 60, type="update", seq=0)
        with sound_server.play(song) as player:
            player.wait(60)
        daemon.terminate()
        assert daemon.wait(60) == 0
    # The card records digital silence before and after; the file starts with its first sample.
    live = [e for _, e in heard if e["type"] == "update" and e["level_dbfs"] is not None]
    events = events_of(
        streamgenre("listen", "--input", song, "--pace", "fast", *alone, env=env).stdout
    )
    filed = [e for e in events if e["type"] == "update"]
    assert abs(len(live) - len(filed)) <= 2
    # The card's hops start somewhere within the file's: a change may fall into the next one.
    agreed = [
        e["genre"] in {near["genre"] for near in filed[max(0, i - 1) : i + 2]}
        for i, e in enumerate(live)
    ]
    assert np.mean(agreed) >= 0.95


def test_an_unplugged_card_is_waited_for(sound_server: SoundServer, song: Path) -> None:
    env = sound_server.environment
    heard: TimedEvents = []
    with start(
        *("listen", "--input", "pulse", "--publish", free_endpoint(), "--json"), env=env
    ) as daemon:
        collect(daemon, heard)
        wait_for(heard, 60, type="update", seq=2)
        sound_server.unplug()
        unplugged = time.time()
        wait_for(heard, 60, type="source", state="lost")
        time.sleep(2)
        sound_server.plug()
        plugged = time.time()
        gap = wait_for(heard, 60, type="gap")
        back = time.time()
        before = len(heard)
        wait_for(heard[before:] or heard, 60, type="source", state="live")
        with sound_server.play(song) as player:
            time.sleep(4)
            player.kill()
        daemon.terminate()
        assert daemon.wait(60) == 0
        assert daemon.stderr is not None
        assert daemon.stderr.read() == ""  # neither ALSA nor PortAudio write into the terminal
    assert gap["reason"] == "reconnect"
    assert plugged - unplugged - 1 < gap["seconds"] < back - unplugged + 1
    updates = [(at, e) for at, e in heard if e["type"] == "update"]
    assert [e["seq"] for _, e in updates] == list(range(len(updates)))
    # The lost seconds are counted: wall time is still correct after the gap.
    assert clock_error_s(updates) < 0.5
    assert updates[-1][1]["level_dbfs"] is not None
    states = [e["state"] for _, e in heard if e["type"] == "source"]
    assert states[0] == "live"
    assert states[-2:] == ["live", "ended"]


def test_a_card_that_cannot_be_opened_is_an_error_or_is_waited_for(
    sound_server: SoundServer, tmp_path: Path
) -> None:
    (tmp_path / ".asoundrc").write_text(f"pcm.closed {sound_server.pcm}\n")
    env = sound_server.environment | {"HOME": str(tmp_path)}
    flags = ("listen", "--input", "closed", "--publish", free_endpoint(), "--json")
    sound_server.unplug()  # the server still lists it
    done = streamgenre(*flags, env=env, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("streamgenre: error: device 'closed': cannot be opened (")
    assert "wait for it with --wait-for-device" in done.stderr
    heard: TimedEvents = []
    with start(*flags, "--wait-for-device", env=env) as daemon:
        collect(daemon, heard)
        event = wait_for(heard, 60, type="source", state="connecting")
        assert "cannot be opened" in event["detail"]
        sound_server.plug()
        wait_for(heard, 60, type="update")
        daemon.terminate()
        assert daemon.wait(60) == 0
