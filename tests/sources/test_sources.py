from __future__ import annotations

import os
import subprocess
import threading
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.audio import music, write_wav
from support.live import until
from support.requirements import require_programs

from streamgenre.audio.ring import Gap, GapReason
from streamgenre.config import StationSettings
from streamgenre.errors import InputError, SettingsError
from streamgenre.sources import demo
from streamgenre.sources.base import StateChange
from streamgenre.sources.factory import open_input
from streamgenre.sources.files.file import decode
from streamgenre.sources.files.pipe import PipeSource
from streamgenre.sources.files.playlist import open_file
from streamgenre.sources.files.raw import FORMATS, RawFormat
from streamgenre.sources.paced import PacedSource
from streamgenre.sources.titles import split_title

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamgenre.sources.base import Source


def play(source: Source) -> tuple[np.ndarray, list[Gap]]:
    """Everything a source delivers, as the engine would take it."""
    source.start()
    blocks: list[np.ndarray] = []
    losses: list[Gap] = []
    until(lambda: source.ring is not None or source.state == "ended", 60)
    while source.ring is not None and not source.ring.exhausted:
        item = source.ring.read(100_000)
        if item is None:
            time.sleep(0.001)
        elif isinstance(item, Gap):
            losses.append(item)
        else:
            blocks.append(item)
    source.stop()
    return np.concatenate(blocks) if blocks else np.zeros((0, source.channels)), losses


# ---- files --------------------------------------------------------------------------------------


def test_a_file_is_decoded_to_the_last_sample(tmp_path: Path) -> None:
    stereo = np.stack([music(2.5), -0.5 * music(2.5)], axis=1)
    path = write_wav(tmp_path / "a.wav", stereo)
    source = open_file(path, pace="fast")
    assert (source.rate, source.channels) == (44_100, 2)
    samples, losses = play(source)
    assert losses == []
    np.testing.assert_allclose(samples, stereo, atol=1e-4)
    assert [n.state for n in source.state_changes] == [
        "live",
        "ended",
    ]


def test_a_long_file_waits_for_room_in_the_ring(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", music(30, rate=8_000), 8_000)
    source = open_file(path, pace="fast")
    source.start()
    assert source.ring is not None
    until(lambda: source.ring is not None and source.ring.free == 0)
    assert source.ring.lost == 0
    source.stop()


def test_real_pace_takes_real_time(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", music(1.0, rate=8_000), 8_000)
    started = time.monotonic()
    play(open_file(path, pace="real"))
    assert time.monotonic() - started >= 0.95


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "flac", "m4a", "opus"])
def test_common_formats_are_decoded(tmp_path: Path, suffix: str) -> None:
    require_programs("ffmpeg")
    wav = write_wav(tmp_path / "a.wav", music(3))
    path = tmp_path / f"a.{suffix}"
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, path], check=True)
    samples, _ = play(open_file(path, pace="fast"))
    rate = 48_000 if suffix == "opus" else 44_100
    assert len(samples) == pytest.approx(3 * rate, rel=0.05)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(np.sqrt(np.mean(music(3) ** 2)), rel=0.1)


def test_a_truncated_file_plays_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = write_wav(tmp_path / "a.wav", music(4)).read_bytes()
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole[: len(whole) // 2])
    samples, _ = play(open_file(cut, pace="fast"))
    assert len(samples) == pytest.approx(2 * 44_100, rel=0.05)


def test_damaged_packets_are_skipped_and_reported(tmp_path: Path) -> None:
    require_programs("ffmpeg")
    wav = write_wav(tmp_path / "a.wav", music(6))
    path = tmp_path / "a.mp3"
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, path], check=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 3000] = os.urandom(3000)
    path.write_bytes(data)
    samples, _ = play(open_file(path, pace="fast"))
    assert 4 * 44_100 < len(samples) <= 6.2 * 44_100


