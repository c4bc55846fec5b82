"""Folders and playlists of files as one station, and the playlist formats."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen.id3 import TIT2
from mutagen.wave import WAVE
from support.audio import music, write_wav
from support.commands import events_of, free_endpoint, streamgenre
from support.live import until
from support.requirements import require_programs

from streamgenre.audio.ring import Gap
from streamgenre.config import StationSettings
from streamgenre.errors import InputError
from streamgenre.sources.base import StateChange
from streamgenre.sources.factory import open_input
from streamgenre.sources.files import playlist, tracks
from streamgenre.sources.files.listing import list_files
from streamgenre.sources.files.playlist import Order, open_playlist
from streamgenre.sources.playlist_formats import MAX_BYTES, entries
from streamgenre.sources.stream.radio import RadioSource
from streamgenre.sources.tags import id3_title

if TYPE_CHECKING:
    from streamgenre.sources.files.tracks import Listing
    from streamgenre.sources.paced import PacedSource

RATE = 8_000


def heard(source: PacedSource, seconds: float = 1e9) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """The samples of a source, up to ``seconds``, and its titles with their positions."""
    source.start()
    blocks: list[np.ndarray] = []
    titles: list[tuple[int, str]] = []
    assert source.ring is not None
    while not source.ring.exhausted and sum(map(len, blocks)) < seconds * source.rate:
        item = source.ring.read(1000)
        while source.titles and source.titles[0].at <= sum(map(len, blocks)):
            cue = source.titles.popleft()
            titles.append((cue.at, cue.title.raw))
        if item is None:
            time.sleep(0.001)
        elif not isinstance(item, Gap):
            blocks.append(item)
    source.stop()
    return np.concatenate(blocks), titles


def short_files(folder: Path, *names: str, seconds: float = 0.25) -> None:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        write_wav(folder / name, music(seconds, seed=number, rate=RATE), RATE)


# ---- playing ------------------------------------------------------------------------------------


def test_a_folder_plays_without_gaps_in_natural_order(tmp_path: Path) -> None:
    signal = music(3, rate=RATE)
    (tmp_path / "cd 2").mkdir()
    edges = [0, 5_000, 5_001, 12_345, len(signal)]
    names = ["1 first.wav", "2.wav", "10. Band - Song.wav", "cd 2/1.wav"]
    for name, (start, end) in zip(names, pairwise(edges), strict=True):
        write_wav(tmp_path / name, signal[start:end], RATE)
    write_wav(tmp_path / ".hidden.wav", signal, RATE)
    (tmp_path / "cover.jpg").write_bytes(b"no audio")
    samples, titles = heard(open_playlist(tmp_path, pace="fast"))
    np.testing.assert_allclose(samples[:, 0], signal, atol=1e-4)
    assert titles == list(zip(edges, ["1 first", "2", "Band - Song", "1"], strict=False))


@pytest.mark.parametrize("channels", [1, 2])
def test_files_of_other_rates_and_channels_play_with_their_tags(
    tmp_path: Path, channels: int
) -> None:
    require_programs("ffmpeg")
    first = np.stack([music(1, rate=RATE)] * channels, axis=1)
    write_wav(tmp_path / "0.wav", first, RATE)
    wav = write_wav(tmp_path / "source.wav", np.stack([music(1)] * (3 - channels), axis=1))
    tags = ("-metadata", "artist=Björk\x1b[2J", "-metadata", "title=Jóga")
    made = ["1.mp3", "2.ogg", "3.m4a", "4.opus"]
    for name in made:
        subprocess.run(["ffmpeg", "-v", "error", "-i", wav, *tags, tmp_path / name], check=True)
    wav.unlink()
    source = open_playlist(tmp_path, pace="fast")
    assert (source.rate, source.channels) == (RATE, channels)
    samples, titles = heard(source)
    assert [title for _, title in titles] == ["0"] + ["Björk [2J - Jóga"] * len(made)
    assert [at / RATE for at, _ in titles] == pytest.approx(range(5), abs=0.15)
    assert len(samples) == pytest.approx(5 * RATE, abs=0.15 * RATE)
    level = np.sqrt(np.mean(samples[RATE:] ** 2))
    assert level == pytest.approx(np.sqrt(np.mean(first**2)), rel=0.1)


def test_unplayable_files_are_reported_once_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    short_files(tmp_path, "1.wav", "3.wav")
    (tmp_path / os.fsdecode(b"2 \xff\x1b[2J.mp3")).write_bytes(b"no music")
    (tmp_path / "4.wav").symlink_to("nowhere")
    with caplog.at_level(logging.WARNING):
        source = open_playlist(tmp_path, pace="fast", order=Order(loop=True))
        samples, titles = heard(source, 2.0)
    assert [title for _, title in titles][:5] == ["1", "3", "1", "3", "1"]
    assert len(samples) >= 2 * RATE
    messages = [
        change.detail for change in source.state_changes if change.state == "live" and change.detail
    ]
    assert len(messages) == 2
    assert "2 \ufffd [2J.mp3: cannot be read as audio" in messages[0]
    assert "4.wav: no such file" in messages[1]
    assert [record.getMessage() for record in caplog.records] == messages


def test_thousands_of_errors_are_not_thousands_of_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "all.m3u").write_text("".join(f"missing{n}.wav\n" for n in range(5000)) + "a.wav")
    short_files(tmp_path, "a.wav")
    samples, _ = heard(open_playlist(tmp_path / "all.m3u", pace="fast"))
    assert len(samples) == RATE // 4
    assert len(caplog.records) <= 25


@pytest.mark.parametrize("what", ["folder", "list", "empty"])
def test_nothing_to_play_is_an_error(tmp_path: Path, what: str) -> None:
    path = tmp_path / "music"
    path.mkdir()
    if what != "empty":
        (path / "1.mp3").write_bytes(b"no music")
        (path / "2.mp3").write_bytes(b"")
    if what == "list":
        (tmp_path / "a.m3u").write_text("music/1.mp3\nmusic/none.mp3\n")
        path = tmp_path / "a.m3u"
    message = "contains no files" if what == "empty" else r"none of its 2 files.*1\.mp3: cannot"
    one = tmp_path / "one.m3u"
    one.write_text("none.mp3\n")
    with pytest.raises(InputError, match=r"its only file cannot be played: .*no such file"):
        open_playlist(one)
    with pytest.raises(InputError, match=message):
        open_playlist(path, order=Order(loop=True))


def test_shuffled_rounds_differ_and_repeat_with_the_seed(tmp_path: Path) -> None:
    names = [f"{n}.wav" for n in range(6)]
    short_files(tmp_path, *names, seconds=0.125)

    def order(seed: int) -> list[str]:
        source = open_playlist(tmp_path, pace="fast", order=Order(loop=True, shuffle=seed))
        return [title for _, title in heard(source, 1.6)[1]][:12]

    first, again, other = order(1), order(1), order(2)
    rounds = [first[:6], first[6:]]
    assert first == again != other
    assert all(sorted(r) == [str(n) for n in range(6)] for r in rounds)
    assert rounds[0] != rounds[1]


def test_a_loop_without_playable_files_waits_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = 0

    def counted(path: Path) -> Listing:
        nonlocal rounds
        rounds += 1
        return list_files(path)

    monkeypatch.setattr(playlist, "_BACKOFF_S", (0.2, 0.4))
    monkeypatch.setattr(playlist, "list_files", counted)
    short_files(tmp_path / "disk", "1.wav")
    source = open_playlist(tmp_path / "disk", pace="real", order=Order(loop=True))
    source.start()
    until(lambda: source.state == "live")
    (tmp_path / "disk").rename(tmp_path / "away")
    until(lambda: source.state == "lost")
    before, began = rounds, time.monotonic()
    until(lambda: rounds > before + 1)
    time.sleep(0.5)
    assert rounds - before <= 2 + (time.monotonic() - began) / 0.16  # the shortest pause
    (tmp_path / "away").rename(tmp_path / "disk")
    until(lambda: source.state == "live")
    assert "can be played now" in str(source.state_changes)
    source.stop()
    assert source.failure is None
    assert isinstance(source.state_changes[-1], StateChange)


def test_playlists_can_be_given_on_the_command_line(tmp_path: Path, stateful_folder: Path) -> None:
    short_files(tmp_path, "A - 1.wav", "A - 2.wav", seconds=2.25)
    (tmp_path / "A - 0.flac").write_bytes(b"fLaC")
    run = ("--pace", "fast", "--json", "--model", stateful_folder, "--publish", free_endpoint())
    done = streamgenre("listen", "--input", tmp_path, *run)
    assert done.returncode == 0
    assert done.stderr.count("A - 0.flac") == 1
    events = events_of(done.stdout)
    titles = [(e["stream_time"], e["artist"], e["title"]) for e in events if e["type"] == "title"]
    assert titles == [(0, "A", "1"), (2.25, "A", "2")]
    order = [e["stream_time"] for e in events if e["type"] in ("title", "update")]
    assert order == [0, 1, 2, 2.25, 3, 4, 4.5]
    (tmp_path / "A - 1.wav").write_bytes(b"")
    (tmp_path / "A - 2.wav").unlink()
    done = streamgenre("listen", "--input", tmp_path, *run)
    assert (done.returncode, done.stdout) == (1, "")
    assert "none of its 2 files can be played" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stream_among_files_is_reported_once(tmp_path: Path, stateful_folder: Path) -> None:
    short_files(tmp_path, "1.wav", seconds=1.5)
    path = tmp_path / "a.m3u"
    path.write_text("1.wav\nhttp://u:secret@radio.example/x?k=secret\nhttp:/u:secret@h/y\n")
    message = "skipped a stream among files: http://radio.example/x?…"
    done = streamgenre("probe", path, "--seconds", "3", "--model", stateful_folder)
    assert done.returncode == 0
    assert done.stderr.count(message) == 1
    assert "secret" not in done.stderr + done.stdout
    source = open_playlist(path, pace="fast", order=Order(loop=True))
    heard(source, 4.0)
    assert [change.detail for change in source.state_changes].count(message) == 1


# ---- lists --------------------------------------------------------------------------------------

XSPF = """<?xml version="1.0"?><playlist><trackList>
<track><location>file://{folder}/caf%C3%A9%20%26%20bar.wav</location></track>
<track><location>two.wav</location></track></trackList></playlist>"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.m3u", "#EXTM3U\n#EXTINF:3,x\ncafé & bar.wav\n\n two.wav \n"),
        ("a.m3u8", "\ufeff#EXTM3U\r\n./café & bar.wav\r\nsub\\..\\two.wav\r\n"),
        ("a.pls", "[playlist]\nFile1={folder}/café & bar.wav\nTitle1=x\nFile2=two.wav\nVersion=2"),
        ("a.xspf", XSPF),
        ("a.asx", '<asx><entry><ref href="café &amp; bar.wav"/></entry><REF HREF = "two.wav"/>'),
    ],
)
@pytest.mark.parametrize("charset", ["utf-8", "cp1252"])
def test_every_kind_of_playlist_is_read(tmp_path: Path, name: str, text: str, charset: str) -> None:
    (tmp_path / "sub").mkdir()
    short_files(tmp_path, "café & bar.wav", "two.wav")
    path = tmp_path / name
    data = text.replace("{folder}", str(tmp_path)).encode(charset, errors="ignore")
    path.write_bytes(data)
    listing = list_files(path)
    found = [file.resolve() for file in listing.files]
    assert found == [tmp_path / "café & bar.wav", tmp_path / "two.wav"]
    assert listing.problems == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.m3u", '#EXTM3U\n#EXTINF:3 logo="a,b",Björk - Jóga, live\n1.wav\n\n2.wav\n'),
        ("a.pls", "[playlist]\nFile1=1.wav\nTitle1=Björk - Jóga, live\nFile2=2.wav\n"),
        (
            "a.xspf",
            "<playlist><title>No</title><trackList><track><creator>Björk</creator>"
            "<title>Jóga, live</title><location>1.wav</location></track>"
            "<track><location>2.wav</location></track></trackList></playlist>",
        ),
    ],
)
@pytest.mark.parametrize("charset", ["utf-8", "cp1252"])
def test_list_titles_rank_above_file_names_and_below_tags(
    tmp_path: Path, name: str, text: str, charset: str
) -> None:
    short_files(tmp_path, "1.wav", "2.wav")
    (tmp_path / name).write_bytes(text.encode(charset))
    _, titles = heard(open_playlist(tmp_path / name, pace="fast"))
    assert [title for _, title in titles] == ["Björk - Jóga, live", "2"]
    tagged: Any = WAVE(tmp_path / "1.wav")  # type: ignore[no-untyped-call]
    tagged.add_tags()
    tagged.tags.add(TIT2(encoding=3, text="Of the tag"))  # type: ignore[no-untyped-call]
    tagged.save()
    _, titles = heard(open_playlist(tmp_path / name, pace="fast"))
    assert [title for _, title in titles] == ["Of the tag", "2"]


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    short_files(tmp_path / "disk", "1.wav")
    (tmp_path / "disk" / "up").symlink_to(tmp_path)
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "a").symlink_to(tmp_path / "disk")
    (tmp_path / "music" / "b").symlink_to("a")
    (tmp_path / "music" / "gone").symlink_to("nowhere")
    found = list_files(tmp_path / "music")
    assert found.files == [tmp_path / "music" / "a" / "1.wav"]
    assert found.problems == []


