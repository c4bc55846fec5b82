from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.dashboard_events import T0, dead_air, gap, segment, source, status, update

from streamgenre.dashboard.messages import MAX_MESSAGES, Message, Messages
from streamgenre.dashboard.timeline import MAX_RUNS, SPAN_S, Key, Timeline
from streamgenre.dashboard.view import MAX_LOG, MAX_SEGMENTS, MAX_STATIONS, DashboardView

if TYPE_CHECKING:
    from streamgenre.events import AnyEvent

JAZZ = Key("music", "jazz")
ROCK = Key("music", "rock")


def folded(*events: AnyEvent) -> DashboardView:
    view = DashboardView()
    for event in events:
        view.apply(event)
    return view


def test_the_newest_update_is_shown_and_its_time_added_to_the_decision() -> None:
    view = folded(update(0), update(1), update(2, "rock", since=2.0))
    station = view.stations["kitchen"]
    assert station.update is not None
    assert station.update.genre == "rock"
    assert station.held_s == 1.0
    assert station.heard == {JAZZ: 2.0, ROCK: 1.0}
    assert [(run.key, run.end - run.start) for run in station.timeline.runs] == [
        (JAZZ, 2.0),
        (ROCK, 1.0),
    ]


def test_holes_in_seq_are_counted_by_type_after_the_first_event() -> None:
    view = folded(update(40), update(41), gap(7, 42), update(45), gap(9, 46))
    station = view.stations["kitchen"]
    assert station.missed == 3 + 1
    assert [entry.text for entry in station.log if entry.kind == "missed"] == [
        "3 update events did not arrive",
        "1 gap event did not arrive",
    ]


def test_repeated_and_late_events_change_nothing() -> None:
    view = folded(update(5), update(6, "rock"), update(6), update(4), gap(0, 7), gap(0, 7))
    station = view.stations["kitchen"]
    assert station.update is not None
    assert station.update.genre == "rock"
    assert (station.updates, station.samples_lost, station.missed) == (2, 2205, 0)


def test_a_new_session_resets_the_counts_and_keeps_the_history() -> None:
    view = folded(
        update(0), gap(0, 1), segment(0, 0, 1), status(0, 1, lost=9), update(5),
        replace(update(0, "rock", session="s2"), time=T0 + 10),
    )  # fmt: skip
    station = view.stations["kitchen"]
    assert (station.samples_lost, station.missed, station.updates) == (0, 0, 1)
    assert station.status is None
    assert station.heard == {ROCK: 1.0}
    assert len(station.segments) == 1
    assert [run.key for run in station.timeline.runs] == [JAZZ, JAZZ, ROCK]
    assert station.log[-1].kind == "session"


def test_a_station_is_stale_after_three_seconds_by_the_readers_clock() -> None:
    view = DashboardView()
    view.apply(update(0), now=100.0)
    station = view.stations["kitchen"]
    assert station.stale_s(103.0) is None
    assert station.stale_s(103.5) == 3
    view.apply(status(0, 1), now=104.0)
    assert station.stale_s(107.2) == 7, "a status is no update"
    view.apply(update(1), now=108.0)
    assert station.stale_s(109.0) is None


def test_a_live_station_that_never_sent_an_update_becomes_stale() -> None:
    view = DashboardView()
    view.apply(source(0, 0, "live"), now=50.0)
    assert view.stations["kitchen"].stale_s(52.0) is None
    assert view.stations["kitchen"].stale_s(60.0) == 10


def test_repeated_attempts_are_one_absence_with_its_reason() -> None:
    view = DashboardView()
    view.apply(source(0, 0, "connecting", detail="404 Not Found"), now=50.0)
    station = view.stations["kitchen"]
    assert (station.away_s(60.0), station.stale_s(60.0)) == (10.0, None)
    view.apply(source(1, 20, "lost", detail="the server hung up"), now=70.0)
    assert (station.away_s(80.0), station.reason) == (30.0, "the server hung up")
    view.apply(source(2, 40, "live"), now=90.0)
    assert (station.away_s(95.0), station.reason) == (None, "")
    view.apply(source(3, 50, "lost"), now=100.0)
    assert station.away_s(101.0) == 1.0
    view.apply(source(4, 60, "ended", detail="stopped"), now=110.0)
    assert (station.away_s(111.0), station.reason) == (1.0, "stopped")


def test_dead_air_lasts_from_the_first_silent_hop_to_its_end() -> None:
    view = DashboardView()
    view.apply(source(0, 0, "live"), now=0.0)
    view.apply(dead_air(0, 30), now=30.0)
    station = view.stations["kitchen"]
    assert station.dead_air_s(45.0) == 45.0
    view.apply(source(1, 50, "lost"), now=50.0)
    assert station.dead_air_s(51.0) is None, "a source that is away is no dead air"
    view.apply(source(2, 60, "live"), now=60.0)
    view.apply(dead_air(1, 70, active=False), now=70.0)
    assert station.dead_air_s(71.0) is None


