"""Findings of the doctor on broken machines, and a bundle without secrets."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import stat
import subprocess
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.commands import free_endpoint, start, streamgenre
from support.small_disk import small_disk

from streamgenre.bus.keys import new_pair
from streamgenre.client.subscriber import Subscriber
from streamgenre.doctor import Finding, Subject, examine, files, machine
from streamgenre.doctor.bundle import _without_comments, write_bundle
from streamgenre.doctor.inputs import InputChecker
from streamgenre.errors import StreamgenreError

SECRET = "hunter2-geheim"


def found(text: str) -> dict[str, dict[str, Any]]:
    results = json.loads(text)
    assert results["ok"] == all(f["verdict"] != "problem" for f in results["findings"])
    for finding in results["findings"]:
        # Every problem comes with advice.
        assert finding["do"] or finding["verdict"] != "problem", finding
    return {finding["check"]: finding for finding in results["findings"]}


def settings(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_a_healthy_machine_has_no_problems(tmp_path: Path) -> None:
    config = settings(
        tmp_path,
        f'[bus]\npublish = "{free_endpoint()}"\n[history]\npath = "{tmp_path / "h.sqlite3"}"\n'
        '[[station]]\nname = "a"\ninput = "demo"\n',
    )
    done = streamgenre("doctor", "--config", config, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    results = found(done.stdout)
    assert results["models"]["verdict"] == results["settings"]["verdict"] == "ok"
    assert "is free" in results["publish"]["says"]
    shown = streamgenre("doctor", "--config", config)
    assert shown.returncode == 0
    assert shown.stdout.rstrip().endswith("no problems")


def test_a_daemon_with_keys_is_recognised_on_its_port(tmp_path: Path) -> None:
    keys, endpoint = tmp_path / "keys", free_endpoint()
    new_pair(keys)
    config = settings(
        tmp_path,
        f'[bus]\npublish = "{endpoint}"\nencrypt = true\nkeys = "{keys}"\n'
        '[[station]]\nname = "a"\ninput = "demo"\nmodel = "lite"\n',
    )
    with start("listen", "--config", config, "--no-history", "-q") as daemon:
        try:
            for _ in range(20):
                results = json.loads(streamgenre("doctor", "--config", config, "--json").stdout)
                (found,) = (f for f in results["findings"] if f["check"] == "publish")
                if "is free" not in found["says"]:
                    break
        finally:
            daemon.terminate()
    assert (found["verdict"], "requires a key" in found["says"]) == ("note", True)


def test_problems_come_with_advice(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    damaged = tmp_path / "h.sqlite3"
    damaged.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = settings(
            tmp_path,
            f'model = "{tmp_path / "broken"}"\n'
            f'[bus]\npublish = "tcp://127.0.0.1:{taken.getsockname()[1]}"\n'
            f'[history]\npath = "{damaged}"\n'
            f'[[station]]\nname = "a"\ninput = "{tmp_path}/no/such.wav"\n'
            f'[[station]]\nname = "b"\ninput = "http://joe:{SECRET}@127.0.0.1:1/x?key={SECRET}"\n'
            '[[station]]\nname = "c"\ninput = "No Such Card"\n',
        )
        done = streamgenre("doctor", "--config", config, "--json")
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    results = json.loads(done.stdout)["findings"]
    said = {(f["check"], f["verdict"]): f["says"] for f in results}
    assert "manifest.json" in said["model", "problem"]
    assert "not by a streamgenre daemon" in said["publish", "problem"]
    assert f"process {os.getpid()}" in said["publish", "problem"]
    assert str(damaged) in said["history", "problem"]
    inputs = [f["says"] for f in results if (f["check"], f["verdict"]) == ("input", "problem")]
    for name, says in zip(("such.wav", "127.0.0.1", "No Such Card"), inputs, strict=True):
        assert name in says
    found(done.stdout)


def test_unusable_settings_are_reported(tmp_path: Path) -> None:
    config = settings(tmp_path, "[bus]\npublsh = 3\n")
    done = streamgenre("doctor", "--config", config, "--json")
    assert done.returncode == 1
    assert f"{config}:2" in found(done.stdout)["settings"]["says"]


def test_a_daemon_that_answers_is_recognised(stateful_folder: Path, tmp_path: Path) -> None:
    endpoint = free_endpoint()
    text = f'[bus]\npublish = "{endpoint}"\n[[station]]\nname = "a"\ninput = "demo"\n'
    config = settings(tmp_path, text)
    flags = ("--config", config, "--model", stateful_folder, "--no-history", "-q")
    with start("listen", *flags) as daemon:
        with Subscriber(endpoint, types=["status"]) as subscriber:
            assert subscriber.receive(timeout=60) is not None
        results = found(streamgenre("doctor", "--config", config, "--json").stdout)
        daemon.kill()
    assert results["publish"]["verdict"] == "ok"
    assert "a daemon answers" in results["publish"]["says"]
    assert "live" in results["publish"]["says"]


def test_a_full_disk_and_a_damaged_history_are_reported(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.folder / "h.sqlite3"
        (full,) = files.disk(Subject(history=path))
        assert full.verdict == "problem"
        assert "GB free" in full.says
    whole = tmp_path / "other.sqlite3"
    sqlite3.connect(whole).execute("CREATE TABLE not_ours (a)").connection.close()
    (other,) = files.history(Subject(history=whole))
    assert other.verdict == "problem"


def test_advice_is_correct_for_odd_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command in backquotes can be pasted into a shell."""
    odd = "it's $HOME; a `b`"

    def advised(history: Path) -> str:
        (found,) = files.history(Subject(history=history))
        return found.do or found.verdict

    blocking = tmp_path / f"{odd} file"
    blocking.write_text("in the way")
    do = advised(blocking / "h.sqlite3")
    command = do.removeprefix("`").removesuffix("`, or name another path under [history]")
    subprocess.run(["sh", "-c", command], check=True)
    assert (tmp_path / f"{odd} file.old").read_text() == "in the way"
    assert advised(blocking / "h.sqlite3") == "ok"
    assert advised(tmp_path / "none" / "at" / "all.sqlite3") == "ok"
    monkeypatch.chdir(tmp_path)
    assert advised(Path("relative.sqlite3")) == "ok"
    blocking.mkdir()
    do = advised(blocking)
    setting = do.removeprefix("name a file in it: `").removesuffix("` under [history]")
    assert tomllib.loads(setting) == {"path": str(blocking / "history.sqlite3")}


