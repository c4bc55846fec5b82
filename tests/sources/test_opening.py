"""How much of a stream is read until its format is known."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import av
import pytest
from support.paced_radio import write_mp3

from streamgenre.sources.links import LimitedReader
from streamgenre.sources.stream.opening import open_stream

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("audio") / "a.mp3"
    write_mp3(path, 12)
    return path.read_bytes()


def opened(data: bytes) -> tuple[str, int]:
    """Open a stream that sends a packet at a time; return its codec, and the bytes it took."""
    source = io.BytesIO(data)
    reader = LimitedReader(lambda size: source.read(min(size, 1400)), 1 << 24, "radio")
    with open_stream(reader, "radio", 10) as container:
        return container.streams.audio[0].codec_context.name, source.tell()


@pytest.mark.parametrize("start", [0, 100, *range(1000, 1418, 13), 20_001])
def test_a_stream_that_begins_within_a_frame_is_known_after_two_seconds(
    mp3: bytes, start: int
) -> None:
    codec, taken = opened(mp3[start:])
    assert codec == "mp3float"
    assert taken < 2 * 16_000


def test_a_long_tag_hides_no_other_format(tmp_path: Path, mp3: bytes) -> None:
    with av.open(io.BytesIO(mp3), "r") as source, av.open(str(tmp_path / "a.aac"), "w") as target:
        stream = target.add_stream("aac", rate=44_100)
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    size = 200_000
    head = b"ID3\3\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    picture = b"APIC" + (size - 10).to_bytes(4, "big") + b"\0\0" + b"\0image/jpeg\0\3\0"
    tag = head + picture + os.urandom(size - len(picture))
    codec, _ = opened(tag + (tmp_path / "a.aac").read_bytes())
    assert codec == "aac"
