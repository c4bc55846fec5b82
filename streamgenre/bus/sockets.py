"""The socket that events are sent on, and its context: their limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zmq

from streamgenre.bus.connections import MAX_TOPIC
from streamgenre.bus.endpoints import KEEPALIVE

if TYPE_CHECKING:
    from streamgenre.bus.auth import OpenAuthenticator

SEND_QUEUE: Final = 1000
"""Events queued for a slow subscriber. It loses further ones; other subscribers do not."""
LINGER_MS: Final = 500
"""Longest time in ms that closing waits until the last events are sent."""
HANDSHAKE_MS: Final = 2000
"""Time in ms after which a connection that has not completed the handshake is dropped."""
_BACKLOG: Final = 512
_ZERO_COPY_RECEIVE: Final = 10
"""libzmq's ZMQ_ZERO_COPY_RECV: with it every short frame would keep a buffer of 8 KiB."""
RECEIVE_BUFFER: Final = 16 * 1024
"""Bytes that the system keeps of what a subscriber has sent."""


def new_context() -> zmq.Context[zmq.Socket[bytes]]:
    """Return the context of one bus: all sockets of a context share one authenticator."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 8192)  # sockets and pending handshakes
    context.set(_ZERO_COPY_RECEIVE, 0)
    return context


def publishing_socket(
    context: zmq.Context[zmq.Socket[bytes]], auth: OpenAuthenticator
) -> zmq.Socket[bytes]:
    """Return a socket that sends events and never waits for a subscriber, not yet bound.

    Parameters
    ----------
    context
        The context of the bus.
    auth
        Decides who may connect.
    """
    xpub = context.socket(zmq.XPUB)
    xpub.set(zmq.SNDHWM, SEND_QUEUE)
    xpub.set(zmq.LINGER, LINGER_MS)
    xpub.set(zmq.BACKLOG, _BACKLOG)
    xpub.set(zmq.MAXMSGSIZE, MAX_TOPIC)
    xpub.set(zmq.RCVBUF, RECEIVE_BUFFER)
    xpub.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
    for option, value in KEEPALIVE.items():
        xpub.set(option, value)
    # A subscription takes effect only after its sender was checked, and a send to a full queue
    # fails before an event is lost, so that losses can be counted.
    xpub.set(zmq.XPUB_MANUAL, 1)
    xpub.set(zmq.XPUB_NODROP, 1)
    auth.secure(xpub)
    return xpub
