"""Slow, dead and hostile subscribers: the daemon continues, and well-behaved ones lose nothing."""

from __future__ import annotations

import os
import socket as sockets
import struct
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest
import zmq
from support.live import PATIENCE_S, bus, end, spawn_bus, until
from support.sample_events import SampleStation

from streamgenre import Subscriber
from streamgenre.bus.connections import MAX_TOPIC, MAX_TOPICS, Connections
from streamgenre.bus.publisher import Publisher
from streamgenre.bus.sockets import SEND_QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterator

ANY = "tcp://127.0.0.1:*"
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + bytes(32)
READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher(ANY) as publisher:
        yield publisher


def address(endpoint: str) -> tuple[str, int]:
    host, port = endpoint.removeprefix("tcp://").split(":")
    return host, int(port)


def raw_subscriber(endpoint: str) -> sockets.socket:
    """A hand-written subscriber: it subscribes to everything and then misbehaves."""
    raw = sockets.create_connection(address(endpoint), timeout=60)
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.sendall(GREETING)
    got = b""
    while len(got) < 64:
        chunk = raw.recv(64 - len(got))
        assert chunk, "not let in"
        got += chunk
    raw.sendall(READY)
    raw.sendall(subscription(b""))
    return raw


def is_ended(raw: sockets.socket) -> bool:
    """Return whether a connection is closed, whatever was sent before."""
    raw.settimeout(PATIENCE_S)
    ends = time.monotonic() + PATIENCE_S
    try:
        while raw.recv(4096):
            if time.monotonic() > ends:
                return False
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def subscription(topic: bytes) -> bytes:
    body = b"\x01" + topic
    if len(body) < 256:
        return b"\x00" + bytes([len(body)]) + body
    return b"\x02" + struct.pack(">Q", len(body)) + body


def serves(endpoint: str) -> None:
    """Return whether a well-behaved subscriber gets all events of a minute."""
    with Subscriber(endpoint, types=["update"]) as subscriber:
        events = [subscriber.receive(60) for _ in range(40)]
        assert all(events)
        assert subscriber.missed == 0


def wait_idle(publisher: Publisher) -> None:
    until(lambda: not publisher._queue)


def test_a_subscriber_that_never_reads_is_detected_counted_and_bounded(
    publisher: Publisher,
) -> None:
    made_up = SampleStation()
    with raw_subscriber(publisher.endpoint), Subscriber(publisher.endpoint) as kind:
        until(lambda: publisher.stats.subscribers == 2)
        publisher.send(made_up.update())
        assert kind.receive(60) is not None
        assert publisher.stats.events_dropped == 0
        before = psutil.Process().memory_info().rss
        received = 0
        for _ in range(60):  # 18,000 events, 15 MB: no queue has room for them
            for _ in range(300):
                publisher.send(made_up.update())
            while received < publisher_sent(made_up) and kind.receive(60) is not None:
                received += 1
        assert kind.missed == 0  # a subscriber that does not read costs others nothing
        until(lambda: publisher.stats.subscribers_slow == 1)
        assert publisher.stats.events_dropped > 5_000
        grown = psutil.Process().memory_info().rss - before
        assert grown < 20e6  # the queue of 1000 and no more
    until(lambda: publisher.stats.subscribers == 0)
    assert publisher.stats.subscribers_slow == 0


def test_losses_of_a_second_slow_reader_are_counted_too(publisher: Publisher) -> None:
    """After the first overflow a send to a full queue must still fail before anything is lost."""
    made_up = SampleStation()
    for _ in range(2):
        until(lambda: publisher.stats.subscribers == 0)  # the queues of earlier readers are gone
        before = publisher.stats.events_dropped
        with raw_subscriber(publisher.endpoint):
            until(lambda: publisher.stats.subscribers == 1)
            for _ in range(12):  # 12,000 events, 10 MB: no queue has room for them
                for _ in range(1000):
                    publisher.send(made_up.update())
                wait_idle(publisher)
            until(lambda least=before + 2000: publisher.stats.events_dropped > least)  # type: ignore[misc]


def publisher_sent(made_up: SampleStation) -> int:
    return made_up._updates - 1


