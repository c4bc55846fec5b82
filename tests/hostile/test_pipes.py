"""What comes through a pipe is recognised; no pipe or device can hold up the daemon."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audio import music, write_wav
from support.commands import events_of, free_endpoint, start, streamgenre
from support.fuzzing import examples
from support.live import end, until
from support.requirements import require_programs

from streamgenre.config import StationSettings
from streamgenre.errors import InputError
from streamgenre.sources.factory import open_input
from streamgenre.sources.files.pipe import PipeSource
from streamgenre.sources.files.raw import RawFormat
from streamgenre.sources.formats import not_samples
from streamgenre.sources.signatures import ENOUGH, format_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CODECS: Final = {
    "wav": (),
    "mp3": (),
    "mp2": (),
    "flac": (),
    "ogg": ("-c:a", "libvorbis"),
    "opus": (),
    "aac": ("-f", "adts"),
    "ac3": (),
    "aiff": (),
    "au": (),
    "caf": (),
    "w64": (),
    "m4a": ("-movflags", "faststart"),
    "mka": (),
    "ts": (),
    "wma": (),
    "tta": (),
    "wv": (),
    "avi": (),
    "nut": (),
    "dts": ("-strict", "-2", "-ar", "44100"),
    "thd": ("-f", "truehd", "-strict", "-2", "-ar", "44100"),
    "latm": ("-c:a", "aac"),
    "spdif": ("-c:a", "ac3", "-ar", "48000"),
    "sox": (),
    "sf": ("-f", "ircam"),
    "mov": ("-movflags", "faststart"),
}
RATE: Final = 22_050


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with six seconds of mono at 22,050 Hz in every format."""
    require_programs("ffmpeg")
    folder = tmp_path_factory.mktemp("made")
    wav = write_wav(folder / "source.wav", music(6, rate=RATE), RATE)
    for suffix, flags in CODECS.items():
        rate = ("-ar", "48000") if suffix in ("opus", "ac3") else ()
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", wav, *rate, *flags, folder / f"a.{suffix}"], check=True
        )
    return folder


def flags(model: Path, *more: str | Path) -> tuple[str | Path, ...]:
    return ("listen", "--model", model, "--json", "--publish", free_endpoint(), *more)


def heard_s(events: list[dict[str, Any]]) -> float:
    updates = [event["stream_time"] for event in events if event["type"] == "update"]
    return float(updates[-1]) if updates else 0.0


# ---- containers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", CODECS)
def test_every_container_is_recognised(made: Path, suffix: str) -> None:
    data = (made / f"a.{suffix}").read_bytes()
    assert format_of(data[:ENOUGH])
    for length in (0, 1, 2, 3, 4, 8, 12, 15):  # a pipe may bring a few bytes at first
        assert format_of(data[:length], more_follows=True) is None


@pytest.mark.parametrize("suffix", ["wav", "mp3", "ogg", "m4a"])
def test_a_container_on_standard_input_is_decoded(
    made: Path, stateful_folder: Path, suffix: str
) -> None:
    done = streamgenre(
        *flags(stateful_folder, "--input", "-"), stdin=(made / f"a.{suffix}").read_bytes()
    )
    assert done.returncode == 0, done.stderr
    events = events_of(done.stdout)
    live = next(e for e in events if e["type"] == "source" and e["state"] == "live")
    assert (live["rate"], live["channels"]) == (RATE, 1)
    assert heard_s(events) == pytest.approx(6, abs=0.5)
    assert "not raw PCM: it is decoded as such" in done.stdout


