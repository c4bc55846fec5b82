"""The last event of every station and type, for late subscribers.

ZeroMQ cannot send to a single subscriber of a topic, so a last value is repeated to all of them,
marked ``retained``; those that have it drop it by its session and number. A client that subscribes
again and again would make every subscriber pay, so repetitions have a budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamgenre.bus.token_bucket import TokenBucket
from streamgenre.events import RETAINED_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

PAUSE_S: Final = 0.25
"""Shortest time in seconds between two repetitions of one topic."""
COPIES: Final = 20_000
"""Most copies (events times subscribers) that are repeated in one burst."""
COPIES_PER_S: Final = 2_000
"""Most copies a second that are repeated in the long run."""
MAX_TOPICS: Final = 10_000
"""Most topics that are kept; the one without an event for longest is dropped first."""

_RETAINED: Final = tuple(f"{name}/".encode() for name in RETAINED_TYPES)


class LastValues:
    """Keeps the last event of every topic, and which of them have to be repeated.

    Parameters
    ----------
    now
        Monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self._bodies: dict[bytes, bytes] = {}
        self._requested: dict[bytes, None] = {}  # in the order of the requests
        self._sent: dict[bytes, float] = {}  # monotonic seconds of the last repetition
        self._budget = TokenBucket(COPIES, COPIES_PER_S, now)

    def keep(self, topic: bytes, body: bytes) -> None:
        """Keep an event that was just sent; it also answers the open requests for its topic.

        Parameters
        ----------
        topic
            Topic of the event.
        body
            Its JSON object.
        """
        if not topic.startswith(_RETAINED):
            return
        self._bodies.pop(topic, None)
        self._bodies[topic] = body
        self._requested.pop(topic, None)
        if len(self._bodies) > MAX_TOPICS:
            oldest = next(iter(self._bodies))
            del self._bodies[oldest]
            self._requested.pop(oldest, None)
            self._sent.pop(oldest, None)

    def remove_station(self, station: str) -> None:
        """Drop the events of a station that no longer exists."""
        for kind in RETAINED_TYPES:
            topic = f"{kind}/{station}".encode()
            self._bodies.pop(topic, None)
            self._requested.pop(topic, None)
            self._sent.pop(topic, None)

    def request(self, prefix: bytes) -> None:
        """Note that a client has subscribed to all topics that begin with ``prefix``."""
        for topic in self._bodies:
            if topic.startswith(prefix):
                self._requested[topic] = None

    @property
    def pending(self) -> bool:
        """Whether events have to be repeated."""
        return bool(self._requested)

    def due(self, subscribers: int, now: float) -> Iterator[tuple[bytes, bytes]]:
        """Yield topics and events, marked as retained, that have to be repeated now.

        Parameters
        ----------
        subscribers
            Number of subscribers that may receive each event.
        now
            Monotonic seconds.
        """
        for topic in list(self._requested):
            if now - self._sent.get(topic, -PAUSE_S) < PAUSE_S:
                continue
            if not self._budget.take(max(1, subscribers), now):
                return
            del self._requested[topic]
            self._sent[topic] = now
            yield topic, mark_retained(self._bodies[topic])


def mark_retained(body: bytes) -> bytes:
    """Return the JSON object of an event with ``"retained": true`` at its end."""
    return body[:-1] + b', "retained": true}'
