"""Sequence numbers: holes, repetitions, wrap-around, restarts."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.sample_events import SampleStation

from streamgenre.client.sequence import MAX_TRACKS, Hole, SequenceTracker
from streamgenre.events import SEQ_MODULUS, Update


def update(seq: int, session: str = "s", station: str = "a", **more: Any) -> Update:
    return dataclasses.replace(SampleStation(station, session).update(), seq=seq, **more)


@given(
    st.integers(0, SEQ_MODULUS - 1),
    st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=40),
)
def test_every_hole_is_reported_once_whatever_the_first_number(
    first: int, steps: list[tuple[int, bool]]
) -> None:
    """Also across the wrap-around; each event may be repeated once, as retained."""
    numbers, seq, missed, reported = SequenceTracker(), first, 0, 0
    assert numbers.update(update(seq), 0, 0) == (True, None)
    for step, again in steps:
        missed += step - 1
        seq = (seq + step) % SEQ_MODULUS
        new, hole = numbers.update(update(seq), 0, 0)
        assert new
        reported += hole.count if hole else 0
        if again:
            assert numbers.update(update(seq, retained=True), 0, 0) == (False, None)
    assert reported == missed


def test_a_hole_gives_its_first_number_and_length() -> None:
    numbers = SequenceTracker()
    numbers.update(update(5), 10.0, 0)
    _, hole = numbers.update(update(9), 12.5, 0)
    assert hole == Hole("a", "update", "s", first=6, count=3, restarted=False, seconds=2.5)


def test_a_wrap_is_not_a_hole() -> None:
    numbers = SequenceTracker()
    for seq in (SEQ_MODULUS - 2, SEQ_MODULUS - 1, 0, 1):
        assert numbers.update(update(seq), 0, 0) == (True, None)


def test_a_restart_is_a_hole_even_if_no_event_is_known_to_be_missing() -> None:
    numbers = SequenceTracker()
    numbers.update(update(41, "old"), 0, 0)
    _, hole = numbers.update(update(0, "new"), 3, losses=1)
    assert hole is not None
    assert (hole.restarted, hole.count, hole.session) == (True, 0, "new")
    numbers.update(update(1, "new"), 4, losses=1)
    _, hole = numbers.update(update(2, "newer"), 9, losses=2)
    assert hole is not None
    assert (hole.restarted, hole.first, hole.count) == (True, 0, 2)


def test_events_in_the_queue_of_a_dead_daemon_do_not_hide_its_restart() -> None:
    numbers = SequenceTracker()
    numbers.update(update(0, "old"), 0, losses=0)
    numbers.update(update(1, "old"), 1, losses=1)  # was waiting here when the connection broke
    _, hole = numbers.update(update(0, "new"), 2, losses=1)
    assert hole is not None
    assert hole.restarted


def test_two_daemons_with_one_name_are_not_restarts() -> None:
    numbers = SequenceTracker()
    for seq in range(20):
        for session in ("one", "two"):
            assert numbers.update(update(seq, session), 0, 0) == (True, None)


def test_each_type_and_station_has_its_own_numbers() -> None:
    numbers = SequenceTracker()
    for station in ("a", "b"):
        made_up = SampleStation(station)
        for event in (made_up.update(), made_up.gap(), made_up.status()):
            assert numbers.update(event, 0, 0) == (True, None)


def test_memory_is_bounded() -> None:
    numbers = SequenceTracker()
    for n in range(MAX_TRACKS + 50):
        numbers.update(update(0, station=f"s{n}"), 0, 0)
    for n in range(20):
        numbers.update(update(0, session=f"x{n}", station="s5000"), 0, 0)
    assert len(numbers._tracks) == MAX_TRACKS
    assert len(numbers._tracks["s5000", "update"].next) == 4