def test_a_recording_that_begins_within_a_frame_is_decoded(
    made: Path, stateful_folder: Path
) -> None:
    data = (made / "a.mp3").read_bytes()
    done = streamgenre(*flags(stateful_folder, "--input", "-"), stdin=data[len(data) // 3 + 17 :])
    assert heard_s(events_of(done.stdout)) == pytest.approx(4, abs=0.5)


def test_flags_for_raw_pcm_are_ignored_for_a_container_and_that_is_said(
    made: Path, stateful_folder: Path
) -> None:
    done = streamgenre(
        *flags(stateful_folder, "--input", "-", "--rate", "48000", "--channels", "2"),
        stdin=(made / "a.wav").read_bytes(),
    )
    assert heard_s(events_of(done.stdout)) == pytest.approx(6)
    assert "--rate, --channels and --format are ignored" in done.stdout


def test_chained_ogg_on_standard_input_plays_to_its_end(made: Path, stateful_folder: Path) -> None:
    data = (made / "a.ogg").read_bytes() + (made / "a.opus").read_bytes()
    done = streamgenre(*flags(stateful_folder, "--input", "-"), stdin=data)
    assert heard_s(events_of(done.stdout)) == pytest.approx(12, abs=0.5)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "standard input ended without a single sample"),
        (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", "standard input"),
        (b"fLaC" + bytes(100), "standard input"),
        (b"OggS" + bytes(100), "standard input"),
        (bytes.fromhex("0000001866747970") + b"M4A " + bytes(80), "needs its index in front"),
        (b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(5000), "standard input"),
    ],
)
def test_a_container_without_audio_is_explained(data: bytes, words: str) -> None:
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    source = PipeSource("stdin", "standard input", reader, RawFormat())
    source.start()
    until(lambda: source.state == "ended", 60)
    os.close(reader)
    assert words in str(source.failure)
    assert "internal error" not in str(source.failure)


NOT_SAMPLES: Final = {
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
    "a picture ": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(range(256)) * 40,
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256)) * 40,
    "an archive": gzip.compress(bytes(range(256)) * 40),
    "an archive ": b"docs/".ljust(257, b"\0") + b"ustar\x0000" + bytes(9000),
    "MIDI": b"MThd\0\0\0\6\0\1\0\2\1\xe0MTrk" + bytes(range(256)),
    "a program": b"\x7fELF\2\1\1\0" + bytes(range(256)) * 40,
}


@pytest.mark.parametrize("what", NOT_SAMPLES)
def test_binary_data_that_is_not_audio_is_not_heard_as_noise(what: str) -> None:
    reader, writer = os.pipe()
    os.write(writer, NOT_SAMPLES[what])
    os.close(writer)
    source = PipeSource("stdin", "standard input", reader, RawFormat())
    with pytest.raises(InputError, match=f"standard input: is {what.strip()}"):
        list(source._items())
    os.close(reader)


@pytest.mark.parametrize("seed", range(3))
def test_samples_are_neither_containers_nor_documents(seed: int) -> None:
    chance = np.random.default_rng(seed)
    for _ in range(100):
        signal = chance.normal(0, 10 ** chance.uniform(0, 4.5), 6000).clip(-32768, 32767)
        for kind in ("<i2", ">i2", "<i4"):
            data = signal.astype(kind).tobytes()
            assert not format_of(data)
            assert not not_samples(data)


@pytest.mark.parametrize("suffix", ["thd", "flac"])
def test_thousands_of_tiny_blocks_a_second_are_heard(
    tmp_path: Path, stateful_folder: Path, suffix: str
) -> None:
    """More than the arrivals that are kept in the time in which they are read."""
    require_programs("ffmpeg")
    path = tmp_path / f"tiny.{suffix}"
    flags = ("-frame_size", "16") if suffix == "flac" else ("-f", "truehd", "-strict", "-2")
    wav = write_wav(tmp_path / "a.wav", music(6))
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, *flags, path], check=True)
    with path.open("rb") as data:
        done = streamgenre(
            *("listen", "--model", stateful_folder, "--json", "--publish", free_endpoint()),
            *("--no-history", "--input", "-"),
            stdin=data.read(),
        )
    assert done.returncode == 0, done.stderr
    status = [event for event in events_of(done.stdout) if event["type"] == "status"][-1]
    assert status["samples"] == pytest.approx(6 * 44_100, abs=4000)


def test_a_broken_container_on_standard_input_ends_in_words(stateful_folder: Path) -> None:
    done = streamgenre(*flags(stateful_folder, "--input", "-"), stdin=b"fLaC" + bytes(100))
    assert done.returncode == 1
    assert "streamgenre: error: standard input is FLAC that cannot be decoded" in done.stderr


# ---- raw PCM ------------------------------------------------------------------------------------


