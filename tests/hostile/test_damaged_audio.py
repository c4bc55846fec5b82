"""Audio that is there is heard: damage costs only what it hits, and a file ends where it ends."""

from __future__ import annotations

import random
import subprocess
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audio import music, write_wav
from support.commands import events_of, free_endpoint, streamgenre
from support.fuzzing import examples
from support.requirements import require_programs

from streamgenre.audio.ring import Gap
from streamgenre.errors import InputError
from streamgenre.sources.damage import DamageCounter
from streamgenre.sources.files.file import FilePlayer
from streamgenre.sources.links import FLAC_START, FlacChain
from streamgenre.sources.titles import Title

if TYPE_CHECKING:
    from pathlib import Path

CODECS: Final = {
    "aac": ("-f", "adts"),
    "mp3": (),
    "mp2": (),
    "flac": (),
    "ogg": ("-c:a", "libvorbis"),
    "opus": (),
    "m4a": ("-movflags", "faststart"),
    "ac3": (),
    "eac3": (),
    "wav": ("-c:a", "adpcm_ms"),
    "wv": (),
    "tta": (),
    "mka": ("-c:a", "aac"),
    "ts": (),
    "wma": (),
    "webm": ("-c:a", "libopus"),
    "oga": ("-c:a", "flac"),
    "flv": ("-c:a", "adpcm_swf"),
    "avi": (),
}
SECONDS: Final = 12


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with twelve seconds of music in every codec."""
    require_programs("ffmpeg")
    folder = tmp_path_factory.mktemp("whole")
    wav = write_wav(folder / "source.wav", np.stack([music(SECONDS)] * 2, axis=1))
    for suffix, flags in CODECS.items():
        subprocess.run(
            ["ffmpeg", "-v", "error", "-i", wav, *flags, folder / f"a.{suffix}"], check=True
        )
    return folder


def play(path: Path) -> tuple[float, float, FilePlayer, str]:
    """Return the seconds that play, those of gaps, the player, and what is said of damage."""
    damage = DamageCounter()
    player = FilePlayer(path, damage)
    samples = gaps = 0
    for item in player.items():
        if isinstance(item, Gap):
            gaps += item.samples
        elif not isinstance(item, Title):
            samples += len(item)
    assert player.format is not None
    return samples / player.format.rate, gaps / player.format.rate, player, str(damage)


def seconds_of_ffmpeg(path: Path) -> float:
    """Return how much of a file FFmpeg itself decodes, in seconds."""
    done = subprocess.run(
        ["ffmpeg", "-v", "quiet", "-i", path, "-f", "s16le", "-ac", "1", "-ar", "8000", "-"],
        capture_output=True,
        check=False,
    )
    return len(done.stdout) / 16_000


def scratched(data: bytes, number: int, seed: int) -> bytes:
    """Return data with some scratches of 30 bytes, evenly spread."""
    chance = random.Random(seed)
    out = bytearray(data)
    for scratch in range(number):
        at = len(data) * (scratch + 1) // (number + 1)
        out[at : at + 30] = chance.randbytes(30)
    return bytes(out)


# ---- damage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("seed", [0, 1])
def test_scratches_cost_no_more_than_in_ffmpeg(
    tmp_path: Path, whole: Path, suffix: str, seed: int
) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(scratched((whole / f"a.{suffix}").read_bytes(), 4, seed))
    heard, gaps, player, _ = play(path)
    assert player.error is None
    assert heard >= seconds_of_ffmpeg(path) - 0.1
    assert heard + gaps <= SECONDS + 0.5


HOLED: Final = ("flac", "ogg", "opus", "oga", "mka", "webm", "ts", "wma", "flv", "tta")


@pytest.mark.parametrize("suffix", HOLED)
@pytest.mark.parametrize("kind", ["zeros", "scratches"])
def test_what_a_container_drops_is_a_gap_of_its_length(
    tmp_path: Path, whole: Path, suffix: str, kind: str
) -> None:
    """FFmpeg leaves out damaged pages, clusters and frames without an error."""
    data = (whole / f"a.{suffix}").read_bytes()
    if kind == "scratches":
        data = scratched(data, 3, 5)
    else:
        start, length = len(data) // 3, len(data) // 6
        data = data[:start] + bytes(length) + data[start + length :]
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(data)
    heard, gaps, player, damage = play(path)
    assert heard + gaps == pytest.approx(SECONDS, abs=1.3)  # the last page of Ogg may be damaged
    assert player.error is None
    assert bool(gaps) == bool(damage)


def test_a_file_that_does_not_start_at_zero_is_whole(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "later.mkv"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", whole / "a.flac", "-output_ts_offset", "5", path],
        check=True,
    )
    heard, gaps, player, _ = play(path)
    assert heard == pytest.approx(SECONDS, abs=0.1)
    assert (gaps, player.shortfall) == (0, "")


@pytest.mark.parametrize("suffix", ["ts", "eac3", "mp3", "mka"])
def test_damage_does_not_become_noise_far_above_full_scale(
    tmp_path: Path, whole: Path, suffix: str
) -> None:
    data = (whole / f"a.{suffix}").read_bytes()
    chance = random.Random(9)
    for _ in range(12):
        damaged = bytearray(data)
        for _ in range(120):
            damaged[chance.randrange(3000, len(data))] ^= 1 << chance.randrange(8)
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(damaged)
        blocks = list(FilePlayer(path, DamageCounter()).items())
        peaks = [np.abs(item).max() for item in blocks if not isinstance(item, Gap | Title)]
        assert max(peaks) <= 4


ERRORS: Final = ("EOFError", "UndefinedError", "PermissionError", "PatchWelcomeError")


@pytest.mark.parametrize("error", [*ERRORS, "MemoryError", "ArgumentError", "BugError"])
def test_any_error_of_a_decoder_is_one_damaged_packet(
    whole: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    """FFmpeg's decoders return any of these for damaged data; here for every hundredth packet."""
    import av

    from streamgenre.sources import decoding

    number = 0
    decode = decoding._decoded

    def damaged(packet: Any) -> list[Any]:
        nonlocal number
        number += 1
        if number % 100 == 50:
            raise getattr(av.error, error)(1, "as FFmpeg says")
        return decode(packet)

    monkeypatch.setattr(decoding, "_decoded", damaged)
    heard, gaps, player, damage = play(whole / "a.aac")
    assert damage == " (5 damaged packets skipped)"
    assert gaps == pytest.approx(5 * 1024 / 44_100, abs=1e-3)
    assert heard + gaps == pytest.approx(SECONDS, abs=0.1)
    assert player.error is None
    assert player.shortfall == ""


