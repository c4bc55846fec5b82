"""Audio may change its rate, channels and codec at any time, and is heard at its own level."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audio import music, write_wav
from support.commands import events_of, free_endpoint, start, streamgenre
from support.fuzzing import examples
from support.live import end, until
from support.radio_server import MisbehavingServer
from support.requirements import require_programs

from streamgenre.audio.mix import ChannelMixer
from streamgenre.audio.ring import Gap
from streamgenre.errors import InputError
from streamgenre.sources import decoding
from streamgenre.sources.conversion import Converter, Format
from streamgenre.sources.files.listing import list_files
from streamgenre.sources.files.playlist import open_file, open_playlist
from streamgenre.sources.stream import radio

if TYPE_CHECKING:
    import socket
    from pathlib import Path

RATE = 22_050


def listen(model: Path, *flags: str | Path) -> tuple[list[dict[str, Any]], str, int]:
    """Run the daemon to the end of its input; return its events, messages and exit code."""
    done = streamgenre(
        "listen", "--model", model, "--json", "--publish", free_endpoint(), "--pace", "fast", *flags
    )
    return events_of(done.stdout), done.stderr, done.returncode


def encoded(folder: Path, name: str, wav: Path, *flags: str) -> bytes:
    path = folder / name
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", wav, *flags, path], check=True)
    return path.read_bytes()


# ---- changes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["mp3", "aac", "mpegts"])
def test_channels_and_rates_that_alternate_play_on(
    tmp_path: Path, stateful_folder: Path, codec: str
) -> None:
    """Stereo, mono, stereo, mono: as a file, in a playlist and as a station."""
    require_programs("ffmpeg")
    wav = write_wav(tmp_path / "a.wav", music(3, rate=RATE), RATE)
    container, suffix = {"mp3": ("mp3", "mp3"), "aac": ("adts", "aac"), "mpegts": ("mpegts", "ts")}[
        codec
    ]
    wav2 = write_wav(tmp_path / "b.wav", music(3, rate=44_100), 44_100)
    stereo = encoded(tmp_path, "2", wav, "-ac", "2", "-f", container)
    mono = encoded(tmp_path, "1", wav2, "-ac", "1", "-f", container)
    music_folder = tmp_path / "music"
    music_folder.mkdir()
    (music_folder / f"a.{suffix}").write_bytes(2 * (stereo + mono))
    (music_folder / f"b.{suffix}").write_bytes(2 * (mono + stereo))
    for target, seconds in ((music_folder / f"a.{suffix}", 12), (music_folder, 24)):
        events, messages, code = listen(stateful_folder, "--input", target)
        assert code == 0, messages
        assert "NoneType" not in messages
        heard = [e for e in events if e["type"] == "update"]
        assert heard[-1]["stream_time"] == pytest.approx(seconds, rel=0.06)


def test_a_station_that_changes_its_channels_goes_on(tmp_path: Path, stateful_folder: Path) -> None:
    require_programs("ffmpeg")
    wav = write_wav(tmp_path / "a.wav", music(4, rate=44_100), 44_100)
    parts = [encoded(tmp_path, f"{n}.mp3", wav, "-ac", str(n)) for n in (2, 1)]

    def behave(connection: socket.socket, request: bytes) -> None:
        del request
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n\r\n")
        for number in range(6):
            connection.sendall(parts[number % 2])
        time.sleep(60)

    server = MisbehavingServer(behave)
    out = tmp_path / "events"
    with out.open("w") as file:
        process = start(
            *("listen", "--model", stateful_folder, "--json", "--publish", free_endpoint()),
            *("--input", server.url),
            stdout=file,
        )
        try:

            def seconds() -> float:
                *whole, _ = out.read_text().split("\n")
                updates = [e for e in events_of("\n".join(whole)) if e["type"] == "update"]
                return float(updates[-1]["stream_time"]) if updates else 0.0

            until(lambda: seconds() >= 20, 60)
        finally:
            end(process)
            server.close()
    assert '"state": "lost"' not in out.read_text()


formats = st.builds(
    Format, st.sampled_from((4_000, 8_000, 22_050, 44_100, 48_000, 767_999)), st.integers(1, 9)
)


@examples(60)
@given(
    wanted=formats.map(Format.bounded),
    parts=st.lists(st.tuples(formats, st.integers(0, 3_000)), max_size=8),
)
def test_any_sequence_of_formats_keeps_its_length_and_level(
    wanted: Format, parts: list[tuple[Format, int]]
) -> None:
    converter = Converter(wanted)
    out: list[np.ndarray] = []
    for given_, length in parts:
        block = np.full((length, given_.channels), 2**14, np.int16)
        out += converter.push(block, given_.rate, 2.0**-15)
    out += converter.flush()
    assert all(block.shape[1] == wanted.channels for block in out)
    seconds = sum(length / given_.rate for given_, length in parts)
    assert sum(map(len, out)) / wanted.rate == pytest.approx(
        seconds, abs=(1 + len(parts)) / wanted.rate
    )
    if out:
        assert np.median(np.concatenate(out)) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("first", [1, 2, 6, 60])
def test_the_level_does_not_depend_on_the_layout(tmp_path: Path, first: int) -> None:
    """The same signal in all channels, in 1 to 60 channels, within half a decibel."""
    signal = music(1, rate=RATE)
    for number, channels in enumerate((first, 1, 2, 3, 4, 5, 6, 7, 8, 9, 60)):
        block = np.repeat(signal[:, None], channels, axis=1)
        write_wav(tmp_path / f"{number:02}.wav", block, RATE)
    source = open_playlist(tmp_path, pace="fast")
    assert source.channels == (first if first <= 8 else 1)
    source.start()
    blocks = []
    assert source.ring is not None
    while not source.ring.exhausted:
        item = source.ring.read(10_000)
        if item is None:
            time.sleep(0.001)
            continue
        assert not isinstance(item, Gap)
        blocks.append(item)
    source.stop()
    mono = np.concatenate(blocks).mean(axis=1)
    assert len(mono) == 11 * RATE
    levels = [10 * np.log10(np.mean(part**2)) for part in np.split(mono, 11)]
    assert max(levels) - min(levels) < 0.1
    assert levels[0] == pytest.approx(10 * np.log10(np.mean(signal**2)), abs=0.1)


# ---- what cannot be played ----------------------------------------------------------------------


def test_a_codec_that_does_not_exist_is_explained(tmp_path: Path, stateful_folder: Path) -> None:
    whole = bytearray(write_wav(tmp_path / "a.wav", music(1)).read_bytes())
    whole[20:22] = b"\x99\x99"
    path = tmp_path / "b.wav"
    path.write_bytes(whole)
    events, messages, code = listen(stateful_folder, "--input", path)
    assert (events, code) == ([], 1)
    assert "no decodable audio; expected a codec that FFmpeg knows" in messages
    (tmp_path / "c.wav").write_bytes(whole)
    events, messages, code = listen(stateful_folder, "--input", tmp_path)
    assert code == 0
    assert "skipped: " in messages
    assert "NoneType" not in messages


def test_a_bug_of_ours_is_not_shown_as_a_reason_and_a_station_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> object:
        raise AttributeError("'NoneType' object has no attribute 'resample'")

    def behave(connection: socket.socket, request: bytes) -> None:
        del request
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: audio/wav\r\n\r\n" + wav)

    wav = write_wav(tmp_path / "a.wav", music(1)).read_bytes()
    server = MisbehavingServer(behave)
    monkeypatch.setattr(radio, "stream_info", broken)
    monkeypatch.setattr(radio, "BACKOFF_S", (0.01, 0.02))
    caplog.set_level("DEBUG")
    source = radio.RadioSource(server.url)
    source.start()
    until(lambda: len(server.requests) >= 3, 60)
    source.stop()
    server.close()
    details = " ".join(change.detail for change in source.state_changes)
    assert "internal error, a bug in streamgenre" in details
    assert "NoneType" not in details
    assert source.failure is None
    assert any(record.exc_info for record in caplog.records)  # the traceback, at debug level


# ---- folders ------------------------------------------------------------------------------------


PLAYED = (
    *("dsf", "dff", "m4b", "mp2", "w64", "caf", "tta", "ac3", "eac3", "dts", "wv", "ape", "mka"),
    *("webm", "mp4", "mov", "spx", "amr", "aiff", "aif", "au", "mp3", "flac", "ogg", "opus", "m4a"),
    *("wav", "aac", "wma", "oga", "mpc", "mkv", "3gp", "ts", "avi", "tak", "thd", "MP3"),
)


def test_a_folder_leaves_out_no_format_that_plays_when_named(tmp_path: Path) -> None:
    for suffix in PLAYED:
        (tmp_path / f"a.{suffix}").touch()
    listing = list_files(tmp_path)
    assert {file.suffix[1:] for file in listing.files} == set(PLAYED)
    assert listing.problems == []


def test_files_made_in_every_format_play_in_a_folder(tmp_path: Path) -> None:
    require_programs("ffmpeg")
    wav = write_wav(tmp_path / "a.wav", music(1))
    folder = tmp_path / "music"
    folder.mkdir()
    made = ("w64", "caf", "tta", "ac3", "eac3", "mp2", "wv", "mka", "mov", "aiff", "au", "m4b")
    for suffix in made:
        flags = ("-f", "mp4") if suffix == "m4b" else ()
        encoded(folder, f"a.{suffix}", wav, *flags)
    source = open_playlist(folder, pace="fast")
    source.start()
    assert source.ring is not None
    samples = 0
    while not source.ring.exhausted:
        item = source.ring.read(10_000)
        samples += len(item) if isinstance(item, np.ndarray) else 0
        if item is None:
            time.sleep(0.001)
    source.stop()
    assert samples / source.rate == pytest.approx(len(made), abs=0.1 * len(made))
    assert [change.detail for change in source.state_changes if change.state == "live"] == [""]


def test_what_is_left_out_of_a_folder_is_reported_once(
    tmp_path: Path, stateful_folder: Path
) -> None:
    for number in range(5):
        (tmp_path / f"{number}.xyz").touch()
    (tmp_path / "cover.jpg").touch()
    (tmp_path / ".hidden.xyz").touch()
    write_wav(tmp_path / "a.wav", music(2))
    _, messages, code = listen(stateful_folder, "--input", tmp_path)
    assert code == 0
    assert messages.count("5 files were left out, by the suffix not audio") == 1
    assert ".xyz, " in messages
    assert "cover" not in messages


def test_a_frame_that_is_too_long_is_a_damaged_packet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_MAX_FRAME", 1000)
    path = write_wav(tmp_path / "a.wav", music(1))
    with pytest.raises(InputError, match="no audio could be decoded"):
        open_file(path)


@pytest.mark.parametrize("first", [1, 2, 6])
def test_silent_surround_channels_do_not_lower_the_level(tmp_path: Path, first: int) -> None:
    """Stereo with 1 to 58 silent channels beside it, as ``ffmpeg -ac 6`` makes it, in a folder."""
    signal = music(1, rate=RATE)
    for number, channels in enumerate((first, 2, 3, 4, 5, 6, 7, 8, 9, 60)):
        block = np.zeros((RATE, channels))
        block[:, :2] = signal[:, None]
        write_wav(tmp_path / f"{number:02}.wav", block, RATE)
    source = open_playlist(tmp_path, pace="fast")
    source.start()
    assert source.ring is not None
    taken, mixer = [], ChannelMixer(source.channels)
    while not source.ring.exhausted:
        item = source.ring.read(10_000)
        if item is None:
            time.sleep(0.001)
            continue
        assert not isinstance(item, Gap)
        taken.append(mixer.mix(item))
    source.stop()
    parts = np.split(np.concatenate(taken), 10)
    levels = [10 * np.log10(np.mean(part**2)) for part in parts]
    expected = pytest.approx(10 * np.log10(np.mean(signal**2)), abs=0.1)
    kept = first == 6  # its channels are all in use from the second file on
    assert [level for number, level in enumerate(levels) if not (kept and number == 5)] == [
        expected
    ] * (9 if kept else 10)


@given(cuts=st.lists(st.integers(0, 400), max_size=6), seed=st.integers(0, 99))
def test_a_mix_does_not_depend_on_how_the_signal_is_cut(cuts: list[int], seed: int) -> None:
    chance = np.random.default_rng(seed)
    block = chance.normal(0, 0.1, (400, 6)).astype(np.float32)
    for channel in range(6):
        block[: chance.integers(0, 400), channel] = 0
    mixer = ChannelMixer(6)
    pieces = [mixer.mix(piece) for piece in np.split(block, sorted(cuts))]
    np.testing.assert_array_equal(np.concatenate(pieces), ChannelMixer(6).mix(block))


def test_samples_beyond_all_numbers_print_nothing(tmp_path: Path, stateful_folder: Path) -> None:
    """Doubles that do not fit floats: neither they nor NumPy's warnings reach anybody."""
    require_programs("ffmpeg")
    path = tmp_path / "a.wav"
    data = encoded(tmp_path, "d.wav", write_wav(tmp_path / "s.wav", music(2)), "-c:a", "pcm_f64le")
    body = np.frombuffer(data[-64_000:], "<f8").copy()
    body[::3], body[1::7], body[2::11] = 1e300, np.nan, -np.inf
    path.write_bytes(data[:-64_000] + body.tobytes())
    events, messages, code = listen(stateful_folder, "--input", path, "--no-history")
    assert code == 0
    assert "Warning" not in messages
    assert all(event["level_dbfs"] < 1 for event in events if event["type"] == "update")
