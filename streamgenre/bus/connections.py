"""The subscriptions of the bus's connections, and their limits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import zmq

from streamgenre.bus.demand import Demand, filters
from streamgenre.bus.peers import SLOW_S, Peers, _Peer

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.bus.inflow import Inflow

__all__ = ["MAX_TOPIC", "MAX_TOPICS", "MAX_TOPIC_BYTES", "SLOW_S", "Connections", "_Peer"]

MAX_TOPIC: Final = 512
"""Longest message of a subscriber in bytes; a longer one ends its connection."""
MAX_TOPICS: Final = 1000
"""Most subscriptions of one connection."""
MAX_TOPIC_BYTES: Final = 32 * 1024
"""Most bytes of subscriptions of one connection."""
MAX_ALL_TOPIC_BYTES: Final = 1 << 20
"""Most bytes of subscriptions of all connections; libzmq uses up to 100 times that memory."""


class Connections(Peers):
    """Tracks and limits the connections of the bus's socket, in the socket's thread.

    Parameters
    ----------
    bus
        The socket, before it is bound.
    inflow
        Watches what the connections send; None for no limit.
    named
        Returns the number of connections that the authenticator has named so far.
    """

    def __init__(
        self,
        bus: zmq.Socket[bytes],
        inflow: Inflow | None = None,
        *,
        named: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(bus, inflow, named=named)
        self._bytes = 0
        self.demand = Demand()
        """What clients want to receive of the events that are sent only on request."""

    def handle_message(self, frame: zmq.Frame, allows: Callable[[str], bool]) -> bytes | None:
        """Apply a subscriber's message; return the topic it newly subscribed to, or None.

        Parameters
        ----------
        frame
            The message: one byte (1 subscribes, 0 unsubscribes) and the topic.
        allows
            Returns whether the connection of a name may receive data.
        """
        message = frame.bytes
        peer = self.sender(frame)
        kind, topic = message[:1], message[1:]
        if peer is None:
            # From libzmq itself, for a connection that has closed.
            if kind == b"\0":
                self._socket.set(zmq.UNSUBSCRIBE, topic)
            return None
        # Nothing that a subscriber sends has several parts.
        if frame.more or not allows(peer.name) or not peer.budget.take(1, time.monotonic()):
            self.drop(peer.handle)
            return None
        if kind == b"\1" and topic not in peer.topics:
            if (
                len(peer.topics) >= MAX_TOPICS
                or peer.bytes + len(topic) > MAX_TOPIC_BYTES
                or self._bytes + len(topic) > MAX_ALL_TOPIC_BYTES
            ):
                self.drop(peer.handle)
                return None
            peer.topics.add(topic)
            peer.bytes += len(topic)
            self._bytes += len(topic)
            for prefix in filters(topic):
                self._socket.set(zmq.SUBSCRIBE, prefix)
            self.demand.add(topic)
            return topic
        if kind == b"\0" and topic in peer.topics:
            peer.topics.remove(topic)
            peer.bytes -= len(topic)
            self._bytes -= len(topic)
            for prefix in filters(topic):
                if not _covered(prefix, peer.topics):
                    self._socket.set(zmq.UNSUBSCRIBE, prefix)
            self.demand.remove(topic)
        return None

    @property
    def subscribers(self) -> int:
        """Number of connections with a subscription."""
        return sum(1 for peer in self._peers.values() if peer.topics)

    def _release(self, peer: _Peer) -> None:
        super()._release(peer)
        self._bytes -= peer.bytes
        for topic in peer.topics:
            self.demand.remove(topic)


def _covered(prefix: bytes, topics: set[bytes]) -> bool:
    """Return whether a client still receives a prefix because of another topic."""
    shorter = (prefix[:length] for length in range(len(prefix)))
    return prefix in topics or any(each in topics and prefix in filters(each) for each in shorter)