def test_a_slow_reader_knows_what_it_missed_in_a_simulated_hour(publisher: Publisher) -> None:
    """One event a minute is read while 3600 arrive in a simulated hour: no loss is silent."""
    made_up = SampleStation()
    with Subscriber(publisher.endpoint, types=["update"]) as slow:
        slow._socket.set(zmq.RCVHWM, 10)
        until(lambda: publisher.stats.subscribers == 1)
        read = 0
        for minute in range(60):
            for _ in range(60):
                publisher.send(made_up.update())
            wait_idle(publisher)
            if slow.receive(60) is not None:
                read += 1
            assert minute < 59 or read == 60
        while read + slow.missed < 3600 and slow.receive(60) is not None:
            read += 1
        assert read + slow.missed == 3600


def test_a_reader_that_overflows_counts_every_missing_event(publisher: Publisher) -> None:
    made_up = SampleStation()
    with Subscriber(publisher.endpoint, types=["update"]) as slow:
        until(lambda: publisher.stats.subscribers == 1)
        for _ in range(100_000):
            publisher.send(made_up.update())
            if len(publisher._queue) > 5000:
                time.sleep(0.01)
        wait_idle(publisher)
        read = 0
        while slow.receive(1) is not None:
            read += 1
        publisher.send(made_up.update())
        while read + slow.missed < 100_001 and slow.receive(60) is not None:
            read += 1
        assert slow.missed > 0
        assert read + slow.missed == 100_001
        assert read > SEND_QUEUE