def test_stations_that_have_ended_come_last() -> None:
    view = folded(
        source(0, 0, "ended", station="a"),
        source(0, 0, "lost", station="b"),
        update(0, station="c"),
    )
    assert [station.name for station in view.in_order()] == ["b", "c", "a"]
    view.apply(source(1, 1, "live", station="a"))
    assert [station.name for station in view.in_order()] == ["a", "b", "c"]


def test_a_removed_station_stays_forgotten_despite_late_events() -> None:
    view = folded(update(0), update(0, station="bar", session="s2"))
    view.selected = "kitchen"
    view.apply(replace(status(0, 2), removed=True))
    view.apply(replace(update(0), retained=True))
    assert list(view.stations) == ["bar"]
    assert view.selected is None
    view.apply(update(0, session="s3"))  # it has come back
    assert set(view.stations) == {"bar", "kitchen"}


def test_a_message_disappears_when_its_cause_is_fixed_or_reported_again() -> None:
    messages, shown = Messages(), deque[Message](maxlen=MAX_MESSAGES)
    messages.resolve("a")  # it was not reported
    for number, about in enumerate(("a", "b", "", "a", "")):
        messages.put(Message(T0, str(number), True, about))
    assert messages.move(shown, T0)
    assert [one.text for one in shown] == ["1", "2", "3", "4"]
    messages.resolve("a")
    messages.put(Message(T0, "5", True, "a"))  # broken again
    messages.resolve("b")
    assert messages.move(shown, T0)
    assert [one.text for one in shown] == ["2", "4", "5"]
    messages.resolve("a")
    assert messages.move(shown, T0)
    assert not messages.move(shown, T0)
    assert [one.text for one in shown] == ["2", "4"]


def test_an_ended_source_and_a_long_hop_are_not_stale() -> None:
    view = DashboardView()
    view.apply(update(0), now=0.0)
    view.apply(source(0, 1, "ended"), now=0.0)
    assert view.stations["kitchen"].stale_s(60.0) is None
    slow = DashboardView()
    slow.apply(update(0, hop=5.0), now=0.0)
    slow.apply(update(1, hop=5.0), now=5.0)
    assert slow.stations["kitchen"].stale_s(14.0) is None
    assert slow.stations["kitchen"].stale_s(18.0) == 13


def test_losses_come_from_the_status_and_the_gaps_since() -> None:
    view = folded(gap(0, 1, samples=10), status(0, 2, lost=10), gap(1, 3, samples=5))
    assert view.stations["kitchen"].samples_lost == 15


def test_the_newest_source_state_wins() -> None:
    view = folded(source(0, 1, "connecting"), status(0, 10))
    assert view.stations["kitchen"].source_state == "live"
    view.apply(source(1, 11, "lost", detail="unplugged"))
    assert view.stations["kitchen"].source_state == "lost"


def test_memory_is_bounded() -> None:
    view = DashboardView()
    for i in range(4000):
        view.apply(update(i, "jazz" if i % 2 else "rock"))
        view.apply(gap(i, i))
        view.apply(segment(i, i, i + 1))
    station = view.stations["kitchen"]
    assert len(station.timeline.runs) <= MAX_RUNS
    assert station.timeline.runs[0].end >= T0 + 4000 - SPAN_S
    assert (len(station.log), len(station.segments)) == (MAX_LOG, MAX_SEGMENTS)
    for i in range(MAX_STATIONS + 5):
        view.apply(update(0, station=f"s{i}"), now=float(i) + 1e10)
    assert len(view.stations) == MAX_STATIONS
    assert "kitchen" not in view.stations, "the quietest goes first"
    assert f"s{MAX_STATIONS + 4}" in view.stations


def test_events_without_a_finite_time_are_ignored() -> None:
    view = folded(replace(update(0), time=float("nan")))
    assert view.stations == {}


def test_cells_show_the_longest_state_and_stay_empty_where_none_is_known() -> None:
    timeline = Timeline()
    for second, key in enumerate([JAZZ, JAZZ, JAZZ, ROCK, ROCK], start=1):
        timeline.append(float(second), 1.0, key)
    timeline.append(10.0, 1.0, JAZZ)
    assert timeline.cells(0, 2, 6) == [JAZZ, ROCK, ROCK, None, JAZZ, None]
    assert timeline.cells(0, 5, 2) == [JAZZ, JAZZ]


def test_a_clock_set_back_overwrites_what_it_covers() -> None:
    timeline = Timeline()
    for second in range(1, 11):
        timeline.append(float(second), 1.0, JAZZ)
    timeline.append(6.0, 1.0, ROCK)
    assert [tuple(run) for run in timeline.runs] == [(0.0, 5.0, JAZZ), (5.0, 6.0, ROCK)]


@pytest.mark.parametrize(
    ("end", "seconds", "marked"),
    [
        (2.0, 0.0, {0}),
        (2.0, 0.05, {0}),
        (2.5, 1.0, {0, 1}),
        (99.0, 99.0, {0, 1, 2}),
        (0.0, 1, set()),
    ],
)
def test_gaps_mark_the_cells_they_touch(end: float, seconds: float, marked: set[int]) -> None:
    timeline = Timeline()
    timeline.mark_gap(end, seconds)
    assert timeline.gap_cells(0.0, 2.0, 3) == marked