def test_disk_use_is_shown_for_odd_names(tmp_path: Path) -> None:
    with small_disk(tmp_path / "it's a `disk`") as disk:
        (disk.folder / "large").mkdir()
        (disk.folder / "large" / "file").write_bytes(bytes(1_500_000))
        (full,) = files.disk(Subject(history=disk.folder / "new folder" / "h.sqlite3"))
        assert full.do.startswith("free some (`sudo du ")
        command = full.do.removeprefix("free some (`sudo ").partition("` shows ")[0]
        done = subprocess.run(
            ["sh", "-c", command], capture_output=True, text=True, check=True, timeout=60
        )
    assert str(disk.folder / "large") in done.stdout


def test_an_error_in_a_check_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: 1 / 0)
    results = {finding.check: finding for finding in examine(Subject(inputs=("demo",)))}
    assert results["libraries"].verdict == "problem"
    assert "ZeroDivisionError" in results["libraries"].says
    assert results["models"].verdict == "ok"  # the other checks still run


def test_folders_and_playlists_without_audio_are_a_problem(tmp_path: Path) -> None:
    empty = tmp_path / "music"
    empty.mkdir()
    (empty / "cover.jpg").touch()
    (tmp_path / "gone.m3u").write_text("gone.mp3\n")
    checker = InputChecker()
    assert "contains no files" in checker.check(str(empty)).says
    assert "none of its files" in checker.check(str(tmp_path / "gone.m3u")).says
    assert {
        checker.check(str(empty)).verdict,
        checker.check(str(tmp_path / "gone.m3u")).verdict,
    } == {"problem"}
    (empty / "a.flac").touch()
    assert checker.check(str(empty)).verdict == "ok"
    (tmp_path / "radio.m3u").write_text("http://radio.example/jazz\n")
    assert checker.check(str(tmp_path / "radio.m3u")).verdict == "ok"


def test_few_open_files_are_a_problem() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        (results,) = machine.limits(Subject())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert results.verdict == "problem"
    assert "ulimit -n" in results.do


# ---- the bundle ---------------------------------------------------------------------------------


