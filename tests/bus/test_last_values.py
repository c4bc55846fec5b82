"""Late subscribers get the last values at once, and no client gets an event twice."""

from __future__ import annotations

import json
import time
from typing import Any

import zmq
from support.live import bus, until
from support.sample_events import SampleStation

from streamgenre import Subscriber
from streamgenre.bus.last_values import COPIES, COPIES_PER_S, PAUSE_S, LastValues, mark_retained
from streamgenre.bus.publisher import Publisher
from streamgenre.events import RETAINED_TYPES, TYPES, from_json

ANY = "tcp://127.0.0.1:*"


def plain(endpoint: str, *topics: str) -> zmq.Socket[bytes]:
    """The socket of a program that knows nothing of streamgenre."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    for topic in topics:
        socket.subscribe(topic)
    socket.connect(endpoint)
    return socket


def received(
    socket: zmq.Socket[bytes], seconds: float = 1.0, *, least: int = 0
) -> list[dict[str, Any]]:
    """Return what arrives in some seconds; however long it takes, at least so many events."""
    found: list[dict[str, Any]] = []
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0 or len(found) < least:
        if socket.poll(max(0, round(1000 * left)) if left > 0 else 60_000):
            found.append(json.loads(socket.recv_multipart()[1]))
        else:
            assert len(found) >= least or left > 0, "nothing arrives"
    return found


def publish_one_of_each(publisher: Publisher, *names: str) -> None:
    for name in names:
        made_up = SampleStation(name)
        one_each = (made_up.source, made_up.title, made_up.gap, made_up.segment, made_up.dead_air)
        for make in one_each:
            publisher.send(make())
        for _ in range(5):
            publisher.send(made_up.update())
        publisher.send(made_up.status())
    until(lambda: not publisher._queue)


def test_a_plain_subscriber_gets_the_last_event_of_each_type_and_station() -> None:
    with Publisher(ANY) as publisher:
        publish_one_of_each(publisher, "kitchen", "bath/ü")
        with plain(publisher.endpoint, "") as socket:
            events = received(socket, least=2 * len(RETAINED_TYPES))
    assert sorted((e["station"], e["type"]) for e in events) == sorted(
        (name, kind) for name in ("kitchen", "bath/ü") for kind in RETAINED_TYPES
    )
    assert set(RETAINED_TYPES) == set(TYPES) - {"gap"}
    assert all(e["retained"] is True for e in events)
    assert {e["seq"] for e in events if e["type"] == "update"} == {4}


def test_a_removed_station_is_forgotten_after_its_last_event() -> None:
    with Publisher(ANY) as publisher, plain(publisher.endpoint, "") as early:
        until(lambda: publisher.stats.subscribers == 1)
        publish_one_of_each(publisher, "stays", "goes", "goes on")
        publisher.remove_station("goes")
        events = received(early, least=3 * len(TYPES))
        assert {e["type"] for e in events if e["station"] == "goes"} == set(TYPES)
        with plain(publisher.endpoint, "") as late:
            events = received(late, least=2 * len(RETAINED_TYPES))
            assert {e["station"] for e in events} == {"stays", "goes on"}


def test_only_subscribed_topics_arrive() -> None:
    with Publisher(ANY) as publisher:
        publish_one_of_each(publisher, "kitchen", "bath")
        with plain(publisher.endpoint, "update/bath") as socket:
            events = received(socket, 0.6, least=1)
    assert [(e["type"], e["station"]) for e in events] == [("update", "bath")]


def test_an_earlier_subscriber_drops_the_repetition_and_reports_no_hole() -> None:
    with Publisher(ANY) as publisher, Subscriber(publisher.endpoint) as early:
        made_up = SampleStation()
        publisher.send(made_up.update())
        assert early.receive(60) is not None
        for _ in range(3):
            with Subscriber(publisher.endpoint) as late:
                event = late.receive(60)
                assert event is not None
                assert event.retained
        publisher.send(made_up.update())
        event = early.receive(60)  # the next number follows, although three repetitions arrived
        assert event is not None
        assert (event.seq, event.retained) == (1, False)
        assert early.missed == 0


def test_a_late_subscriber_continues_without_a_hole() -> None:
    with bus(ANY, "--stations", "a,b,c", "--hop", "0.02") as endpoint:
        time.sleep(1)
        for _ in range(5):
            with Subscriber(endpoint, types=["update"]) as subscriber:
                events = [subscriber.receive(60) for _ in range(60)]
                assert subscriber.missed == 0
            assert all(e is not None for e in events)
            first = {e.station: e for e in reversed(events) if e is not None}
            assert all(first[name].seq > 0 for name in "abc")


def test_many_joins_cost_the_others_one_repetition() -> None:
    with Publisher(ANY) as publisher, plain(publisher.endpoint, "update/") as witness:
        publisher.send(SampleStation().update())
        received(witness, 0.3, least=1)
        late = [plain(publisher.endpoint, "update/") for _ in range(50)]
        began = time.monotonic()
        repeated = len(received(witness, 1.5))
        assert repeated <= 1 + (time.monotonic() - began) / PAUSE_S
        for socket in late:
            received(socket, 0, least=1)
            socket.close(linger=0)


def test_the_retained_mark_does_not_change_the_event() -> None:
    event = SampleStation().update()
    late = from_json(mark_retained(event.to_json().encode()))
    assert late.retained
    assert late.as_dict() | {"retained": False} == event.as_dict() | {"retained": False}


def test_one_topic_is_not_repeated_continuously() -> None:
    last = LastValues(0.0)
    last.keep(b"update/a", b"{}")
    sent = []
    for step in range(100):
        last.request(b"")
        sent += [step / 100 for _ in last.due(1, step / 100)]
    assert sent == [0.0, 0.25, 0.5, 0.75]


def test_repetitions_are_rate_limited() -> None:
    last = LastValues(0.0)
    for n in range(100):
        last.keep(f"update/{n}".encode(), b"{}")
    sent = 0
    for step in range(1000):  # one client keeps subscribing for 100 s, 1000 others listen
        last.request(b"update/")
        sent += 1000 * len(list(last.due(1000, step / 10)))
    assert sent <= COPIES + 100 * COPIES_PER_S
    assert sent >= 50 * COPIES_PER_S  # and every client is still served in turn


def test_the_cache_is_bounded() -> None:
    last = LastValues(0.0)
    for n in range(12_000):
        last.keep(f"update/{n}".encode(), b"{}")
        last.keep(f"gap/{n}".encode(), b"{}")
    last.request(b"")
    assert len(list(last.due(1, 1.0))) == 10_000
