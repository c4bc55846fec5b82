"""Daemons that die, hang, restart, share names, or have their clock changed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from support.commands import free_endpoint, start
from support.live import bus, end, spawn_bus, until
from support.requirements import require_programs
from support.sample_events import SampleStation

from streamgenre import Subscriber
from streamgenre.bus.publisher import Publisher
from streamgenre.client.link import SILENT_S
from streamgenre.events import SEQ_MODULUS, Status, Update

if TYPE_CHECKING:
    from streamgenre.client.link import Link

READER = """
import json, sys, time
from streamgenre import Subscriber
with Subscriber(sys.argv[1], types=["update"]) as s:
    first = s.receive(60)
    print("in", flush=True)
    while (event := s.receive(60)).session == first.session: pass
    print(json.dumps({"session": event.session, "link": s.link.state, "losses": s._links.losses,
        "holes": [[h.type, h.restarted, h.session, h.first, h.count, h.seconds] for h in s.holes],
        "seq": event.seq}), flush=True)
"""


def test_twenty_readers_survive_a_daemon_restart() -> None:
    endpoint = free_endpoint()
    first, _ = spawn_bus(endpoint)
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, endpoint], stdout=subprocess.PIPE, text=True
        )
        for _ in range(20)
    ]
    second = None
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "in\n"
        killed = time.monotonic()
        first.kill()  # no closing message
        first.wait()
        time.sleep(1)
        second, _ = spawn_bus(endpoint)
        for reader in readers:
            assert reader.stdout is not None
            report = json.loads(reader.stdout.readline())
            assert report["link"] == "live"
            assert len(report["holes"]) == 1
            kind, restarted, session, start_seq, count, seconds = report["holes"][0]
            assert (kind, restarted, session) == ("update", True, report["session"])
            # The hole covers everything that the new daemon sent before the client reconnected.
            assert (start_seq, count) == (0, report["seq"])
            assert 0.9 < seconds < time.monotonic() - killed + 1
    finally:
        for process in (first, *readers, *([second] if second else [])):
            end(process)


def test_a_hung_daemon_is_detected_by_its_silence() -> None:
    assert SILENT_S < 10
    links: list[Link] = []
    process, endpoint = spawn_bus("tcp://127.0.0.1:*")
    try:
        with Subscriber(endpoint, types=["gap"], on_link=links.append) as subscriber:
            until(lambda: subscriber.link.state == "live", pump=lambda: subscriber.receive(0.1))
            psutil.Process(process.pid).suspend()
            until(lambda: subscriber.link.state == "lost", pump=lambda: subscriber.receive(0.1))
            psutil.Process(process.pid).resume()
            until(lambda: subscriber.link.state == "live", pump=lambda: subscriber.receive(0.1))
        assert [link.state for link in links] == ["live", "lost", "live"]
    finally:
        psutil.Process(process.pid).resume()
        end(process)


def test_a_hung_engine_with_a_live_bus_is_detected() -> None:
    """The connection is open, but no status arrives."""
    with Publisher("tcp://127.0.0.1:*") as publisher, Subscriber(publisher.endpoint) as subscriber:
        publisher.send(SampleStation().update())
        assert subscriber.receive(60) is not None
        until(lambda: subscriber.link.state == "lost", pump=lambda: subscriber.receive(0.2))
        assert "nothing received" in subscriber.link.detail
        publisher.send(SampleStation(session="t").status())
        assert subscriber.receive(60) is not None
        assert subscriber.link.state == "live"


def test_a_killed_daemon_is_detected_at_once_by_asyncio_too() -> None:
    process, endpoint = spawn_bus("tcp://127.0.0.1:*")

    async def follow() -> str:
        async with Subscriber(endpoint) as subscriber:
            assert await subscriber.receive_async(60) is not None
            process.kill()
            while subscriber.link.state != "lost":
                await subscriber.receive_async(0.1)
            return subscriber.link.detail

    try:
        assert "nothing received" not in asyncio.run(follow())  # not only by its silence
    finally:
        end(process)


def test_sequence_numbers_may_wrap_while_clients_read() -> None:
    first = str(SEQ_MODULUS - 30)
    with (
        bus("tcp://127.0.0.1:*", "--first", first) as endpoint,
        Subscriber(endpoint, types=["update"]) as subscriber,
    ):
        events = [subscriber.receive(60) for _ in range(60)]
        assert subscriber.missed == 0
        assert [e.seq for e in events if e][-1] < 60
        assert events[0] is not None
        assert events[0].seq > SEQ_MODULUS - 40


def test_a_clock_set_back_by_an_hour_disturbs_no_reader(tmp_path: Path) -> None:
    """The clock of the daemon's process really is set back, by libfaketime."""
    require_programs("faketime")
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    env = os.environ | {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with (
        bus("tcp://127.0.0.1:*", env=env) as endpoint,
        Subscriber(endpoint, types=["update"]) as subscriber,
    ):
        times = []

        def read() -> None:
            event = subscriber.receive(60)
            assert event is not None
            times.append(event.time)

        for _ in range(20):
            read()
        clock.write_text("-3600\n")
        until(lambda: times[-1] < times[0] - 3000, pump=read)
        for _ in range(20):
            read()
        assert subscriber.missed == 0
        assert not subscriber.holes
        assert subscriber.link.state == "live"


def test_two_daemons_feed_one_subscriber_and_one_dashboard() -> None:
    with ExitStack() as stack:
        one = stack.enter_context(bus("tcp://127.0.0.1:*", "--stations", "Küche 🎷"))
        two = stack.enter_context(bus("tcp://127.0.0.1:*", "--stations", "bath"))
        with Subscriber([one, two]) as subscriber:
            seen: set[str] = set()
            until(
                lambda: seen == {"Küche 🎷", "bath"},
                pump=lambda: seen.add(getattr(subscriber.receive(60), "station", "")),
            )
            for _ in range(50):
                assert subscriber.receive(60) is not None
            assert subscriber.missed == 0
        flags = ("--connect", one, "--connect", two)
        with start("dashboard", *flags) as dashboard:  # no terminal: lines
            assert dashboard.stdout is not None
            shown = ""
            ends = time.monotonic() + 60
            while not ("Küche 🎷" in shown and "bath" in shown):
                assert time.monotonic() < ends
                shown += dashboard.stdout.readline()
            dashboard.send_signal(signal.SIGTERM)
            assert dashboard.wait(60) == 0


def test_a_prefix_does_not_match_the_station() -> None:
    names = "rock,rock-antenne,rock/2,Rock,röck"
    with bus("tcp://127.0.0.1:*", "--stations", names) as endpoint:
        for wanted in ("rock", "rock-antenne", "röck"):
            with Subscriber(endpoint, types=["update"], stations=[wanted]) as subscriber:
                events = [subscriber.receive(60) for _ in range(20)]
            assert {e.station for e in events if e} == {wanted}
        with start(
            *("subscribe", "--connect", endpoint, "--station", "rock", "--type", "update"),
            *("--count", "5"),
        ) as reader:
            out, _ = reader.communicate(timeout=60)
        assert out.count('"station": "rock"') == len(out.splitlines()) == 5


def hear_all_types(subscriber: Subscriber) -> None:
    kinds: set[type] = set()
    until(
        lambda: {Update, Status} <= kinds,
        pump=lambda: kinds.add(type(subscriber.receive(60))),
    )


def test_the_real_commands_survive_a_daemon_restart(stateful_folder: Path, tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path / 'bus'}"
    listen = ("listen", "--model", stateful_folder, "--input", "demo", "-q", "--publish", endpoint)
    with Subscriber(endpoint) as subscriber:
        for round_ in range(2):
            with start(*listen) as daemon:
                hear_all_types(subscriber)
                assert subscriber.link.state == "live"
                daemon.send_signal(signal.SIGKILL if round_ == 0 else signal.SIGTERM)
                daemon.wait(60)
        assert {hole.restarted for hole in subscriber.holes} == {True}
    assert Path(endpoint.removeprefix("ipc://")).parent == tmp_path
