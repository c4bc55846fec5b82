"""The spectrum is sent on request only: who asks for it, who does not, and when it ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import zmq
from hypothesis import given
from hypothesis import strategies as st
from support.fuzzing import examples
from support.live import KeyRing, until
from support.sample_events import SampleStation

from streamgenre import Spectrum, Subscriber
from streamgenre.bus.auth import Authenticator
from streamgenre.bus.demand import MAX_NAMES, Demand, filters
from streamgenre.bus.publisher import Publisher
from streamgenre.events import TYPES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ANY = "tcp://127.0.0.1:*"
TOPICS = st.sampled_from(
    [b"", b"s", b"sp", b"spectru", b"spectrum", b"spectrum/", b"spectrum/kitchen", b"update/",
     b"u", b"st", b"status/kitchen", b"spectrum/k\xc3", b"spectrums", b"x"]
)  # fmt: skip


class Asked:
    """A publisher, and what it was asked for."""

    def __init__(self, auth: Authenticator | None = None) -> None:
        self.changes: list[frozenset[str]] = []
        self.publisher = Publisher(ANY, on_demand=self.changes.append, auth=auth)
        self.endpoint = self.publisher.endpoint

    def is_for(self, *names: str) -> None:
        until(lambda: (self.changes or [frozenset()])[-1] == frozenset(names))

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_: object) -> None:
        self.publisher.close()


def plain(endpoint: str, *topics: bytes) -> zmq.Socket[bytes]:
    """The socket of a program that knows nothing of streamgenre."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    socket.set(zmq.LINGER, 0)
    for topic in topics:
        socket.subscribe(topic)
    socket.connect(endpoint)
    return socket


def arrive(socket: zmq.Socket[bytes], until_topic: bytes, send: Callable[[], None]) -> set[bytes]:
    """Return the kinds of what arrives while ``send`` is called, up to a topic."""
    found = set()
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        send()
        while socket.poll(20):
            topic, *_ = socket.recv_multipart()
            found.add(topic.partition(b"/")[0])
            if topic == until_topic:
                return found
    raise AssertionError(f"no {until_topic!r} among {found}")


def test_a_spectrum_is_asked_for_by_its_name_alone() -> None:
    with Asked() as asked:
        with plain(asked.endpoint, b"", b"s", b"update/"):
            until(lambda: asked.publisher.stats.subscribers == 1)
            assert asked.changes == []
            with plain(asked.endpoint, b"spectrum/kitchen") as one:
                asked.is_for("kitchen")
                with plain(asked.endpoint, b"spectrum/"):
                    asked.is_for(
                        "",
                    )
                asked.is_for("kitchen")
                one.unsubscribe(b"spectrum/kitchen")
                asked.is_for()
        assert asked.changes[-1] == frozenset()


def test_a_subscriber_to_everything_never_gets_one() -> None:
    """Not even while another client looks: its queue and its parser are undisturbed."""
    made_up = SampleStation("kitchen")

    def send() -> None:
        asked.publisher.send(made_up.spectrum())
        for make in (made_up.update, made_up.gap, made_up.source, made_up.segment):
            asked.publisher.send(make())

    with (
        Asked() as asked,
        plain(asked.endpoint, b"") as everything,
        plain(asked.endpoint, b"s") as short,
        plain(asked.endpoint, b"", b"spectrum/") as both,
    ):
        until(lambda: asked.publisher.stats.subscribers == 3)
        asked.is_for("")
        assert b"spectrum" in arrive(both, b"spectrum/kitchen", send)
        found = [arrive(everything, b"segment/kitchen", send) for _ in range(5)]
        assert set().union(*found) == {b"update", b"gap", b"source", b"segment"}
        assert arrive(short, b"segment/kitchen", send) <= {b"source", b"segment"}


def test_what_is_unsubscribed_stays_where_another_topic_covers_it() -> None:
    made_up = SampleStation("kitchen")

    def send() -> None:
        asked.publisher.send(made_up.update())
        asked.publisher.send(made_up.source())

    with Asked() as asked, plain(asked.endpoint, b"", b"update/", b"s") as socket:
        arrive(socket, b"source/kitchen", send)
        socket.unsubscribe(b"update/")
        socket.unsubscribe(b"s")
        time.sleep(0.3)
        while socket.poll(0):
            socket.recv_multipart()
        assert arrive(socket, b"source/kitchen", send) >= {b"update", b"source"}


@examples(60)
@given(st.lists(st.tuples(st.booleans(), TOPICS), max_size=30))
def test_demand_is_what_remains_of_all_subscriptions(changes: list[tuple[bool, bytes]]) -> None:
    demand, held = Demand(), []
    for adds, topic in changes:
        if adds:
            demand.add(topic)
            held.append(topic)
        elif topic in held:
            demand.remove(topic)
            held.remove(topic)
        asked = {t for t in held if t.startswith(b"spectrum")}
        for name in ("kitchen", "k", "kücal", "bath", ""):
            wanted = any(f"spectrum/{name}".encode().startswith(t) for t in asked)
            assert not wanted or any(map(name.startswith, demand.names))
        assert bool(demand.names) == bool(asked)


