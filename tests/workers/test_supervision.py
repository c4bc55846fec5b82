"""What the supervisor decides: who is suspected, who runs where; and the link to a worker."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dashboard_events import T0, source, status
from support.fuzzing import examples

from streamgenre.client.workers import WORKER_FIELDS, workers_of
from streamgenre.config import StationSettings
from streamgenre.config.settings import Config
from streamgenre.dashboard.render import render
from streamgenre.dashboard.view import DashboardView
from streamgenre.engine.settings import EngineSettings
from streamgenre.inference.settings import DecisionSettings
from streamgenre.sources.stream.settings import Headers
from streamgenre.supervisor.launching import how
from streamgenre.supervisor.placement import (
    Costs,
    Load,
    moves,
    place_all,
    worker_count,
)
from streamgenre.supervisor.suspects import CLEARED_S, OUT_S, Suspects
from streamgenre.worker.codec import from_json, to_json
from streamgenre.worker.link import SocketDaemonLink, SocketLink

LITE = ("lite", False)
heads = st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(max_size=20))


@examples(60)
@given(st.sets(st.integers(0, 60), min_size=2, max_size=40), st.data())
def test_bisection_names_the_one_that_kills(numbers: set[int], data: st.DataObject) -> None:
    """Whatever the number of stations, only the culprit is named, within few deaths."""
    names = [f"s{number}" for number in sorted(numbers)]
    culprit = data.draw(st.sampled_from(names))
    suspects, now = Suspects(), 0.0
    group: tuple[str, ...] = tuple(names)
    apart, deaths = False, 0
    while True:
        now += 5
        deaths += 1
        groups = suspects.died(group, now, apart=apart)
        assert sorted(name for g in groups for name in g.stations) == sorted(group)
        (hit,) = [g for g in groups if culprit in g.stations]
        assert all(len(g.stations) == 1 for g in groups if g.named)
        group, apart = hit.stations, hit.apart
        if hit.named:
            break
    assert group == (culprit,)
    assert deaths <= 4 + np.ceil(np.log2(len(names)))
    assert [suspects.named(name) for name in names] == [name == culprit for name in names]
    pauses = []
    for _ in range(12):
        now += 2000
        (out,) = suspects.died(group, now, apart=True)
        pauses.append(out.pause_s)
    assert pauses == sorted(pauses)
    assert pauses[0] == 2 * OUT_S[0]
    assert pauses[-1] == OUT_S[1]


def test_a_few_deaths_in_a_long_time_are_no_suspicion() -> None:
    suspects = Suspects()
    for hour in range(10):
        (group,) = suspects.died(["a", "b"], 3600.0 * hour, apart=False)
        assert not group.apart
        assert group.pause_s == 0
    assert not suspects.cleared(["a"], CLEARED_S - 1)
    assert suspects.cleared(["a"], CLEARED_S)


def test_a_named_station_leaves_its_place_to_others_after_a_minute() -> None:
    suspects = Suspects()
    (out,) = suspects.died(["a"], 0.0, apart=True)
    assert out.named
    assert not suspects.cleared(["a"], CLEARED_S)
    assert not suspects.cleared(["a"], CLEARED_S - 1, others_wait=True)
    assert suspects.cleared(["a"], CLEARED_S, others_wait=True)
    assert not suspects.named("a")


@examples(60)
@given(st.integers(1, 200), st.integers(1, 8))
def test_stations_are_spread_by_their_cost(count: int, workers: int) -> None:
    loads = [Load(str(number)) for number in range(workers)]
    costs = Costs()
    chosen = place_all({f"s{n}": LITE for n in range(count)}, loads, costs)
    assert len(chosen) == count
    found = [costs.load(load) for load in loads]
    assert max(found) - min(found) <= 0.1
    assert moves(loads, costs, chosen) == []


def test_a_move_must_pay() -> None:
    costs = Costs()
    busy = Load("1", {f"s{n}": LITE for n in range(10)})
    idle = Load("2", {})
    for name in busy.stations:
        costs.measured(name, LITE, 0.05)
    assert moves([busy, idle], costs, busy.stations) == []  # half a core: no hurry
    for name in busy.stations:
        for _ in range(20):
            costs.measured(name, LITE, 0.095)
    moved = moves([busy, idle], costs, busy.stations)
    assert len(moved) == 3  # no more than it takes
    assert {(old.name, new.name) for _, old, new in moved} == {("1", "2")}
    assert costs.load(busy) > costs.load(idle)
    only = Load("1", {"file": ("lite", True)})
    costs.measured("file", ("lite", True), 0.9)
    assert moves([only, Load("2", {})], costs, []) == []  # a file would start again


def test_auto_starts_workers_for_many_stations_only() -> None:
    cores = len(os.sched_getaffinity(0))
    auto = EngineSettings()
    assert worker_count(auto, 15) == 0
    assert worker_count(auto, 200) == (cores if cores > 1 else 0)
    assert worker_count(EngineSettings(workers=0), 200) == 0
    assert worker_count(EngineSettings(workers=3), 1) == 3


@examples(60)
@given(st.lists(st.tuples(heads, st.binary(max_size=300)), max_size=8))
def test_a_link_keeps_messages_and_their_order(
    messages: list[tuple[dict[str, object], bytes]],
) -> None:
    ours, theirs = socket.socketpair()
    daemon, worker = SocketDaemonLink(ours), SocketLink(theirs)
    for head, body in messages:
        daemon.send(head, body)
        assert worker.receive() == (head, body)
        worker.send(head, body)
    worker.close()
    arrived = []
    while not daemon.ended:
        arrived += daemon.arrived()
    assert arrived == messages
    daemon.close()


def test_a_worker_that_does_not_read_never_blocks_the_daemon() -> None:
    ours, theirs = socket.socketpair()
    daemon, worker = SocketDaemonLink(ours), SocketLink(theirs)
    for number in range(200):
        daemon.send({"number": number}, bytes(10_000))
    for number in range(200):
        daemon.arrived()  # sends what is left
        assert worker.receive()[0] == {"number": number}
    worker.close()
    daemon.close()


def test_settings_survive_the_link() -> None:
    settings = StationSettings(
        name="a",
        input="http://h.example/x",
        headers=Headers([("X-Token", "secret")]),
        ca_file=Path(__file__).parents[1] / "data" / "ca.pem",
        decision=DecisionSettings(silence_dbfs=-np.inf),
        shuffle=3,
    )
    for each in (settings, StationSettings(), EngineSettings(workers=3), Config().engine):
        assert from_json(type(each), to_json(each)) == each
    with pytest.raises(TypeError):
        from_json(EngineSettings, {"of_another_version": 1})


def test_ends_are_named_in_words() -> None:
    assert how(-11) == "ended by signal 11 (SIGSEGV)"
    assert how(-64) == "ended by signal 64 (SIGRTMAX)"
    assert how(3) == "ended with exit code 3"


def test_the_foot_of_the_dashboard_shows_the_workers() -> None:
    view = DashboardView()
    for name, worker, restarts in (("a", "1", 0), ("b", "2", 2), ("c", "2", 2)):
        view.apply(source(0, 0.0, "live", station=name))
        event = status(0, 1.0, station=name)
        view.apply(
            replace(
                event,
                worker=worker,
                worker_cpu_share=0.25,
                worker_rss_bytes=60_000_000,
                worker_restarts=restarts,
            )
        )
    from rich.console import Console

    console = Console(width=160, height=24, record=True)
    console.print(render(view, width=160, height=24, now=T0 + 1))
    text = console.export_text()
    assert "workers 2: 25 %" in text
    assert "replaced 2" in text
    known = [each.status for each in view.in_order() if each.status is not None]
    found = workers_of({name: getattr(each, name) for name in WORKER_FIELDS} for each in known)
    assert [str(each) for each in found] == [
        "1 station, 25 % of a core, 60 MB",
        "2 stations, 25 % of a core, 60 MB, replaced 2 times",
    ]