@examples(150)
@given(
    kind=st.sampled_from(["music", "noise", "silence", "constant", "tone", "counter"]),
    dtype=st.sampled_from(["<i2", ">i2", "<i4", "<f4"]),
    start=st.integers(0, 40_000),
    seed=st.integers(0, 1000),
)
def test_raw_pcm_is_not_mistaken_for_a_container(
    kind: str, dtype: str, start: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n = 20_000
    kinds: dict[str, Callable[[], np.ndarray]] = {
        "music": lambda: music(3)[start : start + n],
        "noise": lambda: rng.uniform(-1, 1, n),
        "silence": lambda: np.zeros(n),
        "constant": lambda: np.full(n, rng.uniform(-1, 1)),
        "tone": lambda: np.sin(np.arange(n) * rng.uniform(0, 3)),
        "counter": lambda: np.arange(n) / n,
    }
    signal_ = kinds[kind]()
    scale = 1 if dtype.endswith("f4") else 2 ** (8 * int(dtype[-1]) - 1) - 1
    data = (signal_ * scale).astype(dtype).tobytes()
    assert format_of(data[:ENOUGH]) == ""
    assert format_of(data[start % 7 :][:ENOUGH], more_follows=True) == ""


@pytest.mark.parametrize("header", ["fffb9400", "fffb9064", "fff15080", "0b770000", "ffffffff"])
def test_samples_that_look_like_headers_are_samples(header: str) -> None:
    pattern = bytes.fromhex(header)
    assert format_of(pattern * 20_000) == ""
    assert format_of((pattern + bytes(380)) * 3 + bytes(60_000)) == ""


@given(st.binary(max_size=600), st.booleans())
def test_no_bytes_break_the_recognition(data: bytes, more: bool) -> None:
    for head in (data, b"\xff\xfb" + data, b"ID3" + data, b"\xff\xf1" + data, b"\x0b\x77" + data):
        format_of(head, more_follows=more)


def test_raw_pcm_is_heard_to_its_last_sample(stateful_folder: Path) -> None:
    samples = (music(4, rate=44_100) * 32_767).astype("<i2")
    data = np.repeat(samples, 2).tobytes()
    done = streamgenre(*flags(stateful_folder, "--input", "-"), stdin=data)
    events = events_of(done.stdout)
    assert heard_s(events) == pytest.approx(4)
    assert "decoded" not in done.stdout


def test_raw_pcm_of_any_rate_and_channels_takes_no_memory(
    stateful_folder: Path, tmp_path: Path
) -> None:
    data = np.random.default_rng(0).integers(-9999, 9999, 768_000 * 64).astype("<i2").tobytes()
    out = tmp_path / "events"
    with out.open("w") as file:
        process = start(
            *flags(stateful_folder, "--input", "-", "--rate", "768000", "--channels", "64"),
            stdin=subprocess.PIPE,
            stdout=file,
        )
        assert process.stdin is not None
        pipe = process.stdin.buffer  # type: ignore[attr-defined]
        try:
            for _ in range(3):
                pipe.write(data)
            pipe.close()
            assert process.wait(60) == 0
        finally:
            if process.poll() is None:
                end(process)
    events = events_of(out.read_text())
    live = next(e for e in events if e["type"] == "source" and e["state"] == "live")
    assert (live["rate"], live["channels"]) == (384_000, 1)
    assert heard_s(events) == pytest.approx(3)


# ---- named pipes --------------------------------------------------------------------------------


class Daemon:
    """``listen`` with an input, its events in a file."""

    def __init__(self, model: Path, folder: Path, *more: str | Path) -> None:
        self._out = folder / "events"
        with self._out.open("w") as file:
            self.process = start(*flags(model, *more), stdout=file)

    def events(self) -> list[dict[str, Any]]:
        return events_of("\n".join(self._out.read_text().split("\n")[:-1]))

    def details(self) -> str:
        return "\n".join(e["detail"] for e in self.events() if e["type"] == "source")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_named_pipe_without_a_writer_is_waited_for_and_ends_on_a_signal(
    tmp_path: Path, stateful_folder: Path, number: int
) -> None:
    os.mkfifo(tmp_path / "fifo")
    daemon = Daemon(stateful_folder, tmp_path, "--input", tmp_path / "fifo")
    try:
        until(lambda: "waiting for a program to write to it" in daemon.details(), 60)
        daemon.process.send_signal(number)
        assert daemon.process.wait(60) == 0
    finally:
        end(daemon.process)
    assert daemon.events()[-1]["type"] == "status"


def test_a_named_pipe_plays_what_each_writer_sends(
    tmp_path: Path, made: Path, stateful_folder: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    daemon = Daemon(stateful_folder, tmp_path, "--input", f"hall={fifo}")

    def write(data: bytes) -> None:
        with fifo.open("wb") as pipe:
            pipe.write(data)

    def updates() -> int:
        return sum(event["type"] == "update" for event in daemon.events())

    try:
        until(lambda: "waiting" in daemon.details(), 60)
        write((made / "a.flac").read_bytes())
        until(lambda: "the writer has closed the pipe" in daemon.details(), 60)
        until(lambda: updates() >= 5, 60)
        before = updates()
        write((made / "a.ogg").read_bytes())
        until(lambda: updates() >= before + 5, 60)
        write(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0")  # a broken one costs itself only
        until(lambda: "cannot be" in daemon.details() or "no audio" in daemon.details(), 60)
        before = updates()
        write(np.repeat((music(6) * 32_767).astype("<i2"), 2).tobytes())
        until(lambda: updates() >= before + 5, 60)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(60) == 0
    finally:
        end(daemon.process)


def test_an_unnamed_pipe_ends_with_its_writer(made: Path, stateful_folder: Path) -> None:
    """As in ``cat a.mp3 | … --input /dev/stdin`` and ``--input <(command)``."""
    done = streamgenre(
        *flags(stateful_folder, "--input", "/dev/stdin"), stdin=(made / "a.mp3").read_bytes()
    )
    assert done.returncode == 0, done.stderr
    assert heard_s(events_of(done.stdout)) == pytest.approx(6, abs=0.5)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("/dev/zero", "is a device"),
        ("/dev/random", "is a device"),
        ("/proc/kmsg", "is empty"),
        ("/proc/self/environ", "is empty"),
        ("socket", "is a socket"),
        ("block", "block device"),
        ("loop", "cannot be opened"),
        ("x" * 300, "too long"),
    ],
)
def test_what_is_no_file_is_refused_in_words(tmp_path: Path, place: str, words: str) -> None:
    path = tmp_path / place
    if place == "socket":
        _socket(path)
    elif place == "block":
        try:
            os.mknod(path, 0o60600, os.makedev(7, 0))
        except OSError:
            pytest.skip("needs the right to make a block device")
    elif place == "loop":
        path.symlink_to(path)
    with pytest.raises((InputError, OSError), match=words):
        open_input(StationSettings(input=str(path)))


def test_a_device_is_refused_by_the_daemon(stateful_folder: Path) -> None:
    done = streamgenre(*flags(stateful_folder, "--input", "/dev/zero"))
    assert done.returncode == 1
    assert "/dev/zero: is a device; expected an audio file" in done.stderr
    assert "`streamgenre listen --input - < /dev/zero`" in done.stderr


def test_a_pipe_that_cannot_be_read_is_explained(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    source = PipeSource("pipe", "pipe", descriptor, RawFormat())
    source.start()
    until(lambda: source.state == "ended", 60)
    os.close(descriptor)
    assert str(source.failure) == "pipe: cannot be read (Is a directory)"


def test_a_folder_with_pipes_and_devices_plays_its_files(
    tmp_path: Path, stateful_folder: Path
) -> None:
    os.mkfifo(tmp_path / "0.wav")
    _socket(tmp_path / "1.wav")
    (tmp_path / "2.wav").symlink_to("/dev/zero")
    write_wav(tmp_path / "3.wav", music(3))
    done = streamgenre(*flags(stateful_folder, "--pace", "fast", "--input", tmp_path))
    assert done.returncode == 0
    assert heard_s(events_of(done.stdout)) == pytest.approx(3)


def test_an_endless_stream_without_audio_is_given_up(tmp_path: Path) -> None:
    """A picture of 256 MB in front of an mp3, as far as it is sent."""
    reader, writer = os.pipe()
    sent = 0

    def write() -> None:
        nonlocal sent
        head = b"ID3\x03\0\0\x7f\x7f\x7f\x7fAPIC\x0f\xff\xff\xf0\0\0\0image/png\0\3\0"
        try:
            sent += os.write(writer, head)
            while True:
                sent += os.write(writer, bytes(65_536))
        except OSError:
            return

    source = PipeSource("pipe", "pipe", reader, RawFormat())
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    source.start()
    until(lambda: source.state == "ended", 60)
    source.stop()
    os.close(reader)
    thread.join(10)
    assert "no audio in 64 MB" in str(source.failure)
    assert sent < 80 << 20
