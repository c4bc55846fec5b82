"""The connections of the bus's socket: their subscriptions, their limits, and which are slow.

libzmq hides the connections of a socket. Three tasks need them: to drop a client whose key was
revoked (keys are checked at the handshake only), to limit what one client may cost, and to detect
one that does not read. libzmq's monitor reports the file descriptors of the connections, and each
subscription carries the descriptor of the connection that sent it.
"""

from __future__ import annotations

import os
import select
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import zmq
from zmq.utils.monitor import parse_monitor_message

from streamgenre.bus.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CONNECTIONS: Final = 4096
"""Most connections at the same time; fewer where the process may not open that many files."""
MAX_TOPIC: Final = 512
"""Longest message of a subscriber in bytes; a longer one ends its connection."""
MAX_TOPICS: Final = 1000
"""Most subscriptions of one connection."""
MAX_TOPIC_BYTES: Final = 32 * 1024
"""Most bytes of subscriptions of one connection."""
MAX_ALL_TOPIC_BYTES: Final = 1 << 20
"""Most bytes of subscriptions of all connections; libzmq uses up to 100 times that memory."""
SLOW_S: Final = 1.0
"""Seconds without taking data after which a connection counts as slow."""
_MESSAGES: Final = 4 * MAX_TOPICS
_MESSAGES_PER_S: Final = 100
_REFUSED: Final = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
_EVENTS: Final = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | _REFUSED


@dataclass(slots=True)
class _Peer:
    """One connection."""

    name: str
    """Name that the authenticator gave it."""
    handle: int
    """Its file descriptor, while it is open."""
    budget: TokenBucket
    """Limits the messages that it sends."""
    topics: set[bytes] = field(default_factory=set)
    bytes: int = 0
    """Length of all topics."""
    blocked_since: float | None = None
    """Monotonic seconds since which it has taken no data; None while it takes data."""


