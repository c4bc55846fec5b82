"""Corrections: the model's answer stays, and everything counts what a person said."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support.clips import new_clip
from support.commands import streamgenre
from support.fuzzing import examples
from support.histories import HistoryWriter, record
from support.history_programme import T0, Programme

from streamgenre.clips.adding import add
from streamgenre.clips.settings import ClipSettings
from streamgenre.clips.store import ClipStore
from streamgenre.errors import HistoryError
from streamgenre.history import corrections, query
from streamgenre.history.airplay_log import airplay_log
from streamgenre.history.database import open_to_read, open_to_write
from streamgenre.history.retention import Retention
from streamgenre.history.search import genres_found
from streamgenre.history.settings import HistorySettings
from streamgenre.history.shares import shares, sums
from streamgenre.history.time_zones import Span, zone
from streamgenre.report.data import collect

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from hypothesis.strategies import DataObject

    from streamgenre.history.connection import Connection
    from streamgenre.history.places import Place

from hypothesis import given
from hypothesis import strategies as st

LENGTH_S = 5 * 3600
ZONES = ("UTC", "Asia/Kolkata", "Asia/Kathmandu")


@pytest.fixture(scope="module")
def day(new_place: Callable[..., Place]) -> Place:
    place = new_place()
    record(place, Programme().day(LENGTH_S), every=20_000)
    return place


@pytest.fixture
def place(day: Place, new_place: Callable[..., Place]) -> Place:
    place = new_place(day)
    with closing(writing(place)) as connection:
        connection.execute("DELETE FROM corrections")
    return place


def writing(place: Place) -> Connection:
    return open_to_write(place, busy_s=5)


def counted(connection: Connection, span: Span) -> dict[tuple[str, str], float]:
    """Return the seconds of each kind by the segments themselves."""
    found: defaultdict[tuple[str, str], float] = defaultdict(float)
    for each in query.segments(connection, {1: "kitchen"}, span):
        inside = min(each.end, span.end) - max(each.start, span.start)
        found[each.state, each.genre or ""] += inside
    return found


def summed(connection: Connection, span: Span, name: str) -> dict[tuple[str, str], float]:
    found: defaultdict[tuple[str, str], float] = defaultdict(float)
    for (at, kind), seconds in sums(connection, {1: "kitchen"}, span, tz=zone(name)).items():
        assert span.start <= at < span.end
        found[kind] += seconds
    return {kind: seconds for kind, seconds in found.items() if seconds > 0.005}


def close_to(found: dict[tuple[str, str], float]) -> dict[tuple[str, str], Any]:
    return {kind: pytest.approx(s, abs=0.01) for kind, s in found.items() if s > 0.005}


@examples(25)
@given(data=st.data())
def test_sums_are_those_of_the_corrected_segments(day: Place, data: DataObject) -> None:
    with closing(writing(day)) as connection:
        for _ in range(data.draw(st.integers(1, 4))):
            at = T0 + data.draw(st.integers(0, LENGTH_S - 1))
            genre = data.draw(st.sampled_from(["jazz", "classical", "k-pop"]))
            try:
                corrections.correct(connection, 1, "kitchen", at, genre)
            except HistoryError:
                continue  # a gap
        start = data.draw(st.integers(0, LENGTH_S - 60))
        span = Span(T0 + start, T0 + start + data.draw(st.integers(1, LENGTH_S)) + 0.25)
        name = data.draw(st.sampled_from(ZONES))
        assert summed(connection, span, name) == close_to(counted(connection, span))
        whole = counted(connection, Span(T0 - 1, T0 + 2 * LENGTH_S))
        for each in genres_found(connection, {1: "kitchen"}, "k-pop"):
            assert each.seconds == pytest.approx(whole["music", "k-pop"], abs=0.01)


def test_the_answer_stays_and_comes_back(place: Place) -> None:
    span = Span(T0, T0 + LENGTH_S)
    ids = {1: "kitchen"}
    with closing(writing(place)) as connection:
        before = list(query.segments(connection, ids, span))
        before_shares = shares(connection, ids, span, by="hour", tz=zone("UTC"))
        chosen = next(s for s in before if s.genre == "jazz")
        middle = (chosen.start + chosen.end) / 2
        done = corrections.correct(connection, 1, "kitchen", middle, "blues")
        assert (done.answer, done.before, done.genre) == ("jazz", "jazz", "blues")
        done = corrections.correct(connection, 1, "kitchen", middle, "metal")
        assert (done.answer, done.before, done.genre) == ("jazz", "blues", "metal")
        (now,) = (s for s in query.segments(connection, ids, span) if s.start == chosen.start)
        assert (now.state, now.genre, now.corrected_from) == ("music", "metal", "jazz")
        assert now.confidence is None
        assert shares(connection, ids, span, by="hour", tz=zone("UTC")) != before_shares
        back = corrections.undo(connection, 1, "kitchen", middle)
        assert (back.before, back.genre) == ("metal", "jazz")
        assert list(query.segments(connection, ids, span)) == before
        assert shares(connection, ids, span, by="hour", tz=zone("UTC")) == before_shares
        with pytest.raises(HistoryError, match="nothing to undo"):
            corrections.undo(connection, 1, "kitchen", middle)
        with pytest.raises(HistoryError, match="nothing was recorded then"):
            corrections.correct(connection, 1, "kitchen", T0 - 100, "jazz")


def test_a_state_can_be_corrected_and_is_in_playlist_report_and_day(place: Place) -> None:
    with closing(writing(place)) as connection:
        span = Span(T0, T0 + LENGTH_S)
        segments = list(query.segments(connection, {1: "kitchen"}, span))
        chosen = next(s for s in segments if s.genre is None and s.end - s.start > 5)
        corrections.correct(connection, 1, "kitchen", chosen.start + 1, "k-pop")
    with closing(open_to_read(place)) as connection:
        day = collect(connection, "kitchen", _day(T0), zone("UTC"))
        assert day.corrected == 1
        assert "k-pop" in day.genres
        lines = airplay_log([], query.segments(connection, {1: "kitchen"}, span))
        assert ("k-pop" in {line.genre for line in lines}) == (chosen.end - chosen.start >= 10)


def _day(unix: float) -> Any:
    from streamgenre.history.time_zones import local

    return local(unix, zone("UTC")).date()


def test_a_segment_that_goes_on_stays_corrected(path: Place) -> None:
    writer = HistoryWriter(path)
    maker = Programme()
    events = maker.stretch("music", "jazz", 60)
    writer.take(next(events) for _ in range(20))
    writer.flush()
    with closing(writing(path)) as connection:
        corrections.correct(connection, 1, "kitchen", T0 + 25, "blues")  # later than was written
    writer.take(events)
    writer.end()
    with closing(open_to_read(path)) as connection:
        span = Span(T0 - 1, T0 + 100)
        (segment,) = query.segments(connection, {1: "kitchen"}, span)
        assert (segment.genre, segment.corrected_from, segment.end) == ("blues", "jazz", T0 + 60)
        assert summed(connection, span, "UTC") == close_to({("music", "blues"): 60})


def test_corrections_go_with_their_segments(place: Place) -> None:
    with closing(writing(place)) as connection:
        corrections.correct(connection, 1, "kitchen", T0 + 100, "metal")
        retention = Retention(connection, HistorySettings(path=place, keep_days=1))
        later = T0 + 10 * 86_400
        connection.execute("UPDATE sessions SET ending = 'closed'")
        for _ in range(200):
            if not retention.step(later):
                break
        if connection.execute("SELECT count(*) FROM segments").fetchone()[0] == 0:
            assert connection.execute("SELECT count(*) FROM corrections").fetchone()[0] == 0
        else:
            pytest.skip("this machine's clock is not synchronised: nothing is deleted")


# ---- the command --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corrected") / "h.sqlite3"
    record(path, Programme().day(1800), every=20_000)
    return path


def correct(file: Path, *arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
    more = ("--station", "kitchen", "--tz", "UTC", "--history", file)
    return streamgenre("history", "correct", *arguments, *more, **how)


def test_the_command_corrects_labels_clips_and_undoes(file: Path, tmp_path: Path) -> None:
    state = {"XDG_STATE_HOME": str(tmp_path)}
    at = ("--at", f"@{T0 + 60:.0f}")
    folder = tmp_path / "streamgenre" / "clips"
    with closing(ClipStore(folder, create=True)) as store:
        for start in (T0 + 59, T0 + 4000):
            clip = new_clip(start=start, seed=int(start))
            add(store, clip, ClipSettings(seconds=3.0), now=T0)
    done = correct(file, *at, "metal", "--json", env=state)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert (said["genre"], said["clips"]) == ("metal", 1)
    with closing(ClipStore(folder)) as store:
        assert sorted((c.label or "", c.by or "") for c in store.clips()) == [
            ("", ""),
            ("metal", "history"),
        ]
    rows = streamgenre(
        *("history", "export", "--day", "2026-07-01", "--tz", "UTC", "--history", file),
        "--json",
    )
    changed = [row for row in json.loads(rows.stdout) if row["corrected_from"]]
    assert [(row["genre"], row["corrected_from"]) for row in changed] == [("metal", said["answer"])]
    report = tmp_path / "report.html"
    streamgenre(
        *("report", "--day", "2026-07-01", "--tz", "UTC", "--history", file, "--out", report)
    )
    assert f"corrected, was {said['answer']}" in report.read_text()
    done = correct(file, *at, "--undo", env=state)
    assert done.returncode == 0
    assert f"metal → {said['answer']}" in done.stdout
    with closing(ClipStore(folder)) as store:
        assert [clip.label for clip in store.clips()] == [None, None]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--at", "noon-ish", "jazz"), "not a time"),
        (("--at", f"@{T0 - 500:.0f}", "jazz"), "nothing was recorded then"),
        (("--at", f"@{T0 + 60:.0f}", "jaz"), "did you mean 'jazz'"),
        (("--at", f"@{T0 + 60:.0f}"), "expected a GENRE"),
        (("--at", f"@{T0 + 60:.0f}", "jazz", "--undo"), "expected a GENRE"),
        (("--at", f"@{T0 + 60:.0f}", "--undo"), "nothing to undo"),
        (("--at", f"@{T0 + 60:.0f}", "a/b", "--new"), "contains no slash"),
    ],
)
def test_errors_are_explained(file: Path, arguments: tuple[str, ...], words: str) -> None:
    done = correct(file, *arguments)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_new_genre_is_allowed_when_asked_for(file: Path) -> None:
    at = ("--at", f"@{T0 + 900:.0f}")
    assert "add --new" in correct(file, *at, "K-pop").stderr
    assert correct(file, *at, "K-pop", "--new").returncode == 0
    assert "→ K-pop" in correct(file, *at, "k-POP", "--new").stdout  # the same one
    found = streamgenre(
        *("history", "shares", "--day", "2026-07-01", "--tz", "UTC", "--history", file, "--json")
    )
    assert "K-pop" in {row["genre"] for row in json.loads(found.stdout)}
    assert correct(file, *at, "--undo").returncode == 0