def test_a_bundle_contains_no_secrets(
    stateful_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    pair = new_pair(keys)
    endpoint = free_endpoint()
    monkeypatch.setenv("STREAMGENRE_TEST_TOKEN", SECRET)
    monkeypatch.setenv("STREAMGENRE_ODD", f"see http://a:{SECRET}@b/")
    monkeypatch.setenv("UNRELATED_VARIABLE", "not our business")
    monkeypatch.setenv("STREAMGENRE_WEBHOOK_URL", "https://hooks.example/T0/path-geheim")
    url = f"http://joe:{SECRET}@127.0.0.1:1/{{}}?token={SECRET}&x=%68unter2-geheim"
    config = settings(
        tmp_path,
        f"# the password is {SECRET}, and the key {pair.secret.decode()}\n"
        f'[bus]\npublish = "{endpoint}"\nkeys = "{keys}"\n'
        f'[[station]]\nname = "a"\ninput = "{url.format("live")}"\n'
        '[[station]]\nname = "b"\ninput = "demo"\n'
        '[bridge.webhook]\nurl = "https://hooks.example/T0/path-geheim"\n'
        'headers = { X-Odd = "header-geheim" }\n',
    )
    bundle = tmp_path / "support.tar.gz"
    flags = ("--config", config, "--model", stateful_folder, "--no-history", "-q")
    with start("listen", *flags) as daemon:
        with Subscriber(endpoint, types=["source"]) as subscriber:
            stations: set[str] = set()
            while stations != {"a", "b"}:
                event = subscriber.receive(timeout=60)
                assert event is not None
                stations.add(event.station)
        done = streamgenre("doctor", "--config", config, "--bundle", bundle)
        daemon.kill()
    assert done.returncode == 1  # station a has no input
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    with tarfile.open(bundle) as archive:
        parts = {
            member.name.removeprefix("streamgenre-support/"): file.read().decode()
            for member in archive
            if (file := archive.extractfile(member)) is not None
        }
    everything = "".join(parts.values()) + done.stdout + done.stderr
    for secret in (SECRET, pair.secret.decode(), "%68unter2", "not our business", "-geheim"):
        assert secret not in everything, secret
    # And it is still useful.
    assert {"doctor.json", "versions.txt", "environment.txt", "keys.txt", "unit.txt"} <= set(parts)
    assert "http://127.0.0.1:1/live?…" in parts["config.toml"]
    assert 'name = "b"' in parts["config.toml"]
    assert "secret.key" in parts["keys.txt"]
    assert "STREAMGENRE_TEST_TOKEN=…" in parts["environment.txt"]
    events = [json.loads(line) for line in parts["events.jsonl"].splitlines()]
    assert {"a", "b"} == {event["station"] for event in events}
    assert {finding["check"] for finding in json.loads(parts["doctor.json"])} >= {"input", "models"}


def test_a_bundle_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "there.tar.gz"
    path.write_text("mine")
    with pytest.raises(StreamgenreError, match="already exists"):
        write_bundle(path, Subject(), [Finding("a", "ok", "b")])
    assert path.read_text() == "mine"


def test_inputs_in_invalid_settings_are_not_checked(tmp_path: Path) -> None:
    results = examine(Subject(config=tmp_path / "c.toml", config_error="a\nb"))
    by_check = {finding.check: finding for finding in results}
    for check in ("inputs", "history", "disk", "ports"):
        assert (by_check[check].verdict, by_check[check].says[:11]) == ("note", "not checked")


def test_a_history_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (only,) = files.history(Subject(history=tmp_path / "file" / "h.sqlite3"))
    assert only.verdict == "problem"
    assert f"{tmp_path / 'file'} is not a folder" in only.says


@pytest.mark.parametrize(
    ("toml", "left"),
    [
        ("# password hunter2\na = 1 # and a key\n", "\na = 1 \n"),
        ('a = "x # y" # z\n', 'a = "x # y" \n'),
        ("a = 'x # y' # z\n", "a = 'x # y' \n"),
        ('a = """x\n# y""" # z\n', 'a = """x\n# y""" \n'),
        ('a = "\\" # y" # z', 'a = "\\" # y" '),
        ('a = "open # z\n', 'a = "open \n'),
    ],
)
def test_comments_in_the_settings_are_left_out(toml: str, left: str) -> None:
    assert _without_comments(toml) == left


def test_the_web_page_is_checked(tmp_path: Path) -> None:
    base = (
        f'[bus]\npublish = "{free_endpoint()}"\n[history]\nkeep = "none"\n'
        '[[station]]\nname = "a"\ninput = "demo"\n'
    )
    login = tmp_path / "login.json"

    def verdicts(web: str) -> list[tuple[str, str]]:
        config = settings(tmp_path, f"{base}[web]\n{web}\n")
        done = streamgenre("doctor", "--config", config, "--json")
        findings = json.loads(done.stdout)["findings"]
        return [(each["verdict"], each["says"]) for each in findings if each["check"] == "web"]

    port = free_endpoint().rpartition(":")[2]
    assert verdicts("") == []
    ((verdict, says),) = verdicts(f'listen = ":{port}"')
    assert (verdict, says) == ("ok", f"port {port} is free: no page is served")
    exposed = f'listen = "0.0.0.0:{port}"\nlogin_file = "{login}"'
    (verdict, says), _ = verdicts(exposed)
    assert verdict == "problem"
    assert "streamgenre web passwd" in says
    streamgenre("web", "passwd", "--login-file", login, stdin=b"correct horse\n")
    (verdict, says), _ = verdicts(exposed)
    assert (verdict, says) == ("ok", f"a login is needed: {login}")
    login.chmod(0o644)
    (verdict, says), _ = verdicts(exposed)
    assert verdict == "problem"
    assert "has mode 644" in says
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ((verdict, says),) = verdicts(f'listen = ":{taken.getsockname()[1]}"')
    assert verdict == "problem"
    assert "address already in use" in says


def test_the_configuration_of_an_open_page_is_refused(tmp_path: Path) -> None:
    login = tmp_path / "login.json"
    config = settings(tmp_path, f'[web]\nlisten = "0.0.0.0:0"\nlogin_file = "{login}"\n')
    done = streamgenre("config", "check", config)
    assert done.returncode == 1
    assert "streamgenre web passwd" in done.stderr