def test_the_damage_is_counted_and_published_as_gaps(
    tmp_path: Path, whole: Path, stateful_folder: Path
) -> None:
    path = tmp_path / "a.aac"
    path.write_bytes(scratched((whole / "a.aac").read_bytes(), 4, 3))
    done = streamgenre(
        *("listen", "--model", stateful_folder, "--json", "--publish", free_endpoint()),
        *("--pace", "fast", "--input", path),
    )
    assert done.returncode == 0, done.stderr
    events = events_of(done.stdout)
    gaps = [event for event in events if event["type"] == "gap"]
    assert gaps
    assert {gap["reason"] for gap in gaps} == {"source"}
    assert 0 < sum(gap["samples"] for gap in gaps) < 0.5 * 44_100
    ended = next(e for e in events if e["type"] == "source" and e["state"] == "ended")
    assert "end of file (" in ended["detail"]
    assert "damaged packet" in ended["detail"]
    updates = [event for event in events if event["type"] == "update"]
    assert updates[-1]["stream_time"] == pytest.approx(SECONDS, abs=0.6)


@examples(60)
@given(
    suffix=st.sampled_from(sorted(CODECS)),
    places=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=40)), max_size=12),
    cut=st.floats(0.2, 1),
)
def test_no_damage_raises_anything_but_an_input_error(
    tmp_path: Path, whole: Path, suffix: str, places: list[tuple[float, bytes]], cut: float
) -> None:
    data = bytearray((whole / f"a.{suffix}").read_bytes())[:300_000]
    for place, scratch in places:
        at = int(place * (len(data) - len(scratch)))
        data[at : at + len(scratch)] = scratch
    path = tmp_path / f"b.{suffix}"
    path.write_bytes(data[: int(cut * len(data))])
    try:
        play(path)
    except InputError as error:
        assert str(path) in str(error)  # noqa: PT017 - either outcome is right
    except AssertionError:
        pass  # nothing could be decoded


# ---- the end ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", CODECS)
def test_a_whole_file_ends_at_its_end(whole: Path, suffix: str) -> None:
    heard, gaps, player, damage = play(whole / f"a.{suffix}")
    assert heard == pytest.approx(SECONDS, abs=0.1)
    assert (gaps, player.shortfall, player.error, damage) == (0, "", None, "")


@pytest.mark.parametrize("suffix", sorted(set(CODECS) - {"ac3", "eac3"}))
@pytest.mark.parametrize("share", [0.31, 0.777])
def test_a_file_that_is_cut_short_is_not_said_to_be_at_its_end(
    tmp_path: Path, whole: Path, suffix: str, share: float
) -> None:
    data = (whole / f"a.{suffix}").read_bytes()
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(data[: int(share * len(data)) + 1])
    heard, _, player, _ = play(path)
    assert heard == pytest.approx(share * SECONDS, abs=1.3)  # a page of Ogg holds a second
    assert "cut short" in player.shortfall


@pytest.mark.parametrize(
    ("name", "words"),
    [("wav", "cut short"), ("m4a", "it lacks its index (moov)"), ("mp3", "cut short")],
)
def test_the_end_is_told_by_the_daemon(
    tmp_path: Path, whole: Path, stateful_folder: Path, name: str, words: str
) -> None:
    path = tmp_path / f"a.{name}"
    if name == "m4a":
        wav = write_wav(tmp_path / "s.wav", music(5))
        subprocess.run(["ffmpeg", "-v", "error", "-i", wav, path], check=True)
    else:
        path.write_bytes((whole / f"a.{name}").read_bytes())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 + 1])
    done = streamgenre(
        *("listen", "--model", stateful_folder, "--json", "--publish", free_endpoint()),
        *("--pace", "fast", "--input", path),
    )
    assert "end of file" not in done.stdout
    assert words in done.stdout + done.stderr
    assert done.returncode == (1 if name == "m4a" else 0)


