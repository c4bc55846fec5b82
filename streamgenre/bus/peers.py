"""The connections of a bound socket: who they are, and how one is ended.

libzmq hides the connections of a socket. Three tasks need them: to drop a client whose key was
revoked (keys are checked at the handshake only), to limit what one client may cost, and to detect
one that does not read. libzmq's monitor reports the file descriptors of the connections, and each
message carries the descriptor of the connection that sent it.
"""

from __future__ import annotations

import select
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import zmq

from streamgenre.bus.descriptors import cookie, end_connection
from streamgenre.bus.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.bus.inflow import Inflow

MAX_CONNECTIONS: Final = 4096
"""Most connections at the same time; fewer where the process may not open that many files."""
_RESERVED: Final = 384
"""Open files that are left for everything else."""
SLOW_S: Final = 1.0
"""Seconds without taking data after which a connection counts as slow."""
_MESSAGES: Final = 4000
_MESSAGES_PER_S: Final = 100
_ROUND: Final = 10_000
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


class Peers:
    """Tracks the connections of one bound socket, in the socket's thread.

    Parameters
    ----------
    bound
        The socket, before it is bound.
    inflow
        Watches what the connections send; None for no limit.
    most
        Most connections at the same time; fewer where the process may not open that many files.
    named
        Returns the number of connections that the authenticator has named so far.
    """

    def __init__(
        self,
        bound: zmq.Socket[bytes],
        inflow: Inflow | None = None,
        most: int = MAX_CONNECTIONS,
        *,
        named: Callable[[], int] = lambda: 0,
    ) -> None:
        self._socket = bound
        self._named = named
        self.monitor: zmq.Socket[bytes] = bound.get_monitor_socket(_EVENTS)
        self._inflow = inflow
        self._cookies: dict[int, int] = {}
        self._open: dict[int, _Peer | None] = {}  # None until its name is known
        self._named_before: dict[int, int] = {}
        self._peers: dict[str, _Peer] = {}
        self._limit = max(16, min(most, _open_files() - _RESERVED))
        self.refused = 0
        """Connections that failed, or were dropped for exceeding a limit."""

    def read_monitor(self) -> None:
        """Process pending events of the monitor, a limited number at once; never waits."""
        for _ in range(_ROUND):
            if not int(self.monitor.get(zmq.EVENTS)) & zmq.POLLIN:  # cheaper than an exception
                return
            frames = self.monitor.recv_multipart(zmq.NOBLOCK)
            # As zmq.utils.monitor does, which would load asyncio.
            kind, handle = struct.unpack("=Hi", frames[0])
            if kind == zmq.EVENT_ACCEPTED:
                self._forget(handle)
                self._accept(handle)
            elif kind == zmq.EVENT_DISCONNECTED:
                self._forget(handle)
            else:
                self.refused += 1

    def _accept(self, handle: int) -> None:
        self._open[handle] = None
        self._named_before[handle] = self._named()
        identity = cookie(handle)
        if identity is None:
            return  # closed meanwhile
        self._cookies[handle] = identity
        if self._inflow is not None:
            self._inflow.add(handle, identity)
        if len(self._open) > self._limit:
            # Rather one that has sent nothing yet than one that is in use.
            self.drop(next(each for each, peer in self._open.items() if peer is None))

    def sender(self, frame: zmq.Frame) -> _Peer | None:
        """Return the sender of a complete message; None if its connection is closed or closing.

        Parameters
        ----------
        frame
            A frame of the message, other than a routing identifier.
        """
        name, text = _property(frame, "User-Id"), _property(frame, "__fd")
        if name is None or text is None:
            return None
        peer = self._peers.get(name) or self._new_peer(name, int(text))
        if peer is not None and self._inflow is not None:
            self._inflow.note_message(peer.handle, len(frame.bytes))
        return peer

    def _new_peer(self, name: str, handle: int) -> _Peer | None:
        if handle not in self._open:
            return None
        # libzmq reports a connection before its handshake, so it is named after it was accepted.
        if _number(name) <= self._named_before.get(handle, 0):
            return None  # the descriptor was reused: its former owner sent this
        peer = _Peer(name, handle, TokenBucket(_MESSAGES, _MESSAGES_PER_S, time.monotonic()))
        self._open[handle] = self._peers[name] = peer
        return peer

    def drop_disallowed(self, allows: Callable[[str], bool]) -> None:
        """Drop every connection that is not known to be allowed.

        An allowed one whose name is not known yet is dropped too, and reconnects at once.
        """
        for handle, peer in list(self._open.items()):
            if peer is None or not allows(peer.name):
                self.drop(handle)

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

    def drop_blocked(self, seconds: float) -> None:
        """Drop the connections that have taken nothing of what was sent to them for a while.

        Parameters
        ----------
        seconds
            How long, at the last :meth:`check_flow`.
        """
        limit = time.monotonic() - seconds
        for peer in list(self._peers.values()):
            if peer.blocked_since is not None and peer.blocked_since <= limit:
                self.drop(peer.handle)

    def close(self) -> None:
        """Close the monitor; call before the socket is closed."""
        self._socket.disable_monitor()
        self.monitor.close(linger=0)

    def _forget(self, handle: int) -> None:
        identity = self._cookies.pop(handle, None)
        # The descriptor may be a connection of another socket by now.
        if self._inflow is not None and identity is not None:
            self._inflow.remove(handle, identity)
        self._named_before.pop(handle, None)
        peer = self._open.pop(handle, None)
        if peer is not None:
            self._release(peer)

    def _release(self, peer: _Peer) -> None:
        self._peers.pop(peer.name, None)

    def drop(self, handle: int) -> None:
        """End a connection and ignore its further messages.

        libzmq owns the descriptor, so the connection is ended and not closed.

        Parameters
        ----------
        handle
            Its file descriptor.
        """
        self.refused += 1
        identity = self._cookies.get(handle)
        self._forget(handle)
        if identity is not None:
            end_connection(handle, identity)


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
