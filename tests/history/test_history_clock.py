"""A wrong clock deletes nothing that was recorded by the right one, or is recorded now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.histories import HistoryWriter, check_whole, record, rows
from support.history_programme import T0, Programme

from streamgenre.events import Title
from streamgenre.history import clock_trust
from streamgenre.history.clock_trust import belief, synchronised, unconfirmed_s
from streamgenre.history.retention import Retention
from streamgenre.history.settings import HistorySettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamgenre.history.places import Place

DAY = clock_trust.DAY_S
HOUR = 3600.0
YEAR = 365 * DAY
COUNTED = ("segments", "titles", "gaps", "dead_air", "source_changes", "shares", "details")


@pytest.fixture
def writer(path: Place) -> Iterator[HistoryWriter]:
    writer = HistoryWriter(path)
    yield writer
    writer.vanish()


def listen(writer: HistoryWriter, start: float, hours: float = 1.0) -> None:
    """Record some hours from a time on, in a run of its own."""
    programme = Programme("kitchen", f"{start:.0f}", start, seed=1)
    record(writer.path, programme.day(round(hours * HOUR)), every=4000)


def step_through(writer: HistoryWriter, now: float, **limits: Any) -> list[str]:
    """Apply limits until nothing is left to do; return what was said."""
    said: list[str] = []
    retention = Retention(
        writer.store.connection, HistorySettings(writer.path, **limits), said.append
    )
    for _ in range(10_000):
        if not retention.step(now):
            return said
    raise AssertionError("no end")


def counts(path: Place) -> dict[str, int]:
    return {table: rows(path, f"SELECT count(*) FROM {table}")[0][0] for table in COUNTED}


@pytest.mark.parametrize("ahead", [32 * DAY, 272 * DAY, 3 * YEAR, 80 * YEAR])
def test_a_clock_that_is_ahead_deletes_nothing(writer: HistoryWriter, ahead: float) -> None:
    listen(writer, T0)
    listen(writer, T0 + HOUR + ahead, 0.1)
    before = counts(writer.path)
    said = step_through(writer, T0 + 1.1 * HOUR + ahead, keep_days=31)
    assert counts(writer.path) == before
    assert any("days ahead of the rows before" in line for line in said)
    # Back in time: those rows lie in the future now, and delete nothing either.
    listen(writer, T0 + 2 * HOUR, 0.1)
    before = counts(writer.path)
    said = step_through(writer, T0 + 3 * HOUR, keep_days=31)
    assert counts(writer.path) == before
    assert any("in the future" in line for line in said)


def test_a_hole_is_confirmed_by_listening(writer: HistoryWriter) -> None:
    listen(writer, T0)
    listen(writer, T0 + YEAR)
    writer.store.connection.execute(
        "UPDATE sessions SET end_time = end_time + ? WHERE start_time > ?", (8 * DAY, T0 + DAY)
    )
    said = step_through(writer, T0 + YEAR + 8 * DAY, keep_days=31)
    assert said == []
    assert rows(writer.path, "SELECT min(start_time) > ? FROM segments", T0 + DAY) == [(1,)]


def test_rows_of_a_boot_in_1970_are_as_young_as_those_after_it(writer: HistoryWriter) -> None:
    listen(writer, T0 - 2 * YEAR - 30 * DAY, 0.2)
    listen(writer, T0 - 10 * DAY)
    writer.store.connection.execute(
        "UPDATE sessions SET end_time = ?1 WHERE start_time > ?1 - ?2", (T0 - HOUR, 11 * DAY)
    )
    later = HistoryWriter(writer.path)  # boots in 1970, and gets the time from the network
    for start in (60.0, T0):
        later.take(Programme("kitchen", f"{start:.0f}", start, seed=1).day(round(HOUR)))
    later.flush()
    before = counts(writer.path)
    step_through(later, T0 + HOUR)
    after = counts(writer.path)
    first = "SELECT count(*) > 0 FROM segments WHERE start_time < ?"
    assert rows(writer.path, first, HOUR) == [(1,)]
    assert 10 <= before["details"] - after["details"] <= 16  # the minutes of two years ago
    old = "SELECT count(*) FROM segments WHERE start_time BETWEEN ? AND ?"
    assert rows(writer.path, old, DAY, T0 - 2 * YEAR) == [(0,)]
    assert rows(writer.path, "SELECT count(*) > 0 FROM shares WHERE hour < 2") == [(1,)]
    later.vanish()
    check_whole(writer.path)


def test_nothing_is_deleted_before_a_time_service_has_set_the_clock(
    writer: HistoryWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "timesync"
    folder.mkdir()
    monkeypatch.setattr(clock_trust, "synchronised", lambda: synchronised(folder))
    listen(writer, T0)
    before = counts(writer.path)
    said = step_through(writer, T0 + 40 * DAY, keep_days=5)
    assert counts(writer.path) == before
    assert any("no time service has set" in line for line in said)
    (folder / "synchronized").touch()
    assert step_through(writer, T0 + 40 * DAY, keep_days=5) == []
    assert counts(writer.path)["segments"] == 0


def test_without_a_time_service_the_rows_decide(tmp_path: Path) -> None:
    assert synchronised(tmp_path / "none", ()) is None
    assert synchronised(tmp_path / "none", (tmp_path,)) in (True, False, None)


def test_a_machine_that_runs_two_hours_a_week_keeps_little_more_than_it_should() -> None:
    spans = [(T0 + 7 * DAY * week, T0 + 7 * DAY * week + 2 * HOUR) for week in range(150)]
    assert unconfirmed_s(spans, spans[-1][1]) <= 70 * DAY
    weekends = [(T0 + 7 * DAY * week, T0 + 7 * DAY * week + 2 * DAY) for week in range(150)]
    assert unconfirmed_s(weekends, weekends[-1][1]) == 0


@given(
    st.lists(st.tuples(st.floats(0, 4e9), st.floats(0, 1e8)), max_size=20),
    st.floats(0, 4e9),
)
@examples(60)
def test_what_is_not_confirmed_is_never_more_than_what_is_missing(
    spans: list[tuple[float, float]], now: float
) -> None:
    past = [(start, min(start + length, now)) for start, length in spans if start <= now]
    earliest = min((start for start, _ in past), default=now)
    assert 0 <= unconfirmed_s(past, now) <= now - earliest


def test_an_empty_history_raises_no_doubt(writer: HistoryWriter) -> None:
    assert belief(writer.store.connection, T0).doubts == ()


def test_titles_and_dead_air_are_divided_where_the_clock_was_set(writer: HistoryWriter) -> None:
    """Ends by the old clock, a status, then what goes on by the new one, as the engine sends it."""
    old, shift = Programme("kitchen", "s1", T0), 272 * DAY
    new = Programme("kitchen", "s1", T0 + shift, sequence=old.sequence)

    def title(programme: Programme) -> Title:
        return Title(**programme.head("title"), artist="A", title="B", raw="A - B")

    writer.take([title(old), old.status()])
    writer.take(old.stretch("music", "jazz", 20))
    new.stream = old.stream
    writer.take([replace(new.status(), clock_steps=1), title(new)])
    writer.take(new.stretch("music", "jazz", 20))
    writer.recorder.end()
    writer.flush()
    lengths = "SELECT start_time, end_time FROM titles ORDER BY id"
    (first, second) = rows(writer.path, lengths)
    assert first == pytest.approx((T0, T0 + 20), abs=1)
    assert second == pytest.approx((T0 + shift + 20, T0 + shift + 40), abs=1)
    sessions = rows(writer.path, "SELECT uid, end_time - start_time FROM sessions ORDER BY id")
    assert [uid for uid, _ in sessions] == ["s1", "s1-1"]
    assert all(0 <= length < 60 for _, length in sessions)
    check_whole(writer.path)