def test_nested_lists_and_entries_that_are_not_files_are_handled(tmp_path: Path) -> None:
    short_files(tmp_path / "album", "1.wav", "2.wav")
    (tmp_path / "inner.pls").write_text("[playlist]\nFile1=outer.m3u\nFile2=album/2.wav\n")
    (tmp_path / "outer.m3u").write_text(
        "inner.pls\nalbum/1.wav\nftp://x/y.mp3\nhttp://radio/x\nno.m3u\n/\n"
    )
    listing = list_files(tmp_path / "outer.m3u")
    assert [file.name for file in listing.files] == ["2.wav", "1.wav"]
    assert listing.streams == ["http://radio/x"]
    for problem, words in zip(
        listing.problems,
        ["contains itself", "'ftp://x/y.mp3' is not a file", "no.m3u", "'/' is not a file"],
        strict=True,
    ):
        assert words in problem


def test_a_local_list_of_stations_is_a_radio_input(tmp_path: Path) -> None:
    path = tmp_path / "jazz.m3u"
    path.write_text("#EXTM3U\nhttp://user:secret@radio.example/jazz\n")
    source, _ = open_input(StationSettings(input=str(path)))
    assert isinstance(source, RadioSource)
    assert source.name == "jazz.m3u"


def test_huge_lists_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "MAX_ENTRIES", 1000)
    began = time.process_time()
    line = tmp_path / "line.m3u"
    with line.open("wb") as file:
        file.truncate(1 << 30)  # 1 GB of zeros in one line, without the disk for it
    assert list_files(line).files == []
    many = tmp_path / "many.m3u"
    many.write_text("x.wav\n" * 1_000_000)
    listing = list_files(many)
    assert len(listing.files) == 1000
    assert "only the first" in listing.problems[0]
    for depth in range(6):  # each names the next one ten times
        (tmp_path / f"{depth}.m3u").write_text(f"{depth + 1}.m3u\n" * 10)
    (tmp_path / "6.m3u").write_text("x.wav\n" * 10)
    assert list_files(tmp_path / "0.m3u").looked_at <= 1010
    assert time.process_time() - began < 60  # seconds of this process, however busy the machine


