"""Threads that answer questions of a server, and the search that it offers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.histories import HistoryWriter, check_whole, record, rows
from support.history_programme import T0, Programme
from support.live import PATIENCE_S

from streamgenre.errors import HistoryError
from streamgenre.events import Segment
from streamgenre.history import query, readers, search, tags
from streamgenre.history.database import open_to_read, open_to_write
from streamgenre.history.ids import fold
from streamgenre.history.readers import BusyError, Readers
from streamgenre.history.time_zones import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streamgenre.history.connection import Connection
    from streamgenre.history.places import Place


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("read") / "h.sqlite3"
    for station in ("hall", "kitchen"):
        record(path, Programme(station, station, T0, hop=8.0).day(8 * 3600), every=20_000)
    return path


@pytest.fixture(scope="module")
def connection(path: Path) -> Iterator[Connection]:
    opened = open_to_read(path)
    yield opened
    opened.close()


@pytest.mark.parametrize("few", [0, 500])
@examples(30)
@given(
    words=st.lists(
        st.sampled_from(["o", "beyonce", "Halo", "1974", "doe", "夜", "zz"]), min_size=1
    ),
    start=st.floats(T0, T0 + 8 * 3600),
    length=st.floats(1, 8 * 3600),
    skip=st.integers(0, 30),
)
def test_the_search_finds_what_reading_all_titles_finds(
    connection: Connection,
    few: int,
    words: list[str],
    start: float,
    length: float,
    skip: int,
) -> None:
    span, ids = Span(start, start + length), query.stations(connection, None)
    by_hand = [
        title
        for title in query.titles(connection, ids, span)
        if all(fold(word) in fold(f"{title.artist} {title.title}") for word in words)
    ]
    by_hand.sort(key=lambda title: -title.start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_FEW", few)
        found, more = search.titles_found(
            connection, ids, span, " ".join(words), limit=10, skip=skip
        )
    assert {t.start for t in found} == {t.start for t in by_hand[skip : skip + 10]}
    assert more == (len(by_hand) > skip + 10)


def test_a_search_for_nothing_or_too_much_is_refused(connection: Connection) -> None:
    for text in ("", " \t", "\u0301", "x" * 201, " ".join(map(str, range(11)))):
        with pytest.raises(HistoryError, match="search for"):
            search.words_of(text)
    ids = query.stations(connection, None)
    genres = search.genres_found(connection, ids, "CLASS")
    assert {each.genre for each in genres} == {"classical"}
    assert {each.station for each in genres} == {"hall", "kitchen"}


def test_a_question_that_takes_too_long_is_cut_off(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "LONGEST_S", 0.05)
    asked = Readers(path)
    endless = (
        "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    )
    with pytest.raises(HistoryError, match="ask for less"):
        asked.ask(lambda c: c.execute(endless).fetchone()).result(PATIENCE_S)
    # The thread goes on, and its connection too.
    assert asked.ask(lambda c: c.execute("SELECT 1").fetchone()).result(PATIENCE_S) == (1,)
    asked.close()


def test_a_connection_cannot_write_and_sees_one_moment(path: Path) -> None:
    asked = Readers(path)

    def write(connection: Connection) -> Any:
        assert connection.in_transaction
        return connection.execute("DELETE FROM titles")

    with pytest.raises(HistoryError, match="cannot be read"):
        asked.ask(write).result(PATIENCE_S)
    asked.close()


def test_too_many_questions_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "WAITING", 4)
    asked, gate = Readers(path), threading.Event()
    waiting = [asked.ask(lambda _: gate.wait(PATIENCE_S)) for _ in range(4)]
    with pytest.raises(BusyError, match="try again later"):
        asked.ask(lambda _: None)
    gate.set()
    assert all(each.result(PATIENCE_S) for each in waiting)
    asked.close()


def test_tags_are_added_up_by_day_and_found(new_place: Callable[..., Place]) -> None:
    """Each segment counts once, however often its row is written; old days are deleted."""
    path = new_place()
    maker = Programme("kitchen", "s1", T0 + 86_400 - 50)  # 50 s before midnight UTC
    events = [
        replace(event, tags={"electronic": 0.5, "Ambient ´x´": 0.25, "\ud800": 0.1})
        if isinstance(event, Segment)
        else event
        for genre in ("pop", "jazz")
        for event in maker.stretch("music", genre, 100)
    ]
    writer = HistoryWriter(path)
    for event in events:
        writer.take([event])
        writer.store.write(writer.pending)
        writer.store.write(writer.pending)
        writer.flush()
    writer.end()
    check_whole(path)
    days = "SELECT day, ms FROM tag_days JOIN tags ON id = tag WHERE name = 'electronic' ORDER BY 1"
    first = int(T0 // 86_400)
    assert rows(path, days) == [(first, 25_000), (first + 1, 75_000)]
    connection = open_to_read(path)
    ids = query.stations(connection, None)
    found = tags.found(connection, ids, search.words_of("AMBIENT"))
    assert [(each.station, each.tag, each.seconds) for each in found] == [
        ("kitchen", "Ambient ´x´", 50.0)
    ]
    connection.close()
    writing = open_to_write(path, busy_s=1)
    assert tags.delete(writing, T0 + 86_400) == 3
    writing.close()
    assert rows(path, days) == [(first + 1, 75_000)]


HANGS = """
import sys
from pathlib import Path
from streamgenre.history.readers import THREADS, Readers

readers = Readers(Path(sys.argv[1]))
asked = [readers.ask(lambda c: Path(sys.argv[2]).read_text()) for _ in range(THREADS + 1)]
while not all(each.running() for each in asked[:THREADS]):
    pass
readers.close()
assert asked[THREADS].cancelled()
print("closed", flush=True)
"""


def test_a_disk_that_does_not_answer_does_not_keep_the_process(path: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    done = subprocess.run(
        [sys.executable, "-c", HANGS, path, tmp_path / "fifo"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "closed\n"), done.stderr
