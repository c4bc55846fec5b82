"""Bridges against real servers: Mosquitto, an HTTP server, Prometheus' own parser."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.commands import COMMAND, environment, free_endpoint, start, streamgenre
from support.live import bus, end, spawn_bus, until
from support.mosquitto import Listener, Mosquitto, running_broker
from support.sample_events import SampleStation

from streamgenre.bridges.absence import AbsenceWatch
from streamgenre.bridges.homeassistant import SENSORS, identifier
from streamgenre.bridges.mqtt import MqttBridge, parse_broker
from streamgenre.bridges.posts import PostSelector
from streamgenre.bridges.webhook import Webhook, checked
from streamgenre.daemon.metrics import MetricsServer
from streamgenre.errors import SettingsError
from streamgenre.events import from_dict
from streamgenre.history.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streamgenre.events import AnyEvent

ANY = "tcp://127.0.0.1:*"


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with running_broker(tmp_path_factory.mktemp("mosquitto")) as broker:
        yield broker


def mqtt_bridge(endpoint: str, port: int, password: str = "s3cret") -> subprocess.Popen[str]:
    return start(
        *("bridge", "mqtt", "--connect", endpoint, "--broker", f"mqtt://house@127.0.0.1:{port}"),
        env={"STREAMGENRE_MQTT_PASSWORD": password},
    )


def test_mqtt_publishes_home_assistant_discovery_and_availability(broker: Mosquitto) -> None:
    process, endpoint = spawn_bus(ANY, "--stations", "Küche/1,rock+pop")
    bridge = mqtt_bridge(endpoint, broker.port)
    listener = Listener(broker.port)
    try:
        online = "streamgenre/bridge/availability"
        until(lambda: listener.last.get(online) == "online")
        topic = "streamgenre/K%C3%BCche%2F1/update"
        until(lambda: topic in listener.last)
        event = from_dict(json.loads(listener.last[topic]))
        assert event.station == "Küche/1"
        until(lambda: listener.last.get("streamgenre/rock%2Bpop/availability") == "online")
        configs = {t: json.loads(p) for t, p in listener.last.items() if t.endswith("/config")}
        assert len(configs) == 10
        for where, config in configs.items():
            assert where.split("/")[0] == "homeassistant"
            entity = f"{where.split('/')[1]}.{config['unique_id']}"
            assert config["default_entity_id"] == entity
            assert set(where) <= set(
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/"
            )
            assert {a["topic"] for a in config["availability"]} <= set(listener.last)
            assert config["availability_mode"] == "all"
        assert len({c["unique_id"] for c in configs.values()}) == 10
        assert {c["state_topic"] for c in configs.values()} >= {topic}
        # A late subscriber gets everything retained.
        late = Listener(broker.port)
        until(lambda: topic in late.last and len(late.last) >= 12)
        late.close()
        # The broker stops and restarts; the bridge reconnects without a restart.
        broker.stop()
        time.sleep(1)
        broker.start()
        fresh = Listener(broker.port)
        until(lambda: fresh.last.get(online) == "online" and topic in fresh.last)
        fresh.close()
        # The daemon stops: not available. The bridge is killed: the broker reports it.
        end(process)
        again = Listener(broker.port)
        until(lambda: again.last.get(online) == "offline")
        process, _ = spawn_bus(endpoint)
        until(lambda: again.last.get(online) == "online")
        bridge.kill()
        until(lambda: again.last.get(online) == "offline")
        again.close()
    finally:
        listener.close()
        end(bridge)
        end(process)


def test_nothing_of_a_removed_station_remains_at_the_broker(
    broker: Mosquitto, warned: list[str]
) -> None:
    parsed = parse_broker(f"mqtt://house@127.0.0.1:{broker.port}", password="s3cret")
    bridge = MqttBridge(parsed, "gone", "homeassistant", warned.append)
    goes, stays = SampleStation("goes"), SampleStation("stays")

    def take(*events: AnyEvent) -> None:
        for event in events:
            bridge.take(event, event.to_json())

    def left() -> int:
        """Topics of the station that a late subscriber gets."""
        late = Listener(broker.port)
        until(lambda: "gone/stays/update" in late.last)
        time.sleep(0.3)
        late.close()
        return sum("goes" in topic for topic, payload in late.last.items() if payload)

    bridge.start()
    try:
        take(goes.update(), stays.update(), goes.status())
        until(lambda: left() == 3 + len(SENSORS))
        removed = replace(goes.status(), removed=True)
        take(removed)
        until(lambda: left() == 0)
        take(removed)  # repeated by the bus
        # It returns, and is removed for good while the broker is down.
        take(goes.update())
        until(lambda: left() == 1 + len(SENSORS))
        broker.stop()
        until(lambda: "lost the broker" in warned[-1])
        take(replace(goes.status(), removed=True))
        broker.start()
        until(lambda: "connected" in warned[-1])
        assert left() == 0
    finally:
        bridge.close()


def test_mqtt_shuts_down_cleanly_and_reports_itself_offline(broker: Mosquitto) -> None:
    with bus(ANY) as endpoint:
        bridge = mqtt_bridge(endpoint, broker.port)
        listener = Listener(broker.port)
        until(lambda: listener.last.get("streamgenre/bridge/availability") == "online")
        bridge.terminate()
        out, err = bridge.communicate(timeout=60)
        assert (bridge.returncode, out) == (0, "")
        assert "s3cret" not in err
        until(lambda: listener.last["streamgenre/bridge/availability"] == "offline")
        listener.close()


def test_mqtt_reports_a_wrong_password_without_showing_it(broker: Mosquitto) -> None:
    with bus(ANY) as endpoint:
        bridge = mqtt_bridge(endpoint, broker.port, password="hunter2")
        assert bridge.stderr is not None
        line = bridge.stderr.readline()
        bridge.terminate()
        _, rest = bridge.communicate(timeout=60)
        assert "refuses: Not authorized" in line
        assert "hunter2" not in line + rest
        assert bridge.returncode == 0


@pytest.mark.parametrize(
    "url", ["http://x", "mqtt://", "mqtt://h:99999", "mqtt://h/x", "mqtt://u:p4ss@h", "nonsense"]
)
def test_a_wrong_broker_is_explained(url: str) -> None:
    with pytest.raises(SettingsError, match="--broker") as caught:
        parse_broker(url, password=None)
    assert "p4ss" not in str(caught.value)


def test_home_assistant_identifiers_are_plain_and_unique() -> None:
    names = ["kitchen", "Kitchen", "küche", "kuche", "k/1", "k+1", "k_1", "日本", "🎷", "a" * 300]
    found = [identifier(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(set(i) <= set("abcdefghijklmnopqrstuvwxyz0123456789_") for i in found)
    assert found[0] == "kitchen"


# ---- webhook ------------------------------------------------------------------------------------


class Hook:
    """An HTTP server with scripted answers."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.got: list[tuple[str, dict[str, Any], float]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                identifier = self.headers["Idempotency-Key"]
                hook.got.append((identifier, json.loads(body), time.monotonic()))
                code = hook.answers.pop(0) if hook.answers else 204
                self.send_response(code)
                if code == 302:
                    self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/T0P-S3CRET?token=abc"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def warned() -> list[str]:
    return []