@pytest.mark.parametrize(
    "piece", ["\n", " ", "<", "<location>", "<ref ", "<ref href", "file1=", "[playlist]\nfile", "&"]
)
def test_reading_time_is_proportional_to_the_text(piece: str) -> None:
    for text in (piece, "<" + piece, "[playlist]\n" + piece):
        began = time.process_time()
        with suppress(InputError):  # too many lines
            for _ in entries(text * (MAX_BYTES // 8 // len(text))):
                pass
        assert time.process_time() - began < 20  # a quadratic reader takes hours


PIECES = (
    *("<location>", "</location>", "<ref href='", "file1=", "[playlist]\n", "\n", "#EXTM3U", "\\"),
    *("file://", "%00", "\0", "../", "/dev/zero", "\udc80", "&#xd800;", "http://[", "a.m3u"),
)
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=20).map("".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lists")


@given(text=TEXTS, name=st.sampled_from(["a.m3u", "a.pls", "a.xspf", "a.asx"]))
def test_no_text_breaks_the_list_reader(folder: Path, text: str, name: str) -> None:
    path = folder / name
    path.write_bytes(text.encode("utf-8", errors="surrogateescape"))
    listing = list_files(path)
    assert all(isinstance(file, Path) for file in listing.files)
    assert listing.looked_at <= len(text)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"ID3\x04\x00\x00\x00\x00\x01\x00TIT2\0\0\0"])
)
def test_no_bytes_break_the_id3_reader(data: bytes, head: bytes) -> None:
    title = id3_title(head + data)
    assert title is None or title.title
