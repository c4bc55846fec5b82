"""The subscriber: receives the events of daemons on this machine or others."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import TYPE_CHECKING, Final

import zmq

from streamgenre.bus.endpoints import connect as connect_socket
from streamgenre.client.encryption import own_pair, public_keys, use_keys
from streamgenre.client.link import Link, Links
from streamgenre.client.sequence import Hole, SequenceTracker
from streamgenre.defaults import ENDPOINT
from streamgenre.errors import BusError, nearest
from streamgenre.events import ON_REQUEST_TYPES, TYPES, AnyEvent, from_json, inlined
from streamgenre.events.json_text import encodable, quoted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from streamgenre.bus.keys import KeyPair

_ALL_TYPES: Final = (*TYPES, *ON_REQUEST_TYPES)
_RECEIVE_QUEUE: Final = 10_000
_MAX_MESSAGE: Final = 4 << 20
_MAX_HOLES: Final = 1000
_ROUND: Final = 1000
"""Most messages that are skipped before the time is looked at."""
_MAX_KINDS: Final = 20
"""Most kinds of malformed messages that are reported."""
_ROUND_S: Final = 0.5
"""Longest wait in seconds between two checks whether the daemon is still there."""


class Subscriber:
    """Iterates over the events of daemons as they arrive, with ``for`` or ``async for``.

    Connecting succeeds whether or not the daemon is running: events arrive once it is, and again
    after a restart. The last event of each type and station that was sent before arrives first,
    marked ``retained``. Only one thread may use a subscriber.

    Parameters
    ----------
    connect
        ZeroMQ endpoint of the daemon, or several of them. Stations of several daemons should have
        different names.
    types
        Event types to receive (``update``, ``segment``, ``gap``, ``source``, ``title``,
        ``dead_air``, ``status``); None for all of these. ``spectrum`` must be asked for by name:
        the daemon makes it only while somebody subscribes to it.
    stations
        Names of the stations to receive; None for all.
    timeout
        Seconds without an event after which iteration ends; None waits forever.
    server_key
        Public key of the daemon (``streamgenre keys show`` prints it there), or one for each
        endpoint; None for no encryption.
    keys
        Own key pair, or the folder that holds it; by default that of ``streamgenre keys``. Only
        used with ``server_key``.
    on_hole
        Called with each :class:`~streamgenre.client.sequence.Hole`, before the event after it is
        returned.
    on_link
        Called with each change of the :class:`~streamgenre.client.link.Link`, while this object
        waits.
    on_malformed
        Called with a sentence on the first malformed message of each kind; malformed messages are
        then skipped. None to raise :class:`~streamgenre.BusError` for each, after which receiving
        can go on.

    Raises
    ------
    BusError
        If an endpoint is malformed or a type unknown.
    KeysError
        If a key is malformed, or the own key pair is missing or open to other users.

    Examples
    --------
    >>> with Subscriber(types=["update"]) as events:  # doctest: +SKIP
    ...     for event in events:
    ...         print(event.station, event.genre, event.confidence)
    """

    def __init__(
        self,
        connect: str | Sequence[str] = ENDPOINT,
        *,
        types: Iterable[str] | None = None,
        stations: Iterable[str] | None = None,
        timeout: float | None = None,
        server_key: str | Sequence[str] | None = None,
        keys: KeyPair | Path | None = None,
        on_hole: Callable[[Hole], None] | None = None,
        on_link: Callable[[Link], None] | None = None,
        on_malformed: Callable[[str], None] | None = None,
    ) -> None:
        endpoints = [connect] if isinstance(connect, str) else list(connect)
        self._types = None if types is None else _checked(types)
        self._stations = None if stations is None else frozenset(map(encodable, stations))
        server_keys = public_keys(server_key, len(endpoints))
        pair = own_pair(keys) if server_keys else None
        self.timeout = timeout
        self.missed = 0
        """Events that were sent but not received, according to their ``seq``."""
        self.malformed = 0
        """Number of messages that are not events as docs/events.md defines them."""
        self._malformed_kinds: set[str] = set()
        self._on_malformed = on_malformed
        self.holes: deque[Hole] = deque(maxlen=_MAX_HOLES)
        """The newest holes, up to 1000."""
        self._drained = True
        self._on_hole = on_hole
        self._sequence = SequenceTracker()
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        self._socket.set(zmq.RCVHWM, _RECEIVE_QUEUE)
        self._socket.set(zmq.MAXMSGSIZE, _MAX_MESSAGE)
        self._socket.set(zmq.LINGER, 0)
        self._links = Links(self._socket, encrypted=pair is not None, on_change=on_link)
        self._links.configure()
        for topic in self._topics():
            self._socket.subscribe(topic)
        try:
            for number, endpoint in enumerate(endpoints):
                if pair is not None:
                    use_keys(self._socket, pair, server_keys[number % len(server_keys)])
                connect_socket(self._socket, endpoint)
        except BusError:
            self.close()
            raise
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._links.monitor, zmq.POLLIN)

    def _topics(self) -> list[str]:
        # Status is always subscribed to: its absence shows that a daemon hangs.
        types = sorted({*(self._types or TYPES), "status"})
        if self._stations is None:
            return [f"{kind}/" for kind in types]
        return [f"{kind}/{name}" for kind in types for name in sorted(self._stations)]

    @property
    def link(self) -> Link:
        """State of the connection, as of the last time this object waited."""
        return self._links.state

    @property
    def connections(self) -> int:
        """Number of connections made so far; after each, the last events are received again."""
        return self._links.made

    def receive(self, timeout: float | None = None) -> AnyEvent | None:
        """Return the next event, or None if none arrives within ``timeout`` seconds.

        Raises
        ------
        BusError
            If a message is not a valid event of a known version, unless ``on_malformed`` is given.
        """
        found = self._wait(timeout)
        return None if found is None else found[1]

    def receive_json(self, timeout: float | None = None) -> bytes | None:
        """Return the JSON of the next event as it was sent; otherwise like :meth:`receive`.

        The binary part of a ``spectrum`` is in ``levels``, as base64.
        """
        found = self._wait(timeout)
        return None if found is None else found[0]

    def receive_both(self, timeout: float | None = None) -> tuple[bytes, AnyEvent] | None:
        """Return the next event as it was sent, and parsed; otherwise like :meth:`receive`."""
        return self._wait(timeout)

    async def receive_async(self, timeout: float | None = None) -> AnyEvent | None:
        """Like :meth:`receive`, without blocking the running asyncio loop."""
        ends = _end(timeout)
        while True:
            found = self._take()
            if found is not None:
                return found[1]
            left = _left(ends)
            if left == 0:
                return None
            await self._pause(left)

    def _wait(self, timeout: float | None) -> tuple[bytes, AnyEvent] | None:
        ends = _end(timeout)
        while True:
            found = self._take()
            if found is not None:
                return found
            left = _left(ends)
            if left == 0:
                return None
            self._poller.poll(math.ceil(1000 * left))

    async def _pause(self, seconds: float) -> None:
        """Wait until a message may have arrived."""
        if not self._drained:
            await asyncio.sleep(0)
            return
        # ZeroMQ's descriptors signal changes only; all pending messages have been read before.
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        handles = [int(s.get(zmq.FD)) for s in (self._socket, self._links.monitor)]
        for handle in handles:
            loop.add_reader(handle, woken.set)
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            return
        finally:
            for handle in handles:
                loop.remove_reader(handle)

    def _take(self) -> tuple[bytes, AnyEvent] | None:
        """Return the next new event of the chosen types and stations; None if there is none now.

        After many messages of another kind it returns None too: the caller has a time limit.
        """
        self._drained = False
        for _ in range(_ROUND):
            self._links.read_monitor(time.monotonic())
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                self._drained = True
                return None
            now = time.monotonic()
            self._links.note_event(now)
            topic = parts[0].decode(errors="replace")
            if len(parts) not in (2, 3) or not self._wanted(topic):
                continue
            binary = parts[2] if len(parts) == 3 else None
            try:
                event = from_json(parts[1], binary)
                if event.topic != topic:
                    raise BusError(f"an event of {quoted(event.topic)} as {quoted(topic)}")
            except BusError as error:
                self._skip(error)
                continue
            new, hole = self._sequence.update(event, now, self._links.losses)
            if hole is not None:
                self.missed += hole.count
                self.holes.append(hole)
                if self._on_hole is not None:
                    self._on_hole(hole)
            if new:
                return parts[1] if binary is None else inlined(parts[1], binary), event
        return None

    def _skip(self, error: BusError) -> None:
        """Count a malformed message, and report the first one of its kind.

        Raises
        ------
        BusError
            If nobody takes the report.
        """
        self.malformed += 1
        if self._on_malformed is None:
            raise error
        kind = " ".join(f"{error}".split()[:3])  # such as "update event: time"
        if kind in self._malformed_kinds or len(self._malformed_kinds) >= _MAX_KINDS:
            return
        self._malformed_kinds.add(kind)
        self._on_malformed(f"skipping malformed messages: {error}")

    def _wanted(self, topic: str) -> bool:
        # ZeroMQ matches prefixes: update/rock also matches update/rock-antenne.
        kind, _, station = topic.partition("/")
        return (self._types is None or kind in self._types) and (
            self._stations is None or station in self._stations
        )

    def __iter__(self) -> Iterator[AnyEvent]:
        while (event := self.receive(self.timeout)) is not None:
            yield event

    async def __aiter__(self) -> AsyncIterator[AnyEvent]:
        while (event := await self.receive_async(self.timeout)) is not None:
            yield event

    def close(self) -> None:
        """Close the connection."""
        if not self._socket.closed:
            self._links.close()
            self._socket.close(linger=0)

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Subscriber:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _checked(types: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(types)
    for kind in sorted(wanted):
        if kind not in _ALL_TYPES:
            raise BusError(
                f"unknown event type {kind!r}: expected {', '.join(_ALL_TYPES)}"
                f"{nearest(kind, _ALL_TYPES)}"
            )
    return wanted


def _end(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _left(ends: float | None) -> float:
    """Return the seconds to wait now; 0 if the time is up."""
    return _ROUND_S if ends is None else min(_ROUND_S, max(0.0, ends - time.monotonic()))