def test_a_webhook_retries_with_growing_pauses_and_in_order(warned: list[str]) -> None:
    hook = Hook(500, 503, 429)
    webhook = Webhook(hook.url, warned.append, first_pause=0.2)
    for n in range(3):
        webhook.post({"n": n}, f"id-{n}")
    until(lambda: webhook.sent == 3)
    assert webhook.close() == 0
    assert [(i, b["n"]) for i, b, _ in hook.got] == [("id-0", 0)] * 4 + [("id-1", 1), ("id-2", 2)]
    times = [at for _, _, at in hook.got]
    pauses = [b - a for a, b in pairwise(times)]
    assert pauses[0] >= 0.1
    assert pauses[1] >= 0.2
    assert pauses[2] >= 0.4
    assert len(warned) == 3
    assert "S3CRET" not in "".join(warned)
    assert "token" not in "".join(warned)


@pytest.mark.parametrize("code", [400, 404, 410, 302])
def test_a_refusal_is_final(code: int, warned: list[str]) -> None:
    hook = Hook(code)
    webhook = Webhook(hook.url, warned.append)
    webhook.post({"n": 0}, "a")
    webhook.post({"n": 1}, "b")
    until(lambda: webhook.sent == 1)
    assert webhook.given_up == 1
    assert [i for i, _, _ in hook.got] == ["a", "b"]
    webhook.close()


def test_an_unreachable_receiver_never_blocks_and_the_queue_is_bounded(warned: list[str]) -> None:
    spool = Spool(None, warned.append, max_bytes=100_000)
    webhook = Webhook("http://127.0.0.1:9/secret", warned.append, spool=spool)
    for n in range(5000):
        webhook.post({"n": n}, str(n))
    assert 300 < len(spool) < 1000
    assert webhook.given_up == 5000 - len(spool)
    until(lambda: any("refused" in line for line in warned), 60)
    assert "secret" not in "".join(warned)
    assert len(warned) < 100
    assert webhook.close(patience=60) == len(spool)  # nothing to wait for while nobody answers
    assert any("given up" in line for line in webhook.farewell())