class Connections:
    """Tracks and limits the connections of one bound socket, in the socket's thread.

    Parameters
    ----------
    bus
        The socket, before it is bound.
    """

    def __init__(self, bus: zmq.Socket[bytes]) -> None:
        self._bus = bus
        self.monitor: zmq.Socket[bytes] = bus.get_monitor_socket(_EVENTS)
        self._open: dict[int, _Peer | None] = {}  # None until its name is known
        self._peers: dict[str, _Peer] = {}
        self._bytes = 0
        self._limit = max(16, min(MAX_CONNECTIONS, _open_files() - 128))
        self._address: object = None
        self.refused = 0
        """Connections that failed, or were dropped for exceeding a limit."""

    def set_endpoint(self, endpoint: str) -> None:
        """Note where the socket is bound."""
        tcp = endpoint.startswith("tcp://")
        self._address = int(endpoint.rpartition(":")[2]) if tcp else endpoint.removeprefix("ipc://")

    def read_monitor(self) -> None:
        """Process the monitor's pending events; never waits."""
        while True:
            try:
                frames = self.monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            event = parse_monitor_message(frames)
            kind, handle = event["event"], event["value"]
            if kind == zmq.EVENT_ACCEPTED:
                self._forget(handle)
                if len(self._open) >= self._limit:
                    self._drop(handle)
                else:
                    self._open[handle] = None
            elif kind == zmq.EVENT_DISCONNECTED:
                self._forget(handle)
            else:
                self.refused += 1

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
        peer = self._sender(frame)
        kind, topic = message[:1], message[1:]
        if peer is None:
            # From libzmq itself, for a connection that has closed.
            if kind == b"\0":
                self._bus.set(zmq.UNSUBSCRIBE, topic)
            return None
        if not allows(peer.name) or not peer.budget.take(1, time.monotonic()):
            self._drop(peer.handle)
            return None
        if kind == b"\1" and topic not in peer.topics:
            if (
                len(peer.topics) >= MAX_TOPICS
                or peer.bytes + len(topic) > MAX_TOPIC_BYTES
                or self._bytes + len(topic) > MAX_ALL_TOPIC_BYTES
            ):
                self._drop(peer.handle)
                return None
            peer.topics.add(topic)
            peer.bytes += len(topic)
            self._bytes += len(topic)
            self._bus.set(zmq.SUBSCRIBE, topic)
            return topic
        if kind == b"\0" and topic in peer.topics:
            peer.topics.remove(topic)
            peer.bytes -= len(topic)
            self._bytes -= len(topic)
            self._bus.set(zmq.UNSUBSCRIBE, topic)
        return None

    def _sender(self, frame: zmq.Frame) -> _Peer | None:
        """Return the sender of a message; None where that connection is closed or closing."""
        name, text = _property(frame, "User-Id"), _property(frame, "__fd")
        if name is None or text is None:
            return None
        if name in self._peers:
            return self._peers[name]
        handle = int(text)
        if handle not in self._open:
            return None
        known = self._open[handle]
        if known is not None and _number(known.name) > _number(name):
            return None  # the descriptor was reused: its former owner sent this
        if known is not None:
            self._release(known)
        peer = _Peer(name, handle, TokenBucket(_MESSAGES, _MESSAGES_PER_S, time.monotonic()))
        self._open[handle] = self._peers[name] = peer
        return peer

    def drop_disallowed(self, allows: Callable[[str], bool]) -> None:
        """Drop every connection that is not known to be allowed.

        An allowed one whose name is not known yet is dropped too, and reconnects at once.
        """
        for handle, peer in list(self._open.items()):
            if peer is None or not allows(peer.name):
                self._drop(handle)

    @property
    def subscribers(self) -> int:
        """Number of connections with a subscription."""
        return sum(1 for peer in self._peers.values() if peer.topics)

    @property
    def slow(self) -> int:
        """Number of connections that were slow at the last :meth:`check_flow`."""
        limit = time.monotonic() - SLOW_S
        return sum(
            1
            for peer in self._peers.values()
            if peer.blocked_since is not None and peer.blocked_since <= limit
        )

    def check_flow(self) -> bool:
        """Check which connections can take more data; return whether all can."""
        poll = select.poll()
        for peer in self._peers.values():
            poll.register(peer.handle, select.POLLOUT)
        ready = {handle for handle, _ in poll.poll(0)}
        now = time.monotonic()
        all_ready = True
        for peer in self._peers.values():
            if peer.handle in ready:
                peer.blocked_since = None
            else:
                all_ready = False
                if peer.blocked_since is None:
                    peer.blocked_since = now
        return all_ready

    def close(self) -> None:
        """Close the monitor; call before the socket is closed."""
        self._bus.disable_monitor()
        self.monitor.close(linger=0)

    def _forget(self, handle: int) -> None:
        peer = self._open.pop(handle, None)
        if peer is not None:
            self._release(peer)

    def _release(self, peer: _Peer) -> None:
        self._peers.pop(peer.name, None)
        self._bytes -= peer.bytes

    def _drop(self, handle: int) -> None:
        """End a connection and ignore its further messages.

        libzmq owns the descriptor, so the connection is shut down and not closed.
        """
        self.refused += 1
        self._forget(handle)
        try:
            ours = socket.socket(fileno=os.dup(handle))
        except OSError:
            return  # already closed
        with ours:
            try:
                name = ours.getsockname()
                # The connection may have closed and its descriptor been reused for something else.
                if (name[1] if isinstance(name, tuple) else name) == self._address:
                    ours.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


def _number(name: str) -> int:
    """Return the serial number of a connection from its name."""
    return int(name.partition(" ")[0])


def _property(frame: zmq.Frame, name: str) -> str | None:
    try:
        value = frame.get(name)
    except zmq.ZMQError:  # none: libzmq's own message, or a closed connection
        return None
    return str(value) if value else None


def _open_files() -> int:
    """Raise the limit of open files as far as needed and allowed; return it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + 512
    target = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < target:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        return target
    return wanted if soft == resource.RLIM_INFINITY else soft
