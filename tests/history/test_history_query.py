"""Queries: every answer against a manual count, across changes to and from summer time."""

from __future__ import annotations

import itertools
import sqlite3
from collections import defaultdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.histories import record, rows
from support.history_programme import T0, Programme

from streamgenre.errors import HistoryError
from streamgenre.events import Segment
from streamgenre.history import detail_query, query
from streamgenre.history.airplay_log import airplay_log, clip
from streamgenre.history.database import open_to_read
from streamgenre.history.records import SegmentRecord, TitleRecord
from streamgenre.history.shares import WEEKDAYS, shares
from streamgenre.history.time_zones import Span, day_span, local
from streamgenre.report.data import collect, missing, transitions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streamgenre.history.connection import Connection
    from streamgenre.history.places import Place
    from streamgenre.history.shares import By

BERLIN = ZoneInfo("Europe/Berlin")
# Three days around the end of summer time, 2026-10-25 01:00 UTC.
AUTUMN = datetime(2026, 10, 24, tzinfo=BERLIN).timestamp()
SPRING = datetime(2026, 3, 28, 12, tzinfo=BERLIN).timestamp()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("asked") / "h.sqlite3"
    for station, start, hours in (
        ("kitchen", AUTUMN, 60),
        ("hall", AUTUMN + 1234.5, 12),
        ("kitchen", SPRING, 24),
    ):
        maker = Programme(station, f"{station}{start}", start)
        record(path, maker.day(hours * 3600), every=20_000)
    return path


@pytest.fixture(scope="module")
def path(recorded: Path, new_place: Callable[..., Place]) -> Place:
    return new_place(recorded)


@pytest.fixture
def connection(path: Place) -> Iterator[Connection]:
    opened = open_to_read(path)
    yield opened
    opened.close()


