"""Rows wait on disk while the server is away, and are written in order, once."""

from __future__ import annotations

import json
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commands import start
from support.fuzzing import examples
from support.histories import HistoryWriter, check_whole, record, rows
from support.history_programme import T0, Programme
from support.paced_radio import paced_radio

from streamgenre.history import row_spool as module
from streamgenre.history import spool as spool_module
from streamgenre.history import writer as writer_module
from streamgenre.history.places import Server
from streamgenre.history.recorder import Recorder
from streamgenre.history.row_spool import RowSpool, decoded, encoded
from streamgenre.history.rows import GapRow, PendingRows, SegmentRow, SessionRow
from streamgenre.history.settings import HistorySettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.postgres import PostgresServer

TABLES = {
    "segments": "SELECT u.uid, s.stream_start, k.genre, s.start_time, s.end_time, s.updates, "
    "s.ending FROM segments s JOIN sessions u ON u.id = s.session JOIN kinds k ON k.id = s.kind",
    "titles": "SELECT u.uid, t.seq, t.start_time, t.end_time, t.ending FROM titles t "
    "JOIN sessions u ON u.id = t.session",
    "gaps": "SELECT u.uid, g.seq, g.start_time, g.end_time, g.reason FROM gaps g "
    "JOIN sessions u ON u.id = g.session",
    "details": "SELECT u.uid, d.minute, d.updates FROM details d "
    "JOIN sessions u ON u.id = d.session",
    "sessions": "SELECT uid, start_time, end_time, ending, input FROM sessions",
    "shares": "SELECT count(*), sum(q0 + q1 + q2 + q3) FROM shares",
    "tags": "SELECT count(*), sum(ms) FROM tag_days",
    "runs": "SELECT ending FROM runs",
}


@pytest.fixture
def database(postgres: PostgresServer) -> Server:
    postgres.start()
    return postgres.database()


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "state"


def wait(true: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def writer_of(where: Server, said: list[str], **more: Any) -> writer_module.HistoryWriter:
    settings = HistorySettings(where, flush_s=0.05, **more)
    writer = writer_module.HistoryWriter(settings, lossless=True, say=said.append)
    writer.start()
    return writer


def contents(place: Any) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(rows(place, sql), key=repr) for name, sql in TABLES.items()}


