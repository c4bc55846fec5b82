"""The event bus: one ZeroMQ PUB socket that never waits for a subscriber."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

import zmq

from streamgenre.errors import BusError

if TYPE_CHECKING:
    from types import TracebackType

    from streamgenre.events import AnyEvent

SEND_QUEUE: Final = 1000
"""Events kept for a slow subscriber; it loses further ones, the daemon loses nothing."""
LINGER_MS: Final = 500
"""How long closing waits for the last events to leave."""


class Publisher:
    """Sends events as ``[topic, json]``; to be used by one thread at a time.

    Parameters
    ----------
    endpoint
        ``tcp://127.0.0.1:PORT`` or another loopback address, or ``ipc://PATH``. A port of ``*`` or
        0 takes any free one; :attr:`endpoint` tells which.

    Raises
    ------
    BusError
        If the endpoint is malformed, in use, or would be open to other machines.
    """

    def __init__(self, endpoint: str) -> None:
        check_endpoint(endpoint)
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PUB)
        self._socket.set(zmq.SNDHWM, SEND_QUEUE)
        self._socket.set(zmq.LINGER, LINGER_MS)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self._socket.close(linger=0)
            raise BusError(_bind_failure(endpoint, error)) from error
        self.endpoint: str = self._socket.get(zmq.LAST_ENDPOINT).decode().rstrip("\0")

    def send(self, event: AnyEvent) -> None:
        """Send an event to whoever subscribed; never blocks."""
        self._socket.send_multipart([event.topic.encode(), event.to_json().encode()], zmq.NOBLOCK)

    def close(self) -> None:
        """Close the socket; events still under way get half a second."""
        self._socket.close()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def check_endpoint(endpoint: str) -> None:
    """Refuse an endpoint that is malformed or that other machines could reach.

    Raises
    ------
    BusError
        Saying what is expected.
    """
    if re.fullmatch(r"(ipc|inproc)://.+", endpoint):
        return
    match = re.fullmatch(r"tcp://(\[[^\]]+\]|[^:\[\]]+):(\*|\d{1,5})", endpoint)
    if match is None or (match[2] != "*" and int(match[2]) > 65_535):
        raise BusError(
            f"cannot publish on {endpoint!r}: expected tcp://127.0.0.1:PORT or ipc://PATH"
        )
    host = match[1].strip("[]")
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise BusError(
            f"refusing to publish on {endpoint}: anyone who reaches it could read along. Publish "
            "on tcp://127.0.0.1:PORT and, for other machines, tunnel it: "
            "`ssh -L 5757:127.0.0.1:5757 HOST`"
        )


def _bind_failure(endpoint: str, error: zmq.ZMQError) -> str:
    if error.errno == zmq.EADDRINUSE:
        return (
            f"cannot publish on {endpoint}: in use, perhaps by another streamgenre. Stop that one, "
            "or take another port with --publish tcp://127.0.0.1:5758 (or tcp://127.0.0.1:* for "
            "any free one)"
        )
    return f"cannot publish on {endpoint}: {error.strerror}"