def by_hand(
    path: Place, span: Span, by: By, tz: ZoneInfo, station: str | None = None
) -> defaultdict[str, defaultdict[str, float]]:
    """The shares, second by second."""
    parts: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    found = rows(
        path,
        "SELECT start_time, end_time, state || genre, name FROM segments "
        "JOIN kinds ON kinds.id = kind JOIN stations ON stations.id = station",
    )
    for start, end, kind, name in found:
        at, stop = max(start, span.start), min(end, span.end)
        while at < stop and station in (None, name):
            until = min(stop, at // 60 * 60 + 60)
            moment = local(at, tz)
            part = {
                "all": "all",
                "hour": f"{moment.hour:02d}",
                "day": moment.date().isoformat(),
                "weekday": WEEKDAYS[moment.weekday()],
                "month": moment.date().isoformat()[:7],
            }[by]
            parts[part][kind] += until - at
            at = until
    return parts


@pytest.mark.parametrize("by", ["all", "hour", "day", "weekday", "month"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "UTC"])
@pytest.mark.parametrize("start", [AUTUMN, SPRING])
def test_shares_add_up_by_genre(
    connection: Connection, path: Place, by: By, zone: str, start: float
) -> None:
    tz = ZoneInfo(zone)
    span = Span(start + 777.5, start + 57 * 3600 + 123.25)
    found = shares(connection, query.stations(connection, None), span, by=by, tz=tz)
    hand = by_hand(path, span, by, tz)
    assert {s.part for s in found} == set(hand)
    for share in found:
        assert share.seconds == pytest.approx(
            hand[share.part][share.state + (share.genre or "")], abs=0.01
        )
        total = sum(hand[share.part].values())
        assert share.share == pytest.approx(share.seconds / total, abs=1e-5)
    for part in hand:
        assert sum(s.share for s in found if s.part == part) == pytest.approx(1, abs=1e-4)


@examples(40)
@given(st.floats(-1e4, 2.2e5), st.floats(0.1, 1e5), st.sampled_from(["kitchen", "hall"]))
def test_any_time_span_can_be_queried(
    connection: Connection, path: Place, after: float, length: float, station: str
) -> None:
    span = Span(AUTUMN + after, AUTUMN + after + length)
    ids = query.stations(connection, [station])
    hand: dict[str, float] = by_hand(path, span, "all", BERLIN, station)["all"]
    found = shares(connection, ids, span, by="all", tz=BERLIN)
    assert sum(s.seconds for s in found) == pytest.approx(sum(hand.values()), abs=0.02)
    listed = list(query.segments(connection, ids, span))
    expected = rows(
        path,
        "SELECT start_time FROM segments JOIN stations s ON s.id = station "
        "WHERE name = ? AND start_time < ? AND end_time > ? ORDER BY 1",
        *(station, span.end, span.start),
    )
    assert [(s.start,) for s in listed] == expected


def test_a_25_hour_day_includes_every_hour(connection: Connection) -> None:
    data = collect(connection, "kitchen", date(2026, 10, 25), BERLIN, now=4e9)
    assert data.span.seconds == 25 * 3600
    assert [hour.label for hour in data.hours][:5] == ["00", "01", "02", "02", "03"]
    assert all(sum(hour.seconds.values()) <= 3600.001 for hour in data.hours)
    total_s = (
        data.recorded_s + sum(g.seconds for g in data.gaps) + sum(s.seconds for s in missing(data))
    )
    assert total_s == pytest.approx(25 * 3600, abs=300)  # gaps at midnight are whole in the list
    short = collect(connection, "kitchen", date(2026, 3, 29), BERLIN)
    assert short.span.seconds == 23 * 3600
    assert [hour.label for hour in short.hours][:4] == ["00", "01", "03", "04"]


def test_a_segment_longer_than_the_span_is_found(new_place: Callable[[], Place]) -> None:
    path = new_place()
    record(path, Programme(hop=60.0).stretch("silence", None, 3000), every=100)
    opened = open_to_read(path)
    ids = query.stations(opened, None)
    middle = Span(T0 + 90_000, T0 + 90_001)
    (found,) = query.segments(opened, ids, middle)
    assert (found.start, found.end) == (T0, T0 + 180_000)
    assert list(query.segments(opened, ids, Span(T0 - 10, T0))) == []
    assert list(query.segments(opened, ids, Span(T0 + 180_000, T0 + 180_001))) == []
    opened.close()


def test_search_ignores_case_and_accents(connection: Connection) -> None:
    ids = query.stations(connection, None)
    everything = Span(0, 4e9)
    for text in ("beyonce", "BEYONCÉ", "halo doe", "tin", "  Halo   of  "):
        found = list(query.search(connection, ids, everything, text))
        assert found, text
        assert {t.artist for t in found} == {"Beyoncé Doe"}
        assert [t.start for t in found] == sorted((t.start for t in found), reverse=True)
    assert {t.title for t in query.search(connection, ids, everything, "電車")} == {"夜の電車"}
    for text in ("nobody", "%", "_", "' OR 1=1 --"):
        assert list(query.search(connection, ids, everything, text)) == []
    for empty in ("", "   ", "\u0301"):
        with pytest.raises(HistoryError, match="nothing to search"):
            list(query.search(connection, ids, everything, empty))
    hour = Span(AUTUMN, AUTUMN + 3600)
    some = list(query.search(connection, ids, hour, "halo"))
    assert all(t.start < hour.end and t.end >= hour.start for t in some)
    assert len(some) < len(list(query.search(connection, ids, everything, "halo")))


def test_an_unknown_station_gets_a_suggestion(connection: Connection) -> None:
    with pytest.raises(HistoryError, match=r"no station 'kitchn'.*hall, kitchen.*'kitchen'"):
        query.stations(connection, ["hall", "kitchn"])


def test_every_listing_of_a_day_uses_an_index(connection: Connection) -> None:
    """No growing table is scanned completely for a day."""
    if not isinstance(connection, sqlite3.Connection):
        pytest.skip("PostgreSQL chooses by the size of the tables")
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    ids, day = query.stations(connection, None), day_span(date(2026, 10, 25), BERLIN)
    for ask in (query.segments, query.titles, query.gaps, query.dead_air, query.sources):
        list(ask(connection, ids, day))
    list(detail_query.details(connection, 1, day))
    shares(connection, ids, day, by="hour", tz=BERLIN)
    connection.set_trace_callback(None)
    assert len(asked) > 8
    for sql in asked:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
        for step in plan:
            grows = any(f"SCAN {name}" in step for name in ("g", "t", "d", "shares", "details"))
            assert not grows, (step, sql)


def segment(
    genre: str | None, start: float, end: float, confidence: float = 0.5, station: str = "s"
) -> SegmentRecord:
    state = "music" if genre else "silence"
    return SegmentRecord(station, start, end, state, genre, confidence, 1, "closed")


def title(name: str, start: float, end: float, station: str = "s") -> TitleRecord:
    return TitleRecord(station, start, end, "A", name, "closed")


def test_the_playlist_merges_titles_and_genres() -> None:
    heard = [
        segment("pop", 0, 20, 0.4),
        segment("jazz", 20, 110, 0.8),
        segment(None, 110, 130),
        segment("jazz", 130, 150, 0.6),
        segment("rock", 150, 400, 0.9),
    ]
    lines = airplay_log(
        [title("one", 5, 140), title("two", 200, 300), title("none", 500, 600)], heard
    )
    assert [(x.start, x.end, x.title, x.genre, x.confidence) for x in lines] == [
        # Pop before the first title is shorter than ten seconds: no line.
        (5, 140, "one", "jazz", pytest.approx((90 * 0.8 + 10 * 0.6) / 100)),
        (140, 150, "", "jazz", 0.6),
        (150, 200, "", "rock", 0.9),
        (200, 300, "two", "rock", 0.9),
        (300, 400, "", "rock", 0.9),
        (500, 600, "none", None, None),
    ]
    assert [(x.start, x.end) for x in clip(lines, 210, 350)] == [(210, 300), (300, 350)]


def test_stations_do_not_mix_in_a_playlist() -> None:
    lines = airplay_log(
        [title("one", 0, 100, "a")],
        [segment("rock", 0, 100, station="b"), segment("pop", 0, 100, station="a")],
    )
    assert [(x.station, x.genre, x.title) for x in lines] == [
        ("a", "pop", "one"),
        ("b", "rock", ""),
    ]


def test_the_playlist_of_a_day_covers_all_music(connection: Connection) -> None:
    ids = query.stations(connection, ["kitchen"])
    day = day_span(date(2026, 10, 24), BERLIN)
    heard = list(query.segments(connection, ids, day))
    lines = list(clip(airplay_log(query.titles(connection, ids, day), heard), day.start, day.end))
    assert all(a.end <= b.start + 1e-6 for a, b in itertools.pairwise(lines))
    for part in heard:
        if part.genre is None:
            continue
        start, end = max(part.start, day.start), min(part.end, day.end)
        covered = sum(max(0.0, min(end, x.end) - max(start, x.start)) for x in lines)
        assert covered > end - start - 10


def test_transitions_skip_short_silences() -> None:
    counted = transitions(
        [
            segment("jazz", 0, 10),
            segment(None, 10, 20),
            segment("rock", 20, 30),
            segment("rock", 35, 40),
            segment("jazz", 40, 50),
            segment(None, 50, 400),
            segment("rock", 400, 410),
        ]
    )
    assert counted == {("jazz", "rock"): 1, ("rock", "jazz"): 1}


def test_queries_return_the_published_events(new_place: Callable[[], Place]) -> None:
    path = new_place()
    events = list(Programme().day(1800))
    record(path, events, every=100)
    opened = open_to_read(path)
    ids = query.stations(opened, None)
    published = [e for e in events if isinstance(e, Segment)]
    listed = list(query.segments(opened, ids, Span(T0, T0 + 86_400)))
    assert [(s.genre, s.start, s.end) for s in listed] == [
        (e.genre, e.start_time, e.time) for e in published
    ]
    (now,) = query.now(opened, ids, path)
    assert not now.live
    assert now.heard == listed[-1].end
    assert next(s.state for s in query.sources(opened, ids, Span(0, 4e9))) == "live"
    opened.close()
    assert local(T0, UTC).isoformat() == "2026-07-01T00:00:00+00:00"
