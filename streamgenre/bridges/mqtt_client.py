"""A paho client for one connection."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

if TYPE_CHECKING:
    from streamgenre.bridges.broker import Broker

MAX_PACKET: Final = 1 << 20
"""Longest packet in bytes that is received; what we receive is short."""


class _Client(paho.Client):
    """A client that does not hold a packet in memory because its header names a huge length."""

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > MAX_PACKET:
            raise ConnectionAbortedError(f"a packet of {bufsize} bytes")
        return super()._sock_recv(bufsize)


def new_client(broker: Broker, will: str) -> paho.Client:
    """Return a client that is not connected yet.

    Parameters
    ----------
    broker
        The broker.
    will
        Topic on which the broker publishes ``offline`` once the connection breaks.
    """
    client = _Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"streamgenre-{uuid.uuid4().hex[:10]}",
        clean_session=True,
    )
    if broker.user is not None:
        client.username_pw_set(broker.user, broker.password)
    if broker.tls is not None:
        client.tls_set_context(broker.tls)
    client.will_set(will, "offline", qos=1, retain=True)
    return client
