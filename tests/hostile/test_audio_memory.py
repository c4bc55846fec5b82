"""No header of a file or stream decides how much memory is used."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.commands import events_of, free_endpoint, start
from support.flac_frames import flac
from support.fuzzing import examples
from support.live import end, until
from support.radio_server import MisbehavingServer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

MOST_MB: Final = 40.0
SCRIPT: Final = Path(__file__).parents[1] / "support" / "decoder_memory.py"
NUMBERS: Final = (
    *(0, 1, 2, 4, 8, 16, 60, 64, 65, 255, 256, 4_000, 44_100, 65_535, 65_536, 192_000),
    *(767_999, 768_000, 768_001, 2**24, 2**31 - 1, 2**31, 2**32 - 1),
)
SOUND: Final = bytes(range(256)) * 256


@pytest.fixture(scope="module")
def decoder() -> Iterator[Callable[..., dict[str, Any]]]:
    """A process that decodes a file and says how much memory that took."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def decode(path: Path, *wanted: int | str) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\t".join(map(str, (path, *wanted))) + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    yield decode
    end(process)


def wav(tag: int, channels: int, rate: int, bits: int, block: int, size: int) -> bytes:
    head = struct.pack(
        "<HHIIHH", tag, channels, rate, (rate * block) & 0xFFFFFFFF, block & 0xFFFF, bits
    )
    chunks = b"fmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", size) + b"WAVE" + chunks + SOUND


def w64(tag: int, channels: int, rate: int, bits: int, block: int, size: int) -> bytes:
    guid = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    head = struct.pack(
        "<HHIIHH", tag, channels, rate, (rate * block) & 0xFFFFFFFF, block & 0xFFFF, bits
    )
    return (
        b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00" + struct.pack("<Q", size)
        + b"wave" + guid + b"fmt " + guid + struct.pack("<Q", 24 + len(head)) + head
        + b"data" + guid + struct.pack("<Q", size << 8) + SOUND
    )  # fmt: skip


def au(tag: int, channels: int, rate: int, bits: int, block: int, size: int) -> bytes:
    return b".snd" + struct.pack(">IIIII", 24, size, bits % 28, rate, channels) + SOUND


def caf(tag: int, channels: int, rate: int, bits: int, block: int, size: int) -> bytes:
    name = (b"lpcm", b"alac", b"ima4", b"ulaw")[tag % 4]
    desc = struct.pack(">d4sIIIII", rate, name, tag & 3, block, size, channels, bits)
    return (
        b"caff\0\1\0\0desc" + struct.pack(">Q", len(desc)) + desc
        + b"pakt" + struct.pack(">QQQII", 24, size << 16, size << 16, 0, 0)
        + b"data" + struct.pack(">Q", size << 8) + bytes(4) + SOUND
    )  # fmt: skip


def aiff(tag: int, channels: int, rate: int, bits: int, block: int, size: int) -> bytes:
    exponent = max(1, rate).bit_length() - 1
    extended = struct.pack(">HQ", 16383 + exponent, (max(1, rate) << 63) >> exponent)
    comm = struct.pack(">HIH", channels, size, bits) + extended
    return (
        b"FORM" + struct.pack(">I", size) + b"AIFFCOMM" + struct.pack(">I", len(comm)) + comm
        + b"SSND" + struct.pack(">III", size, 0, 0) + SOUND
    )  # fmt: skip


def flac_header(tag: int, channels: int, rate: int, bits: int, block: int, size: int) -> bytes:
    whole = flac(rate & 0xFFFFF, 1 + channels % 8, block=max(16, block & 0xFFFF))
    return b"fLaC" + struct.pack(">I", (tag % 7) << 24 | size & 0xFFFFFF) + bytes(64) + whole


def id3(tag: int, channels: int, rate: int, bits: int, block: int, size: int) -> bytes:
    picture = b"APIC" + struct.pack(">IH", size & 0x7F7F7F7F, tag & 0xFF) + b"\0image/png\0\3\0"
    return b"ID3" + bytes([2 + tag % 3, 0, bits & 0xFF]) + b"\x7f\x7f\x7f\x7f" + picture + SOUND


