"""A history in PostgreSQL: what a file has no counterpart for."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from support.commands import environment, free_endpoint, start, streamgenre
from support.histories import HistoryWriter, check_whole, record, rows
from support.history_programme import T0, Programme
from support.postgres import PASSWORD, name_of

from streamgenre.config.site import SiteSettings
from streamgenre.errors import HistoryError, SettingsError
from streamgenre.events import Gap
from streamgenre.history import query
from streamgenre.history import readers as readers_module
from streamgenre.history import writer as writer_module
from streamgenre.history.database import open_to_read, open_to_write
from streamgenre.history.places import Server, place
from streamgenre.history.readers import Readers
from streamgenre.history.rows import PendingRows
from streamgenre.history.search import genres_found, titles_found
from streamgenre.history.settings import HistorySettings
from streamgenre.history.time_zones import Span

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.postgres import PostgresServer

    from streamgenre.history.records import TitleRecord

SEGMENTS = "SELECT count(*), sum(updates) FROM segments"
SECRETS = (PASSWORD, "s3cret", "p%20w", "p w%40")


@pytest.fixture
def database(postgres: PostgresServer) -> Server:
    postgres.start()
    return postgres.database()


def wait(true: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def writer_of(where: Server, said: list[str]) -> writer_module.HistoryWriter:
    settings = HistorySettings(where, flush_s=0.05)
    writer = writer_module.HistoryWriter(settings, lossless=False, say=said.append)
    writer.start()
    return writer


def test_a_restart_under_load_loses_nothing(postgres: PostgresServer, database: Server) -> None:
    said: list[str] = []
    writer, maker, hops = writer_of(database, said), Programme(), 0
    for how in (signal.SIGINT, signal.SIGQUIT, None):
        for genre in ("jazz", "rock", "pop", "blues") * 5:
            for event in maker.stretch("music", genre, 10):
                writer.put(event)
            hops += 10
            time.sleep(0.01)
        if how is None:
            break
        wait(lambda: writer.state()["state"] == "recording" and not writer.state()["buffered"])
        postgres.stop(how)
        wait(lambda: writer.state()["state"] == "failing")
        for event in maker.stretch("music", "metal", 10):
            writer.put(event)
        hops += 10
        postgres.start()
        wait(lambda: writer.state()["state"] == "recording")
    writer.close()
    assert writer.state()["lost"] == 0
    assert rows(database, SEGMENTS) == [(3 * 20 + 2, hops)]
    assert rows(database, "SELECT DISTINCT ending FROM segments") == [("closed",)]
    assert rows(database, "SELECT ending FROM runs") == [("closed",)]
    check_whole(database)
    assert any("cannot be written" in line for line in said)
    assert said[-1] == "the history is written again"


def test_a_server_that_is_away_at_the_start_is_waited_for_and_what_is_dropped_is_said(
    postgres: PostgresServer, database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    postgres.stop()
    monkeypatch.setattr(PendingRows.__init__, "__defaults__", (50,))  # rows of one type
    writer, maker = writer_of(database, said), Programme()
    for number in range(200):
        for event in maker.stretch("music", ("jazz", "rock")[number % 2], 2):
            writer.put(event)
    wait(lambda: writer.state()["state"] == "failing")
    assert "does PostgreSQL run there" in writer.state()["problem"]
    wait(lambda: writer.state()["lost"] >= 150)
    postgres.start()
    wait(lambda: writer.state()["state"] == "recording")
    writer.close()
    assert rows(database, "SELECT count(*) FROM segments") == [(50,)]
    assert rows(database, "SELECT reason FROM gaps") == [("history",)]
    lost = writer.state()["lost"]
    assert said[-1] == f"the history is written again; {lost} rows or events were lost meanwhile"
    check_whole(database)


def test_a_number_that_cannot_be_stored_does_not_stop_the_rest(database: Server) -> None:
    said: list[str] = []
    writer, programme = writer_of(database, said), Programme("kitchen", "s1")
    head = programme.head("gap")
    writer.put(Gap(**head, samples=2**70, rate=44_100, seconds=1.0, reason="overflow"))
    wait(lambda: said)
    for event in Programme("good", "good").stretch("music", "jazz", 10):
        writer.put(event)
    writer.close()
    assert "cannot be stored" in said[0]
    assert rows(database, SEGMENTS) == [(1, 10)]


def test_two_daemons_write_to_one_database_at_a_time(database: Server, tmp_path: Path) -> None:
    """Real processes, each with many stations that share titles and genres."""
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from support.histories import HistoryWriter\n"
        "from support.history_programme import Programme\n"
        "from streamgenre.history.places import place\n"
        "writer = HistoryWriter(place(sys.argv[1]))\n"
        "makers = [Programme(f'{sys.argv[2]}{n}', f'{sys.argv[2]}{n}', seed=n) for n in range(5)]\n"
        "for _ in range(10):\n"
        "    for maker in makers:\n"
        "        writer.take(maker.day(300))\n"
        "    writer.flush()\n"
        "print(flush=True)\n"
        "sys.stdin.readline()\n"
        "writer.end()\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code, database.url, name], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True, env=environment())
        for name in ("a", "b")
    ]  # fmt: skip
    try:
        for each in both:
            assert each.stdout is not None
            assert each.stdout.readline() == "\n"
        with closing(open_to_read(database)) as connection:
            ids = query.stations(connection, None)
            assert len(ids) == 10
            assert all(now.live for now in query.now(connection, ids, database))
        both[0].kill()
        both[0].wait()
        wait(lambda: _live(database) == {False: 5, True: 5})
    finally:
        for each in both:
            if each.poll() is None:
                each.communicate("\n", timeout=60)
    third = HistoryWriter(database)
    third.end()
    assert rows(database, "SELECT ending FROM runs ORDER BY ending") == [("closed",), ("cut",)]
    assert rows(database, "SELECT count(*) FROM segments WHERE ending = 'open'") == [(0,)]
    check_whole(database)


def _live(database: Server) -> dict[bool, int]:
    with closing(open_to_read(database)) as connection:
        ids = query.stations(connection, None)
        live = [now.live for now in query.now(connection, ids, database)]
    return {each: live.count(each) for each in (False, True)}


def test_long_texts_and_many_labels_fit(database: Server) -> None:
    maker = Programme()
    wild = "".join(chr(0x4E00 + (7919 * n) % 20_000) for n in range(500))
    record(database, [maker.title(wild, wild[::-1]), *maker.stretch("music", "jazz", 3)])
    writer = HistoryWriter(database)
    labels = tuple(f"label {n} {wild[n % 400]}" for n in range(1000))
    assert writer.store._ids.label_set(labels) == writer.store._ids.label_set(labels)
    writer.vanish()
    with closing(open_to_read(database)) as connection:
        ids = query.stations(connection, None)
        (found,) = query.search(connection, ids, Span(0, 4e9), wild[:20])
    assert (found.artist, found.title) == (wild, wild[::-1])


def test_stations_are_sorted_as_in_a_file(database: Server) -> None:
    for name in ("beta", "Alpha", "alpha", "Ömega", "zeta", "_"):
        record(database, Programme(name, name).stretch("music", "jazz", 2))
    with closing(open_to_read(database)) as connection:
        assert list(query.stations(connection, None).values()) == [
            "Alpha", "_", "alpha", "beta", "zeta", "Ömega",
        ]  # fmt: skip


# ---- the wrong database -------------------------------------------------------------------------


def refused(where: Server) -> str:
    with pytest.raises(HistoryError) as caught:
        open_to_read(where).close()
    return str(caught.value)


def test_databases_that_are_not_a_history_are_refused_in_words(
    postgres: PostgresServer, database: Server
) -> None:
    assert "no history yet" in refused(database)
    postgres.sql("CREATE TABLE orders (a int)", name_of(database))
    for ask in (refused, lambda where: _written(where)):
        assert "a database of another program (it has 'orders')" in ask(database)
    assert postgres.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'",
                        name_of(database)) == [(1,)]  # fmt: skip
    newer = postgres.database()
    record(newer, Programme().stretch("music", "jazz", 2))
    postgres.sql("UPDATE streamgenre_history SET version = 99", name_of(newer))
    assert "written by a newer streamgenre (tables of version 99" in refused(newer)
    latin = postgres.database(encoding="'LATIN1'", lc_collate="'C'", lc_ctype="'C'")
    assert "the encoding LATIN1; expected UTF8" in refused(latin)
    missing = Server(database.url.replace(name_of(database), "nowhere"))
    assert "create it: `createdb NAME`" in refused(missing)
    stranger = Server(database.url.replace("radio@", "stranger@"))
    assert "create the user: `createuser NAME`" in refused(stranger)
    wrong = Server(postgres.over_tcp(database, "wrong"))
    assert "is the password in ~/.pgpass or PGPASSWORD that of this user?" in refused(wrong)


def _written(where: Server) -> str:
    with pytest.raises(HistoryError) as caught:
        open_to_write(where, busy_s=1).close()
    return str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:/host/db",
        "postgresql:db",
        "postgresql://radio:s3cret@host:x/db",
        "postgresql://radio:s3cret@host/db?nonsense=1",
        "postgresql://radio:s3#cret@host/db",
        "postgresql://radio:s3/cret@host/db",
        "postgresql://host/a/b",
        "mysql://radio:s3cret@host/db",
        "sqlite:///radio.db",
        "postgresql://[::1/db",
        "postgresql://radio:s3cret%@host/db",
    ],
)
def test_a_malformed_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="expected a URL such as postgresql://user@host"):
        place(url)
    done = streamgenre("history", "now", "--history", url)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "cret" not in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/db",
        "postgres://radio@host:5433/db",
        "postgresql:///db?host=/run/postgresql",
        "postgresql://radio@a,b:5433/db?target_session_attrs=primary",
        "postgresql://radio:p%2Fw@[::1]:5432/db?sslmode=verify-full",
        "postgresql:///?service=radio",
        "POSTGRESQL://host/db",
    ],
)
def test_urls_of_libpq_are_taken(url: str) -> None:
    assert isinstance(place(url), Server)


def test_a_web_process_reads_a_database_and_gives_up_what_takes_too_long(
    database: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(database, Programme().stretch("music", "jazz", 5))
    given = SiteSettings.from_json(SiteSettings(history=database).to_json()).history
    assert given == database
    readers = Readers(database)
    try:
        found = readers.ask(lambda connection: query.stations(connection, None)).result(60)
        assert list(found.values()) == ["kitchen"]
        monkeypatch.setattr(readers_module, "LONGEST_S", 0.1)
        endless = readers.ask(
            lambda connection: connection.execute("SELECT pg_sleep(60)").fetchall()
        )
        with pytest.raises(HistoryError, match="the answer took more than"):
            endless.result(60)
    finally:
        readers.close()


def test_titles_are_found_a_page_at_a_time(database: Server) -> None:
    for station in ("kitchen", "hall"):
        record(database, Programme(station, station).day(4 * 3600), every=2000)
    with closing(open_to_read(database)) as connection:
        ids = query.stations(connection, None)
        span = Span(0, 4e9)
        every: list[TitleRecord] = []
        while True:
            page, more = titles_found(connection, ids, span, "beyonce", limit=7, skip=len(every))
            every += page
            if not more:
                break
        assert every == list(query.search(connection, ids, span, "beyonce"))
        assert "jazz" in {each.genre for each in genres_found(connection, ids, "jazz")}


# ---- the commands -------------------------------------------------------------------------------


def test_the_commands_take_a_database_and_never_show_its_password(
    postgres: PostgresServer, database: Server, stateful_folder: Path, tmp_path: Path
) -> None:
    url = postgres.over_tcp(database)
    settings = tmp_path / "config.toml"
    settings.write_text(f"[history]\npath = {json.dumps(url)}\n")
    settings.chmod(0o600)
    said = ""

    def ran(*words: str | Path, code: int | None = 0) -> str:
        nonlocal said
        done = streamgenre(*words)
        assert code is None or done.returncode == code, done.stderr
        said += done.stdout + done.stderr
        return done.stdout

    assert "none yet in postgresql://127.0.0.1" in ran("doctor", "--config", settings, code=None)
    listening = ("listen", "--input", "demo", "--model", stateful_folder, "--json", "--duration",
                 "20", "--pace", "fast", "--publish", free_endpoint())  # fmt: skip
    ran(*listening, "--history", url)
    found = json.loads(ran("history", "segments", "--history", url, "--json", "--until", "1h ago",
                           "--since", "2h ago"))  # fmt: skip
    assert found == []
    late = ("--history", url, "--since", "1h ago", "--until", "@4000000000")
    found = json.loads(ran("history", "export", *late, "--json", "--what", "detail"))
    assert len(found) == 20
    for listing in ("titles", "shares", "playlist"):
        ran("history", listing, *late)
    assert "demo" in ran("history", "now", "--history", url)
    ran("report", "--history", url, "--out", tmp_path / "day.html")
    said += (tmp_path / "day.html").read_text()
    assert "answers; the database has" in ran("doctor", "--config", settings, code=None)
    assert '"postgresql://127.0.0.1' in ran("config", "show", "--config", settings)
    ran("config", "check", settings)
    ran("history", "now", "--history", url.replace("s3cret", "s3cret2"), code=1)
    for secret in SECRETS:
        assert secret not in said


def test_a_daemon_listens_while_the_server_is_away(
    postgres: PostgresServer, database: Server, stateful_folder: Path
) -> None:
    url = postgres.over_tcp(database)
    postgres.stop()
    daemon = start("listen", "--input", "demo", "--model", stateful_folder, "--json", "--history",
                   url, "--publish", free_endpoint())  # fmt: skip
    shown: list[str] = []

    def next_status(wanted: str) -> dict[str, Any]:
        assert daemon.stdout is not None
        for line in daemon.stdout:
            shown.append(line)
            event = json.loads(line)
            if event["type"] == "status" and event["history"]["state"] == wanted:
                history: dict[str, Any] = event["history"]
                return history
        raise AssertionError(shown)

    with daemon:
        state = next_status("failing")
        assert "Connection refused" in state["problem"]
        postgres.start()
        next_status("recording")
        daemon.terminate()
        out, said = daemon.communicate(timeout=60)
    assert daemon.returncode == 0
    assert "the history cannot be written: postgresql://127.0.0.1" in said
    for secret in SECRETS:
        assert secret not in "".join(shown) + out + said
    with closing(open_to_read(database)) as connection:
        ids = query.stations(connection, None)
        heard = list(query.segments(connection, ids, Span(T0 - 86_400, 4e9)))
    updates = [line for line in shown if '"type": "update"' in line]
    assert sum(segment.updates for segment in heard) >= len(updates) - 1
    check_whole(database)
