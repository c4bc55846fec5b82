"""A daemon whose workers run on the machines of a real Ray cluster."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from support.commands import streamgenre
from support.live import until
from support.paced_radio import paced_radio
from support.ray_cluster import ray_cluster
from support.working_daemon import WorkingDaemon, check_contract

from streamgenre.events import Gap, SourceChange, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.timeout(400)
SECRET = "s3cretpassw0rd"


class Fleet(WorkingDaemon):
    """``streamgenre fleet``, and everything that it has published."""

    @contextmanager
    def on(self, address: str) -> Iterator[Fleet]:
        self.command = ("fleet", "--cluster", address)
        with self.running():
            yield self


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def radio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with paced_radio(tmp_path_factory.mktemp("radio")) as url:
        yield url


@pytest.fixture(scope="module")
def stations(radio: str) -> dict[str, str]:
    """Six streams, one with a password in its URL."""
    secret = radio.replace("http://", f"http://user:{SECRET}@")
    return {f"s{n}": f"{secret if n == 0 else radio}/{n}" for n in range(6)}


@pytest.fixture(scope="module")
def fleet(
    cluster: Any, stations: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    made = Fleet(tmp_path_factory.mktemp("fleet"), "auto")
    made.write(stations)
    with made.on(cluster.address):
        until(lambda: all(made.updates(name) for name in stations), 120)
        yield made


def worker_processes(node: Any) -> list[psutil.Process]:
    """The workers on a node of the cluster."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return [p for p in raylet.children(recursive=True) if "Worker" in " ".join(p.cmdline())]


def test_the_workers_are_spread_over_the_machines(fleet: Fleet, cluster: Any) -> None:
    workers = fleet.workers()
    assert len(workers) == 3
    assert sum(worker["stations"] for worker in workers) == 6
    assert sum(worker["stations"] > 0 for worker in workers) > 1
    assert all(worker["node"] for worker in workers)
    for node in (cluster.head_node, *cluster.others):
        assert len(worker_processes(node)) == 1


def test_requests_and_latencies_pass_between_machines(
    fleet: Fleet, stations: dict[str, str]
) -> None:
    fleet.ask("reset", station="s1")
    fleet.wait_for_updates(stations)
    found = until(lambda: [e for e in fleet.of("s1") if isinstance(e, Status) and e.latency_ms])
    assert 0 < found[-1].latency_ms["p50"] < 60_000


def test_a_worker_that_is_killed_is_replaced_and_its_gap_told(
    fleet: Fleet, cluster: Any, stations: dict[str, str]
) -> None:
    worker = fleet.worker_of("s0")
    with_it = {name for name in stations if fleet.worker_of(name) == worker}
    psutil.Process(fleet.pids()[worker]).kill()
    until(lambda: set(lost(fleet, stations)) == with_it)
    until(lambda: all(live_again(fleet, name) for name in stations))
    fleet.wait_for_updates(stations)
    (change,) = [change for change in fleet.changes("s0") if change.state == "lost"]
    assert change.detail.startswith("its worker has ended on machine")
    assert any(isinstance(event, Gap) for event in fleet.of("s0"))


def test_the_stations_of_a_lost_machine_go_on_on_the_others(
    fleet: Fleet, cluster: Any, stations: dict[str, str]
) -> None:
    before = {name: len(fleet.of(name)) for name in stations}
    node = max(cluster.others, key=lambda each: stations_on(fleet, each))
    expected = stations_on(fleet, node)
    assert 0 < expected < 6

    def since(name: str) -> list[Any]:
        return fleet.of(name)[before[name] :]

    def lost_now() -> list[str]:
        return [n for n in stations if any(_lost(event) for event in since(n))]

    cluster.others.remove(node)
    cluster.remove_node(node, allow_graceful=False)
    until(lambda: len(lost_now()) >= expected)
    until(lambda: all(live_again(fleet, name) for name in stations))
    fleet.wait_for_updates(stations)
    gone = lost_now()
    for name in gone:
        assert any(isinstance(event, Gap) for event in since(name))
    until(lambda: "has left the cluster" in fleet.said())
    assert "above suspicion" not in fleet.said()


def test_a_machine_that_joins_gets_a_worker(
    fleet: Fleet, cluster: Any, stations: dict[str, str]
) -> None:
    node = cluster.add_node(num_cpus=1)
    cluster.others.append(node)
    until(lambda: len(worker_processes(node)) == 1)
    until(lambda: len([w for w in fleet.workers() if w["state"] == "running"]) == 3)
    assert "has joined the cluster" in fleet.said()
    assert "(raylet)" not in fleet.said()
    fleet.wait_for_updates(stations)


def test_nothing_was_lost_but_the_told_gaps(fleet: Fleet, stations: dict[str, str]) -> None:
    for name in stations:
        check_contract(fleet.of(name))


def test_no_secret_is_in_the_files_and_the_log_of_the_cluster(fleet: Fleet, cluster: Any) -> None:
    folder = Path(cluster.head_node.get_session_dir_path())
    texts = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(texts) > 10
    for path in texts:
        assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in fleet.said()
    for node in (cluster.head_node, *cluster.others):
        for process in worker_processes(node):
            assert SECRET not in " ".join(process.cmdline())
            assert SECRET not in str(process.environ())


def test_it_ends_on_sigterm_and_leaves_no_worker(fleet: Fleet, cluster: Any) -> None:
    fleet.process.terminate()
    assert fleet.process.wait(60) == 0
    nodes = (cluster.head_node, *cluster.others)
    until(lambda: not any(worker_processes(node) for node in nodes))


# ---- without a cluster --------------------------------------------------------------------------


def test_local_starts_a_cluster_on_this_machine(tmp_path: Path) -> None:
    made = Fleet(tmp_path, "auto")
    made.write({"a": "demo"})
    with made.on("local"):
        until(lambda: made.updates("a"), 120)
        (worker,) = made.workers()
        assert worker["stations"] == 1
    assert made.process.returncode == 0
    numbers = [update.seq for update in made.updates("a")]
    assert all(after == before + 1 for before, after in itertools.pairwise(numbers))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--input", "a=-", "--cluster", "local"), "belong to one machine: 'a'"),
        (("--input", "hw:1", "--cluster", "local"), "belong to one machine"),
        (("--input", "demo", "--cluster", "local", "--worker-cpus", "0"), "greater than 0"),
        (("--input", "demo", "--cluster", "local", "--link", "10.0.0.5"), "tcp://10.0.0.5:5599"),
        (("--input", "demo", "--cluster", "local", "--workers", "0"), "a fleet has workers"),
        (("--input", "demo", "--cluster", "127.0.0.1:9"), "cannot be reached"),
        (("--input", "demo"), "--cluster"),
    ],
)
def test_what_a_fleet_cannot_do_is_said_in_words(flags: tuple[str, ...], said: str) -> None:
    done = streamgenre("fleet", *flags, "--no-history", timeout=180)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def stations_on(fleet: Fleet, node: Any) -> int:
    """How many stations a machine of the cluster has."""
    here = {process.pid for process in worker_processes(node)}
    return sum(each["stations"] for each in fleet.workers() if each["pid"] in here)


def _lost(event: Any) -> bool:
    return isinstance(event, SourceChange) and event.state == "lost"


def lost(fleet: Fleet, stations: Mapping[str, str]) -> list[str]:
    return [name for name in stations if any(_lost(change) for change in fleet.changes(name))]


def live_again(fleet: Fleet, name: str) -> bool:
    return fleet.changes(name)[-1].state == "live"