def test_days_with_the_server_away_at_times_are_the_same_as_days_without(
    postgres: PostgresServer, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also over a clean restart while the server is away; compared table by table."""
    monkeypatch.setattr(module, "_BATCH_ROWS", 40)
    postgres.start()
    broken, whole = postgres.database(), postgres.database()
    days = [list(Programme("kitchen", f"s{n}", seed=n).day(400)) for n in range(3)]
    said: list[str] = []
    for number, day in enumerate(days):
        writer = writer_of(broken, said)
        for count, event in enumerate(day):
            if number == 0 and count == len(day) // 2:
                wait(lambda writer=writer: not writer.state()["buffered"])  # type: ignore[misc]
                postgres.stop()
                wait(lambda writer=writer: writer.state()["state"] == "failing")  # type: ignore[misc]
            if number == 2 and count == len(day) // 2:
                postgres.start()
                wait(lambda writer=writer: writer.state()["state"] == "recording")  # type: ignore[misc]
            writer.put(event)
            if count % 40 == 0:
                time.sleep(0.06)
        writer.close()
        assert writer.state()["lost"] == 0
        if number == 0:
            (file,) = state.glob("history-*.sqlite3")
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert f"wait in {file} and are written at the next start" in said[-1]
    for day in days:
        record(whole, day)
    found, wanted = contents(broken), contents(whole)
    assert found == wanted
    check_whole(broken)


def test_a_batch_that_is_written_twice_changes_nothing(database: Server) -> None:
    """As after a crash between the commit and the removal from the disk."""
    writer = HistoryWriter(database)
    pending = PendingRows(room=3)  # so that rows are lost, too
    recorder = Recorder(pending)
    for event in Programme("kitchen", "s1").day(600):
        recorder.take(event)
    assert pending.lost
    bodies = [encoded(pending, ended=False)]
    recorder.end()
    bodies.append(encoded(pending, ended=True))
    for body in bodies:
        before = None
        for _ in range(2):
            writer.store.write(decoded(body)[0])
            now = contents(database)
            assert before in (None, now)
            before = now
    writer.end()
    assert rows(database, "SELECT count(*) FROM gaps WHERE seq IS NULL") == [(1,)]
    check_whole(database)


def test_tags_of_a_segment_that_was_cut_and_then_closed_count_once(database: Server) -> None:
    """It was open when the server went away, and closed before the daemon was restarted."""
    session = SessionRow("s1", "kitchen", T0, T0 + 100)
    row = SegmentRow(session, 0.0, "music", "jazz", start_time=T0, end_time=T0 + 50)
    pending = PendingRows()
    pending.add(row)
    killed = HistoryWriter(database)
    killed.store.write(pending)
    killed.vanish()
    row.end_time, row.ending, row.tags = T0 + 100, "closed", {"mellow": 0.5}
    body = encoded(pending, ended=False)
    writer = HistoryWriter(database)
    assert rows(database, "SELECT ending FROM segments") == [("cut",)]
    for _ in range(2):
        writer.store.write(decoded(body)[0])
        assert rows(database, "SELECT sum(ms) FROM tag_days") == [(50_000,)]
    writer.end()
    check_whole(database)


def test_beyond_its_bound_the_oldest_rows_go_and_are_counted(
    postgres: PostgresServer, database: Server, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH_ROWS", 20)
    said: list[str] = []
    postgres.stop()
    writer = writer_of(database, said, spool_mb=1)
    wait(lambda: writer.state()["state"] == "failing")
    assert writer._spool is not None
    writer._spool._max_bytes = 30_000
    maker = Programme("kitchen", "s1")
    for number in range(300):
        for event in maker.stretch("music", ("jazz", "rock")[number % 2], 20):
            writer.put(event)
        time.sleep(0.01)
    wait(lambda: writer.state()["lost"] > 100)
    postgres.start()
    wait(lambda: writer.state()["state"] == "recording" and not writer.state()["buffered"])
    writer.close()
    lost = writer.state()["lost"]
    assert any(f"{lost} rows or events were lost meanwhile" in line for line in said), said
    assert rows(database, "SELECT DISTINCT reason FROM gaps") == [("history",)]
    (newest,) = rows(database, "SELECT max(end_time) FROM segments")[0]
    (oldest,) = rows(database, "SELECT min(start_time) FROM segments")[0]
    ((gap_start, gap_end),) = rows(database, "SELECT min(start_time), max(end_time) FROM gaps")
    assert gap_start < oldest
    assert gap_end <= newest
    check_whole(database)


@pytest.mark.parametrize("ended", [False, True])
def test_the_gap_of_what_was_dropped_outlives_the_batch_that_needed_its_place(
    ended: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH_ROWS", 1)
    pending = PendingRows()
    spool = RowSpool(
        Server("postgresql://nobody@127.0.0.1:9/none"), tmp_path, max_bytes=1_000_000,
        token="ab" * 6, warn=pytest.fail, on_lost=pending.note_lost,
    )  # fmt: skip
    session = SessionRow("s1", "kitchen", T0, T0 + 200)
    for n in range(2):
        pending.add(SegmentRow(session, 100.0 * n, "music", "jazz", T0 + 100 * n, T0 + 100 * n + 9))
        assert spool.keep(pending, ended=ended and n == 1)
        spool._spools[-1]._max_bytes = 1  # only the newest batch has room
    batches = [pending, *(decoded(body)[0] for body in bodies(spool))]
    gaps = [gap for batch in batches for gap in batch.of(GapRow)]
    assert (T0, "history") in {(gap.start_time, gap.reason) for gap in gaps}
    spool.close()


def bodies(spool: RowSpool) -> Iterator[bytes]:
    """Take the batches that wait."""
    for each in spool._spools:
        while (found := each.first()) is not None:
            each.done(found[0])
            yield found[1]


@pytest.mark.parametrize("hindrance", ["no folder", "another's file"])
def test_a_spool_that_cannot_be_used_is_tried_again_and_that_is_said_once(
    hindrance: str, postgres: PostgresServer, database: Server, state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Rows heard meanwhile, and those that an earlier daemon left, are then on disk and written."""
    monkeypatch.setattr(spool_module, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(spool_module, "_LONGEST_PAUSE_S", 0.1)
    postgres.stop()
    first, second = (list(Programme("kitchen", f"s{n}", seed=n).day(200)) for n in range(2))
    said: list[str] = []
    writer = writer_of(database, said)
    for event in first:
        writer.put(event)
    writer.close()
    (file,) = state.glob("history-*.sqlite3")
    aside = state.with_name("aside")
    if hindrance == "no folder":
        state.rename(aside)
        state.touch()
    else:
        file.rename(aside)
        file.mkdir()
    said.clear()
    writer = writer_of(database, said)
    for event in second:
        writer.put(event)
    wait(lambda: writer.state()["state"] == "failing" and writer.state()["buffered"])
    time.sleep(0.5)  # some attempts
    assert [line for line in said if "cannot be used" in line] == said[:1], said
    if hindrance == "no folder":
        state.unlink()
        aside.rename(state)
    else:
        file.rmdir()
        aside.rename(file)
    wait(lambda: any(f"{file} can be used now" in line for line in said))
    writer.close()
    assert "are written at the next start" in said[-1]
    assert sum("can be used now" in line for line in said) == 1
    postgres.start()
    writer = writer_of(database, said)
    wait(lambda: writer.state()["state"] == "recording" and not len(writer._spool or ""))
    writer.close()
    found = contents(database)
    assert {uid for uid, *_ in found["sessions"]} == {"s0", "s1"}
    assert sum(updates for *_, updates in found["details"]) == sum(
        event.TYPE == "update" for event in [*first, *second]
    )
    check_whole(database)


@given(st.binary(max_size=200))
@examples(60)
def test_a_damaged_batch_is_recognised(body: bytes) -> None:
    with pytest.raises(module._DAMAGED):
        decoded(body)


@pytest.fixture(scope="module")
def radio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with paced_radio(tmp_path_factory.mktemp("radio"), seconds=20) as base:
        yield f"{base}/a"


def test_a_daemon_killed_while_the_server_is_away_has_lost_nothing(
    postgres: PostgresServer, database: Server, radio: str, tmp_path: Path
) -> None:
    def listening() -> Any:
        return start(
            *("listen", "--input", radio, "--model", "lite", "--json", "--publish"),
            *("tcp://127.0.0.1:*", "--history", database.url),
            env={"STATE_DIRECTORY": str(tmp_path / "state"), **ENVIRONMENT},
        )

    def heard(daemon: Any, until: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        found = []
        for line in daemon.stdout:
            found.append(json.loads(line))
            if until(found[-1]):
                return found
        raise AssertionError(daemon.stderr.read())

    def spooled(event: dict[str, Any]) -> bool:
        return bool(
            event["type"] == "status"
            and event["history"]["state"] == "failing"
            and event["history"]["buffered"]
        )

    with listening() as first:
        events = heard(first, lambda e: e["type"] == "update" and e["seq"] >= 2)
        wait(lambda: written(database, "SELECT count(*) FROM sessions"))
        postgres.stop()
        events += heard(first, spooled)
        events += heard(first, spooled)  # five seconds later: the next flush was in between
        first.kill()
        first.communicate()
    updates = [event for event in events if event["type"] == "update"]
    session = updates[0]["session"]
    (file,) = (tmp_path / "state").glob("history-*.sqlite3")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    postgres.start()
    wait(lambda: rows(database, "SELECT 1"))
    with listening() as second:
        heard(second, lambda e: e["type"] == "status" and e["history"]["state"] == "recording")
        wait(lambda: written(database, f"SELECT count(*) FROM sessions WHERE uid <> '{session}'"))
        second.terminate()
        _, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    of_first = f"WHERE session = (SELECT id FROM sessions WHERE uid = '{session}')"
    (kept,) = rows(database, f"SELECT sum(updates) FROM details {of_first}")[0]
    assert len(updates) - 7 <= kept <= len(updates) + 1, "up to five seconds may be missing"
    assert rows(database, f"SELECT sum(updates) FROM segments {of_first}") == [(kept,)]
    assert rows(database, f"SELECT DISTINCT ending FROM sessions WHERE uid = '{session}'") == [
        ("cut",)
    ]
    assert rows(database, f"SELECT count(*) FROM segments {of_first} AND ending = 'open'") == [(0,)]
    assert sorted(rows(database, "SELECT ending FROM runs")) == [("closed",), ("cut",)]
    check_whole(database)


def written(database: Server, sql: str) -> bool:
    with suppress(Exception):  # no tables yet
        return bool(rows(database, sql)[0][0])
    return False


ENVIRONMENT = {"PULSE_SERVER": "unix:/nonexistent", "PYTHONUNBUFFERED": "1"}
