"""A stream is read when a hop can be complete, and all that was received is decoded together."""

from __future__ import annotations

import io
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.live import until
from support.paced_radio import write_mp3

from streamgenre.audio.ring import Gap, GapReason, Ring
from streamgenre.sources.base import Demand
from streamgenre.sources.container import open_container
from streamgenre.sources.damage import DamageCounter
from streamgenre.sources.decoding import Blocks, audio_stream
from streamgenre.sources.stream.http_response import Response
from streamgenre.sources.stream.icy_reader import IcyReader, pause_before
from streamgenre.sources.stream.radio import RadioSource

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

RATE = 8_000


def waiting(at: int, *, written: int, lost: int = 0) -> tuple[RadioSource, list[str]]:
    """A source whose ring has some samples, and what it told the engine, which waits for more."""
    source, told = RadioSource("http://127.0.0.1:1/"), list[str]()
    source.rate, source.channels, source.ring = RATE, 1, Ring(4 * RATE, 1)
    source.ring.write(np.zeros((written, 1), np.float32))
    source.ring.mark_lost(lost, GapReason.SOURCE)
    source.demand = Demand(at, RATE, lambda: told.append("reached"))
    return source, told


@pytest.mark.parametrize(
    ("written", "lost", "lacking_s"),
    [(0, 0, 1.0), (6_000, 0, 0.25), (2_000, 4_000, 0.25), (8_000, 0, 1.0), (18_000, 0, 0.75)],
)
def test_the_end_of_a_hop_is_known_even_if_the_engine_is_late(
    written: int, lost: int, lacking_s: float
) -> None:
    source, _ = waiting(RATE, written=written, lost=lost)
    assert source.lacking_s() == lacking_s


def test_without_a_hop_nothing_is_lacking() -> None:
    source, _ = waiting(RATE, written=10)
    source.demand = None
    assert source.lacking_s() is None


def test_the_engine_learns_of_a_complete_hop_a_title_and_a_new_state() -> None:
    source, told = waiting(RATE, written=RATE - 1)
    source.notify()
    assert told == []
    assert source.ring is not None
    source.ring.write(np.zeros((1, 1), np.float32))
    source.notify()
    assert told == ["reached"]
    source.set_state("live")
    source.set_state("live")  # nothing new
    assert told == ["reached"] * 2


def reader(size: int, lacking_s: float) -> IcyReader:
    """A reader of an endless stream that always has as many bytes as are asked for, up to one."""
    endless: Any = SimpleNamespace(read=lambda most, _: bytes(min(most, size)))
    return IcyReader(Response(endless, {}, ""), 1e9, lacking_s=lambda: lacking_s)


def test_nothing_is_read_before_the_hop_can_be_complete() -> None:
    stream = reader(4_000, 0.3)
    stream.read(4_000)
    before = stream.read_at
    stream.read(4_000)
    assert before is not None
    assert stream.read_at is not None
    assert stream.read_at - before >= 0.3


def test_a_late_last_piece_is_read_as_it_comes() -> None:
    assert pause_before(0.9) > 0.9  # servers send in pieces
    assert pause_before(0.05) == 0.05  # it should be there already
    assert 0 < pause_before(0.0) < 0.02


def test_a_stream_of_many_bytes_is_read_more_often() -> None:
    """Else the system's buffer would be full, and the server would have to wait."""
    stream = reader(65_536, 1e6)
    done = threading.Event()

    def read_on() -> None:
        for _ in range(4):
            stream.read(65_536)
        done.set()

    threading.Thread(target=read_on, daemon=True).start()
    until(done.is_set)


def test_a_pause_ends_with_the_stream() -> None:
    stream = reader(1, 1e6)  # so few bytes that they would wait for an hour
    stream.read(1)
    thread = threading.Thread(target=stream.read, args=(1,), daemon=True)
    thread.start()
    stream.abort()
    until(lambda: not thread.is_alive())


def test_what_was_received_is_decoded_before_more_is_read(tmp_path: Path) -> None:
    file = tmp_path / "song.mp3"
    write_mp3(file, 5)
    data = file.read_bytes()

    class Received:
        """Bytes in pieces; what is joined is taken before each."""

        def __init__(self) -> None:
            self.stream, self.joining = io.BytesIO(data), list[Blocks]()
            self.taken: list[float] = []

        def read(self, size: int) -> bytes:
            for each in self.joining:
                self.taken.append(take(each.joined()))
            return self.stream.read(min(size, 16_000))

    samples: list[NDArray[np.float32]] = []

    def take(items: Iterable[NDArray[np.float32] | Gap]) -> float:
        new = [item for item in items if not isinstance(item, Gap)]
        samples.extend(new)
        return sum(map(len, new)) / 44_100

    def decoded(joined_s: float) -> tuple[NDArray[np.float32], list[float]]:
        samples.clear()
        received = Received()
        with open_container(received, demuxer="mp3") as container:
            stream, wanted = audio_stream(container, "x")
            blocks = Blocks(container, stream, wanted, DamageCounter(), joined_s=joined_s)
            received.joining.append(blocks)
            take(blocks)
        return np.concatenate(samples), received.taken

    together, taken = decoded(1e9)
    assert any(0.8 < seconds < 1.2 for seconds in taken)  # 16,000 bytes are a second
    one_by_one, _ = decoded(0.0)
    np.testing.assert_array_equal(together, one_by_one)
