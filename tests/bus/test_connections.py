"""Limits of single connections, at their exact bounds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import zmq
from support.live import until

from streamgenre import Subscriber
from streamgenre.bus.connections import (
    MAX_TOPIC_BYTES,
    MAX_TOPICS,
    SLOW_S,
    Connections,
    _Peer,
)
from streamgenre.bus.publisher import Publisher
from streamgenre.bus.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_DESCRIPTOR = 1 << 20
"""A file descriptor that is not open."""


class Message:
    """A subscriber's message with the properties that libzmq and the authenticator attach."""

    def __init__(self, body: bytes) -> None:
        self.bytes = body
        self.more = False

    def get(self, name: str) -> str:
        return {"User-Id": "1 ", "__fd": str(NO_DESCRIPTOR)}[name]


@pytest.fixture
def connections() -> Iterator[Connections]:
    with zmq.Context() as context:
        socket: zmq.Socket[bytes] = context.socket(zmq.XPUB)
        socket.set(zmq.XPUB_MANUAL, 1)
        connections = Connections(socket)
        connections._open[NO_DESCRIPTOR] = None
        yield connections
        connections.close()
        socket.close(linger=0)


def subscribe(connections: Connections, topic: bytes) -> bytes | None:
    message = Message(b"\x01" + topic)
    return connections.handle_message(message, lambda name: True)  # type: ignore[arg-type]


def test_a_subscription_is_limited_to_the_documented_bytes(
    connections: Connections,
) -> None:
    topics = [b"%0512d" % number for number in range(MAX_TOPIC_BYTES // 512)]
    assert [subscribe(connections, topic) for topic in topics] == topics
    assert connections.refused == 0
    assert subscribe(connections, b"x") is None
    assert connections.refused == 1
    assert connections._bytes == 0


def test_a_connection_is_limited_to_the_documented_subscriptions(
    connections: Connections,
) -> None:
    topics = [b"%d" % number for number in range(MAX_TOPICS)]
    assert [subscribe(connections, topic) for topic in topics] == topics
    assert subscribe(connections, topics[0]) is None  # already known: neither counted nor rejected
    assert connections.refused == 0
    assert subscribe(connections, b"x") is None
    assert connections.refused == 1


def test_a_connection_is_slow_only_after_a_while(connections: Connections) -> None:
    peer = _Peer("1 ", NO_DESCRIPTOR, TokenBucket(1, 1, 0.0))
    connections._peers[peer.name] = peer
    assert connections.slow == 0
    peer.blocked_since = time.monotonic() - SLOW_S / 2
    assert connections.slow == 0
    peer.blocked_since = time.monotonic() - SLOW_S
    assert connections.slow == 1


def test_later_connections_have_higher_numbers() -> None:
    """The properties that identify messages of a descriptor's former owner."""
    with Publisher("tcp://127.0.0.1:*") as publisher:
        seen: list[int] = []
        for _ in range(3):
            with Subscriber(publisher.endpoint):
                until(lambda: len(publisher._connections._peers) == 1)
                (name,) = publisher._connections._peers
                seen.append(int(name.partition(" ")[0]))
            until(lambda: not publisher._connections._peers)
        assert seen == sorted(set(seen))
        assert seen[0] >= 1
