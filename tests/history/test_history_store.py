"""From events to rows."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.histories import HistoryWriter, check_whole, record, rows
from support.history_programme import SONGS, T0, Programme

from streamgenre.events import DeadAir, Segment, Title, Update
from streamgenre.history import detail_query, query
from streamgenre.history.database import open_to_read
from streamgenre.history.recorder import MAX_TEXT, Recorder
from streamgenre.history.rows import MAX_ROWS, PendingRows
from streamgenre.history.time_zones import Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.history.places import Place

ALL = Span(0, 4e9)
OPEN = "SELECT ending FROM segments ORDER BY start_time"


def test_a_day_is_stored_unchanged(path: Place) -> None:
    events = list(Programme().day(6 * 3600))
    record(path, events, every=400)
    check_whole(path)
    segments = [e for e in events if isinstance(e, Segment)]
    kept = rows(
        path,
        "SELECT state, genre, start_time, end_time, probability, updates, ending "
        "FROM segments JOIN kinds ON kinds.id = kind ORDER BY start_time",
    )
    assert kept == [
        (e.state, e.genre or "", e.start_time, e.time, e.mean_probability, e.updates, "closed")
        for e in segments
    ]
    gaps = [e for e in events if getattr(e, "TYPE", "") == "gap"]
    assert len(gaps) == rows(path, "SELECT count(*) FROM gaps")[0][0] > 0
    connection = open_to_read(path)
    ids = query.stations(connection, None)
    shown = [e for e in events if isinstance(e, Update)]
    detail = list(detail_query.details(connection, 1, ALL))
    times = [t for _, minute in detail for t in minute.times.tolist()]
    assert times == pytest.approx([e.time for e in shown], abs=2e-3)
    kept_p = [p for _, minute in detail for p in minute.probabilities.tolist()]
    for event, row in zip(shown[::97], kept_p[::97], strict=True):
        assert row == pytest.approx(list(event.probabilities.values()), abs=0.5 / 255 + 1e-9)
    titles = list(query.titles(connection, ids, ALL))
    announced = [e for e in events if isinstance(e, Title) and e.title]
    assert [(t.artist, t.title) for t in titles] == [(e.artist, e.title) for e in announced]
    assert all(a.end <= b.start + 1e-6 for a, b in pairwise(titles))
    dead = list(query.dead_air(connection, ids, ALL))
    told_dead = [e.time for e in events if isinstance(e, DeadAir)]
    assert [t for d in dead for t in (d.start, d.end)] == told_dead
    session = rows(path, "SELECT input, model, ending FROM sessions")
    assert session == [("radio.example", "lstm", "closed")]
    connection.close()


def test_an_open_segment_is_stored_at_every_flush(path: Place) -> None:
    writer = HistoryWriter(path)
    stretch = iter(Programme().stretch("music", "jazz", 60))
    for number in range(1, 61):
        writer.recorder.take(next(stretch))
        writer.flush()
        assert rows(path, "SELECT end_time, updates, ending FROM segments") == [
            (T0 + number, number, "open")
        ]
    check_whole(path)
    writer.take(stretch)
    writer.flush()
    assert rows(path, OPEN) == [("closed",)]
    writer.end()


def test_a_batch_may_be_written_twice(path: Place) -> None:
    """A commit with an unknown outcome is repeated."""
    writer = HistoryWriter(path)
    writer.take(Programme().day(1200))
    writer.store.write(writer.pending)
    tables = ("segments", "gaps", "titles", "dead_air", "source_changes", "shares", "details")
    before = [rows(path, f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in tables]
    writer.store.write(writer.pending)
    assert [rows(path, f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in tables] == before
    writer.vanish()


@examples(8)
@given(seed=st.integers(0, 10**6), every=st.integers(25, 3000), hop=st.sampled_from([0.5, 1.0]))
def test_rows_do_not_depend_on_when_they_are_flushed(
    seed: int, every: int, hop: float, new_place: Callable[[], Place]
) -> None:
    kept = []
    for flush in (every, 10**9):
        path = new_place()
        record(path, Programme(seed=seed, hop=hop).day(900), every=flush)
        check_whole(path)
        kept.append(
            [
                rows(path, f"SELECT {what} ORDER BY 1, 2")
                for what in (
                    "state, genre, start_time, end_time, probability, updates, ending "
                    "FROM segments JOIN kinds ON kinds.id = kind",
                    "state, genre, hour, q0, q1, q2, q3 FROM shares JOIN kinds ON id = kind "
                    "WHERE q0 + q1 + q2 + q3 > 0",
                    "minute, updates, data FROM details",
                    "start_time, end_time, ending, artist, title FROM titles "
                    "JOIN tracks ON tracks.id = track",
                )
            ]
        )
    assert kept[0] == kept[1]


def test_after_a_crash_an_open_segment_is_closed_at_its_last_update(path: Place) -> None:
    writer = HistoryWriter(path)
    maker = Programme()
    writer.take([maker.title("Miles Verden", "Blue"), maker.dead_air(active=True)])
    stretch = list(maker.stretch("music", "jazz", 60))
    writer.take(stretch[:40])
    writer.flush()
    writer.take(stretch[40:50])  # never written
    writer.vanish()
    later = HistoryWriter(path)
    assert rows(path, "SELECT end_time, updates, ending FROM segments") == [(T0 + 40, 40, "cut")]
    for table in ("titles", "dead_air", "sessions"):
        assert rows(path, f"SELECT end_time, ending FROM {table}") == [(T0 + 40, "cut")]
    check_whole(path)
    later.end()
    assert rows(path, "SELECT ending FROM runs") == [("cut",)]  # the later one wrote nothing


def test_open_segments_of_another_live_daemon_stay_open(path: Place) -> None:
    first, second = HistoryWriter(path), None
    first.take(list(Programme("kitchen", "u1").stretch("music", "jazz", 20))[:10])
    first.flush()
    second = HistoryWriter(path)
    second.take(list(Programme("hall", "u2").stretch("music", "rock", 20))[:10])
    second.flush()
    assert rows(path, OPEN) == [("open",), ("open",)]
    first.vanish()
    third = HistoryWriter(path)
    assert sorted(rows(path, OPEN)) == [("cut",), ("open",)]
    for writer in (second, third):
        writer.end()
    check_whole(path)


def test_a_segment_without_a_reported_end_ends_with_its_last_update(path: Place) -> None:
    maker = Programme()
    first = [e for e in maker.stretch("music", "jazz", 10) if isinstance(e, Update)]
    second = list(maker.stretch("music", "rock", 10))
    record(path, [*first, *second])
    assert rows(path, "SELECT start_time, end_time, ending FROM segments") == [
        (T0, T0 + 10, "closed"),
        (T0 + 10, T0 + 20, "closed"),
    ]


def test_a_clock_change_moves_the_segment_and_its_shares(path: Place) -> None:
    maker = Programme()
    stretch = list(maker.stretch("music", "jazz", 50))
    writer = HistoryWriter(path)
    writer.take(stretch[:-1])
    writer.flush()
    last = stretch[-1]
    assert isinstance(last, Segment)
    moved = dataclasses.replace(last, time=last.time + 7200, start_time=last.start_time + 7200)
    writer.take([moved])
    writer.flush()
    check_whole(path)
    assert rows(path, "SELECT start_time FROM segments") == [(T0 + 7200,)]
    writer.end()


def test_titles_end_with_the_next_one_and_repeats_are_merged(path: Place) -> None:
    maker = Programme()
    events: list[Any] = [maker.title("A", "one")]
    events += maker.stretch("music", "jazz", 10)
    events += [maker.title("A", "one")]
    events += maker.stretch("music", "jazz", 10)
    events += [maker.title("", "two"), *maker.stretch("music", "jazz", 5), maker.title("", "")]
    events += maker.stretch("music", "jazz", 5)
    record(path, events)
    assert rows(
        path,
        "SELECT artist, title, start_time - ?, end_time - ?, ending FROM titles "
        "JOIN tracks ON tracks.id = track ORDER BY start_time",
        T0,
        T0,
    ) == [("A", "one", 0, 20, "closed"), ("", "two", 20, 25, "closed")]


@pytest.mark.parametrize(
    "title",
    [
        "'; DROP TABLE titles; --",
        '"; <script>alert(1)</script>',
        "\x1b[31mred\x07",
        "nul\0 inside",
        "lone \ud800 surrogate",
        "x" * 100_000,
        "‮right to left",
        "%s %n {0} \\",
    ],
)
def test_hostile_titles_are_stored_as_text(path: Place, title: str) -> None:
    maker = Programme()
    record(path, [maker.title(title, title), *maker.stretch("music", "jazz", 5)])
    check_whole(path)
    (kept,) = rows(path, "SELECT artist, title FROM tracks")
    assert kept[0] == kept[1]
    assert len(kept[0]) <= MAX_TEXT
    assert "\0" not in kept[0]
    connection = open_to_read(path)
    found = list(query.search(connection, query.stations(connection, None), ALL, kept[1]))
    assert len(found) == 1
    connection.close()


def test_dead_air_starts_with_the_silence_and_not_with_its_event(path: Place) -> None:
    maker = Programme()
    silence = list(maker.stretch("silence", None, 30))
    found = replace(maker.dead_air(active=True), start=0.0, start_time=T0, seconds=20.0)
    record(path, [*silence[:20], found, *silence[20:], maker.dead_air(active=False)])
    assert rows(path, "SELECT start_time - ?, end_time - ?, ending FROM dead_air", T0, T0) == [
        (0, 30, "closed")
    ]


def test_a_thousand_repeats_of_eight_songs_are_eight_tracks(path: Place) -> None:
    record(path, Programme().day(4 * 3600), every=1000)
    assert rows(path, "SELECT count(*) FROM tracks") == [(len(SONGS),)]


def test_the_batch_is_bounded_and_reports_what_it_dropped() -> None:
    pending = PendingRows(room=50)
    recorder = Recorder(pending)
    maker = Programme()
    for number in range(500):
        for event in maker.stretch("music", ("jazz", "rock")[number % 2], 30):
            recorder.take(event)
        assert len(pending) <= 4 * 50 + 10
    assert pending.lost > 400
    from streamgenre.history.rows import GapRow, SegmentRow

    assert len(pending.of(SegmentRow)) == 50
    (note,) = pending.of(GapRow)
    assert note.reason == "history"
    assert note.start_time == T0
    kept = pending.of(SegmentRow)
    assert note.end_time <= max(kept[0].start_time, 60 + 60 * (T0 + maker.stream) // 60)


def test_the_bound_is_small_enough_for_a_small_machine() -> None:
    import tracemalloc

    pending = PendingRows(room=2000)
    recorder = Recorder(pending)
    tracemalloc.start()
    maker = Programme()
    for number in range(3000):
        for event in maker.stretch("music", ("jazz", "rock")[number % 2], 6):
            recorder.take(event)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used / 2000 * MAX_ROWS < 60e6
