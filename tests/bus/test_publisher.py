from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
import zmq
from support.live import until

from streamgenre import Subscriber
from streamgenre.bus.publisher import Publisher, check_endpoint
from streamgenre.errors import BusError
from streamgenre.events import Gap, Update

if TYPE_CHECKING:
    from pathlib import Path

ANY = "tcp://127.0.0.1:*"


def update(station: str, seq: int, session: str = "s") -> Update:
    return Update(
        station=station,
        session=session,
        seq=seq,
        time=1.0,
        stream_time=1.0,
        state="music",
        genre="jazz",
        confidence=0.9,
        since=0.0,
        probabilities={"jazz": 0.9, "rock": 0.1},
        smoothed={"jazz": 0.9, "rock": 0.1},
        level_dbfs=-20.0,
    )


def gap(station: str, seq: int) -> Gap:
    return Gap(
        station=station,
        session="s",
        seq=seq,
        time=1.0,
        stream_time=1.0,
        samples=1,
        rate=1,
        seconds=1.0,
        reason="overflow",
    )


def _sub_socket() -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    return socket


def settle(publisher: Publisher) -> None:
    """Wait for the subscription: PUB drops what is sent before it arrives."""
    until(lambda: publisher.stats.subscribers == 1)


def test_sent_events_arrive_typed() -> None:
    with Publisher(ANY) as publisher, Subscriber(publisher.endpoint, timeout=60) as subscriber:
        settle(publisher)
        sent = update("küche/ü", 0)
        publisher.send(sent)
        assert next(iter(subscriber)) == sent


def test_the_wire_is_topic_and_json() -> None:
    with Publisher(ANY) as publisher, _sub_socket() as socket:
        socket.connect(publisher.endpoint)
        socket.subscribe(b"update/kitchen")
        settle(publisher)
        publisher.send(update("kitchen", 7))
        assert socket.poll(60_000)
        topic, body = socket.recv_multipart()
    assert topic == b"update/kitchen"
    decoded = json.loads(body)
    assert (decoded["v"], decoded["type"], decoded["seq"]) == (1, "update", 7)


def test_filters_match_whole_names_and_types() -> None:
    with (
        Publisher(ANY) as publisher,
        Subscriber(
            publisher.endpoint, types=["update"], stations=["rock"], timeout=60
        ) as subscriber,
    ):
        settle(publisher)
        for seq, station in enumerate(("rock-antenne", "rock", "jazz", "rock")):
            publisher.send(gap(station, seq))
            publisher.send(update(station, seq))
        received = [subscriber.receive(60) for _ in range(2)]
        assert [(e.TYPE, e.station) for e in received if e] == [("update", "rock")] * 2


def test_holes_are_counted_only_within_a_session() -> None:
    with Publisher(ANY) as publisher, Subscriber(publisher.endpoint, timeout=60) as subscriber:
        settle(publisher)
        for seq in (5, 6, 9):
            publisher.send(update("a", seq))
        publisher.send(update("a", 0, session="after a restart"))
        publisher.send(update("a", 1, session="after a restart"))
        assert all(subscriber.receive(60) is not None for _ in range(5))
        assert subscriber.missed == 2


def test_a_subscriber_that_never_reads_costs_nothing() -> None:
    with Publisher(ANY) as publisher, Subscriber(publisher.endpoint):
        settle(publisher)
        for seq in range(30_000):
            publisher.send(update("a", seq))  # does not block


def test_a_subscriber_survives_a_restart_of_the_daemon() -> None:
    first = Publisher(ANY)
    endpoint = first.endpoint
    with Subscriber(endpoint, timeout=60) as subscriber:
        settle(first)
        first.send(update("a", 0))
        assert next(iter(subscriber)).seq == 0
        first.close()
        time.sleep(0.2)
        with Publisher(endpoint) as second:
            for seq in range(600):
                second.send(update("a", seq, session="second"))
                event = subscriber.receive(timeout=0.1)
                if event is not None:
                    break
            assert event is not None
            assert event.session == "second"


def test_a_port_in_use_is_explained() -> None:
    with Publisher(ANY) as first, pytest.raises(BusError, match=r"in use.*--publish"):
        Publisher(first.endpoint)


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://0.0.0.0:5757", "tcp://*:5757", "tcp://192.168.1.5:5757", "tcp://[::]:5757"],
)
def test_non_local_endpoints_are_rejected(endpoint: str) -> None:
    with pytest.raises(BusError, match="refusing"):
        check_endpoint(endpoint)


@pytest.mark.parametrize(
    "endpoint", ["", "5757", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "udp://127.0.0.1:1"]
)
def test_malformed_endpoints_are_rejected(endpoint: str) -> None:
    with pytest.raises(BusError, match="expected tcp://"):
        check_endpoint(endpoint)


def test_loopback_and_ipc_are_accepted(tmp_path: Path) -> None:
    for endpoint in ("tcp://localhost:1", "tcp://[::1]:5757", "tcp://127.0.0.2:*"):
        check_endpoint(endpoint)
    with Publisher(f"ipc://{tmp_path / 'bus'}") as publisher:
        assert publisher.endpoint.endswith("bus")


def test_wrong_subscriber_arguments_are_rejected() -> None:
    with pytest.raises(BusError, match="did you mean 'update'"):
        Subscriber(types=["updates"])
    with pytest.raises(BusError, match="cannot connect"):
        Subscriber("nonsense")