def test_a_thousand_subscribers_are_served() -> None:
    with bus(ANY) as endpoint:
        readers = (
            "import sys, zmq\n"
            "context = zmq.Context(); context.set(zmq.MAX_SOCKETS, 2000)\n"
            "import resource; hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))\n"
            "sockets = [context.socket(zmq.SUB) for _ in range(500)]\n"
            "for s in sockets: s.subscribe('update/'); s.connect(sys.argv[1])\n"
            "counts = [len([s.recv_multipart() for _ in range(20)]) for s in sockets]\n"
            "print(sum(counts), flush=True)\n"
            "sys.stdin.read()\n"
        )
        crowd = [
            subprocess.Popen(
                [sys.executable, "-c", readers, endpoint],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        try:
            for process in crowd:
                assert process.stdout is not None
                assert process.stdout.readline() == "10000\n"
            with Subscriber(endpoint, types=["status"]) as subscriber:
                seen = [0]

                def look() -> None:
                    event = subscriber.receive(60)
                    seen[0] = max(seen[0], getattr(event, "subscribers", 0))

                until(lambda: seen[0] >= 1000, pump=look)
            serves(endpoint)
        finally:
            for process in crowd:
                end(process)


def test_a_flood_of_connections_and_broken_handshakes_is_survived() -> None:
    process, endpoint = spawn_bus(ANY)
    try:
        daemon = psutil.Process(process.pid)
        serves(endpoint)
        with Subscriber(endpoint, types=["update"]) as witness:
            assert witness.receive(60) is not None
            before, files = daemon.memory_info().rss, daemon.num_fds()
            greetings = (
                b"",
                b"GET / HTTP/1.1\r\n\r\n",
                os.urandom(64),
                b"\xff" * 200,
                GREETING[:20],
                GREETING + b"\x04\xff" + bytes(255),
                GREETING + b"\x06" + struct.pack(">Q", 1 << 62),
                GREETING + READY + b"\x02" + struct.pack(">Q", 1 << 62),
                GREETING + READY + subscription(bytes(MAX_TOPIC + 1)),
                GREETING + READY + b"\x00\x00" * 1000,
            )
            held = []
            for n in range(1500):
                raw = sockets.create_connection(address(endpoint), timeout=60)
                raw.sendall(greetings[n % len(greetings)])
                if n % 3:
                    raw.close()
                else:
                    held.append(raw)  # sends nothing more
                if n % 100 == 0:
                    while witness.receive(0) is not None:
                        pass
            until(lambda: daemon.num_fds() <= files + 8, pump=lambda: witness.receive(0.1))
            assert daemon.memory_info().rss - before < 30e6
            for raw in held:
                raw.close()
            assert witness.missed == 0
            assert witness.link.state == "live"
        serves(endpoint)
        with Subscriber(endpoint, types=["status"]) as subscriber:
            status = subscriber.receive(60)
            assert getattr(status, "connections_refused", 0) > 500
    finally:
        end(process)


def test_too_many_subscriptions_close_a_connection_and_free_its_memory(
    publisher: Publisher,
) -> None:
    for topics in (
        [b"%d" % n for n in range(MAX_TOPICS + 10)],  # too many
        [b"%0300d" % n for n in range(200)],  # too long together
    ):
        with raw_subscriber(publisher.endpoint) as raw:
            raw.sendall(b"".join(map(subscription, topics)))
            assert is_ended(raw)
    until(lambda: publisher.stats.subscribers == 0)
    assert publisher._connections._bytes == 0


def test_a_client_that_keeps_subscribing_is_dropped(publisher: Publisher) -> None:
    with raw_subscriber(publisher.endpoint) as raw:
        again = b"\x00\x05\x01abcd" + b"\x00\x05\x00abcd"
        with suppress(ConnectionError):
            for _ in range(20_000):
                raw.sendall(again)
        assert is_ended(raw)
    made_up = SampleStation()
    with Subscriber(publisher.endpoint) as subscriber:
        publisher.send(made_up.update())
        assert subscriber.receive(60) is not None


class FakeFrame:
    """A message of a connection, with what libzmq and the authenticator attach to it."""

    def __init__(self, name: str, handle: int, message: bytes = b"\x01a") -> None:
        self.bytes = message
        self.more = False
        self._properties = {"User-Id": name, "__fd": str(handle)}

    def get(self, name: str) -> str:
        return self._properties[name]


def test_messages_of_a_descriptors_former_owner_are_ignored() -> None:
    """Else the new owner would be dropped for what another client had sent."""
    named = 6
    with zmq.Context() as context:
        bus_socket: zmq.Socket[bytes] = context.socket(zmq.XPUB)
        bus_socket.set(zmq.XPUB_MANUAL, 1)
        connections = Connections(bus_socket, named=lambda: named)

        def take(name: str) -> bytes | None:
            return connections.handle_message(FakeFrame(name, 9999), lambda name: True)  # type: ignore[arg-type]

        connections._accept(9999)
        named = 7
        assert [take(name) for name in ("6 ", "7 ", "5 ", "7 ")] == [None, b"a", None, None]
        assert list(connections._peers) == ["7 "]
        connections._forget(9999)
        connections._accept(9999)
        named = 8
        assert [take(name) for name in ("7 ", "8 ")] == [None, b"a"]
        assert list(connections._peers) == ["8 "]
        connections._forget(9999)
        assert take("8 ") is None
        assert connections._bytes == 0
        connections.close()
        bus_socket.close()


def test_other_messages_from_a_subscriber_are_ignored(publisher: Publisher) -> None:
    with raw_subscriber(publisher.endpoint) as raw:
        for message in (b"", b"\x02", b"\x07hello", bytes(100)):
            raw.sendall(b"\x00" + bytes([len(message)]) + message)
        made_up = SampleStation()
        until(lambda: publisher.stats.subscribers == 1)
        publisher.send(made_up.update())
        raw.settimeout(5)
        heard = b""
        while b"update/kitchen" not in heard:
            chunk = raw.recv(65_536)
            assert chunk
            heard += chunk


def test_a_sleeping_reader_keeps_its_connection_and_its_process(publisher: Publisher) -> None:
    """Even if it sleeps longer than a heartbeat would wait, with full queues."""
    code = (
        "import sys, time\nfrom streamgenre import Subscriber\n"
        "with Subscriber(sys.argv[1]) as s:\n"
        "    s.receive(60)\n    print('in', flush=True)\n    sys.stdin.readline()\n"
        f"    n = 1\n    while n <= {SEND_QUEUE} and s.receive(60) is not None: n += 1\n"
        "    print(n, s._links.losses, flush=True)"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", code, publisher.endpoint],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        made_up = SampleStation()
        until(lambda: publisher.stats.subscribers == 1)
        publisher.send(made_up.update())
        assert reader.stdout is not None
        assert reader.stdout.readline() == "in\n"
        until(lambda: _filled(publisher, made_up))
        time.sleep(10)
        assert publisher.stats.subscribers == 1
        out, _ = reader.communicate("\n", timeout=60)
        read, losses = map(int, out.split())
        assert (reader.returncode, losses) == (0, 0)
        assert read > SEND_QUEUE
    finally:
        end(reader)


def _filled(publisher: Publisher, made_up: SampleStation) -> bool:
    for _ in range(1000):
        publisher.send(made_up.update())
    wait_idle(publisher)
    return publisher.stats.events_dropped > 0
