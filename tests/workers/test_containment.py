"""Workers that die, hang or leak cost their own stations a told gap, and nobody else anything."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest
from support.live import until
from support.paced_radio import POISON
from support.working_daemon import WorkingDaemon, check_contract

from streamgenre.events import AnyEvent, Gap, Segment, SourceChange, Update

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SIGNALS = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE)


@pytest.mark.timeout(1200)
def test_workers_killed_at_random(radio: str, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Nothing is lost but the told gaps. ``--fuzz 10`` kills them for five minutes."""
    rng = random.Random()
    daemon = WorkingDaemon(tmp_path, workers=3)
    given = {f"s{number:02}": f"{radio}/{number}" for number in range(40)}
    daemon.write(given)
    with daemon.running():
        daemon.wait_for_updates(given, 1)
        ends = time.monotonic() + 30 * max(0.5, pytestconfig.getoption("--fuzz"))
        kills = 0
        while time.monotonic() < ends or not kills:
            pids = daemon.pids()
            if pids:
                os.kill(rng.choice(list(pids.values())), rng.choice(SIGNALS))
                kills += 1
            time.sleep(rng.uniform(0.2, 6))
        # Stations that were killed again and again are kept out for about as long as it lasted.
        daemon.wait_for_updates(given, 2, 60 + 30 * pytestconfig.getoption("--fuzz"))
    assert daemon.process.returncode == 0
    hit = 0
    for name in given:
        events = daemon.of(name)
        check_contract(events)
        lost = [c for c in daemon.changes(name) if c.detail.startswith("its worker ended by")]
        hit += bool(lost)
        for change in lost:
            assert change.state == "lost"
            check_closed_before(events, change)
    assert hit


def check_closed_before(events: Sequence[AnyEvent], change: SourceChange) -> None:
    """Check that what was open ended with the last update, before the loss was told."""
    before = events[: events.index(change)]
    updates = [i for i, e in enumerate(before) if isinstance(e, Update)]
    segments = [i for i, e in enumerate(before) if isinstance(e, Segment)]
    if updates:
        assert segments
        assert segments[-1] > updates[-1]
        last, segment = before[updates[-1]], before[segments[-1]]
        assert isinstance(segment, Segment)
        assert isinstance(last, Update)
        assert segment.end == last.stream_time
        assert (segment.state, segment.genre) == (last.state, last.genre)


@pytest.fixture(scope="module")
def daemon(radio: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkingDaemon]:
    """Two workers for the tests that stop, kill and fill one of them."""
    found = WorkingDaemon(tmp_path_factory.mktemp("daemon"))
    given = {f"s{number}": f"{radio}/{number}" for number in range(6)}
    found.write(given)
    with found.running():
        found.wait_for_updates(given)
        yield found
    for name in given:
        check_contract(found.of(name))


def test_one_that_hangs_is_replaced(daemon: WorkingDaemon) -> None:
    name = "s1"
    worker = daemon.worker_of(name)
    others = [s["station"] for s in daemon.ask("stations") if s["worker"] != worker]
    os.kill(daemon.pids()[worker], signal.SIGSTOP)
    until(lambda: any("gave no sign of life for 10 s" in c.detail for c in daemon.changes(name)))
    until(lambda: daemon.changes(name)[-1].state == "live")
    gap = until(lambda: next((e for e in daemon.of(name) if isinstance(e, Gap)), None))
    assert gap.seconds > 9
    assert gap.reason == "reconnect"
    for other in others:
        assert not [e for e in daemon.of(other) if isinstance(e, Gap)]
        assert [c.state for c in daemon.changes(other)] == ["live"]
    restarts = {w["worker"]: w["restarts"] for w in daemon.workers()}
    assert restarts[worker] == 1
    assert set(restarts.values()) == {0, 1}
    assert f"worker {worker} hangs" in daemon.said()


def test_one_dead_worker_affects_no_other(daemon: WorkingDaemon) -> None:
    name = "s0"
    worker = daemon.worker_of(name)
    others = [s["station"] for s in daemon.ask("stations") if s["worker"] != worker]
    before = {other: len(daemon.changes(other)) for other in others}
    session = daemon.of(name)[0].session
    os.kill(daemon.pids()[worker], signal.SIGSEGV)
    until(
        lambda: any(
            c.detail == "its worker ended by signal 11 (SIGSEGV)" for c in daemon.changes(name)
        )
    )
    until(lambda: daemon.changes(name)[-1].state == "live")
    daemon.wait_for_updates({name: ""})
    assert {event.session for event in daemon.of(name)} == {session}
    assert {other: len(daemon.changes(other)) for other in others} == before


def test_a_stream_that_kills_its_worker_is_found_and_kept_out(radio: str, tmp_path: Path) -> None:
    daemon = WorkingDaemon(tmp_path)
    given = {f"s{number:02}": f"{radio}/{number}" for number in range(20)}
    given["s13"] = f"{radio}/kill/13"
    daemon.write(given)
    good = {name: url for name, url in given.items() if name != "s13"}
    with daemon.running(env={"PYTHONPATH": str(POISON)}):
        until(
            lambda: any("it ends every worker" in c.detail for c in daemon.changes("s13")),
            300,
        )
        daemon.wait_for_updates(good)
        named = [line for line in daemon.said().splitlines() if "it ends every worker" in line]
        assert all("s13: " in line for line in named)
        # Tried again alone: it costs itself only.
        changes = {name: len(daemon.changes(name)) for name in good}
        told = [c.detail for c in daemon.changes("s13") if "it ends every worker" in c.detail]
        assert told[0].endswith("it ends every worker, and is tried again in 10 s")
        until(lambda: any("again in 20 s" in c.detail for c in daemon.changes("s13")))
        assert {name: len(daemon.changes(name)) for name in good} == changes
        (apart,) = [w for w in daemon.workers() if w["problem"]]
        assert apart["apart"]
        assert apart["problem"] == "s13 ends every worker"
    for name in given:
        check_contract(daemon.of(name))


def test_one_that_takes_too_much_memory_is_replaced(radio: str, tmp_path: Path) -> None:
    daemon = WorkingDaemon(tmp_path)
    given = {f"s{number}": f"{radio}/{number}" for number in range(6)}
    given["leaks"] = f"{radio}/leak"
    daemon.write(given, more="worker_memory_mb = 300")
    with daemon.running(env={"PYTHONPATH": str(POISON)}):
        words = "more than worker_memory_mb = 300"
        change = until(
            lambda: next((c for c in daemon.changes("leaks") if words in c.detail), None)
        )
        assert change.state == "lost"
        # Those of the other worker.
        apart = until(
            lambda: [name for name in given if [c.state for c in daemon.changes(name)] == ["live"]]
        )
        daemon.wait_for_updates(dict.fromkeys(apart, ""))