@pytest.mark.parametrize(
    "url", ["", "ftp://h/x", "http://", "http://u:p4ss@h/", "http://h:1x/", "http://h/\n"]
)
def test_a_wrong_url_is_explained_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="URL") as caught:
        checked(url)
    assert "p4ss" not in str(caught.value)


def test_the_webhook_command_posts_segments_and_dead_air() -> None:
    hook = Hook()
    process, endpoint = spawn_bus(ANY, "--stations", "kitchen")
    bridge = subprocess.Popen(
        [*COMMAND, "bridge", "webhook", "--connect", endpoint, "--dead-air-after", "2"],
        env=environment({"STREAMGENRE_WEBHOOK_URL": hook.url}),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: sum(b["type"] == "segment" for _, b, _ in hook.got) >= 2)
        end(process)
        until(lambda: any(b["type"] == "absence" for _, b, _ in hook.got))
        process, _ = spawn_bus(endpoint)
        until(lambda: any(b["type"] == "absence" and not b["active"] for _, b, _ in hook.got))
        for _, body, _ in hook.got:
            if body["type"] == "segment":
                from_dict(body)
        ids = [i for i, _, _ in hook.got]
        assert len(set(ids)) == len(ids)
        bridge.terminate()
        assert bridge.wait(60) == 0
        assert bridge.stderr is not None
        assert "S3CRET" not in bridge.stderr.read()
    finally:
        end(bridge)
        end(process)


def test_an_absence_is_reported_once_and_its_end_too() -> None:
    watch, sample = AbsenceWatch(10), SampleStation()
    silent = replace(sample.update(), state="silence", genre=None)
    for now in range(20):  # silence is the daemon's to report
        watch.take(silent, now)
        assert watch.due(now, now) == []
    for now in range(20, 40):
        found = watch.due(now, 1000 + now)
        assert bool(found) == (now == 29)
        if found:
            assert found[0].as_dict() == {
                **{"v": 1, "type": "absence", "station": sample.name, "active": True},
                **{"reason": "no updates", "start_time": 1019, "seconds": 10},
            }
    watch.take(sample.update(), 40)
    (over,) = watch.due(41, 1041)
    assert (over.active, over.reason, over.start_time, over.seconds) == (
        *(False, "no updates", 1019),
        22,
    )
    assert watch.due(42, 1042) == []
    assert [f.active for f in watch.due(50, 1050)] == [True]


def test_a_lost_source_is_an_absence_and_an_ended_one_is_not() -> None:
    sample = SampleStation()
    lost = AbsenceWatch(10)
    lost.take(sample.update(), 0)
    lost.take(replace(sample.source(), state="lost"), 1)
    assert lost.due(10.9, 100) == []
    (found,) = lost.due(11, 100)
    assert (found.reason, found.start_time) == ("source lost", 90)
    short = AbsenceWatch(10)
    short.take(sample.update(), 0)
    short.take(replace(sample.source(), state="lost"), 1)
    short.take(sample.update(), 8)
    assert short.due(12, 100) == []
    ended = AbsenceWatch(10)
    ended.take(sample.update(), 0)
    ended.take(replace(sample.source(), state="ended"), 1)
    assert ended.due(100, 100) == []


def test_a_removed_station_is_not_absent_and_its_reported_absence_ends() -> None:
    sample = SampleStation()
    removed = replace(sample.status(), removed=True)
    watch = AbsenceWatch(10)
    watch.take(sample.update(), 0)
    watch.take(removed, 1)
    assert watch.due(100, 100) == []
    watch.take(sample.update(), 200)
    (absent,) = watch.due(215, 1215)
    assert absent.active
    watch.take(removed, 220)
    (over,) = watch.due(220, 1220)
    assert (over.active, over.start_time, over.seconds) == (False, 1200, 20)
    assert watch.due(500, 1500) == []


def test_stations_absent_since_the_same_moment_have_different_identifiers() -> None:
    selector = PostSelector(("dead-air",), 10)
    for name in ("a", "b"):
        list(selector.take(SampleStation(name).update(), 0))
    identifiers = [identifier for _, identifier in selector.due(20, 1020)]
    assert len(set(identifiers)) == 2
    # Nor do the sessions of two daemons, and the numbers in them, differ for certain.
    both = PostSelector(("segment", "dead-air"), 10)
    stations = [SampleStation(name) for name in "ab"]
    events = [event for each in stations for event in (each.segment(), each.dead_air())]
    posted = [identifier for event in events for _, identifier in both.take(event, 0)]
    assert len(set(posted)) == 4