def test_the_filters_of_a_short_topic_are_all_other_types() -> None:
    assert filters(b"") == tuple(f"{name}/".encode() for name in TYPES)
    assert filters(b"s") == (b"segment/", b"source/", b"status/")
    assert filters(b"sp") == ()
    for topic in (b"spectrum", b"spectrum/", b"spectrum/kitchen", b"update/", b"x", b"spectral"):
        assert filters(topic) == (topic,)


def test_many_names_become_all_stations() -> None:
    demand = Demand()
    for number in range(MAX_NAMES + 1):
        assert len(demand.names) == number
        demand.add(f"spectrum/{number}".encode())
    assert demand.names == {""}


def test_the_python_client_asks_and_gets_it_typed() -> None:
    made_up = SampleStation("küche/1")
    with Asked() as asked, Subscriber(asked.endpoint) as other:
        with Subscriber(asked.endpoint, types=["spectrum"], stations=["küche/1"]) as subscriber:
            asked.is_for("küche/1")
            sent = made_up.spectrum()
            asked.publisher.send(sent)
            assert subscriber.receive(60) == sent
            asked.publisher.send(made_up.spectrum())
            line = subscriber.receive_json(60)
            assert line is not None
            assert line.endswith(b'"}')
            assert b'"levels": "' in line
        asked.is_for()
        last = made_up.update()
        asked.publisher.send(last)
        assert other.receive(60) == last


def test_a_client_that_is_killed_asks_no_more() -> None:
    with Asked() as asked:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = context.socket(zmq.SUB)
        socket.subscribe(b"spectrum/")
        socket.connect(asked.endpoint)
        asked.is_for("")
        context.destroy(linger=0)
        asked.is_for()


def test_a_client_without_an_allowed_key_cannot_ask(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    with Asked(Authenticator(ring.daemon, print)) as asked:
        secure: dict[str, Any] = {"server_key": ring.server_key, "types": ["spectrum"]}
        with (
            plain(asked.endpoint, b"spectrum/"),
            Subscriber(asked.endpoint, keys=ring.mallory, **secure),
        ):
            until(lambda: asked.publisher.stats.connections_refused > 0)
            assert asked.changes == []
            with Subscriber(asked.endpoint, keys=ring.alice, **secure) as alice:
                asked.is_for("")
                asked.publisher.send(SampleStation().spectrum())
                assert isinstance(alice.receive(60), Spectrum)


def test_one_that_never_reads_loses_only_its_own() -> None:
    made_up = SampleStation("kitchen")
    with (
        Asked() as asked,
        plain(asked.endpoint, b"spectrum/"),
        Subscriber(asked.endpoint, types=["spectrum"]) as good,
    ):
        until(lambda: asked.publisher.stats.subscribers == 2)
        for _ in range(3000):
            asked.publisher.send(made_up.spectrum(64))
            while good.receive(0) is not None:
                pass
        until(lambda: not asked.publisher._queue)
        while good.receive(0.5) is not None:
            pass
        assert good.missed == 0


def test_a_spectrum_is_not_kept_for_late_subscribers() -> None:
    made_up = SampleStation("kitchen")
    with Asked() as asked, plain(asked.endpoint, b"spectrum/") as early:
        asked.is_for("")
        asked.publisher.send(made_up.spectrum())
        assert early.poll(60_000)
        with Subscriber(asked.endpoint, types=["spectrum"]) as late:
            until(lambda: asked.publisher.stats.subscribers == 2)
            assert late.receive(0.6) is None
            asked.publisher.send(sent := made_up.spectrum())
            assert late.receive(60) == sent
            assert late.missed == 0


def test_malformed_spectra_are_skipped_and_reported() -> None:
    said: list[str] = []
    good = SampleStation("kitchen").spectrum()
    topic, text, levels = good.parts()
    publisher: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUB)
    publisher.set(zmq.LINGER, 0)
    port = publisher.bind_to_random_port("tcp://127.0.0.1")
    with Subscriber(
        f"tcp://127.0.0.1:{port}", types=["spectrum"], on_malformed=said.append
    ) as subscriber:
        found = None
        ends = time.monotonic() + 60
        while found is None and time.monotonic() < ends:
            publisher.send_multipart([topic, text])
            publisher.send_multipart([topic, text, levels[1:]])
            publisher.send_multipart([topic, b"{", levels])
            publisher.send_multipart([topic, text, levels, b"more"])
            publisher.send_multipart([topic, text, levels])
            found = subscriber.receive(0.1)
        assert found == good
        assert any("levels" in line for line in said)
    publisher.close()
