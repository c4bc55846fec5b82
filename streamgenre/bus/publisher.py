"""The event bus: one ZeroMQ XPUB socket that never waits for a subscriber.

A separate thread owns every socket: subscriptions, handshakes and requests are answered at once
while the engine sleeps or computes, at no cost to the engine.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import zmq

from streamgenre.bus.auth import OpenAuthenticator
from streamgenre.bus.connections import Connections
from streamgenre.bus.descriptors import release_memory
from streamgenre.bus.endpoints import IPC_MODE, bind, check_endpoint
from streamgenre.bus.inflow import Inflow
from streamgenre.bus.last_values import LastValues
from streamgenre.bus.mishaps import Mishaps
from streamgenre.bus.sockets import new_context, publishing_socket
from streamgenre.bus.stats import BusStats
from streamgenre.ending import has_ended
from streamgenre.errors import BusError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from streamgenre.bus.control import ControlSocket
    from streamgenre.bus.peers import Peers
    from streamgenre.events import AnyEvent

__all__ = ["Publisher", "check_endpoint"]

_END_S: Final = 4.0
"""Seconds that the thread has to end: its last events, then its own thread and the sockets."""
_HANDOVER: Final = 10_000
"""Most events on their way from the engine's thread to that of the bus."""
_CHECK_S: Final = 0.5
"""Seconds between two checks of keys and connections, and longest pause of the loop."""
_SHORT_S: Final = 0.02
"""The same pause while last events are to be repeated, or more clients wait to be admitted."""
ADMITTED: Final = 16
"""Most clients admitted in that time."""
ADMITTED_ALARMED: Final = 1
"""The same while many peers exceed a limit."""
_ROUND: Final = 1000
"""Most messages of one kind that are handled before the loop sends events again."""