def mp4(tag: int, channels: int, rate: int, bits: int, block: int, size: int) -> bytes:
    def box(name: bytes, data: bytes, stated: int | None = None) -> bytes:
        return struct.pack(">I", len(data) + 8 if stated is None else stated) + name + data

    entry = bytes(6) + struct.pack(
        ">H8xHHHHI", 1, channels, bits & 0xFFFF, 0, 0, (rate & 0xFFFF) << 16
    )
    alac = struct.pack(
        ">IIBBBBBBHIII", 0, size, 0, 16, 40, 10, 14, channels & 0xFF, 255, 0, 0, rate
    )
    names = (b"alac", b"sowt", b"mp4a", b"fLaC")
    stsd = box(names[tag % 4], entry + box(b"alac", alac))
    table = struct.pack(">II", 0, size)
    stbl = box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1) + stsd)
        + box(b"stts", table + struct.pack(">II", size, block), 16 + 8 * min(size, 2**28))
        + box(b"stsc", table + struct.pack(">III", 1, size, 1))
        + box(b"stsz", struct.pack(">III", 0, block, size))
        + box(b"stco", table + struct.pack(">I", 48)),
    )
    mdhd = struct.pack(">IIIIIHH", 0, 0, 0, rate, size, 0, 0)
    minf = box(b"minf", box(b"smhd", bytes(8)) + stbl)
    hdlr = box(b"hdlr", bytes(8) + b"soun" + bytes(13))
    trak = box(b"trak", box(b"mdia", box(b"mdhd", mdhd) + hdlr + minf))
    return box(b"ftyp", b"M4A \0\0\0\0M4A ") + box(b"mdat", SOUND[:4096]) + box(b"moov", trak)


BUILDERS: Final = (wav, w64, au, caf, aiff, flac_header, id3, mp4)
numbers = st.sampled_from(NUMBERS)


@examples(250)
@given(
    build=st.sampled_from(BUILDERS),
    fields=st.tuples(
        st.sampled_from((0, 1, 2, 3, 6, 7, 17, 80, 85, 255, 353, 0x2000, 0x9999, 0xFFFE, 0xFFFF)),
        st.sampled_from((0, 1, 2, 8, 9, 60, 64, 65, 255, 256, 32_768, 65_535)),
        numbers,
        st.sampled_from((0, 1, 4, 8, 16, 24, 32, 64, 65_535)),
        numbers,
        numbers,
    ),
    wanted=st.sampled_from(((), (384_000, 1), (48_000, 8), (4_000, 2))),
)
@example(build=wav, fields=(1, 2, 4, 16, 4, 65_536), wanted=())
@example(build=wav, fields=(1, 2, 0, 16, 4, 65_536), wanted=())
@example(build=wav, fields=(1, 2, 2**31, 16, 4, 65_536), wanted=())
@example(build=wav, fields=(1, 65_535, 44_100, 16, 65_535, 65_536), wanted=())
@example(build=wav, fields=(1, 1, 4_000, 8, 1, 65_536), wanted=(384_000, 1))
@example(build=wav, fields=(0x9999, 2, 44_100, 16, 4, 65_536), wanted=())
def test_no_field_of_a_header_takes_memory(
    decoder: Callable[..., dict[str, Any]],
    tmp_path: Path,
    build: Callable[..., bytes],
    fields: tuple[int, ...],
    wanted: tuple[int, ...],
) -> None:
    tag, channels, rate, bits, block, size = fields
    path = tmp_path / "a.bin"
    path.write_bytes(build(tag, channels, rate, bits, block, size))
    found = decoder(path, *wanted)
    assert found["grown_mb"] < MOST_MB, found
    assert "NoneType" not in found["problem"]


@pytest.mark.parametrize("block", [16, 65_535])
@pytest.mark.parametrize("wanted", [(), (384_000, 1), (48_000, 8)])
@pytest.mark.parametrize(("rate", "channels"), [(768_000, 8), (4_000, 8), (4_000, 1)])
def test_no_frame_size_takes_memory(
    decoder: Callable[..., dict[str, Any]],
    tmp_path: Path,
    rate: int,
    channels: int,
    wanted: tuple[int, ...],
    block: int,
) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(flac(rate, channels, block=block, frames=127))
    found = decoder(path, *wanted)
    assert found["grown_mb"] < MOST_MB, found
    assert found["seconds"] > 0
    assert found["rate"] * found["channels"] <= 400_000


