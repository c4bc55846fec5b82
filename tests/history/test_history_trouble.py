"""Whatever happens to the file, listening continues and no avoidable loss occurs."""

from __future__ import annotations

import hashlib
import os
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator
from support.audio import music, write_wav
from support.commands import environment, events_of, free_endpoint, start, streamgenre
from support.histories import check_whole, record, rows
from support.history_programme import T0, Programme
from support.small_disk import small_disk

from streamgenre import events
from streamgenre.history import writer as writer_module
from streamgenre.history.schema import VERSION
from streamgenre.history.settings import HistorySettings, default_path
from streamgenre.history.writer import HistoryWriter

if TYPE_CHECKING:
    from collections.abc import Callable

SEGMENTS = "SELECT count(*), sum(updates) FROM segments"


class Watched:
    """A writer with a short flush interval, fed from an endless programme."""

    def __init__(self, path: Path, *, flush_s: float = 0.05) -> None:
        self.said: list[str] = []
        self.path = path
        settings = HistorySettings(path, flush_s=flush_s, detail_days=36_000, keep_days=36_000)
        self.writer = HistoryWriter(settings, lossless=False, say=self.said.append)
        self.writer.start()
        self.maker = Programme()
        self.updates = 0
        self.before = 0
        """Updates that are not looked for."""

    def feed(self, hops: int = 50, genre: str = "jazz") -> None:
        for event in self.maker.stretch("music", genre, hops):
            self.writer.put(event)
        self.updates += hops

    def wait(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        ends = time.monotonic() + seconds
        while not wanted(state := self.writer.state()):
            assert time.monotonic() < ends, state
            time.sleep(0.02)
        return state

    def written(self) -> None:
        """Wait until all events fed so far are in the file."""

        def all_there(state: dict[str, Any]) -> bool:
            if state["state"] != "recording" or not self.path.exists():
                return False
            try:
                (found,) = rows(
                    self.path,
                    "SELECT sum(updates) FROM segments WHERE session IN "
                    "(SELECT id FROM sessions WHERE uid = ?)",
                    self.maker.session,
                )[0]
            except sqlite3.Error:
                return False
            return bool(found == self.updates - self.before)

        self.wait(all_there)


def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.folder / "h.sqlite3"
        watched = Watched(path)
        watched.feed()
        watched.written()
        disk.fill()
        for genre in ("rock", "pop", "jazz") * 20:
            watched.feed(200, genre)
            time.sleep(0.01)
        state = watched.wait(lambda s: s["state"] == "failing")
        assert "no space" in state["problem"]
        assert state["buffered"] > 0
        watched.feed(50, "metal")
        disk.free()
        watched.written()
        watched.feed(10, "blues")
        watched.writer.close()
        assert rows(path, SEGMENTS)[0][1] == watched.updates
        assert watched.writer.state()["lost"] == 0
        check_whole(path)
        # Reported at its start and end; a small transaction may have found room in between.
        times = len(watched.said) // 2
        assert 1 <= times <= 3
        assert [("cannot be written" in s, "again" in s) for s in watched.said] == [
            (True, False),
            (False, True),
        ] * times


def test_a_read_only_disk_is_survived(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.folder / "sub" / "h.sqlite3"
        disk.writable(yes=False)
        watched = Watched(path)
        watched.feed()
        state = watched.wait(lambda s: s["state"] == "failing")
        assert "Read-only" in state["problem"]
        disk.writable(yes=True)
        watched.written()
        watched.writer.close()
        assert rows(path, SEGMENTS) == [(1, 50)]


def test_a_locked_file_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    watched = Watched(path)
    watched.feed()
    watched.written()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        rounds = 0
        while watched.writer.state()["state"] == "recording":
            watched.feed(3, "rock")
            rounds += 1
            time.sleep(0.02)
        assert "locked" in str(watched.writer.state()["problem"])
        # The caller of put() did not wait for the lock, which delays a flush for two seconds.
        assert rounds > 10
        other.execute("COMMIT")
    watched.written()
    watched.writer.close()
    assert rows(path, SEGMENTS)[0][1] == watched.updates
    check_whole(path)


def test_a_file_locked_at_the_end_does_not_delay_the_exit(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    watched = Watched(path)
    watched.feed()
    watched.written()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        watched.feed(20, "rock")
        watched.writer.close()  # returns, although the file stays locked
    assert any("lacks the last" in line for line in watched.said)


def broken_copies(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if ".broken-" in p.name)


@pytest.mark.parametrize("damage", ["garbage", "truncated", "header", "schema"])
def test_a_broken_file_is_set_aside_and_a_new_one_created(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    record(path, Programme(session="before").day(3600), every=500)
    data = bytearray(path.read_bytes())
    if damage == "garbage":
        data = bytearray(os.urandom(50_000))
    elif damage == "truncated":
        data = data[: len(data) // 3]
    elif damage == "header":
        data[:16] = b"SQLite format 9\0"
    else:
        data[100:3000] = os.urandom(2900)
    path.write_bytes(data)
    watched = Watched(path)
    watched.feed()
    state = watched.wait(lambda s: s["set_aside"] is not None)
    watched.written()
    watched.feed(20, "rock")
    watched.writer.close()
    (backup,) = broken_copies(tmp_path)
    assert state["set_aside"] == backup.name
    assert backup.read_bytes() == bytes(data)
    assert rows(path, SEGMENTS) == [(2, 70)]
    check_whole(path)
    assert [line for line in watched.said if backup.name in line]


def test_damage_during_a_run_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    record(path, Programme(session="before").day(3600), every=500)
    watched = Watched(path)
    watched.feed()
    watched.written()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    watched.feed(30, "rock")
    watched.wait(lambda s: s["set_aside"] is not None)
    watched.before = 50  # they are in the broken one
    watched.feed(40, "pop")
    watched.written()
    watched.writer.close()
    assert len(broken_copies(tmp_path)) >= 1
    # Rows not committed when the damage was found are in the new file.
    found = dict(
        rows(path, "SELECT genre, updates FROM segments JOIN kinds ON kinds.id = segments.kind")
    )
    assert found["rock"] == 30
    assert found["pop"] == 40
    check_whole(path)


def test_setting_aside_twice_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    for number in range(3):
        path.write_bytes(bytes([number]) * 5000)
        watched = Watched(path)
        watched.feed()
        watched.written()
        watched.writer.close()
    assert sorted(p.read_bytes()[0] for p in broken_copies(tmp_path)) == [0, 1, 2]


def test_only_one_of_two_daemons_sets_a_broken_file_aside(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    path.write_bytes(b"x" * 5000)
    both = [Watched(path), Watched(path)]
    both[1].maker = Programme("hall", "u2")
    for watched in both:
        watched.feed()
    for watched in both:
        watched.written()
        watched.writer.close()
    (backup,) = broken_copies(tmp_path)
    assert backup.read_bytes() == b"x" * 5000
    assert rows(path, SEGMENTS) == [(2, 100)]
    check_whole(path)


def test_a_deleted_file_is_created_again(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    watched = Watched(path)
    watched.feed()
    watched.written()
    for file in tmp_path.glob("h.sqlite3*"):
        file.unlink()
    watched.before = 50
    watched.feed(30, "rock")
    watched.written()
    watched.feed(10, "pop")
    watched.writer.close()
    assert rows(path, SEGMENTS) == [(2, 40)]
    check_whole(path)
    assert any("removed or replaced" in line for line in watched.said)


@pytest.mark.parametrize("whose", ["other", "future", "song"])
def test_a_foreign_file_is_never_touched(whose: str, tmp_path: Path) -> None:
    path = tmp_path / ("song.wav" if whose == "song" else "h.sqlite3")
    if whose == "song":
        path.write_bytes(b"RIFF" + bytes(500))
    else:
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE theirs (a)")
            if whose == "future":
                other.execute("PRAGMA application_id = 1936156787")
                other.execute(f"PRAGMA user_version = {VERSION + 3}")
            other.commit()
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    watched = Watched(path)
    watched.feed()
    state = watched.wait(lambda s: s["state"] == "failing")
    assert {"other": "another program", "future": "newer", "song": "not an SQLite"}[whose] in state[
        "problem"
    ]
    watched.feed()
    watched.writer.close()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert len([line for line in watched.said if "cannot be written" in line]) == 1


def test_a_clean_exit_closes_everything(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    watched = Watched(path)
    watched.feed()
    # The end comes in the middle of a segment, whose own event is never sent.
    for event in list(watched.maker.stretch("music", "rock", 20))[:10]:
        watched.writer.put(event)
    watched.writer.close()
    for table in ("segments", "sessions", "runs"):
        assert rows(path, f"SELECT DISTINCT ending FROM {table}") == [("closed",)], table
    assert watched.said == []


def test_the_last_flush_waits_for_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another process locks while the daemon stops is retried."""
    monkeypatch.setattr(writer_module, "_LAST_FLUSH_S", 60.0)
    monkeypatch.setattr(writer_module, "_CLOSE_S", 60.0)
    path = tmp_path / "h.sqlite3"
    watched = Watched(path, flush_s=60)  # the first flush comes at once, then none until the end
    watched.feed()
    watched.written()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        watched.feed(10, "rock")
        closing_it = threading.Thread(target=watched.writer.close)
        closing_it.start()
        watched.wait(lambda s: "locked" in (s["problem"] or ""), 30)
        other.execute("ROLLBACK")
        closing_it.join()
    assert rows(path, SEGMENTS)[0][1] == watched.updates
    assert watched.writer.state()["buffered"] == 0
    assert "written again" in watched.said[-1]


def test_a_rejected_file_is_retried_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE theirs (a)")
        other.commit()
    watched = Watched(path)
    watched.feed()
    watched.wait(lambda s: s["state"] == "failing")
    path.unlink()
    watched.feed(10, "rock")
    time.sleep(1)  # twenty flushes
    assert not path.exists()
    watched.writer.close()
    assert rows(path, SEGMENTS)[0][1] == watched.updates


def test_the_writer_deletes_expired_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "_RETENTION_FIRST_S", 0.0)
    path = tmp_path / "h.sqlite3"
    now = time.time()
    for number, days in enumerate((5, 4.2, 3.4, 2.6, 1.8, 1.1, 0.3)):  # a clock without holes
        begun = Programme("kitchen", f"u{number}", start=now - days * 86_400)
        record(path, begun.stretch("music", "jazz", 300))
    assert rows(path, "SELECT sum(updates) FROM segments") == [(7 * 300,)]
    settings = HistorySettings(path, flush_s=0.05, detail_days=1, keep_days=2)
    writer = HistoryWriter(settings, lossless=False, say=lambda _: None)
    writer.start()
    for event in Programme("hall", "u9", start=now).stretch("music", "rock", 10):
        writer.put(event)
    ends = time.monotonic() + 60
    while rows(path, "SELECT sum(updates) FROM segments") != [(3 * 300 + 10,)]:
        assert time.monotonic() < ends
        time.sleep(0.05)
    writer.close()
    assert rows(path, "SELECT sum(updates) FROM details") == [(300 + 10,)]


def test_a_slow_writer_drops_events_and_reports_it(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    settings = HistorySettings(path, flush_s=0.05, detail_days=0)
    writer = HistoryWriter(settings, lossless=False, say=lambda _: None)
    maker = Programme()
    published = list(maker.stretch("music", "jazz", 5000))
    for event in published:  # the thread does not run yet, so nothing is taken out
        writer.put(event)
    writer.start()
    # Several flushes later the loss is still one gap.
    for _ in range(5):
        time.sleep(0.1)
        for event in maker.stretch("music", "rock", 20):
            writer.put(event)
    writer.close()
    assert writer.state()["lost"] == 5001 - 2000
    gaps = rows(path, "SELECT reason FROM gaps")
    assert gaps == [("history",)]


def test_a_file_played_fast_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    settings = HistorySettings(path, flush_s=0.05, detail_days=0)
    writer = HistoryWriter(settings, lossless=True, say=lambda _: None)
    writer.start()
    for event in Programme().stretch("music", "jazz", 30_000):
        writer.put(event)
    writer.close()
    assert rows(path, SEGMENTS) == [(1, 30_000)]


# ---- the daemon ---------------------------------------------------------------------------------


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "song.wav", music(4))


def listen(folder: Path, wav: Path, *more: str | Path, **how: Any) -> Any:
    return streamgenre(
        *("listen", "--model", folder, "--publish", free_endpoint(), "--input", wav),
        *("--json", *more),
        **how,
    )


def test_the_daemon_keeps_a_history(stateful_folder: Path, wav: Path, tmp_path: Path) -> None:
    path = tmp_path / "state" / "h.sqlite3"
    done = listen(stateful_folder, wav, "--pace", "fast", "--history", path)
    assert (done.returncode, done.stderr) == (0, "")
    published = events_of(done.stdout)
    last = [e for e in published if e["type"] == "status"][-1]
    assert last["history"]["state"] == "recording"
    Draft7Validator(events.schema("status")).validate(last)
    check_whole(path)
    segments = [e for e in published if e["type"] == "segment"]
    kept = rows(path, "SELECT start_time, end_time, updates FROM segments ORDER BY start_time")
    assert kept == [(e["start_time"], e["time"], e["updates"]) for e in segments]
    assert rows(path, "SELECT ending FROM runs") == [("closed",)]
    assert sorted(p.name for p in path.parent.iterdir()) == ["h.sqlite3"]


@pytest.mark.parametrize("trouble", ["folder", "other", "future", "garbage"])
def test_the_daemon_keeps_listening_without_its_history(
    trouble: str, stateful_folder: Path, wav: Path, tmp_path: Path
) -> None:
    path = tmp_path / "h.sqlite3"
    if trouble == "folder":
        path.mkdir()
    elif trouble == "garbage":
        path.write_bytes(b"\0" * 5000)
    else:
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE theirs (a)")
            if trouble == "future":
                other.execute("PRAGMA application_id = 1936156787")
                other.execute(f"PRAGMA user_version = {VERSION + 3}")
            other.commit()
    done = listen(stateful_folder, wav, "--pace", "real", "--history", path)
    assert done.returncode == 0
    published = events_of(done.stdout)
    assert len([e for e in published if e["type"] == "update"]) == 4
    lines = done.stderr.splitlines()
    state = [e for e in published if e["type"] == "status"][-1]["history"]
    if trouble == "garbage":
        assert state["state"] == "recording"
        assert state["set_aside"].startswith("h.sqlite3.broken-")
        assert len(lines) == 1
    else:
        assert state["state"] == "failing"
        assert state["problem"] in lines[0]
        assert len(lines) == 2  # at its start, and the missing rows at the end
    Draft7Validator(events.schema("status")).validate(
        [e for e in published if e["type"] == "status"][-1]
    )


def test_only_live_inputs_are_kept_by_default(
    stateful_folder: Path, wav: Path, tmp_path: Path
) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state"), "PULSE_SERVER": "unix:/nonexistent"}
    kept = tmp_path / "state" / "streamgenre" / "history.sqlite3"
    for more in ((), ("--pace", "fast")):
        done = listen(stateful_folder, wav, *more, env=env)
        assert done.returncode == 0
        assert [e for e in events_of(done.stdout) if e["type"] == "status"][-1]["history"] is None
    assert not kept.exists()
    pcm = (music(3) * 32_767).astype("<i2").tobytes()
    pipe = ("--input", "-", "--channels", "1")
    listen(stateful_folder, wav, *pipe, "--no-history", env=env, stdin=pcm)
    assert not kept.exists()
    listen(stateful_folder, wav, *pipe, env=env, stdin=pcm)
    assert rows(kept, "SELECT name FROM stations") == [("stdin",)]
    assert (kept.parent.stat().st_mode & 0o777) == 0o700


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "HOME": "/h"}, "/var/lib/a"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/streamgenre"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/streamgenre"),
        ({"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/streamgenre"),
    ],
)
def test_the_history_path_follows_the_settings(
    env: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert default_path() == Path(expected) / "history.sqlite3"


def test_a_user_without_a_home_still_has_a_history_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert default_path() == Path("/var/lib/streamgenre/history.sqlite3")


def test_the_flags_exclude_each_other_and_are_checked(stateful_folder: Path, wav: Path) -> None:
    for flags, message in (
        (("--history", "x", "--no-history"), "not allowed with"),
        (("--history", ""), "expected a path"),
        (("--history", "x", "--history-days", "-1"), "--history-days -1: expected"),
        (("--history-mb", "0.2"), "--history-mb 0.2: expected"),
    ):
        done = listen(stateful_folder, wav, *flags)
        assert done.returncode == 2
        assert message in done.stderr


def test_a_killed_daemon_leaves_a_correct_history(stateful_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    arguments = ("--model", stateful_folder, "--publish", free_endpoint(), "--json")
    daemon = start("listen", *arguments, "--input", "demo", "--history", path)
    assert daemon.stdout is not None
    ends: list[float] = []
    while len(ends) < 8:
        event = events_of(daemon.stdout.readline())[0]
        if event["type"] == "update":
            ends.append(event["time"])
    now = streamgenre("history", "now", "--history", path, "--json")
    assert '"live": true' in now.stdout
    daemon.kill()
    daemon.wait()
    daemon.stdout.close()
    now = streamgenre("history", "now", "--history", path, "--json")
    assert '"live": false' in now.stdout
    listed = streamgenre("history", "segments", "--history", path, "--json")
    assert listed.returncode == 0
    (heard,) = rows(path, "SELECT max(end_time) FROM segments")[0]
    assert ends[-1] - heard <= 5.5
    streamgenre(
        *("listen", *arguments, "--input", "demo", "--history", path),
        *("--pace", "fast", "--duration", "5"),
    )
    assert rows(path, "SELECT ending FROM runs") == [("cut",), ("closed",)]
    assert rows(path, "SELECT count(*) FROM segments WHERE ending = 'open'") == [(0,)]
    assert rows(path, "SELECT max(end_time) FROM segments WHERE session = 1")[0][0] == heard
    check_whole(path)


def test_an_exhausted_quota_is_survived(tmp_path: Path, stateful_folder: Path, wav: Path) -> None:
    """A stand-in for a full disk where mounting is not allowed: no file may exceed 20 kB."""
    path = tmp_path / "h.sqlite3"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "streamgenre", "listen", "--model", str(stateful_folder)),
            *("--publish", free_endpoint(), "--input", str(wav), "--json"),
            *("--history", str(path)),
        ],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.returncode == 0
    assert "the history cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert len([e for e in events_of(done.stdout) if e["type"] == "update"]) == 4


def test_the_history_starts_where_the_programme_did(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite3"
    record(path, Programme().day(900))
    assert rows(path, "SELECT min(start_time) FROM segments") == [(T0,)]
