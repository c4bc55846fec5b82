from __future__ import annotations

import threading
import time
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgenre.audio.ring import Gap, GapReason, Ring, as_block

if TYPE_CHECKING:
    from collections.abc import Callable


def numbered(start: int, n: int, channels: int = 1) -> np.ndarray:
    return as_block(np.repeat(np.arange(start, start + n, dtype=np.float32)[:, None], channels, 1))


@given(
    capacity=st.integers(1, 50),
    channels=st.integers(1, 3),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 70)),
            st.tuples(st.just("read"), st.integers(1, 70)),
            st.tuples(st.just("lost"), st.integers(1, 9)),
        ),
        max_size=60,
    ),
)
def test_every_sample_is_read_at_its_position_or_counted_as_lost(
    capacity: int, channels: int, steps: list[tuple[str, int]]
) -> None:
    ring = Ring(capacity, channels)
    offered = position = 0

    def read(limit: int) -> bool:
        nonlocal position
        item = ring.read(limit)
        if item is None:
            return False
        if isinstance(item, Gap):
            assert item.samples > 0
            position += item.samples
        else:
            assert 1 <= len(item) <= limit
            np.testing.assert_array_equal(item, numbered(position, len(item), channels))
            position += len(item)
        return True

    for kind, n in steps:
        if kind == "write":
            ring.write(numbered(offered, n, channels))
            offered += n
        elif kind == "lost":
            ring.mark_lost(n, GapReason.SOURCE)
            offered += n
        else:
            read(n)
    ring.close()
    while read(7):
        pass
    assert position == offered
    assert ring.written + ring.lost == offered
    assert ring.exhausted


def test_a_full_ring_keeps_old_samples_and_marks_where_new_ones_are_missing() -> None:
    ring = Ring(4, 1)
    assert ring.write(numbered(0, 6)) == 4
    first = ring.read(10)
    assert isinstance(first, np.ndarray)
    assert first[:, 0].tolist() == [0, 1, 2, 3]
    ring.write(numbered(6, 2))
    assert ring.read(10) == Gap(2, GapReason.OVERFLOW)
    after = ring.read(10)
    assert isinstance(after, np.ndarray)
    assert after[:, 0].tolist() == [6, 7]


def test_losses_with_different_reasons_are_separate_gaps() -> None:
    ring = Ring(4, 1)
    ring.write(numbered(0, 6))
    ring.mark_lost(3, GapReason.RECONNECT)
    ring.mark_lost(5, GapReason.SOURCE)
    ring.mark_lost(7, GapReason.OVERFLOW)
    assert isinstance(ring.read(10), np.ndarray)
    ring.write(numbered(21, 1))
    assert [ring.read(10) for _ in range(4)] == [
        Gap(2, GapReason.OVERFLOW),
        Gap(3, GapReason.RECONNECT),
        Gap(5, GapReason.SOURCE),
        Gap(7, GapReason.OVERFLOW),
    ]
    after = ring.read(10)
    assert isinstance(after, np.ndarray)
    assert after[:, 0].tolist() == [21]


def test_a_loss_stays_in_its_place_where_one_sample_fits_after_it() -> None:
    ring = Ring(4, 1)
    ring.write(numbered(0, 6))
    assert isinstance(ring.read(1), np.ndarray)
    assert ring.write(numbered(6, 1)) == 1
    before, gap, after = (ring.read(10) for _ in range(3))
    assert isinstance(before, np.ndarray)
    assert isinstance(after, np.ndarray)
    assert before[:, 0].tolist() == [1, 2, 3]
    assert gap == Gap(2, GapReason.OVERFLOW)
    assert after[:, 0].tolist() == [6]


def test_more_losses_than_can_be_marked_are_still_counted() -> None:
    ring = Ring(10_000, 1)
    for _ in range(1000):
        ring.mark_lost(1, GapReason.OVERFLOW)
        ring.write(numbered(0, 1))
    lost = 0
    for _ in range(2):
        while (item := ring.read(100)) is not None:
            lost += item.samples if isinstance(item, Gap) else 0
        ring.write(numbered(0, 1))  # now there is room for the pending mark
    assert lost == ring.lost >= 1000
    assert ring.written + ring.lost == 2002


def test_nothing_is_stored_after_a_loss_that_cannot_be_marked_yet() -> None:
    ring = Ring(10_000, 1)
    offered = 0
    for _ in range(300):  # more than gaps can wait
        ring.mark_lost(1, GapReason.SOURCE)
        fits = ring.write(numbered(offered + 1, 1))
        offered += 2
    assert fits == 0
    position = 0
    for _ in range(2):
        while (item := ring.read(100)) is not None:
            if isinstance(item, np.ndarray):
                np.testing.assert_array_equal(item, numbered(position, len(item)))
            position += item.samples if isinstance(item, Gap) else len(item)
        ring.write(numbered(offered, 1))  # now there is room for the mark that waited
        offered += 1
    assert position == offered - 1
    assert position + 1 == ring.written + ring.lost


