"""The event bus: one ZeroMQ XPUB socket that never waits for a subscriber.

A thread of its own owns every socket: a subscription, a handshake or a request is answered at once
while the engine sleeps or computes, and costs the engine nothing.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import zmq

from streamgenre.bus.auth import OpenAuthenticator
from streamgenre.bus.connections import MAX_TOPIC, Connections
from streamgenre.bus.endpoints import IPC_MODE, KEEPALIVE, bind, check_endpoint
from streamgenre.bus.last_values import LastValues
from streamgenre.errors import BusError
from streamgenre.events.stats import BusStats

if TYPE_CHECKING:
    from types import TracebackType

    from streamgenre.bus.control import ControlSocket
    from streamgenre.events import AnyEvent

__all__ = ["Publisher", "check_endpoint"]

SEND_QUEUE: Final = 1000
"""Events kept for a slow subscriber; it loses further ones, the daemon loses nothing."""
LINGER_MS: Final = 500
"""How long closing waits for the last events to leave."""
HANDSHAKE_MS: Final = 2000
"""A connection that is no ZeroMQ by then is dropped."""
_HANDOVER: Final = 10_000
"""Events on their way from the engine to the bus."""
_ROUND_S: Final = 0.5
"""Longest pause of the loop: keys and connections are looked at so often."""
_BACKLOG: Final = 512


class Publisher:
    """Sends events as ``[topic, json]`` and keeps the last one of each topic for late subscribers.

    :meth:`send` may be called by one thread at a time.

    Parameters
    ----------
    endpoint
        ``tcp://127.0.0.1:PORT`` or another loopback address, or ``ipc://PATH``; with a gate also
        one that other machines can reach. A port of ``*`` takes any free one; :attr:`endpoint`
        tells which.
    gate
        Who is let in; None for everyone, unencrypted.
    ipc_mode
        File mode of an ``ipc://`` endpoint.
    control
        Socket for requests, served in the bus's thread and behind the same gate.

    Raises
    ------
    BusError
        If an endpoint is malformed, in use, or would be open to other machines.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        gate: OpenAuthenticator | None = None,
        ipc_mode: int = IPC_MODE,
        control: ControlSocket | None = None,
    ) -> None:
        check_endpoint(endpoint, keys=gate is not None)
        # A context of its own: an authenticator is one for all sockets of a context.
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, 8192)  # sockets and pending handshakes
        self._gate = gate or OpenAuthenticator()
        self._control = control
        self._queue: deque[tuple[bytes, bytes] | str] = deque()  # a name: to be forgotten
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._failure: Exception | None = None
        self._closing = False
        self._dropped = 0
        self._lossy = False
        self._last = LastValues(time.monotonic())
        self.traffic = BusStats()
        """How the bus was doing at most a second ago."""
        try:
            self._zap = self._gate.open(self._context)
            self._socket = self._make_socket()
            self._connections = Connections(self._socket)
            self.endpoint: str = bind(self._socket, endpoint, flag="--publish", mode=ipc_mode)
            self._connections.bound(self.endpoint)
            if control is not None:
                control.open(self._context, self._gate, ipc_mode, self.wake)
        except BaseException:
            self._context.destroy(linger=0)
            os.close(self._wake)
            raise
        self._thread = threading.Thread(target=self._run, name="bus", daemon=True)
        self._thread.start()

    def _make_socket(self) -> zmq.Socket[bytes]:
        xpub = self._context.socket(zmq.XPUB)
        xpub.set(zmq.SNDHWM, SEND_QUEUE)
        xpub.set(zmq.LINGER, LINGER_MS)
        xpub.set(zmq.BACKLOG, _BACKLOG)
        xpub.set(zmq.MAXMSGSIZE, MAX_TOPIC)
        xpub.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        for option, value in KEEPALIVE.items():
            xpub.set(option, value)
        # No subscription counts before we have looked at who asks; and a send to a full queue
        # is told to us before anything is lost.
        xpub.set(zmq.XPUB_MANUAL, 1)
        xpub.set(zmq.XPUB_NODROP, 1)
        self._gate.guard(xpub)
        return xpub

    def send(self, event: AnyEvent) -> None:
        """Send an event to whoever subscribed; never blocks.

        Raises
        ------
        BusError
            If the bus has broken down.
        """
        if self._failure is not None:
            raise BusError(f"the event bus broke down: {self._failure}") from self._failure
        message = (event.topic.encode(), event.to_json().encode())
        if len(self._queue) >= _HANDOVER:
            self._dropped += 1
            return
        self._queue.append(message)
        self.wake()

    def forget(self, station: str) -> None:
        """Keep nothing of a station for late subscribers any more, behind what was sent so far."""
        self._queue.append(station)
        self.wake()

    def wake(self) -> None:
        """Make the bus look for something to do; may be called by any thread."""
        if not self._closing:
            os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Close the sockets; events still under way get half a second."""
        if self._closing:
            return
        self._closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- in the bus's thread --------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop()
            self._send_queued()
        except Exception as error:  # noqa: BLE001 - raised again by send, in the engine's thread
            self._failure = error
        finally:
            self._connections.close()
            if self._control is not None:
                self._control.close()
            self._socket.close()
            self._zap.close(linger=0)
            self._context.term()

    def _loop(self) -> None:
        poller = zmq.Poller()
        poller.register(self._wake, zmq.POLLIN)
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._connections.monitor, zmq.POLLIN)
        poller.register(self._zap, zmq.POLLIN)
        if self._control is not None:
            poller.register(self._control.socket, zmq.POLLIN)
        looked = time.monotonic()
        while not self._closing:
            pause = 0.02 if self._last.asked else _ROUND_S
            ready = dict(poller.poll(round(1000 * pause)))
            if self._wake in ready:
                os.eventfd_read(self._wake)
            if self._zap in ready:
                self._authenticate()
            # First the connections, then what they subscribe to.
            if self._connections.monitor in ready or self._socket in ready:
                self._connections.watch()
            if self._socket in ready:
                self._take_subscriptions()
            self._send_queued()
            if self._last.asked:
                self._send_retained()
            if self._control is not None:
                self._control.serve()
            if time.monotonic() - looked >= _ROUND_S:
                self._look_around()
                looked = time.monotonic()

    def _authenticate(self) -> None:
        self.reload(force=False)
        self._gate.answer()

    def _take_subscriptions(self) -> None:
        while True:
            try:
                frame = self._socket.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            topic = self._connections.take(frame, self._gate.allows)
            if topic is not None:
                self._last.ask(topic)

    def _send_queued(self) -> None:
        while self._queue:
            item = self._queue.popleft()
            if isinstance(item, str):
                self._last.forget(item)
                continue
            topic, body = item
            self._send(topic, body)
            self._last.keep(topic, body)

    def _send_retained(self) -> None:
        subscribers = self._connections.subscribers
        for topic, body in self._last.due(subscribers, time.monotonic()):
            self._send(topic, body)

    def _send(self, topic: bytes, body: bytes) -> None:
        try:
            self._socket.send_multipart([topic, body], zmq.NOBLOCK)
        except zmq.Again:
            # Someone's queue is full: it loses this one, the others do not.
            self._lossy = True
            self._socket.set(zmq.XPUB_NODROP, 0)
            self._socket.send_multipart([topic, body], zmq.NOBLOCK)
            self._socket.set(zmq.XPUB_NODROP, 1)
        if self._lossy:
            self._dropped += 1

    def reload(self, *, force: bool = True) -> dict[str, Any]:
        """Read the allowed clients again and drop who is none any more; in the bus's thread."""
        if self._gate.reload(force=force):
            self._connections.drop_all_but(self._gate.allows)
        return self._gate.describe()

    def _look_around(self) -> None:
        self.reload(force=False)
        if self._connections.check_flow():
            self._lossy = False
        self.traffic = BusStats(
            subscribers=self._connections.subscribers,
            subscribers_slow=self._connections.slow,
            events_dropped=self._dropped,
            connections_refused=self._connections.refused,
        )
