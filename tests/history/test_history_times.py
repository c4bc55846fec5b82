"""Times in the words that people use."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgenre.errors import HistoryError
from streamgenre.history.shares import hours_of
from streamgenre.history.time_zones import day_span, local, zone
from streamgenre.history.times import parse, parse_day, span

BERLIN = ZoneInfo("Europe/Berlin")
# A Wednesday, 15:20:30 in Berlin.
NOW = datetime(2026, 7, 1, 15, 20, 30, tzinfo=BERLIN).timestamp()


def said(text: str, tz: ZoneInfo = BERLIN, now: float = NOW) -> str:
    return local(parse(text, tz, now), tz).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", "2026-07-01 15:20:30"),
        ("today", "2026-07-01 00:00:00"),
        ("yesterday", "2026-06-30 00:00:00"),
        ("yesterday 18:00", "2026-06-30 18:00:00"),
        ("Yesterday  at 6pm", "2026-06-30 18:00:00"),
        ("18:00", "2026-07-01 18:00:00"),
        ("9:05:07", "2026-07-01 09:05:07"),
        ("12am", "2026-07-01 00:00:00"),
        ("12:30 pm", "2026-07-01 12:30:00"),
        ("monday", "2026-06-29 00:00:00"),
        ("wednesday", "2026-07-01 00:00:00"),
        ("last wednesday", "2026-06-24 00:00:00"),
        ("thu 08:00", "2026-06-25 08:00:00"),
        ("last friday 23:59", "2026-06-26 23:59:00"),
        ("2h ago", "2026-07-01 13:20:30"),
        ("90 min ago", "2026-07-01 13:50:30"),
        ("1h30m ago", "2026-07-01 13:50:30"),
        ("1.5 hours ago", "2026-07-01 13:50:30"),
        ("an hour ago", "2026-07-01 14:20:30"),
        ("2 days ago", "2026-06-29 15:20:30"),
        ("1 day, 2 hours and 5 seconds ago", "2026-06-30 13:20:25"),
        ("a week ago", "2026-06-24 15:20:30"),
        ("2026-06-01", "2026-06-01 00:00:00"),
        ("2026-06-01 18:00", "2026-06-01 18:00:00"),
        ("2026-06-01T18:00:30", "2026-06-01 18:00:30"),
        ("2026-06-01T18:00:30Z", "2026-06-01 20:00:30"),
        ("2026-06-01 18:00+05:30", "2026-06-01 14:30:00"),
        ("@0", "1970-01-01 01:00:00"),
    ],
)
def test_human_time_phrases_are_parsed(text: str, meant: str) -> None:
    assert said(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "nonsense", "25:00", "12:60", "13pm", "0am", "yesterday noonish", "2026-13-01"),
        *("2026-02-30", "2026-02-30 10:00", "2 parsecs ago", "ago", "2h 3h ago", "h ago", "-2h"),
        *("2h agoo", "last", "last week", "@", "@x", "@-1", "1970-01-01T00:00:00+05:00"),
        *("9999-12-31", "999999999 weeks ago", "1" * 200, "2026-07-01 2026-07-01", "'; DROP TABLE"),
        *("\x00", "tomorrow-ish", "١٢:٠٠ pm x"),
    ],
)
def test_unintelligible_times_are_rejected(text: str) -> None:
    with pytest.raises(HistoryError) as refused:
        parse(text, BERLIN, NOW)
    message = str(refused.value)
    assert "expected" in message
    assert len(message) < 500


def test_a_typo_gets_a_suggestion() -> None:
    with pytest.raises(HistoryError, match="did you mean 'yesterday'"):
        parse("yesterdy 18:00", BERLIN, NOW)


@given(st.text(max_size=40))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        moment = parse(text, BERLIN, NOW)
    except HistoryError:
        return
    assert 0 <= moment <= 32_503_680_000


@given(
    st.datetimes(datetime(1975, 1, 1), datetime(2035, 1, 1)),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
def test_printed_times_can_be_parsed(moment: datetime, name: str) -> None:
    tz = ZoneInfo(name)
    unix = moment.replace(microsecond=0, tzinfo=UTC).timestamp()
    assert parse(local(unix, tz).isoformat(), tz, NOW) == unix
    naive = local(unix, tz).replace(tzinfo=None)
    again = parse(naive.isoformat(" "), tz, NOW)
    # The hour that comes twice is understood as its first; nothing else may differ.
    assert unix - again in (0, 3600, 1800)


def test_days_may_have_23_or_25_hours() -> None:
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)
    assert day_span(spring, BERLIN).seconds == 23 * 3600
    assert day_span(autumn, BERLIN).seconds == 25 * 3600
    names = [local(hour.start, BERLIN).strftime("%H") for hour in hours_of(autumn, BERLIN)]
    assert len(names) == 25
    assert names.count("02") == 2
    assert "02" not in {local(h.start, BERLIN).strftime("%H") for h in hours_of(spring, BERLIN)}
    half = hours_of(date(2026, 4, 5), ZoneInfo("Australia/Lord_Howe"))
    assert (len(half), half[-1].seconds) == (25, 1800)


def test_yesterday_is_a_calendar_day_not_24_hours() -> None:
    noon = datetime(2026, 3, 30, 12, tzinfo=BERLIN).timestamp()  # the day after the change
    assert said("yesterday 12:00", now=noon) == "2026-03-29 12:00:00"
    assert said("1 day ago", now=noon) == "2026-03-29 12:00:00"
    after = datetime(2026, 3, 29, 12, tzinfo=BERLIN).timestamp()
    assert said("1 day ago", now=after) == "2026-03-28 12:00:00"
    assert after - parse("1 day ago", BERLIN, after) == 23 * 3600
    assert after - parse("24h ago", BERLIN, after) == 24 * 3600


def test_skipped_and_repeated_local_times_are_resolved() -> None:
    assert said("2026-03-29 02:30") == "2026-03-29 03:30:00"
    first = parse("2026-10-25 02:30", BERLIN, NOW)
    assert local(first, BERLIN).utcoffset() == timedelta(hours=2)


def test_a_day_without_midnight_starts_at_one() -> None:
    """In Beirut the clock goes from 23:59 to 01:00: the day starts at one."""
    beirut = ZoneInfo("Asia/Beirut")
    day = day_span(date(2026, 3, 29), beirut)
    assert local(day.start, beirut).strftime("%d %H:%M") == "29 01:00"
    assert day.seconds == 23 * 3600


@pytest.mark.parametrize("name", ["Europe/Berlin", "Asia/Beirut", "Australia/Lord_Howe"])
def test_consecutive_days_have_no_hole_or_overlap(name: str) -> None:
    tz = ZoneInfo(name)
    first = date(2026, 1, 1)
    for number in range(365):
        day = first + timedelta(days=number)
        whole = day_span(day, tz)
        assert whole.end == day_span(day + timedelta(days=1), tz).start
        assert sum(hour.seconds for hour in hours_of(day, tz)) == whole.seconds


def test_the_system_time_zone_is_the_default() -> None:
    code = (
        "from datetime import date\n"
        "from streamgenre.history.time_zones import day_span, local\n"
        "from streamgenre.history.times import parse\n"
        "print(day_span(date(2026, 3, 29), None).seconds / 3600)\n"
        "print(local(parse('2026-07-01 12:00', None), None).utcoffset())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TZ": "America/New_York"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["24.0", "-1", "day,", "20:00:00"]


def test_time_zones_are_found_by_name() -> None:
    assert zone(None) is None
    assert zone("Europe/Berlin") == BERLIN
    for wrong in ("Berlin", "Europe/Berlinn", "../etc/passwd", "", "Europe", "\0"):
        with pytest.raises(HistoryError, match="no such time zone"):
            zone(wrong)
    with pytest.raises(HistoryError, match="did you mean 'Europe/Berlin'"):
        zone("Europe/Berlinn")


def test_days_are_found_by_name() -> None:
    assert parse_day("yesterday", BERLIN, NOW) == date(2026, 6, 30)
    assert parse_day("monday", BERLIN, NOW) == date(2026, 6, 29)
    for wrong in ("18:00", "yesterday 18:00", "2h ago", "someday", ""):
        with pytest.raises(HistoryError, match="expected a day"):
            parse_day(wrong, BERLIN, NOW)


def test_spans_are_parsed() -> None:
    day = span("yesterday", "today", BERLIN, default_s=60, now=NOW)
    assert day.seconds == 24 * 3600
    assert span(None, None, BERLIN, default_s=60, now=NOW).seconds == 60
    assert span(None, None, BERLIN, default_s=None, now=NOW).start == 0
    for since, until in (("today", "yesterday"), ("23:00", None), ("today", "today")):
        with pytest.raises(HistoryError, match="expected --since before --until"):
            span(since, until, BERLIN, default_s=60, now=NOW)


@pytest.mark.parametrize("clock", [253_402_300_800.0, 1e12, 1e15, 1e300, -1e12])
@pytest.mark.parametrize("tz", [None, BERLIN])
def test_a_clock_beyond_all_calendars_is_explained(clock: float, tz: ZoneInfo | None) -> None:
    with pytest.raises(HistoryError, match="the system's clock is or was set wrongly"):
        local(clock, tz)
