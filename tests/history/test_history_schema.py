"""Schema versions: every older one is migrated, and foreign files are rejected."""

from __future__ import annotations

import hashlib
import sqlite3
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.histories import HistoryWriter, check_whole, record, rows
from support.history_programme import T0, Programme

from streamgenre.errors import HistoryError
from streamgenre.history import detail_query, query, schema
from streamgenre.history.database import BrokenFileError, open_to_read, open_to_write
from streamgenre.history.schema import VERSION, migrate, version_of
from streamgenre.history.shares import shares
from streamgenre.history.time_zones import Span

if TYPE_CHECKING:
    from streamgenre.history.connection import Connection

OLD = Path(__file__).parent / "old"
DAY = Span(T0, T0 + 86_400)


def restore(path: Path, version: int) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript((OLD / f"version-{version}.sql").read_text())
    connection.close()
    assert rows(path, "PRAGMA user_version") == [(version,)]
    return path


def test_every_version_has_a_sample_file() -> None:
    kept = sorted(int(file.stem.removeprefix("version-")) for file in OLD.glob("*.sql"))
    assert kept == list(range(1, VERSION + 1))


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_every_version_migrates_to_the_current_one(version: int, tmp_path: Path) -> None:
    path = restore(tmp_path / "h.sqlite3", version)
    before = rows(path, "SELECT * FROM segments ORDER BY id")
    open_to_write(path, busy_s=1).close()
    assert rows(path, "PRAGMA user_version") == [(VERSION,)]
    assert rows(path, "SELECT * FROM segments ORDER BY id") == before
    check_whole(path)
    connection = open_to_read(path)
    ids = query.stations(connection, ["kitchen"])
    found = [(s.genre, s.seconds) for s in shares(connection, ids, DAY, by="all", tz=None)]
    assert found == [("jazz", 1000), ("rock", 1000), (None, 700)]
    assert [s.genre for s in query.segments(connection, ids, DAY)] == ["jazz", None, "rock"]
    assert len(list(query.gaps(connection, ids, DAY))) == 1
    titles = list(query.titles(connection, ids, DAY))
    assert [t.artist for t in titles] == (["Beyoncé Doe"] if version >= 2 else [])
    detail = list(detail_query.details(connection, 1, DAY))
    assert len(detail) == (version >= 3)
    connection.close()


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_migrated_and_new_files_have_the_same_tables(version: int, tmp_path: Path) -> None:
    old = restore(tmp_path / "old.sqlite3", version)
    open_to_write(old, busy_s=1).close()
    open_to_write(tmp_path / "new.sqlite3", busy_s=1).close()
    sql = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    assert rows(old, sql) == rows(tmp_path / "new.sqlite3", sql)


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_daemon_continues_an_older_file(version: int, tmp_path: Path) -> None:
    path = restore(tmp_path / "h.sqlite3", version)
    record(path, Programme(start=T0 + 40_000).day(600))
    check_whole(path)
    # Segments that the older daemon left open are closed and marked.
    assert rows(path, "SELECT ending FROM segments WHERE id = 4") == [("cut",)]
    assert rows(path, "SELECT ending FROM runs WHERE id = 2") == [("cut",)]


@pytest.mark.parametrize("version", range(1, VERSION))
def test_an_interrupted_migration_leaves_the_older_version_intact(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = restore(tmp_path / "h.sqlite3", version)
    before = rows(path, "SELECT * FROM sqlite_master ORDER BY name")
    statements, _ = schema._STEPS[version]

    def fail(_: Connection) -> None:
        raise KeyboardInterrupt

    steps = list(schema._STEPS)
    steps[version] = (statements, fail)
    monkeypatch.setattr(schema, "_STEPS", tuple(steps))
    with pytest.raises(KeyboardInterrupt):
        open_to_write(path, busy_s=1)
    assert rows(path, "PRAGMA user_version") == [(version,)]
    assert rows(path, "SELECT * FROM sqlite_master ORDER BY name") == before


def test_two_daemons_may_migrate_at_once(tmp_path: Path) -> None:
    path = restore(tmp_path / "h.sqlite3", 1)
    first = sqlite3.connect(path, isolation_level=None)
    second = sqlite3.connect(path, isolation_level=None)
    migrate(first, to=2)
    migrate(second)
    migrate(first)
    assert version_of(first) == VERSION
    first.close()
    second.close()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    record(path, Programme().day(300))
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    before = digest(path)
    for attempt in (partial(open_to_write, path, busy_s=1), partial(open_to_read, path)):
        with pytest.raises(HistoryError, match=r"newer streamgenre.*update streamgenre"):
            attempt()
    assert digest(path) == before


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "firefox.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE moz_places (id INTEGER)")
        connection.execute("INSERT INTO moz_places VALUES (1)")
    connection.close()
    before = digest(path)
    for attempt in (partial(open_to_write, path, busy_s=1), partial(open_to_read, path)):
        with pytest.raises(HistoryError, match="another program"):
            attempt()
    assert digest(path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["firefox.sqlite"]


def test_a_file_that_is_not_a_database_is_left_alone_unless_named_like_one(tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"RIFF" + bytes(1000))
    with pytest.raises(HistoryError, match="not an SQLite file"):
        open_to_write(song, busy_s=1)
    broken = tmp_path / "history.sqlite3"
    broken.write_bytes(b"\xff" * 5000)
    with pytest.raises(BrokenFileError):
        open_to_write(broken, busy_s=1)
    with pytest.raises(HistoryError, match="damaged"):
        open_to_read(broken)
    folder = tmp_path / "folder.sqlite3"
    folder.mkdir()
    with pytest.raises(HistoryError, match="a folder"):
        open_to_write(folder, busy_s=1)


def test_an_empty_file_is_initialized(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    path.touch()
    with pytest.raises(HistoryError, match="nothing was recorded"):
        open_to_read(path)
    record(path, Programme().day(300))
    check_whole(path)


def test_reading_an_older_version_says_how_to_migrate_it(tmp_path: Path) -> None:
    path = restore(tmp_path / "h.sqlite3", 1)
    before = digest(path)
    with pytest.raises(HistoryError, match=r"older streamgenre.*streamgenre listen"):
        open_to_read(path)
    assert digest(path) == before


def test_sqlite_is_configured_to_survive_a_power_cut(tmp_path: Path) -> None:
    """A commit counts only once it is on the disk: WAL with full synchronisation."""
    writer = HistoryWriter(tmp_path / "h.sqlite3")
    pragma = writer.store.connection.execute
    assert pragma("PRAGMA journal_mode").fetchone() == ("wal",)
    assert pragma("PRAGMA synchronous").fetchone() == (2,)
    assert pragma("PRAGMA auto_vacuum").fetchone() == (2,)
    writer.vanish()
