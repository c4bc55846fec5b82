"""What a webhook cannot deliver is kept on disk within bounds, in order, and said."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.commands import COMMAND, environment, free_endpoint, streamgenre
from support.live import bus, end, until
from support.receiver import OK, Receiver
from support.small_disk import small_disk

from streamgenre.errors import SettingsError
from streamgenre.history import spool as spool_module
from streamgenre.history import spool_file as module
from streamgenre.history.spool import Spool
from streamgenre.history.spool_place import default_spool, left_spools

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANY = "tcp://127.0.0.1:*"
LONG_S = 60
NO = b"HTTP/1.1 500 Down\r\n\r\n"


@pytest.fixture
def warned() -> list[str]:
    return []


def drained(spool: Spool) -> list[str]:
    """Take everything and return the identifiers."""
    found = []
    while (first := spool.first()) is not None:
        found.append(first[0].id)
        spool.done(first[0])
    return found


def test_posts_survive_in_order_for_their_owner_alone(tmp_path: Path, warned: list[str]) -> None:
    path = tmp_path / "new" / "s.sqlite3"
    spool = Spool(path, warned.append)
    for number in range(50):
        spool.add(f"body {number}".encode(), str(number))
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    # As after SIGKILL: the files as they are now.
    shutil.copytree(path.parent, tmp_path / "copy")
    spool.close()
    again = Spool(tmp_path / "copy" / "s.sqlite3", warned.append)
    assert len(again) == again.on_disk == 50
    again.add(b"repeated by the bus", "7")
    assert len(again) == 50
    first = again.first()
    assert first is not None
    assert first[1] == b"body 0"
    again.done(first[0])
    again.add(b"new", "50")
    again.close()
    last = Spool(tmp_path / "copy" / "s.sqlite3", warned.append)
    assert drained(last) == [str(number) for number in range(1, 51)]
    last.close()
    assert warned == []
    path.chmod(0o644)
    Spool(path, warned.append).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_oldest_are_dropped_above_the_size_and_the_file_stays_small(
    tmp_path: Path, warned: list[str]
) -> None:
    path = tmp_path / "s.sqlite3"
    spool = Spool(path, warned.append, max_bytes=200_000)
    for number in range(2000):
        spool.add(b"x" * 1000, str(number))
    assert 100 < len(spool) <= 200
    assert spool.dropped == 2000 - len(spool)
    assert "one event dropped: the spool is full; 1 dropped so far" in warned
    assert len(warned) < 40
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 4_000_000
    assert drained(spool)[-1] == "1999"
    spool.add(b"y" * 1_000_000, "huge")  # a single one always waits
    assert len(spool) == 1
    spool.close()


def test_what_is_too_old_is_dropped_whatever_the_clock_does(
    tmp_path: Path, warned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.sqlite3"
    spool = Spool(path, warned.append, max_age_s=3600)
    spool.add(b"x", "a")
    spool.close()
    wall = time.time()
    with monkeypatch.context() as patched:
        # The clock was set within one run of the system: the age is known all the same.
        patched.setattr(time, "time", lambda: wall + 272 * 86400)
        again = Spool(path, warned.append, max_age_s=3600)
        assert again.first() is not None
        again.close()
    with monkeypatch.context() as patched:
        # After a restart of the system only the clock tells.
        patched.setattr(module, "boot_id", lambda: "another")
        patched.setattr(time, "time", lambda: wall - 1e8)
        again = Spool(path, warned.append, max_age_s=3600)
        assert again.first() is not None
        again.close()
        patched.setattr(time, "time", lambda: wall + 3700)
        again = Spool(path, warned.append, max_age_s=3600)
        assert again.first() is None
        assert again.dropped == 1
        again.close()
    assert warned == ["one event dropped: not delivered within 1 h; 1 dropped so far"]


@pytest.mark.parametrize("damage", ["text", "head", "middle", "rows", "schema"])
def test_a_damaged_spool_is_set_aside_in_words(
    damage: str, tmp_path: Path, warned: list[str]
) -> None:
    path = tmp_path / "s.sqlite3"
    spool = Spool(path, warned.append)
    for number in range(200):
        spool.add(b"x" * 1000, str(number))
    spool.close()
    data = bytearray(path.read_bytes())
    if damage == "text":
        data = bytearray(b"not a database, but some text of whoever" * 1000)
    elif damage == "head":
        data[20:100] = b"\xff" * 80
    elif damage == "middle":
        data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    if damage in ("rows", "schema"):
        with sqlite3.connect(path) as disk:
            if damage == "rows":
                disk.execute("UPDATE posts SET body = 'text', made = 'x', up = 'y', id = 5")
            else:
                disk.execute("ALTER TABLE posts RENAME COLUMN boot TO boat")
        disk.close()
    spool = Spool(path, warned.append)
    spool.add(b"new", "new")
    assert drained(spool)[-1:] == ["new"]
    spool.close()
    if damage in ("text", "head", "middle"):
        (line,) = warned
        assert re.search(rf"{re.escape(str(path))} is damaged: kept as .*broken-", line)
        assert list(tmp_path.glob("s.sqlite3.broken-*"))
        spool = Spool(path, warned.append)  # the new one is sound
        assert len(warned) == 1
        spool.close()


def test_a_spool_that_breaks_while_it_is_used_is_set_aside(
    tmp_path: Path, warned: list[str]
) -> None:
    path = tmp_path / "s.sqlite3"
    spool = Spool(path, warned.append)
    for number in range(3000):  # more than SQLite keeps in memory
        spool.add(b"x" * 2000, str(number))
    spool.close()
    spool = Spool(path, warned.append)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    taken = drained(spool)
    spool.add(b"y", "after")
    assert drained(spool) == ["after"]
    assert len(taken) < 3000
    assert any("is damaged" in line or "cannot be read" in line for line in warned)
    spool.close()


def test_files_that_are_no_spool_are_never_touched(tmp_path: Path, warned: list[str]) -> None:
    other = tmp_path / "history.sqlite3"
    with sqlite3.connect(other) as disk:
        disk.execute("CREATE TABLE mine (x)")
    disk.close()
    before = other.read_bytes()
    with pytest.raises(SettingsError, match="a database of another program"):
        Spool(other, warned.append)
    assert other.read_bytes() == before
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "."):
        with pytest.raises(SettingsError, match="not a regular file"):
            Spool(tmp_path / name, warned.append)
    used = Spool(tmp_path / "used", warned.append)
    with pytest.raises(SettingsError, match=r"another process uses this spool; .*--spool FILE"):
        Spool(tmp_path / "used", warned.append)
    used.close()


@pytest.mark.parametrize("place", ["/proc/spool", "/dev/null/x", "file/x", "x" * 300])
def test_where_nothing_can_be_written_events_wait_in_memory(
    place: str, tmp_path: Path, warned: list[str]
) -> None:
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / place, warned.append)
    spool.add(b"x", "a")
    assert "cannot be used" in warned[0]
    assert spool.on_disk == 0
    assert drained(spool) == ["a"]


def test_a_spool_that_can_be_used_again_takes_what_waited_in_memory(
    tmp_path: Path, warned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(spool_module, "_LONGEST_PAUSE_S", 0.0)
    folder = tmp_path / "state"
    earlier = Spool(folder / "s", warned.append)
    earlier.add(b"old", "old")
    earlier.close()
    folder.rename(tmp_path / "away")
    folder.touch()
    spool = Spool(folder / "s", warned.append)
    for number in range(20):
        spool.add(b"x", str(number))
    assert (spool.on_disk, len(warned)) == (0, 1)
    sending = spool.first()
    assert sending is not None
    folder.unlink()
    (tmp_path / "away").rename(folder)
    spool.add(b"x", "new")
    assert spool.on_disk == len(spool) == 22
    assert "cannot be used: File exists; events wait in memory until it can" in warned[0]
    assert warned[1:] == [f"the spool {folder / 's'} can be used now; events wait in it again"]
    spool.done(sending[0])  # although an older one precedes it now
    assert drained(spool) == ["old", *map(str, range(1, 20)), "new"]
    spool.close()


def test_a_full_disk_is_said_once_and_loses_nothing(tmp_path: Path, warned: list[str]) -> None:
    with small_disk(tmp_path / "disk") as disk:
        spool = Spool(disk.folder / "s.sqlite3", warned.append)
        disk.fill()
        for number in range(100):
            spool.add(b"x" * 500, str(number))
        assert [line for line in warned if "events wait in memory" in line] == warned
        assert len(warned) <= 1
        disk.free()
        for number in range(100, 300):
            spool.add(b"x" * 500, str(number))
        assert drained(spool) == [str(number) for number in range(300)]
        spool.close()


def test_each_receiver_has_its_own_spool_and_old_ones_go(tmp_path: Path) -> None:
    one, other = (default_spool(tmp_path, f"https://h/{name}") for name in "ab")
    assert one != other
    assert "https" not in one.name
    assert default_spool(tmp_path, "https://h/a") == one
    spool = Spool(one, print)
    spool.add(b"x", "a")
    second = default_spool(tmp_path, "https://h/a")  # a second bridge to the same receiver
    assert second not in (one, other)
    spool.close()
    assert default_spool(tmp_path, "https://h/a") == one
    old = time.time() - 500 * 86400
    for file in tmp_path.iterdir():
        os.utime(file, (old, old))
    default_spool(tmp_path, "https://h/b")
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_spools_are_never_removed(tmp_path: Path) -> None:
    """An old copy of the history beside it looks much like a spool of rows."""
    names = ("2024", "a" * 12 + "-old", "backup")
    copies = [tmp_path / f"history-{name}.sqlite3" for name in names]
    old = time.time() - 500 * 86400
    for copy in copies:
        copy.touch()
        os.utime(copy, (old, old))
    default_spool(tmp_path, "postgresql://h/radio", "history")
    assert all(copy.exists() for copy in copies)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become a user without permission")
def test_a_folder_that_may_not_be_searched_is_a_spool_in_memory(
    tmp_path: Path, warned: list[str]
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    for folder in tmp_path.parents:
        if folder.owner() == "root" and folder.name.startswith("pytest"):
            folder.chmod(0o755)
    tmp_path.chmod(0o755)
    os.seteuid(65534)
    try:
        assert left_spools(closed, "postgresql://h/radio", "history") == []
        spool = Spool(
            default_spool(closed, "postgresql://h/radio", "history"), warned.append,
            what="rows of the history", hint="$XDG_STATE_HOME names another folder",
        )  # fmt: skip
    finally:
        os.seteuid(0)
    assert spool.path is None
    assert "Permission denied; rows of the history wait in memory" in warned[0]
    assert "bridge" not in warned[0]


# ---- the command --------------------------------------------------------------------------------


@pytest.fixture
def daemon() -> Iterator[str]:
    with bus(ANY, "--stations", "kitchen", "--hop", "0.02") as endpoint:
        yield endpoint


def bridge(endpoint: str, url: str, state: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "bridge", "webhook", "--connect", endpoint, "--on", "segment", *more],
        env=environment({"STREAMGENRE_WEBHOOK_URL": url, "XDG_STATE_HOME": str(state)}),
        stderr=subprocess.PIPE,
        text=True,
    )


def told(process: subprocess.Popen[str]) -> str:
    """End a bridge as a service manager does, and return what it said."""
    process.terminate()
    assert process.wait(LONG_S) == 0
    assert process.stderr is not None
    text = process.stderr.read()
    end(process)
    return text


def seq(body: bytes) -> int:
    return int(json.loads(body)["seq"])


def test_a_receiver_that_is_down_loses_no_event_over_kill_and_restart(
    daemon: str, tmp_path: Path
) -> None:
    answers = {"now": NO}
    receiver = Receiver(lambda _, peer: peer.sendall(answers["now"]))
    killed = bridge(daemon, receiver.url, tmp_path)
    until(lambda: receiver.requests, LONG_S)
    (spool,) = (tmp_path / "streamgenre").glob("webhook-*.sqlite3")
    time.sleep(0.5)
    killed.kill()
    end(killed)
    before = len(receiver.requests)
    second = bridge(daemon, receiver.url, tmp_path)
    until(lambda: len(receiver.requests) > before, LONG_S)
    said = told(second)
    assert re.search(r"\d+ events? waits? in \S+ since an earlier run", said)
    count = re.search(r"(\d+) events? w\w+ not delivered: kept in (\S+) and sent at the next", said)
    assert count is not None, said
    assert count[2] == str(spool)
    assert "S3CRET" not in said
    assert stat.S_IMODE(spool.stat().st_mode) == 0o600
    answers["now"] = OK
    before = len(receiver.requests)
    third = bridge(daemon, receiver.url, tmp_path)
    until(lambda: len(receiver.requests) >= before + int(count[1]), LONG_S)
    told(third)
    delivered = receiver.requests[before:]
    numbers = [seq(each.partition(b"\r\n\r\n")[2]) for each in delivered]
    assert numbers[0] == seq(receiver.bodies[0])  # the very first event
    assert numbers == sorted(set(numbers))
    receiver.close()


def test_sigterm_with_a_dead_receiver_says_what_is_left(daemon: str, tmp_path: Path) -> None:
    """The receiver answers nothing: even then there is a word, and the event is kept."""
    silent = Receiver(lambda _, peer: time.sleep(LONG_S))
    process = bridge(daemon, silent.url, tmp_path)
    until(lambda: silent.requests, LONG_S)
    said = told(process)
    assert re.search(r"not delivered: kept in \S+ and sent at the next start", said), said
    silent.close()


def test_sigterm_twice_still_says_what_is_left(daemon: str, tmp_path: Path) -> None:
    silent = Receiver(lambda _, peer: time.sleep(LONG_S))
    process = bridge(daemon, silent.url, tmp_path)
    until(lambda: silent.requests, LONG_S)
    process.send_signal(signal.SIGINT)
    said = told(process)
    assert "not delivered: kept in" in said, said
    silent.close()


def test_the_bridge_is_configured_in_the_daemons_file(daemon: str, tmp_path: Path) -> None:
    receiver = Receiver(OK)
    (tmp_path / "token").write_text("hush-token\n")
    file = tmp_path / "c.toml"
    file.write_text(
        f'[bus]\npublish = "{daemon}"\n[bridge.webhook]\nurl = "{receiver.url}"\n'
        f'on = "segment"\nformat = "slack"\ntoken_file = "{tmp_path}/token"\n'
        f'spool = "{tmp_path}/s.sqlite3"\nheaders = {{ X-Key = "hush" }}\n'
    )
    process = subprocess.Popen(
        [*COMMAND, "bridge", "webhook", "--config", str(file)],
        env=environment({}),
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: receiver.requests, LONG_S)
    assert b"Authorization: Bearer hush-token\r\n" in receiver.requests[0]
    assert b"X-Key: hush\r\n" in receiver.requests[0]
    assert json.loads(receiver.bodies[0])["text"].startswith("kitchen: rock for ")
    assert "hush" not in told(process)
    shown = streamgenre("config", "show", "--config", file)
    assert "S3CRET" not in shown.stdout + shown.stderr
    assert "hush\n" not in shown.stdout
    assert streamgenre("config", "check", file).returncode == 0
    receiver.close()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--template", '{"a": $text}'], "does not make valid JSON"),
        (["--template", '{"a": "$txt"}'], "did you mean 'text'"),
        (["--template", "100 $"], "$$ for a $"),
        (["--template-file", "/no/such"], "--template-file /no/such: cannot be read: No such"),
        (
            ["--template-file", "/dev/zero"],
            "--template-file /dev/zero: cannot be read: is a device",
        ),
        (["--token-file", "/dev/zero"], "--token-file /dev/zero: cannot be read: is a device"),
        (["--token-file", "/dev/null"], "the token: expected printable ASCII"),
        (["--token-file", "/etc"], "--token-file /etc: cannot be read: is a folder"),
        (["--header", "nocolon"], "--header: expected 'NAME: VALUE'"),
        (["--header", "Host: x"], "--header: "),
        (["--header", "X: hush\r\nY: z"], "--header: X: expected printable ASCII"),
        (["--token-file", "/no/such"], "--token-file /no/such: cannot be read: No such"),
        (["--ca", "/no/such"], "--ca /no/such: cannot be read: No such file"),
        (["--ca", "/etc"], "--ca /etc: a directory"),
        (["--timeout", "0"], "--timeout 0: expected 1 to 300 seconds"),
        (["--timeout", "nan"], "--timeout nan: expected"),
        (["--spool-hours", "-1"], "--spool-hours -1: expected"),
        (["--dead-air-after", "0"], "--dead-air-after 0: expected"),
        (["--spool", "/etc"], "/etc: not a regular file"),
        (["--user", "a", "--token-file", "/dev/null"], "expected only one of them"),
        (["--user", "a:b"], "without a colon"),
        (["--url", "ftp://hush"], "expected https://HOST/"),
        (["--config", "/no/such.toml"], "/no/such.toml: the configuration cannot be read"),
    ],
)
def test_wrong_settings_are_explained(flags: list[str], expected: str) -> None:
    done = streamgenre(
        *("bridge", "webhook", "--connect", free_endpoint(), *flags),
        env={"STREAMGENRE_WEBHOOK_URL": "http://127.0.0.1:9/S3CRET"},
    )
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "S3CRET" not in done.stderr
    assert "hush" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_user_and_token_contradict_each_other(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("x")
    done: Any = streamgenre(
        *("bridge", "webhook", "--url", "http://h/", "--user", "a"),
        *("--token-file", tmp_path / "t"),
    )
    assert (done.returncode, "expected only one of them" in done.stderr) == (2, True)


def test_a_bridge_needs_no_part_of_the_daemon() -> None:
    """It runs where only the client is installed, with a configuration file too."""
    code = (
        "import sys\n"
        "for name in ('numpy', 'av', 'onnxruntime', 'soxr', 'sounddevice', 'mutagen', 'psutil',\n"
        "             'rich', 'fastjsonschema', 'prometheus_client', 'threadpoolctl'):\n"
        "    sys.modules[name] = None\n"
        "from streamgenre.cli.entry import main\n"
        "sys.exit(main(['bridge', 'webhook', '--config', '/dev/null']))\n"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", code],
        env={**environment({}), "STREAMGENRE_WEBHOOK_URL": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "no URL" in done.stderr) == (2, True), done.stderr