class Publisher:
    """Sends events, and keeps the last one of each topic for late subscribers.

    Only one thread at a time may call :meth:`send`.

    Parameters
    ----------
    endpoint
        ``tcp://127.0.0.1:PORT`` or another loopback address, or ``ipc://PATH``; with ``auth`` also
        one that other machines can reach. A port of ``*`` takes any free one; :attr:`endpoint`
        has its number.
    auth
        Decides who may connect; None for everyone, unencrypted.
    ipc_mode
        File mode of an ``ipc://`` endpoint.
    control
        Socket for requests, served in the bus's thread with the same authenticator.
    on_demand
        Called in the bus's thread with the beginnings of the names of the stations whose spectrum
        clients have subscribed to, whenever these change; "" stands for all stations.

    Raises
    ------
    BusError
        If an endpoint is malformed, in use, or would be open to other machines.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        auth: OpenAuthenticator | None = None,
        ipc_mode: int = IPC_MODE,
        control: ControlSocket | None = None,
        on_demand: Callable[[frozenset[str]], None] = lambda names: None,
    ) -> None:
        check_endpoint(endpoint, keys=auth is not None)
        self._context = new_context()
        self._auth = auth or OpenAuthenticator()
        self._control = control
        self._on_demand = on_demand
        self._demanded: frozenset[str] = frozenset()
        self._queue: deque[tuple[bytes, ...] | str] = deque()  # a name: remove this station
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._failure: Exception | None = None
        self._closing = False
        self._dropped = 0
        self._released = 0  # dropped connections whose memory was given back
        self._admits_at = 0.0  # monotonic seconds
        self._queues_full = False
        self._last = LastValues(time.monotonic())
        self._mishaps = Mishaps()
        self.stats = BusStats()
        """Figures of the bus, at most a second old."""
        self._inflow = Inflow()
        try:
            self._zap = self._auth.bind(self._context)
            self._socket = publishing_socket(self._context, self._auth)
            self._connections = Connections(
                self._socket, self._inflow, named=lambda: self._auth.named
            )
            self.endpoint: str = bind(self._socket, endpoint, flag="--publish", mode=ipc_mode)
            if control is not None:
                control.open(self._context, self._auth, ipc_mode, self.wake, self._inflow)
        except BaseException:
            self._inflow.close()
            self._context.destroy(linger=0)
            os.close(self._wake)
            raise
        self._watched: list[Peers] = [self._connections]
        if control is not None:
            self._watched.append(control.connections)
        self._thread = threading.Thread(target=self._run, name="bus", daemon=True)
        self._thread.start()

    def send(self, event: AnyEvent) -> None:
        """Send an event to its subscribers; never blocks.

        Raises
        ------
        BusError
            If the bus has failed.
        """
        self.send_encoded(*event.parts())

    def send_encoded(self, *parts: bytes) -> None:
        """Send an event that is encoded already; never blocks.

        Parameters
        ----------
        *parts
            The parts of the message: topic, JSON object, and the binary part if any.

        Raises
        ------
        BusError
            If the bus has failed.
        """
        if self._failure is not None:
            raise BusError(f"the event bus failed: {self._failure}") from self._failure
        if len(self._queue) >= _HANDOVER:
            self._dropped += 1
            return
        self._queue.append(parts)
        self.wake()

    def remove_station(self, station: str) -> None:
        """Drop the events kept of a station, after those that were sent so far."""
        self._queue.append(station)
        self.wake()

    def wake(self) -> None:
        """Wake the bus's thread; any thread may call this."""
        if not self._closing:
            os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Close the sockets; pending events get half a second to be sent."""
        if self._closing:
            return
        self._closing = True
        os.eventfd_write(self._wake, 1)
        if has_ended(self._thread, _END_S):
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

    # ---- the bus's thread ------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop()
            self._send_queued()
        except Exception as error:  # noqa: BLE001 - raised again by send, in the engine's thread
            self._failure = error
        finally:
            self._inflow.close()
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
        poller.register(self._zap, zmq.POLLIN)
        if self._control is not None:
            poller.register(self._control.socket, zmq.POLLIN)
        for peers in self._watched:
            poller.register(peers.monitor, zmq.POLLIN)
        checked = time.monotonic()
        while not self._closing:
            full = time.monotonic() < self._admits_at
            poller.register(self._zap, 0 if full else zmq.POLLIN)
            pause = _SHORT_S if self._last.pending or full else _CHECK_S
            ready = dict(poller.poll(round(1000 * pause)))
            if self._wake in ready:
                os.eventfd_read(self._wake)
            # Connections first: what they send refers to them.
            self._read_monitors()
            behind = self._socket in ready and not self._take_subscriptions()
            self._report_demand()
            if self._zap in ready and not behind:
                self._authenticate()
            self._send_queued()
            if self._last.pending:
                self._send_retained()
            if self._control is not None:
                self._control.serve()
            if time.monotonic() - checked >= _CHECK_S:
                self._check()
                checked = time.monotonic()

    def _authenticate(self) -> None:
        self.reload(force=False)
        # Many attackers at once would send a lot before the first of them is dropped.
        most = ADMITTED_ALARMED if self._inflow.alarmed else ADMITTED
        with self._mishaps.confined("a handshake"):
            # Nobody is admitted before it is watched.
            if not self._auth.answer_handshakes(self._read_monitors, most):
                self._admits_at = time.monotonic() + _SHORT_S

    def _read_monitors(self) -> None:
        for peers in self._watched:
            with self._mishaps.confined("a connection's event"):
                peers.read_monitor()

    def _take_subscriptions(self) -> bool:
        """Take what subscribers have sent; return whether that was all."""
        for _ in range(_ROUND):
            try:
                frame = self._socket.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return True
            with self._mishaps.confined("a subscription"):
                topic = self._connections.handle_message(frame, self._auth.allows)
                if topic is not None:
                    self._last.request(topic)
        return False

    def _report_demand(self) -> None:
        names = self._connections.demand.names
        if names != self._demanded:
            self._demanded = names
            with self._mishaps.confined("a change of what is asked for"):
                self._on_demand(names)

    def _send_queued(self) -> None:
        while self._queue:
            item = self._queue.popleft()
            if isinstance(item, str):
                self._last.remove_station(item)
                continue
            self._send(*item)
            self._last.keep(*item[:2])

    def _send_retained(self) -> None:
        subscribers = self._connections.subscribers
        for topic, body in self._last.due(subscribers, time.monotonic()):
            self._send(topic, body)

    def _send(self, *parts: bytes) -> None:
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            # A subscriber's queue is full: it alone loses this event. NODROP is set again at once:
            # without it libzmq would drop silently, and further losses would not be counted.
            self._queues_full = True
            self._socket.set(zmq.XPUB_NODROP, 0)
            self._socket.send_multipart(parts, zmq.NOBLOCK)
            self._socket.set(zmq.XPUB_NODROP, 1)
        if self._queues_full:
            self._dropped += 1

    def reload(self, *, force: bool = True) -> dict[str, Any]:
        """Reread the allowed clients and drop the connections of those removed.

        Called in the bus's thread; returns the configuration of the keys.
        """
        if self._auth.reload(force=force):
            self._connections.drop_disallowed(self._auth.allows)
        return self._auth.describe()

    def _check(self) -> None:
        self.reload(force=False)
        if self._connections.check_flow():
            self._queues_full = False
        if self._control is not None:
            self._control.check()
        dropped = self._inflow.dropped
        if dropped != self._released:
            self._released = dropped
            release_memory()
        refused = dropped + sum(peers.refused for peers in self._watched)
        self.stats = BusStats(
            subscribers=self._connections.subscribers,
            subscribers_slow=self._connections.slow,
            events_dropped=self._dropped,
            connections_refused=refused,
        )