# ---- joined files -------------------------------------------------------------------------------


def piece(folder: Path, name: str, seconds: float, rate: int, channels: int, *flags: str) -> bytes:
    wav = write_wav(
        folder / "p.wav", np.repeat(music(seconds, rate=rate)[:, None], channels, axis=1), rate
    )
    path = folder / name
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", wav, *flags, path], check=True)
    return path.read_bytes()


def titled(title: str) -> tuple[str, ...]:
    return "-metadata", f"title={title}", "-metadata", "artist=A"


def test_all_links_of_an_ogg_file_play_under_their_titles(
    tmp_path: Path, stateful_folder: Path
) -> None:
    """With other rates, channels and codecs."""
    require_programs("ffmpeg")
    vorbis = ("-c:a", "libvorbis")
    data = piece(tmp_path, "1.ogg", 3, 44_100, 2, *vorbis, *titled("One"))
    data += piece(tmp_path, "2.ogg", 4, 22_050, 1, *vorbis, *titled("Two"))
    data += piece(tmp_path, "3.opus", 3, 48_000, 2, *titled("Three"))
    data += piece(tmp_path, "4.oga", 2, 32_000, 1, "-c:a", "flac", *titled("Four"))
    path = tmp_path / "c.ogg"
    path.write_bytes(data)
    done = streamgenre(
        *("listen", "--model", stateful_folder, "--json", "--publish", free_endpoint()),
        *("--pace", "fast", "--input", path),
    )
    assert done.returncode == 0, done.stderr
    events = events_of(done.stdout)
    titles = [(e["stream_time"], e["title"]) for e in events if e["type"] == "title"]
    assert [title for _, title in titles] == ["One", "Two", "Three", "Four"]
    assert [at for at, _ in titles] == pytest.approx([0, 3, 7, 10], abs=0.1)
    ended = next(e for e in events if e["type"] == "source" and e["state"] == "ended")
    assert ended["detail"] == "end of file"
    assert [e["stream_time"] for e in events if e["type"] == "update"][-1] == pytest.approx(12)


@pytest.mark.parametrize("suffix", ["mp3", "aac", "flac", "wav", "aiff", "caf", "m4a", "ogg"])
def test_joined_files_play_to_the_end_of_the_last(tmp_path: Path, suffix: str) -> None:
    require_programs("ffmpeg")
    path = tmp_path / f"c.{suffix}"
    path.write_bytes(
        piece(tmp_path, f"1.{suffix}", 3, 44_100, 2) + piece(tmp_path, f"2.{suffix}", 4, 22_050, 1)
    )
    heard, _, player, _ = play(path)
    assert heard == pytest.approx(7, abs=0.15)
    assert player.shortfall == ""
    assert player.error is None


def test_a_damaged_link_costs_itself_only(tmp_path: Path) -> None:
    require_programs("ffmpeg")
    pieces = [piece(tmp_path, f"{n}.ogg", 2, 44_100, 2) for n in range(3)]
    pieces[1] = pieces[1][:28] + bytes(200) + pieces[1][228:]
    path = tmp_path / "c.ogg"
    path.write_bytes(b"".join(pieces))
    heard, _, player, _ = play(path)
    assert heard == pytest.approx(4, abs=0.1)
    assert player.error is not None


def test_thousands_of_broken_links_are_given_up(tmp_path: Path) -> None:
    require_programs("ffmpeg")
    page = b"OggS\0\2" + bytes(8) + b"abcd" + bytes(8) + b"\1\1x"
    body = b"OggS\0\0" + bytes(8) + b"abcd\1\0\0\0" + bytes(4) + b"\1\1x"
    path = tmp_path / "c.ogg"
    path.write_bytes(piece(tmp_path, "1.ogg", 2, 44_100, 2) + 100_000 * (page + body))
    heard, _, player, _ = play(path)
    assert heard == pytest.approx(2, abs=0.1)
    assert player.error is not None


@given(
    pieces=st.lists(st.binary(max_size=40), max_size=5),
    cuts=st.lists(st.integers(1, 12), max_size=80),
)
def test_flac_is_split_however_it_arrives(pieces: list[bytes], cuts: list[int]) -> None:
    wanted = [FLAC_START + bytes(byte for byte in each if byte != FLAC_START[0]) for each in pieces]
    data, chain, links = b"".join(wanted), FlacChain(), [b""]
    for size in [*cuts, max(1, len(data))]:
        first, *others = chain.push(data[:size])
        data = data[size:]
        links[-1] += first
        links += others
    links[-1] += chain.flush()
    assert links == (wanted or [b""])
