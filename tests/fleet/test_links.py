"""Links between machines: real sockets, both ends in this process."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import zmq
from support.live import until
from zmq.utils.monitor import recv_monitor_message

from streamgenre.errors import SettingsError
from streamgenre.fleet import frames
from streamgenre.fleet.hub import FleetHub
from streamgenre.fleet.link import ClusterLink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.fleet.hub import ClusterDaemonLink


@pytest.fixture
def hub() -> Iterator[FleetHub]:
    with FleetHub("tcp://127.0.0.1:*") as made:
        yield made


def linked(hub: FleetHub) -> tuple[ClusterDaemonLink, ClusterLink]:
    pair, ours = zmq.curve_keypair(), hub.link()
    hub.admit(pair[0], ours)
    return ours, ClusterLink(hub.endpoint, hub.public_key, pair)


def test_messages_arrive_in_order_both_ways_and_before_the_end(hub: FleetHub) -> None:
    ours, theirs = linked(hub)
    ours.send({"do": "start"})  # before the worker is connected
    assert theirs.receive() == ({"do": "start"}, b"")

    def talk() -> None:
        for n in range(500):
            theirs.send({"n": n}, bytes([n % 256]) * 1000)

    threads = [threading.Thread(target=talk) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    theirs.close()
    found = []

    def over() -> bool:
        found.extend(ours.arrived())
        return ours.ended

    until(over)
    assert len(found) == 1000
    assert [head["n"] for head, _ in found].count(499) == 2
    assert all(body == bytes([head["n"] % 256]) * 1000 for head, body in found)


def test_the_clock_of_a_worker_is_measured(hub: FleetHub) -> None:
    ours, theirs = linked(hub)
    until(lambda: ours.clock_offset_s != 0)
    assert abs(ours.clock_offset_s) < 60  # one machine has one clock; a busy one answers late
    ours.close()
    theirs.close()


def test_a_worker_ends_when_its_daemon_does() -> None:
    with FleetHub("tcp://127.0.0.1:*") as hub:
        ours, theirs = linked(hub)
        theirs.send({"do": "beat"})
        until(ours.arrived)
    with pytest.raises(EOFError):
        theirs.receive()
    with pytest.raises(OSError, match="has ended"):
        theirs.send({"do": "beat"})


def handshake(
    hub: FleetHub, context: zmq.Context[zmq.Socket[bytes]], pair: tuple[bytes, bytes], name: bytes
) -> tuple[zmq.Socket[bytes], int]:
    """Connect under a name; return the socket, and how the handshake ended."""
    socket = context.socket(zmq.DEALER)
    socket.identity = name
    socket.linger = 0
    socket.curve_serverkey = hub.public_key.encode()
    socket.curve_publickey, socket.curve_secretkey = pair
    ends = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    monitor = socket.get_monitor_socket(ends)
    socket.connect(hub.endpoint)
    assert monitor.poll(60_000)
    event = recv_monitor_message(monitor)["event"]
    socket.disable_monitor()
    return socket, int(event)


def test_a_key_that_was_not_admitted_is_kept_out(hub: FleetHub) -> None:
    pair, context = zmq.curve_keypair(), zmq.Context[zmq.Socket[bytes]]()
    stranger, event = handshake(hub, context, pair, pair[0])
    assert event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    stranger.close()
    ours = hub.link()
    hub.admit(pair[0], ours)
    worker, event = handshake(hub, context, pair, pair[0])
    assert event == zmq.EVENT_HANDSHAKE_SUCCEEDED
    worker.close()
    ours.close()  # from now on it is a stranger
    again, event = handshake(hub, context, pair, pair[0])
    assert event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
    again.close()
    context.term()


def test_a_worker_cannot_speak_for_another(hub: FleetHub) -> None:
    other, _ = linked(hub)
    pair, liars = zmq.curve_keypair(), hub.link()
    hub.admit(pair[0], liars)
    context = zmq.Context[zmq.Socket[bytes]]()
    liar, event = handshake(hub, context, pair, other.key)
    assert event == zmq.EVENT_HANDSHAKE_SUCCEEDED
    liar.send_multipart(frames.packed(frames.MESSAGE, 1, {"do": "event"}, b"made up"))
    time.sleep(0.5)
    assert not other.arrived()
    assert not liars.arrived()
    honest, _ = handshake(hub, context, pair, pair[0])
    honest.send_multipart(frames.packed(frames.MESSAGE, 1, {"do": "event"}, b"true"))
    assert until(liars.arrived) == [({"do": "event"}, b"true")]
    liar.close()
    honest.close()
    context.term()


def test_a_message_that_is_missing_ends_the_link(hub: FleetHub) -> None:
    ours, theirs = linked(hub)
    theirs.send({"n": 1})
    until(ours.arrived)
    theirs._sent += 1  # as if a broken connection had lost it
    theirs.send({"n": 3})
    until(lambda: ours.ended)
    assert ours.arrived() == []


def test_an_address_of_another_machine_is_refused_in_words() -> None:
    with pytest.raises(SettingsError, match=r"--link tcp://192\.0\.2\.77:1.*this machine"):
        FleetHub("tcp://192.0.2.77:1").__enter__()
