"""A real supervisor over real links, with workers whose every message the test decides."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from support.live import until

from streamgenre.config import StationSettings
from streamgenre.engine.settings import EngineSettings
from streamgenre.events import SourceChange, Status
from streamgenre.supervisor import lifecycle
from streamgenre.supervisor.supervisor import Supervisor
from streamgenre.worker.codec import to_json
from streamgenre.worker.link import DaemonLink, SocketDaemonLink, SocketLink
from streamgenre.worker.serve import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from streamgenre.events import AnyEvent
    from streamgenre.events.encoded import Encoded

SETTINGS = EngineSettings(status_s=1.0)
STATION = StationSettings(name="a", input="http://127.0.0.1:1/a", model="lite")


class ScriptedWorker:
    """The worker's end of a link, in the hands of a test."""

    pid: int | None = None
    node: str | None = None
    innocent = False

    def __init__(self, name: str) -> None:
        ours, theirs = socket.socketpair()
        self.name = name
        self.link: DaemonLink = SocketDaemonLink(ours)
        self._socket, self._end = theirs, SocketLink(theirs)
        self.told: list[dict[str, Any]] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(EOFError):
            while True:
                self.told.append(self._end.receive()[0])

    def say(self, do: str, **more: Any) -> None:
        self._end.send({"do": do, **more})

    def beat(self) -> None:
        counts = dict.fromkeys(("cpu_s", "cpu_share", "rss_bytes", "open_files", "threads"), 0)
        self.say("beat", stuck=[], **counts)

    def commands(self, do: str) -> list[dict[str, Any]]:
        return [head for head in list(self.told) if head["do"] == do]

    def wait_for(self, do: str, count: int = 1) -> dict[str, Any]:
        until(lambda: len(self.commands(do)) >= count)
        return self.commands(do)[count - 1]

    def rss_bytes(self) -> int | None:
        return None

    def end(self) -> str:
        self.die()
        return "ended by signal 9 (SIGKILL)"

    def die(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class ScriptedLauncher:
    """Starts scripted workers, and keeps them by name and in order."""

    def __init__(self) -> None:
        self.started: list[ScriptedWorker] = []

    def start(self, name: str) -> ScriptedWorker:
        self.started.append(ScriptedWorker(name))
        return self.started[-1]

    def capacity(self) -> int | None:
        return None

    def worker(self, name: str, number: int = 1) -> ScriptedWorker:
        def alike() -> list[ScriptedWorker]:
            return [worker for worker in self.started if worker.name == name]

        until(lambda: len(alike()) >= number)
        return alike()[number - 1]


class Scripted:
    """A running supervisor with scripted workers, and what it publishes."""

    def __init__(self, count: int, *stations: StationSettings) -> None:
        self.launcher = ScriptedLauncher()
        self.events: list[AnyEvent] = []
        self.host = Supervisor(self._publish, SETTINGS, self.launcher, count)
        for settings in stations:
            self.host.add(settings)

    def _publish(self, encoded: Encoded) -> None:
        self.events.append(encoded.event)

    def changes(self, station: str = "a") -> list[tuple[str, str]]:
        return [
            (event.state, event.detail)
            for event in list(self.events)
            if isinstance(event, SourceChange) and event.station == station
        ]

    def do(self, function: Any, *values: Any) -> Any:
        """Call something in the supervisor's thread; return what it returns."""
        done, found = threading.Event(), []

        def called() -> None:
            found.append(function(*values))
            done.set()

        self.host.call(called)
        assert done.wait(60)
        return found[0]

    def workers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.do(self.host.describe)["workers"]
        return found


@contextmanager
def scripted(count: int, *stations: StationSettings) -> Iterator[Scripted]:
    found = Scripted(count, *stations)
    stop = threading.Event()
    thread = threading.Thread(target=found.host.run, args=(stop.is_set,))
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join(60)


def test_a_late_answer_does_not_end_the_station_that_came_after_it() -> None:
    """It ended by itself while the command to end it was on its way: both are answered."""
    with scripted(1, STATION) as daemon:
        worker = daemon.launcher.worker("1")
        turn = worker.wait_for("add")["turn"]
        daemon.do(daemon.host.replace, "a", replace(STATION, input="http://127.0.0.1:1/b"))
        assert worker.wait_for("remove")["turn"] == turn
        worker.say("ended", station="a", turn=turn, failure=None)
        worker.wait_for("add", 2)
        worker.say("removed", station="a", turn=turn)
        worker.beat()
        until(lambda: daemon.workers()[0]["state"] == "running")
        assert daemon.workers()[0]["stations"] == 1
        assert daemon.changes() == [("ended", "stopped")]


def test_a_worker_tells_which_of_two_stations_of_a_name_has_ended() -> None:
    ours, theirs = socket.socketpair()
    link = SocketDaemonLink(ours)
    thread = threading.Thread(target=serve, args=(SocketLink(theirs),))
    thread.start()
    heads: list[dict[str, Any]] = []

    def said(do: str) -> list[int]:
        return [head["turn"] for head in read(link, heads) if head["do"] == do]

    add = {"do": "add", "station": "a", "resume": {"session": "s" * 32}, "at": 0.0}
    missing = to_json(replace(STATION, input="/no/such/file.wav"))
    link.send({"do": "start", "name": "1", "engine": to_json(SETTINGS), "level": 30})
    link.send({**add, "turn": 1, "settings": missing})
    until(lambda: said("ended") == [1])
    link.send({**add, "turn": 2, "settings": to_json(replace(STATION, input="demo"))})
    until(lambda: any(h.get("type") == "update" for h in read(link, heads)))
    assert 2 not in said("removed") + said("ended")
    link.send({"do": "remove", "station": "a", "turn": 2})
    until(lambda: 2 in said("removed"))
    link.close()
    thread.join(60)
    assert not thread.is_alive()


def test_the_time_until_a_worker_has_started_is_part_of_the_gap(radio: str) -> None:
    ours, theirs = socket.socketpair()
    link = SocketDaemonLink(ours)
    thread = threading.Thread(target=serve, args=(SocketLink(theirs),))
    thread.start()
    resume = {"session": "s" * 32, "stream_time": 5.0, "away_s": 1.0}
    given = to_json(replace(STATION, input=f"{radio}/0"))
    link.send({"do": "start", "name": "1", "engine": to_json(SETTINGS), "level": 30})
    link.send({"do": "add", "station": "a", "resume": resume, "settings": given, "turn": 1,
               "at": time.monotonic() - 100})  # fmt: skip
    gaps: list[bytes] = []

    def told() -> list[bytes]:
        gaps.extend(body for head, body in link.arrived() if head.get("type") == "gap")
        return gaps

    assert json.loads(until(told)[0])["seconds"] >= 101
    link.close()
    thread.join(60)


def read(link: DaemonLink, heads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    heads += [head for head, _ in link.arrived()]
    return heads


def test_a_station_leaves_its_worker_only_once_the_other_is_ready() -> None:
    """The other one may even die before it is."""
    second = replace(STATION, name="b", model="cnn")
    with scripted(2, STATION, second) as daemon:
        one, two = daemon.launcher.worker("1"), daemon.launcher.worker("2")
        turns = {h["station"]: h["turn"] for w in (one, two) for h in [w.wait_for("add")]}
        one.beat()
        two.beat()
        daemon.host.resize(replace(SETTINGS, workers=1), 2)
        until(lambda: one.commands("prepare") or two.commands("prepare"))
        stays, leaves = (one, two) if one.commands("prepare") else (two, one)
        name = stays.wait_for("prepare")["station"]
        stays.die()
        stays = daemon.launcher.worker(stays.name, 2)
        assert stays.wait_for("prepare")["station"] == name
        assert not leaves.commands("remove")
        stays.say("prepared", station=name)
        assert leaves.wait_for("remove")["turn"] == turns[name]
        leaves.say("removed", station=name, turn=turns[name])
        until(lambda: name in [h["station"] for h in stays.commands("add")])
        leaves.wait_for("stop")


def test_a_station_that_is_removed_on_its_way_has_ended() -> None:
    second = replace(STATION, name="b", model="cnn")
    with scripted(2, STATION, second) as daemon:
        workers = [daemon.launcher.worker(name) for name in ("1", "2")]
        turns = {h["station"]: h["turn"] for w in workers for h in [w.wait_for("add")]}
        for worker in workers:
            worker.beat()
        daemon.host.resize(replace(SETTINGS, workers=1), 2)
        until(lambda: any(w.commands("prepare") for w in workers))
        (stays,) = [w for w in workers if w.commands("prepare")]
        (leaves,) = [w for w in workers if w is not stays]
        name = stays.wait_for("prepare")["station"]
        stays.say("prepared", station=name)
        leaves.wait_for("remove")
        daemon.do(daemon.host.remove, name)
        leaves.say("removed", station=name, turn=turns[name])
        until(lambda: daemon.changes(name) == [("ended", "stopped")])
        last = until(
            lambda: [e for e in daemon.events if isinstance(e, Status) and e.station == name][-1:]
        )[0]
        assert (last.source_state, last.removed) == ("ended", True)


def test_only_so_many_suspects_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends every worker, such as a limit that is too small, must not fill the machine."""
    monkeypatch.setattr(lifecycle, "MAX_APART", 2)
    stations = [replace(STATION, name=f"s{number}") for number in range(8)]
    with scripted(1, *stations) as daemon:
        for number in range(1, 4):
            daemon.launcher.worker("1", number).die()
        until(lambda: len(daemon.workers()) == 3)
        for _ in range(2):
            running = [w for w in daemon.launcher.started if not w.link.ended][-2:]
            for worker in running:
                worker.die()
            until(
                lambda: sum(w["apart"] and w["state"] != "waiting" for w in daemon.workers()) == 2
            )
        apart = [w for w in daemon.workers() if w["apart"]]
        assert len(apart) > 2
        # Those whose stations are removed are gone.
        for settings in stations:
            daemon.do(daemon.host.remove, settings.name)
        until(lambda: not [w for w in daemon.workers() if w["apart"] and w["state"] == "waiting"])


def test_what_waits_for_a_worker_at_the_end_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "MAX_APART", 0)
    with scripted(1, STATION) as daemon:
        for number in range(1, 4):
            daemon.launcher.worker("1", number).die()
        until(lambda: any("it ends every worker" in detail for _, detail in daemon.changes()))
    assert daemon.changes()[-1] == ("ended", "stopped")
