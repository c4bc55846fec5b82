"""A real daemon with real workers: the contract of the events, requests, reloads and the end."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from support.audio import music, write_wav
from support.commands import events_of, free_endpoint, start, streamgenre
from support.live import until
from support.other_features import OTHER_FEATURES
from support.working_daemon import WorkingDaemon, check_contract

from streamgenre.events import Gap, Segment, Status

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def daemon(radio: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkingDaemon]:
    """Eight stations in two workers, shared by the tests of this file that leave it as it was."""
    found = WorkingDaemon(tmp_path_factory.mktemp("daemon"))
    found.write(stations(radio))
    with found.running():
        found.wait_for_updates(stations(radio))
        yield found
    assert found.process.returncode == 0
    for name in stations(radio):
        check_contract(found.of(name))


def stations(radio: str, count: int = 8) -> dict[str, str]:
    return {f"s{number}": f"{radio}/{number}" for number in range(count)}


def has_moved(daemon: WorkingDaemon, name: str) -> bool:
    states = [
        (c.state, "moves from worker 2 to worker 1" in c.detail) for c in daemon.changes(name)
    ]
    return ("lost", True) in states and states[-1][0] == "live"


def test_stations_are_shared_and_the_worker_is_named(daemon: WorkingDaemon, radio: str) -> None:
    workers = daemon.workers()
    assert [(w["worker"], w["state"], w["stations"]) for w in workers] == [
        ("1", "running", 4),
        ("2", "running", 4),
    ]
    found = {s["station"]: s["worker"] for s in daemon.ask("stations")}
    assert found.keys() == stations(radio).keys()

    def measured() -> list[Status]:
        last = {e.station: e for e in list(daemon.events) if isinstance(e, Status)}
        return [s for s in last.values() if s.station_cpu_share is not None]

    for status in until(lambda: len(measured()) == 8 and measured()):
        assert status.worker == found[status.station]
        assert 0 < status.worker_rss_bytes < status.rss_bytes
        assert 0 < status.station_cpu_share <= status.worker_cpu_share + 0.5
        assert status.worker_restarts == 0
        assert status.latency_ms is not None


def test_the_doctor_names_the_workers(daemon: WorkingDaemon) -> None:
    done = streamgenre("doctor", "--config", daemon.file, "--json")
    found = {f["check"]: f["says"] for f in json.loads(done.stdout)["findings"]}
    assert re.fullmatch(
        r"1: 4 stations, \d+ % of a core, \d+ MB; 2: 4 stations, .*", found["workers"]
    )


def test_a_reset_reaches_the_worker(daemon: WorkingDaemon) -> None:
    before = len([e for e in daemon.of("s3") if isinstance(e, Segment)])
    daemon.ask("reset", station="s3")
    until(lambda: len([e for e in daemon.of("s3") if isinstance(e, Segment)]) > before)
    with pytest.raises(AssertionError, match="did you mean 's3'"):
        daemon.ask("reset", station="s33")


def test_workers_switch_to_another_model(tmp_path: Path) -> None:
    daemon = WorkingDaemon(tmp_path, workers=1, model="cnn")
    daemon.write({"a": "demo", "b": "demo"})
    shutil.copytree(OTHER_FEATURES, tmp_path / "streamgenre" / "models" / "other-features")
    with daemon.running({"XDG_DATA_HOME": str(tmp_path)}):
        daemon.wait_for_updates({"a": "", "b": ""})
        with pytest.raises(AssertionError, match=r"a.* uses model cnn, and model other-features n"):
            daemon.ask("model", model="other-features")
        with pytest.raises(AssertionError, match="did you mean 'a'"):
            daemon.ask("model", model="lstm", station="aa")
        assert daemon.ask("model", model="lstm", station="a") is None
        until(lambda: [s["model"] for s in daemon.ask("stations")] == ["lstm", "cnn"])
        # The next worker has it too.
        os.kill(daemon.pids()["1"], signal.SIGKILL)
        until(lambda: daemon.workers()[0]["restarts"] == 1 and daemon.workers()[0]["pid"])
        daemon.wait_for_updates({"a": ""})
        until(lambda: [e.model for e in daemon.of("a") if isinstance(e, Status)][-1] == "lstm")
        until(lambda: [e.model for e in daemon.of("b") if isinstance(e, Status)][-1] == "cnn")
        assert daemon.ask("model", model="lstm") is None
        until(lambda: {s["model"] for s in daemon.ask("stations")} == {"lstm"})


def test_a_reload_moves_and_changes_stations(daemon: WorkingDaemon, radio: str) -> None:
    """With one worker fewer its stations move, with their session; others are not touched."""
    given = stations(radio)
    sessions = {name: daemon.of(name)[0].session for name in given}
    moved = [name for name in given if daemon.worker_of(name) == "2"]
    stayed = [name for name in given if name not in moved]
    lost = {name: len(daemon.changes(name)) for name in stayed}
    try:
        daemon.workers_in_file = 1
        daemon.write(given)
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: [w["worker"] for w in daemon.workers()] == ["1"])
        for name in moved:
            until(partial(has_moved, daemon, name))
        daemon.wait_for_updates(given)
        assert {name: daemon.of(name)[-1].session for name in given} == sessions
        assert {name: len(daemon.changes(name)) for name in stayed} == lost
        assert all(any(isinstance(e, Gap) for e in daemon.of(name)) for name in moved)
        assert f"{moved[0]}: moves from worker 2 to worker 1" in daemon.said()
        # Another input for one station: it restarts as a new session, without the others.
        daemon.write(given | {"s0": f"{radio}/other"})
        daemon.ask("reload")
        until(lambda: daemon.of("s0")[-1].session != sessions["s0"])
        until(lambda: daemon.changes("s0")[-1].input == f"{radio}/other")
    finally:
        daemon.workers_in_file = 2
        daemon.write(given)
        daemon.ask("reload")
        until(lambda: len(daemon.workers()) == 2)
        daemon.wait_for_updates(given)
        daemon.events[:] = [e for e in daemon.events if e.station != "s0"]


def test_a_spectrum_comes_from_the_worker(daemon: WorkingDaemon) -> None:
    done = streamgenre(
        *("subscribe", "--connect", daemon.endpoint, "--type", "spectrum", "--count", "2")
    )
    assert {event["type"] for event in events_of(done.stdout)} == {"spectrum"}


def test_a_file_gives_the_same_events_with_and_without_workers(tmp_path: Path) -> None:
    song = write_wav(tmp_path / "song.wav", music(20))

    def updates(workers: str) -> list[dict[str, Any]]:
        flags = ("--pace", "fast", "--json", "--no-history", "--model", "lite")
        done = streamgenre(
            *("listen", "--input", f"a={song}", *flags),
            *("--workers", workers, "--publish", free_endpoint()),
        )
        assert done.returncode == 0, done.stderr
        found = [e for e in events_of(done.stdout) if e["type"] in ("update", "segment", "gap")]
        for event in found:
            for name in ("session", "time", "start_time"):
                event.pop(name, None)
        return sorted(found, key=lambda e: (e["station"], e["type"], e["seq"]))

    alone, shared = updates("0"), updates("1")
    assert alone == shared
    assert len(alone) > 20


def test_failures_are_those_of_one_process(tmp_path: Path) -> None:
    flags = ("--no-history", "--workers", "1", "--publish", free_endpoint(), "-q")
    done = streamgenre("listen", "--input", f"{tmp_path}/no.wav", *flags)
    assert done.returncode == 1
    assert "no.wav" in done.stderr
    assert "Traceback" not in done.stderr
    done = streamgenre("listen", "--input", "demo", "--workers", "many")
    assert done.returncode == 2
    assert '--workers many: expected "auto" or 0 to 256 processes' in done.stderr
    (tmp_path / "model").mkdir()
    done = streamgenre("listen", "--input", "demo", "--model", tmp_path / "model", *flags)
    assert done.returncode != 0
    assert "manifest.json" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_workers_and_closes_everything(
    radio: str, tmp_path: Path, number: signal.Signals
) -> None:
    """Four workers, a hundred stations: what is open is closed, and no process is left."""
    daemon = WorkingDaemon(tmp_path, workers=4)
    given = stations(radio, 100)
    daemon.write(given)
    with daemon.running():
        until(lambda: len({e.station for e in list(daemon.events) if e.TYPE == "update"}) == 100)
        children = psutil.Process(daemon.process.pid).children(recursive=True)
        assert len(children) == 4
        # As a terminal and systemd do: to every process.
        for child in children:
            child.send_signal(number)
        daemon.process.send_signal(number)
        assert daemon.process.wait(60) == 0
        assert not [child for child in children if child.is_running()]
    for name in given:
        check_contract(daemon.of(name))
        kinds = [event.TYPE for event in daemon.of(name)]
        assert "segment" in kinds
        assert daemon.changes(name)[-1].state == "ended"


def test_workers_end_with_a_daemon_that_is_killed(radio: str, tmp_path: Path) -> None:
    """One of them hangs, so that it does not see the end of its link."""
    daemon = WorkingDaemon(tmp_path)
    daemon.write(stations(radio, 4))
    with daemon.running():
        daemon.wait_for_updates(stations(radio, 4))
        pids = daemon.pids()
        os.kill(pids["1"], signal.SIGSTOP)
        workers = [psutil.Process(pid) for pid in pids.values()]
        daemon.process.kill()
        daemon.process.wait(60)
        until(lambda: not any(w.is_running() and w.status() != "zombie" for w in workers))


def test_without_workers_nothing_is_started(tmp_path: Path) -> None:
    """One station on the command line is heard by the daemon itself."""
    endpoint, control = free_endpoint(), free_endpoint()
    flags = ("--publish", endpoint, "--control", control, "--no-history", "--json")
    with start("listen", "--input", "demo", "--model", "lite", *flags) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if '"status"' in line)
        assert json.loads(line)["worker"] is None
        assert psutil.Process(process.pid).children() == []
        modules = Path(f"/proc/{process.pid}/maps").read_text()
        assert "onnxruntime" in modules
        process.terminate()
        process.stdout.read()
        process.wait(60)