def test_the_absence_of_a_station_that_does_not_return_with_its_daemon_ends() -> None:
    selector = PostSelector(("dead-air",), 10)
    selector.presence.link(True, 1, 0)
    for name in ("stays", "goes"):
        list(selector.take(SampleStation(name).update(), 0))
    selector.presence.link(False, 1, 5)
    assert len(list(selector.due(20, 1020))) == 2
    selector.presence.link(True, 2, 30)
    list(selector.take(SampleStation("stays").update(), 31))
    selector.presence.link(True, 2, 31)
    assert [body["station"] for body, _ in selector.due(32, 1032)] == ["stays"]
    list(selector.take(SampleStation("stays").update(), 59))
    ((body, _),) = selector.due(60, 1060)
    assert (body["station"], body["active"]) == ("goes", False)
    assert [body["station"] for body, _ in selector.due(600, 1600)] == ["stays"]


def test_dead_air_is_posted_as_received_from_the_bus() -> None:
    sample = SampleStation()
    begins, ends = (replace(sample.dead_air(), active=active) for active in (True, False))
    selector = PostSelector(("segment", "dead-air"), 30)
    posts = [post for event in (begins, ends) for post in selector.take(event, 0)]
    assert [from_dict(body) for body, _ in posts] == [begins, ends]
    assert len({identifier for _, identifier in posts}) == 2
    assert list(PostSelector(("segment",), 30).take(begins, 0)) == []


def test_retained_events_are_posted_once_and_only_while_they_matter() -> None:
    sample = SampleStation()
    begins, ends = (replace(sample.dead_air(), active=active) for active in (True, False))
    late_start, late_end = (replace(event, retained=True) for event in (begins, ends))
    restarted = PostSelector(("dead-air",), 30)
    assert [body["active"] for body, _ in restarted.take(late_start, 0)] == [True]
    assert list(restarted.take(late_start, 0)) == []  # the connection was made again
    assert [body["active"] for body, _ in restarted.take(late_end, 0)] == [False]
    assert list(restarted.take(late_end, 0)) == []
    assert list(PostSelector(("dead-air",), 30).take(late_end, 0)) == []
    segment = sample.segment()
    assert len(list(PostSelector(("segment",), 30).take(segment, 0))) == 1
    assert list(PostSelector(("segment",), 30).take(replace(segment, retained=True), 0)) == []


# ---- metrics ------------------------------------------------------------------------------------


def scrape(port: int) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_a_live_daemon_has_metrics(stateful_folder: Path) -> None:
    port = int(free_endpoint().rpartition(":")[2])
    with start(
        *("listen", "--model", stateful_folder, "--input", "demo", "-q", "--publish", ANY),
        *("--station", 'Kü"che\\', "--metrics", f":{port}"),
    ) as daemon:

        def ready() -> dict[str, Any] | None:
            try:
                found = scrape(port)
            except OSError:
                return None
            return found if "streamgenre_probability" in found else None

        families = until(ready)
        samples = families["streamgenre_probability"].samples
        assert len(samples) == 10
        assert {s.labels["station"] for s in samples} == {'Kü"che\\'}
        assert sum(s.value for s in samples) == pytest.approx(1, abs=1e-6)
        assert families["streamgenre_updates"].type == "counter"
        states = families["streamgenre_state"].samples
        assert sum(s.value for s in states) == 1
        assert families["streamgenre_subscribers"].samples[0].value == 0
        taken = streamgenre("listen", "--input", "demo", "--publish", ANY, "--metrics", f":{port}")
        assert taken.returncode == 2
        assert "take another port" in taken.stderr
        daemon.terminate()
        assert daemon.wait(60) == 0


def test_metrics_are_local_unless_configured_otherwise(warned: list[str]) -> None:
    server = MetricsServer(":0", warn=warned.append)
    server.start()
    assert server._server.address[0] == "127.0.0.1"
    for name in ("stays", "removed"):
        server.take(SampleStation(name).update())
    server.forget("removed")
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics") as answer:
        text = answer.read().decode()
    server.stop()
    assert 'station="stays"' in text
    assert "removed" not in text
    assert warned == []
    exposed = MetricsServer("0.0.0.0:0", warn=warned.append)
    exposed.start()
    exposed.stop()
    assert "anyone who reaches this port" in warned[0]
    for wrong in ("", "x", ":", ":99999", "h:p"):
        with pytest.raises(SettingsError, match=r"expected (:PORT|a number from 0 to 65535)"):
            MetricsServer(wrong, warn=warned.append)