def test_unusable_files_are_rejected(tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    noise = tmp_path / "noise.mp3"
    noise.write_bytes(np.random.default_rng(0).bytes(50_000))
    text = tmp_path / "text.ogg"
    text.write_text("no audio\n" * 100)
    header = tmp_path / "header.wav"
    header.write_bytes(write_wav(tmp_path / "a.wav", music(1)).read_bytes()[:44])
    for path, message in (
        (tmp_path / "missing.wav", "no such file"),
        (tmp_path, "is a folder"),
        (empty, "is empty"),
        (noise, "audio"),
        (text, "cannot be read as audio"),
        (header, "no audio could be decoded"),
    ):
        with pytest.raises(InputError, match=message) as error:
            open_file(path)
        assert str(path) in str(error.value)


def test_a_film_without_sound_is_rejected(tmp_path: Path) -> None:
    require_programs("ffmpeg")
    path = tmp_path / "film.mp4"
    source = ["-f", "lavfi", "-i", "testsrc=duration=1:size=64x64:rate=5"]
    subprocess.run(["ffmpeg", "-v", "error", *source, path], check=True)
    with pytest.raises(InputError, match=r"no audio stream \(found: video\)"):
        open_file(path)


def test_an_absurd_rate_is_rejected(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", music(1, rate=8_000), 1_000)
    with pytest.raises(InputError, match="1000 Hz"):
        next(decode(path))


# ---- standard input -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_raw_format_is_read_however_the_pipe_splits_it(name: str) -> None:
    stereo = np.stack([music(0.5), -music(0.5)], axis=1)
    dtype, scale = FORMATS[name]
    factor = 1 if dtype[1] == "f" else scale - 1
    data = (stereo.astype(np.float64) * factor).astype(dtype).tobytes()
    reader, writer = os.pipe()
    raw = RawFormat(channels=2, format=name)  # type: ignore[arg-type]

    def write() -> None:
        for start in range(0, len(data), 8191):  # not a whole number of frames
            os.write(writer, data[start : start + 8191])
        os.close(writer)

    threading.Thread(target=write).start()
    samples, _ = play(PipeSource("pipe", "pipe", reader, raw))
    os.close(reader)
    np.testing.assert_allclose(samples, stereo, atol=1e-4)


def test_an_empty_pipe_is_an_error() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    source = PipeSource("pipe", "pipe", reader, RawFormat())
    play(source)
    os.close(reader)
    assert isinstance(source.failure, InputError)
    assert str(source.failure) == "pipe ended without a single sample"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rate": 0}, "rate 0"),
        ({"rate": 10_000_000}, "rate"),
        ({"channels": 0}, "channels"),
        ({"format": "s24le"}, "format s24le: expected one of"),
    ],
)
def test_impossible_raw_formats_are_rejected(wrong: dict[str, int | str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        RawFormat(**wrong)  # type: ignore[arg-type]


# ---- demo ---------------------------------------------------------------------------------------


def test_the_demo_is_seeded_and_never_clips() -> None:
    first, second, other = (list(islice(demo.programme(seed), 800)) for seed in (3, 3, 4))

    def same(a: list[Any], b: list[Any]) -> bool:
        return all(
            x == y if isinstance(x, Gap) else np.array_equal(x, y)
            for x, y in zip(a, b, strict=True)
        )

    assert same(first, second)
    assert not same(first, other)
    blocks = [item for item in first if not isinstance(item, Gap)]
    assert max(float(np.abs(block).max()) for block in blocks) <= 0.36


def test_the_demo_has_four_styles_a_gap_and_a_silence() -> None:
    items = list(islice(demo.programme(0), 1650))
    assert [i for i in items if isinstance(i, Gap)] == [
        Gap(int(demo.GAP_S * demo.RATE), GapReason.SOURCE)
    ]
    silent = sum(not isinstance(i, Gap) and not i.any() for i in items)
    assert silent >= 0.9 * demo.SILENCE_S * 20
    rng = np.random.default_rng(0)
    spectra = []
    for style, _ in demo.STYLES:
        power = np.abs(np.fft.rfft(style(rng, 0, 5.0))) ** 2
        bands = np.array([band.sum() for band in np.array_split(power[:25_000], 20)])
        spectra.append(np.log10(bands / bands.sum() + 1e-9))
    assert len(spectra) >= 4
    for i, a in enumerate(spectra):
        for b in spectra[:i]:
            assert np.abs(a - b).mean() > 0.1  # they sound different


# ---- threads ------------------------------------------------------------------------------------


def test_an_error_in_a_capture_thread_is_kept_for_the_engine() -> None:
    def blocks() -> object:
        yield np.zeros((10, 1), np.float32)
        raise ZeroDivisionError("a bug")

    source = PacedSource("x", 8_000, 1, blocks(), pace="fast", real_time=False)  # type: ignore[arg-type]
    play(source)
    assert isinstance(source.failure, InputError)
    assert isinstance(source.failure.__cause__, ZeroDivisionError)
    assert "internal error, a bug in streamgenre" in str(source.failure)
    assert source.state_changes[-1] == StateChange("ended", str(source.failure))


def pieces_of(rate: int) -> Iterator[Any]:
    yield split_title("a title")
    for seconds in (0.5, 25.0, 0.01):  # one of them is longer than the ring
        yield np.full((int(seconds * rate), 1), seconds, np.float32)
    yield Gap(7, GapReason.SOURCE)
    yield np.zeros((3, 1), np.float32)


def test_a_source_without_a_thread_delivers_the_same() -> None:
    found = []
    for threaded in (True, False):
        source = PacedSource(
            "x", 4_000, 1, pieces_of(4_000), pace="fast", real_time=False, threaded=threaded
        )
        assert source.ring is not None
        assert not source.deliver() or not threaded
        source.start()
        blocks: list[Any] = []
        ends = time.monotonic() + 60
        while not source.ring.exhausted and time.monotonic() < ends:
            item = source.ring.read(1_000)
            if item is None:
                assert source.deliver() or threaded
            elif blocks and isinstance(item, np.ndarray) and isinstance(blocks[-1], np.ndarray):
                blocks[-1] = np.concatenate([blocks[-1], item])
            else:
                blocks.append(item)
        source.stop()
        assert not source.deliver()
        found.append((blocks, list(source.titles), list(source.state_changes)))
    (first, *rest), (second, *same) = found
    assert rest == same
    assert [type(item) for item in first] == [np.ndarray, Gap, np.ndarray]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_error_of_a_source_without_a_thread_ends_it() -> None:
    def blocks() -> Iterator[Any]:
        yield np.zeros((10, 1), np.float32)
        raise ZeroDivisionError("a bug")

    source = PacedSource("x", 8_000, 1, blocks(), pace="fast", real_time=False, threaded=False)
    source.start()
    assert source.deliver()
    assert source.deliver()
    assert isinstance(source.failure, InputError)
    assert source.state == "ended"
    assert not source.deliver()


# ---- choosing -----------------------------------------------------------------------------------


def test_stream_urls_get_advice_on_how_to_listen() -> None:
    with pytest.raises(SettingsError, match="ffmpeg") as error:
        open_input(StationSettings(input="rtmp://user:secret@radio.example/live?token=secret"))
    assert "secret" not in str(error.value)


def test_a_missing_file_is_not_mistaken_for_a_device() -> None:
    with pytest.raises(InputError, match="no such file"):
        open_input(StationSettings(input="somewhere/song.mp3"))
    with pytest.raises(InputError, match="no such file"):
        open_input(StationSettings(input="song.mp3"))
