"""Stations that no longer exist do not stay at the broker, and nothing of others is touched."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.commands import start
from support.live import bus, end, spawn_bus, until
from support.mosquitto import PASSWORD, USER, Listener, Mosquitto, running_broker
from support.sample_events import SampleStation

from streamgenre.bridges.homeassistant import SENSORS, discovery
from streamgenre.bridges.mqtt import MqttBridge, parse_broker
from streamgenre.bridges.presence import RETURN_S, SILENT_RETURN_S, Presence
from streamgenre.bridges.retained import has_ended, own_process, read_back, station_topic
from streamgenre.client.subscriber import Subscriber
from streamgenre.events import from_json

if TYPE_CHECKING:
    from collections.abc import Iterator

ANY = "tcp://127.0.0.1:*"
LONG_S = 60
AFTER_S = 1.0


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with running_broker(tmp_path_factory.mktemp("mosquitto")) as broker:
        yield broker


@contextmanager
def bridging(
    broker: Mosquitto,
    endpoint: str,
    prefix: str,
    *,
    instance: str = "",
    discovery: str = "ha",
    after: float = AFTER_S,
) -> Iterator[MqttBridge]:
    """Run a bridge as the command does, with less patience, and end it as SIGKILL would."""
    parsed = parse_broker(f"mqtt://{USER}@127.0.0.1:{broker.port}", password=PASSWORD)
    lines: list[str] = []
    bridge = MqttBridge(
        parsed, prefix, discovery, lines.append, instance=(instance,), presence=Presence(after)
    )
    stop = threading.Event()

    def run() -> None:
        with Subscriber(endpoint) as events:
            while not stop.is_set():
                text = events.receive_json(timeout=0.05)
                if text is not None:
                    bridge.take(from_json(text), text.decode())
                live = events.link.state == "live"
                bridge.daemon_is(live)
                bridge.check_presence(live, events.connections, time.monotonic())

    thread = threading.Thread(target=run)
    bridge.start()
    thread.start()
    try:
        yield bridge
    finally:
        stop.set()
        thread.join()
        bridge.close()


def test_a_station_that_does_not_return_with_its_daemon_is_retired(broker: Mosquitto) -> None:
    process, endpoint = spawn_bus(ANY, "--stations", "stays,goes")
    listener = Listener(broker.port)
    try:
        with bridging(broker, endpoint, "one"):
            until(lambda: len(listener.there("goes")) == len(SENSORS) + 6, LONG_S)
            end(process)
            until(lambda: listener.last["one/bridge/availability"] == "offline", LONG_S)
            time.sleep(2 * AFTER_S)  # the daemon's absence alone retires nothing
            assert len(listener.there("goes")) == len(SENSORS) + 6
            process, _ = spawn_bus(endpoint, "--stations", "stays")
            until(lambda: not listener.there("goes"), LONG_S)
            assert len(listener.there("stays")) == len(SENSORS) + 6
            assert listener.last["one/stays/availability"] == "online"
            end(process)
            process, _ = spawn_bus(endpoint, "--stations", "stays,goes")
            until(lambda: len(listener.there("goes")) == len(SENSORS) + 6, LONG_S)
    finally:
        listener.close()
        end(process)


def test_the_next_run_of_the_bridge_retires_what_it_left_and_nothing_of_others(
    broker: Mosquitto,
) -> None:
    listener = Listener(broker.port)
    others = {
        "ha/sensor/zigbee_lamp/power/config": '{"name": "lamp"}',
        "ha/sensor/streamgenre_elsewhere/genre/config": '{"name": "Genre"}',
        "two/notes/availability": "online",
        "two/status": "mine",
        "two/odd/update": '{"v": 1, "type": "update", "station": "another"}',
        "two/bridge/other/stations": '{"v": 1, "stations": ["theirs"], "discovery": "ha"}',
        "two/theirs/update": '{"v": 1, "type": "update", "station": "theirs"}',
        "two/theirs/availability": "online",
        "two/huge/update": "x" * 500_000,
    }
    for topic, payload in others.items():
        listener.put(topic, payload)
    # A ghost of a version that kept no list of its stations.
    old = SampleStation("old/1").update()
    listener.put(station_topic("two", "old/1", "update"), old.to_json())
    listener.put(station_topic("two", "old/1", "availability"), "online")
    for topic, payload in discovery(
        "ha", "old/1", lambda kind, name: station_topic("two", name, kind), ("two/x",)
    ):
        listener.put(topic, payload)
    before = set(listener.there(""))
    try:
        with (
            bus(ANY, "--stations", "stays,goes,bridge") as endpoint,
            bridging(broker, endpoint, "two", instance="this"),
        ):
            until(lambda: len(listener.there("goes")) == len(SENSORS) + 6, LONG_S)
            until(lambda: not listener.there("old"), LONG_S)
            assert listener.last["two/%62ridge/availability"] == "online"
        left = listener.there("goes")
        with (
            bus(ANY, "--stations", "stays") as endpoint,
            bridging(broker, endpoint, "two", instance="this"),
        ):
            until(lambda: not listener.there("goes"), LONG_S)
            until(lambda: not listener.there("%62ridge"), LONG_S)
            until(lambda: len(listener.there("stays")) == len(SENSORS) + 6, LONG_S)
        assert left
        assert {topic: listener.last[topic] for topic in others} == others
        assert before - set(listener.there("")) == {t for t in before if "old" in t}
        assert any("old" in topic for topic in before)
    finally:
        listener.close()


def test_a_new_discovery_prefix_clears_the_old_one(broker: Mosquitto) -> None:
    listener = Listener(broker.port)
    try:
        with bus(ANY) as endpoint:
            with bridging(broker, endpoint, "three", discovery="before"):
                until(lambda: len(listener.there("before/")) == len(SENSORS), LONG_S)
            with bridging(broker, endpoint, "three", discovery=""):
                until(lambda: not listener.there("before/"), LONG_S)
                until(lambda: "three/kitchen/update" in listener.there("three"), LONG_S)
    finally:
        listener.close()


def test_the_command_lists_its_stations_and_keeps_what_comes_back(broker: Mosquitto) -> None:
    listener = Listener(broker.port)
    process, endpoint = spawn_bus(ANY, "--stations", "a,b")
    url = f"mqtt://{USER}@127.0.0.1:{broker.port}"
    try:
        for _ in range(2):
            bridge = start(
                *("bridge", "mqtt", "--connect", endpoint, "--broker", url, "--prefix", "four"),
                env={"STREAMGENRE_MQTT_PASSWORD": PASSWORD},
            )
            until(lambda: listener.last.get("four/bridge/availability") == "online", LONG_S)
            until(lambda: "four/b/update" in listener.there("four/"), LONG_S)
            bridge.kill()
            end(bridge)
            until(lambda: listener.last["four/bridge/availability"] == "offline", LONG_S)
        (listed,) = [t for t in listener.there("four/bridge/") if t.endswith("/stations")]
        assert json.loads(listener.last[listed])["stations"] == ["a", "b"]
    finally:
        listener.close()
        end(process)


def test_presence_waits_for_an_unbroken_connection() -> None:
    presence = Presence(10)
    presence.link(True, 1, 0)
    presence.heard("a")
    presence.heard("ended")
    presence.link(True, 1, 10)
    assert presence.gone(10) == []
    # The daemon hangs and continues: the same connection brings nothing of an ended station.
    presence.link(False, 1, 20)
    presence.link(True, 1, 30)
    presence.heard("a")
    presence.link(True, 1, 50)
    assert presence.gone(50) == []
    # A new connection that breaks again too early decides nothing.
    presence.link(True, 2, 60)
    presence.link(False, 2, 65)
    assert presence.gone(75) == []
    presence.link(True, 2, 80)
    presence.heard("a")
    presence.link(True, 2, 80)
    presence.expect(["left"])
    assert presence.gone(89) == []
    assert presence.gone(90) == ["ended", "left"]
    assert presence.gone(200) == []
    presence.expect(["late"])
    assert presence.gone(201) == ["late"]
    assert RETURN_S > 10  # a status comes every 10 s at least
    # A daemon that has no station any more, or is still starting, is given more time.
    presence.link(True, 3, 300)
    assert presence.gone(320) == []
    assert presence.gone(300 + SILENT_RETURN_S) == ["a"]


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"\xff", b"[]", b"null", b"{}", b"[" * 5000, b'{"stations": 5}'),
        b'{"stations": [1, null, {}], "discovery": 7}',
        b'{"stations": ["\\ud800"], "discovery": "a/#"}',
    ],
)
def test_a_damaged_list_is_no_list(payload: bytes) -> None:
    found = read_back({"p/bridge/i/stations": payload, "p/x/update": payload}, "p", "i", "ha")
    assert found.discovery == "ha"
    assert found.stations <= {"\ud800"}
    station_topic("p", "\ud800", "update")


def test_a_removed_station_of_an_earlier_run_is_deleted_at_once(broker: Mosquitto) -> None:
    listener = Listener(broker.port)
    parsed = parse_broker(f"mqtt://{USER}@127.0.0.1:{broker.port}", password=PASSWORD)
    goes = SampleStation("goes")
    bridges = [MqttBridge(parsed, "five", "ha", lambda _: None) for _ in range(2)]
    try:
        bridges[0].start()
        bridges[0].take(goes.update(), goes.update().to_json())
        until(lambda: "five/goes/update" in listener.there("five"), LONG_S)
        until(lambda: [t for t in listener.there("five/bridge") if t.endswith("stations")], LONG_S)
        bridges[0].close()
        bridges[1].start()
        until(lambda: bridges[1]._have_read, LONG_S)
        removed = replace(goes.status(), removed=True)
        bridges[1].take(removed, removed.to_json())
        until(lambda: not listener.there("goes"), LONG_S)
    finally:
        listener.close()
        for bridge in bridges:
            bridge.close()


def test_a_bridge_takes_over_from_one_of_this_machine_that_has_ended(broker: Mosquitto) -> None:
    """The daemon, and with it ``--connect``, may have another port after a restart."""
    listener = Listener(broker.port)
    url = f"mqtt://{USER}@127.0.0.1:{broker.port}"

    try:
        with bus(ANY, "--stations", "stays,goes") as endpoint:
            first = start(
                *("bridge", "mqtt", "--connect", endpoint, "--broker", url, "--prefix", "six"),
                env={"STREAMGENRE_MQTT_PASSWORD": PASSWORD},
            )
            until(lambda: len(listener.there("goes")) == len(SENSORS) + 6, LONG_S)
            first.kill()
            end(first)
        with (
            bus(ANY, "--stations", "stays") as endpoint,
            bridging(broker, endpoint, "six", instance="second", discovery="homeassistant"),
        ):
            until(lambda: not listener.there("goes"), LONG_S)
            until(lambda: len(listener.there("stays")) == len(SENSORS) + 6, LONG_S)
            until(lambda: len(listener.there("/stations")) == 1, LONG_S)
    finally:
        listener.close()


def test_two_bridges_with_one_prefix_leave_each_other_alone(broker: Mosquitto) -> None:
    listener = Listener(broker.port)

    def both() -> bool:
        return all(
            len(listener.there(f"seven/{name}/")) == 6
            and len(listener.there(f"streamgenre_{name}/")) == len(SENSORS)
            for name in ("mine", "yours")
        )

    try:
        with (
            bus(ANY, "--stations", "yours") as other,
            bridging(broker, other, "seven", instance="other"),
            bus(ANY, "--stations", "mine") as own,
        ):
            for _ in range(2):
                with bridging(broker, own, "seven", instance="own"):
                    until(both, LONG_S)
                    time.sleep(2 * AFTER_S)
                    assert both()
            # A list of a bridge that had ended, and is running again before its stations are gone.
            left = json.dumps({"v": 1, "stations": ["theirs"], "process": dead_process()})
            listener.put("seven/bridge/third/stations", left)
            event = SampleStation("theirs").update().to_json()
            listener.put("seven/theirs/update", event)
            with bridging(broker, own, "seven", instance="own", after=LONG_S) as bridge:
                until(lambda: "theirs" in bridge._left, LONG_S)
                again = json.dumps({"v": 1, "stations": ["theirs"], "process": own_process()})
                listener.put("seven/bridge/third/stations", again)
                until(lambda: "theirs" not in bridge._left, LONG_S)
                assert bridge.presence.gone(time.monotonic() + 10 * LONG_S) == []
                assert listener.last["seven/theirs/update"] == event
    finally:
        listener.close()


def dead_process() -> list[str]:
    """Return what identified a process that has ended."""
    code = "from streamgenre.bridges.retained import own_process; print(*own_process(), sep='|')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip().split("|")


def test_only_a_process_of_this_machine_is_known_to_have_ended() -> None:
    own, dead = own_process(), dead_process()
    assert not has_ended(own)
    assert has_ended(dead)
    assert has_ended([*own[:4], "1"])  # the number was given to another process
    assert has_ended([*own[:2], "an earlier boot", *own[3:]])
    assert not has_ended(["another machine", *dead[1:]])
    assert not has_ended([dead[0], "another container", *dead[2:]])
    for odd in (None, 5, "x", [], [1, 2, 3, 4, 5], dead[:4], [*dead[:3], "-1", ""], [dead] * 5):
        assert not has_ended(odd)
    for pid in ("0", "-1", "9" * 30, "²", "x"):
        assert not has_ended([*own[:3], pid, "5"])