def test_reader_and_writer_threads_agree() -> None:
    ring = Ring(1000, 2)
    total = 400_000

    def write() -> None:
        rng = np.random.default_rng(1)
        start = 0
        while start < total:
            n = int(rng.integers(1, 400))
            ring.write(numbered(start, n, 2))
            start += n
            if rng.random() < 0.1:
                time.sleep(0.0002)
        ring.close()

    writer = threading.Thread(target=write)
    writer.start()
    position = blocks = 0
    while not ring.exhausted:
        item = ring.read(300)
        if isinstance(item, Gap):
            position += item.samples
        elif item is not None:
            expected = np.arange(position, position + len(item), dtype=np.float32)
            assert np.array_equal(item[:, 0], expected)
            assert np.array_equal(item[:, 1], expected)
            position += len(item)
            blocks += 1
    writer.join()
    assert position >= total
    assert position == ring.written + ring.lost
    assert blocks > 100


def test_writing_retains_no_allocations() -> None:
    ring = Ring(44_100, 2)
    block = numbered(0, 441, 2)
    for _ in range(2000):
        ring.write(block)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(5000):
            ring.write(block)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 5_000


def test_arrival_times_belong_to_the_blocks() -> None:
    ring = Ring(1000, 1)
    assert ring.last_arrival is None
    ring.write(numbered(0, 10))
    between = time.monotonic()
    ring.write(numbered(10, 10))
    first, second = ring.arrival_time(9), ring.arrival_time(10)
    assert first is not None
    assert second is not None
    assert first <= between <= second == ring.last_arrival
    assert ring.arrival_time(20) is None


class InterruptedRing(Ring):
    """A ring that calls functions at the points where one thread may interrupt the other."""

    def __init__(self, capacity: int) -> None:
        self._values: dict[str, int] = {}
        self.before_arrival_counts: Callable[[], None] = lambda: None
        """In the writer, between storing an arrival and counting it."""
        self.after_samples_count: Callable[[], None] = lambda: None
        """In the writer, as soon as the reader can see the samples."""
        self.after_arrivals_read: Callable[[], None] = lambda: None
        """In the reader, once it knows the number of arrivals."""
        super().__init__(capacity, 1)

    @property
    def _arrivals(self) -> int:
        value, call = self._values["arrivals"], self.after_arrivals_read
        self.after_arrivals_read = lambda: None
        call()
        return value

    @_arrivals.setter
    def _arrivals(self, value: int) -> None:
        self.before_arrival_counts()
        self._values["arrivals"] = value

    @property
    def _written(self) -> int:
        return self._values["written"]

    @_written.setter
    def _written(self, value: int) -> None:
        self._values["written"] = value
        self.after_samples_count()


def test_an_arrival_is_known_as_soon_as_its_samples_are() -> None:
    ring = InterruptedRing(100)
    seen: list[float | None] = []
    ring.after_samples_count = lambda: seen.append(ring.arrival_time(ring.written - 1))
    for number in range(3):
        ring.write(numbered(10 * number, 10), arrived=float(number))
    assert seen == [0.0, 1.0, 2.0]


def test_arrivals_are_right_while_the_writer_overwrites_the_oldest() -> None:
    ring = InterruptedRing(5000)
    for number in range(1500):
        ring.write(numbered(number, 1), arrived=float(number))
    seen: list[float | None] = []
    ring.before_arrival_counts = lambda: seen.extend(map(ring.arrival_time, range(1500)))
    ring.write(numbered(1500, 1), arrived=1500.0)
    known = [number for number, arrived in enumerate(seen) if arrived is not None]
    assert known == list(range(known[0], 1500))  # the newest of them all
    assert len(known) > 1000
    assert [seen[number] for number in known] == known


@pytest.mark.parametrize("writes", [1, 600, 3000])
def test_arrivals_are_right_or_unknown_where_the_writer_overtakes_the_reader(writes: int) -> None:
    for sample in range(480, 1500, 51):
        ring = InterruptedRing(5000)
        for number in range(1500):
            ring.write(numbered(number, 1), arrived=float(number))

        def write_more(ring: Ring = ring) -> None:
            for number in range(1500, 1500 + writes):
                ring.write(numbered(number, 1), arrived=float(number))

        ring.after_arrivals_read = write_more
        known = writes == 1 and sample > 480
        assert ring.arrival_time(sample) in ((sample,) if known else (sample, None))
