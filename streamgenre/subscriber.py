"""Reading the events of a daemon, on this machine or another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import zmq

from streamgenre.errors import BusError, nearest
from streamgenre.events import TYPES, AnyEvent, from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

DEFAULT_CONNECT: Final = "tcp://127.0.0.1:5757"
_RECEIVE_QUEUE: Final = 10_000


class Subscriber:
    """Iterates over the events of a daemon as they come.

    Connecting succeeds whether or not the daemon is there: events come once it is, again after it
    was restarted.

    Parameters
    ----------
    connect
        ZeroMQ endpoint of the daemon.
    types
        Event types to receive (``update``, ``segment``, ``gap``, ``source``, ``status``); None for
        all.
    stations
        Names of the stations to receive; None for all.
    timeout
        Iteration ends where no event came for so many seconds; None waits for ever.

    Raises
    ------
    BusError
        If the endpoint or a type is not one.

    Examples
    --------
    >>> with Subscriber(types=["update"]) as events:  # doctest: +SKIP
    ...     for event in events:
    ...         print(event.station, event.genre, event.confidence)
    """

    def __init__(
        self,
        connect: str = DEFAULT_CONNECT,
        *,
        types: Iterable[str] | None = None,
        stations: Iterable[str] | None = None,
        timeout: float | None = None,
    ) -> None:
        self._types = None if types is None else frozenset(types)
        self._stations = None if stations is None else frozenset(stations)
        for kind in sorted(self._types or ()):
            if kind not in TYPES:
                raise BusError(
                    f"no event type {kind!r}: expected {', '.join(TYPES)}{nearest(kind, TYPES)}"
                )
        self.timeout = timeout
        self.missed = 0
        """Events that were sent but never arrived here, as the ``seq`` numbers show."""
        self._expected: dict[tuple[str, str], tuple[str, int]] = {}
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        self._socket.set(zmq.RCVHWM, _RECEIVE_QUEUE)
        self._socket.set(zmq.LINGER, 0)
        for topic in self._topics():
            self._socket.subscribe(topic)
        try:
            self._socket.connect(connect)
        except zmq.ZMQError as error:
            self.close()
            raise BusError(
                f"cannot connect to {connect!r}: expected tcp://HOST:PORT or ipc://PATH "
                f"({error.strerror})"
            ) from error

    def _topics(self) -> list[str]:
        types = sorted(self._types or TYPES)
        if self._stations is None:
            return [f"{kind}/" for kind in types]
        return [f"{kind}/{name}" for kind in types for name in sorted(self._stations)]

    def receive(self, timeout: float | None = None) -> AnyEvent | None:
        """Return the next event, or None where none came within ``timeout`` seconds."""
        message = self.receive_json(timeout)
        return None if message is None else self._note(from_json(message))

    def receive_json(self, timeout: float | None = None) -> bytes | None:
        """Return the next event's JSON as it was sent, or None after ``timeout`` seconds."""
        ends = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if ends is None else max(0.0, ends - time.monotonic())
            if not self._socket.poll(None if left is None else round(1000 * left)):
                return None
            parts = self._socket.recv_multipart()
            if len(parts) == 2 and self._wanted(parts[0].decode(errors="replace")):
                return parts[1]

    def _wanted(self, topic: str) -> bool:
        # ZeroMQ matches prefixes: update/rock brings update/rock-antenne along.
        kind, _, station = topic.partition("/")
        return (self._types is None or kind in self._types) and (
            self._stations is None or station in self._stations
        )

    def _note(self, event: AnyEvent) -> AnyEvent:
        key = (event.station, event.TYPE)
        session, expected = self._expected.get(key, (event.session, event.seq))
        if session == event.session:
            self.missed += max(0, event.seq - expected)
        self._expected[key] = (event.session, event.seq + 1)
        return event

    def __iter__(self) -> Iterator[AnyEvent]:
        while (event := self.receive(self.timeout)) is not None:
            yield event

    def close(self) -> None:
        """Close the connection."""
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
