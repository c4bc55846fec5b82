"""The last event of every station and type, for subscribers that come late.

ZeroMQ has no way to send to one subscriber of a topic alone, so a last value goes to all of them
once more, marked ``retained``; who has it already drops it by its session and number. That would
let whoever subscribes over and over make everyone pay, so the repetitions have a budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamgenre.bus.token_bucket import TokenBucket
from streamgenre.events import RETAINED_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

PAUSE_S: Final = 0.25
"""One topic is repeated at most so often; who subscribes in between waits for so long."""
COPIES: Final = 20_000
"""Copies (events times subscribers) that are repeated in one burst."""
COPIES_PER_S: Final = 2_000
"""Copies a second that are repeated in the long run, however often anyone subscribes."""
MAX_TOPICS: Final = 10_000
"""Topics that are remembered; the one that was silent longest goes first."""

_RETAINED: Final = tuple(f"{name}/".encode() for name in RETAINED_TYPES)


class LastValues:
    """Keeps the last event of every topic, and what of it was asked for.

    Parameters
    ----------
    now
        Monotonic seconds.
    """

    def __init__(self, now: float) -> None:
        self._bodies: dict[bytes, bytes] = {}
        self._asked: dict[bytes, None] = {}  # in the order asked for
        self._sent: dict[bytes, float] = {}  # when a topic was last repeated, monotonic seconds
        self._budget = TokenBucket(COPIES, COPIES_PER_S, now)

    def keep(self, topic: bytes, body: bytes) -> None:
        """Remember an event that was just sent: who asked for its topic has it now."""
        if not topic.startswith(_RETAINED):
            return
        self._bodies.pop(topic, None)
        self._bodies[topic] = body
        self._asked.pop(topic, None)
        if len(self._bodies) > MAX_TOPICS:
            oldest = next(iter(self._bodies))
            del self._bodies[oldest]
            self._asked.pop(oldest, None)
            self._sent.pop(oldest, None)

    def forget(self, station: str) -> None:
        """Forget what a station sent, for there is none of that name any more."""
        for kind in RETAINED_TYPES:
            topic = f"{kind}/{station}".encode()
            self._bodies.pop(topic, None)
            self._asked.pop(topic, None)
            self._sent.pop(topic, None)

    def ask(self, prefix: bytes) -> None:
        """Note that someone has subscribed to all topics that begin with ``prefix``."""
        for topic in self._bodies:
            if topic.startswith(prefix):
                self._asked[topic] = None

    @property
    def asked(self) -> bool:
        """Whether anything is left to be repeated."""
        return bool(self._asked)

    def due(self, subscribers: int, now: float) -> Iterator[tuple[bytes, bytes]]:
        """Yield topics and marked events that are to be repeated now.

        ``subscribers`` is how many may receive each of them; ``now`` is in monotonic seconds.
        """
        for topic in list(self._asked):
            if now - self._sent.get(topic, -PAUSE_S) < PAUSE_S:
                continue
            if not self._budget.take(max(1, subscribers), now):
                return
            del self._asked[topic]
            self._sent[topic] = now
            yield topic, marked(self._bodies[topic])


def marked(body: bytes) -> bytes:
    """Return the JSON object of an event with ``"retained": true`` at its end."""
    return body[:-1] + b', "retained": true}'