CLAIMS: Final = {
    "picture in ID3": b"ID3\x03\0\0\x7f\x7f\x7f\x7fAPIC\x0f\xff\xff\xf0\0\0\0image/png\0\3\0",
    "text in ID3": b"ID3\x04\0\0\x7f\x7f\x7f\x7fTXXX\x7f\x7f\x7f\x00\0\0\3",
    "unsynchronised ID3": b"ID3\x03\x80\0\x7f\x7f\x7f\x7fTIT2\x0f\xff\xff\xf0\0\0\0",
    "tag in WAV": b"RIFF\xff\xff\xff\x7fWAVELIST\xf0\xff\xff\x7fINFOINAM\xe0\xff\xff\x7f",
    "description in WAV": b"RIFF\xff\xff\xff\x7fWAVEbext\xf0\xff\xff\x7f",
    "codec data in WAV": b"RIFF\xff\xff\xff\x7fWAVEfmt \xf0\xff\xff\x7f\xfe\xff\2\0\x44\xac\0\0"
    b"\x10\xb1\2\0\4\0\x10\0\xff\xff",
    "name in AIFF": b"FORM\x7f\xff\xff\xffAIFFNAME\x7f\xff\xff\xf0",
    "codec data in CAF": b"caff\0\1\0\0desc\0\0\0\0\0\0\0\x20\x40\xe5\x88\x80\0\0\0\0aac \0\0\0\0"
    b"\0\0\0\0\0\0\4\0\0\0\0\2\0\0\0\0kuki\0\0\0\0\x7f\xff\xff\xf0",
    "header of AU": b".snd\x7f\xff\xff\xf0\xff\xff\xff\xff\0\0\0\3\0\0\xac\x44\0\0\0\2",
    "picture in MP4": b"\0\0\0\x14ftypM4A \0\0\0\0M4A \x1f\xff\xff\xffmoov\x1f\xff\xff\xf0udta"
    b"\x1f\xff\xff\x00meta\0\0\0\0\x1f\xff\xfe\x00ilst\x1f\xff\xfd\x00covr\x1f\xff\xfc\x00data"
    b"\0\0\0\x0d\0\0\0\0",
    "codec data in Matroska":
    b"\x1a\x45\xdf\xa3\x84\x42\x82\x81m\x18\x53\x80\x67\x08\xff\xff\xff\xff\xff"
    b"\xff\xff\x16\x54\xae\x6b\x08\x0f\xff\xff\xff\xff\xff\xff\xae\x08\x0f\xff\xff\xff\xff\xff\xff"
    b"\x63\xa2\x08\x0f\xff\xff\xff",
    "table of Monkey's Audio": b"MAC \x96\x0f\0\0\x34\0\0\0\x18\0\0\0\xff\xff\xff\x0f" + bytes(28)
    + b"\xd0\7\0\0\0\x20\1\0\0\0\0\0\xff\xff\xff\x0f\x10\0\2\0\x44\xac\0\0",
    "table of TTA": b"TTA1\1\0\2\0\x10\0\x40\x42\x0f\0\xff\xff\xff\x7f\0\0\0\0",
    "block of WavPack": b"wvpk\xff\xff\xff\x7f\x10\4\0\0\xff\xff\xff\x7f\0\0\0\0\xff\xff\xff\x7f",
    "block of DSF": b"DSD \x1c" + bytes(7) + b"\xff\xff\xff\x7f\0\0\0\0\xff\xff\xff\x3f\0\0\0\0",
}  # fmt: skip
"""Headers that claim hundreds of megabytes."""


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("way", ["file", "pipe"])
def test_what_a_header_claims_is_not_allocated(
    decoder: Callable[..., dict[str, Any]], tmp_path: Path, claim: str, way: str
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(CLAIMS[claim] + bytes(1 << 20))
    found = decoder(path) if way == "file" else decoder(path, "pipe")
    assert found["grown_mb"] < MOST_MB, found
    assert "internal error" not in found["problem"]


def memory_mb(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(field)[1].split()[0]) / 1024


def test_a_station_that_changes_its_format_takes_no_memory(
    stateful_folder: Path, tmp_path: Path
) -> None:
    """A server that first sends 768 kHz in eight channels, then long frames at 4 kHz."""
    answers = count()
    hostile = threading.Event()

    def behave(connection: socket.socket, request: bytes) -> None:
        del request
        hostile.wait(60)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: audio/flac\r\n\r\n")
        high = next(answers) == 0
        connection.sendall(
            flac(768_000, 8, block=65_535, frames=40)
            if high
            else flac(4_000, 1, block=65_535, frames=120)
        )

    def well(connection: socket.socket, request: bytes) -> None:
        del request
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: audio/flac\r\n\r\n")
        for _ in range(4):
            connection.sendall(flac(44_100, 2, frames=127))

    bad, good = MisbehavingServer(behave), MisbehavingServer(well)
    out = tmp_path / "events"
    with out.open("w") as file:
        process = start(
            *("listen", "--model", stateful_folder, "--input", f"good={good.url}"),
            *("--input", f"bad={bad.url}", "--json", "--publish", free_endpoint()),
            stdout=file,
        )
        try:

            def events(station: str, kind: str) -> list[dict[str, Any]]:
                *whole, _ = out.read_text().split("\n")
                found = events_of("\n".join(whole))
                return [e for e in found if (e["station"], e["type"]) == (station, kind)]

            def lines(station: str, state: str) -> int:
                return sum(event["state"] == state for event in events(station, "source"))

            def updates(station: str) -> int:
                return len(events(station, "update"))

            until(lambda: lines("good", "live"), 60)
            before = memory_mb(process.pid, "VmRSS:")
            hostile.set()
            until(lambda: lines("bad", "live") >= 2, 60)
            heard = updates("bad")
            until(lambda: updates("bad") >= heard + 8, 60)
            assert process.poll() is None
            assert memory_mb(process.pid, "VmHWM:") - before < MOST_MB
        finally:
            end(process)
            bad.close()
            good.close()
