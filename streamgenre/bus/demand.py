"""Events that are sent only on request: which clients ask for them, and which only seem to.

A ``spectrum`` is made while a client has subscribed to it by name. A client that subscribes to
everything, with the empty topic, has not: a shorter prefix is taken as the prefixes of the other
types, so that such a client neither starts the spectrum nor receives one that others asked for.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from streamgenre.events import ON_REQUEST_TYPES, TYPES

MAX_NAMES: Final = 256
"""Most prefixes of names that are tracked separately; beyond it, all stations are assumed."""
_ON_REQUEST: Final = tuple(f"{name}/".encode() for name in ON_REQUEST_TYPES)
_ALWAYS: Final = tuple(f"{name}/".encode() for name in TYPES)


def filters(topic: bytes) -> tuple[bytes, ...]:
    """Return the prefixes that a client receives when it subscribes to a topic."""
    if any(each.startswith(topic) and len(topic) < len(each) - 1 for each in _ON_REQUEST):
        return tuple(each for each in _ALWAYS if each.startswith(topic))
    return (topic,)


class Demand:
    """Counts the subscriptions to the spectrum of all clients."""

    def __init__(self) -> None:
        self._topics: Counter[bytes] = Counter()
        self._names: frozenset[str] | None = frozenset()

    def add(self, topic: bytes) -> None:
        """Note a subscription of a client."""
        if _requests(topic):
            self._topics[topic] += 1
            self._names = None

    def remove(self, topic: bytes) -> None:
        """Note that a client has ended a subscription, or is gone."""
        if _requests(topic):
            self._topics[topic] -= 1
            if not self._topics[topic]:
                del self._topics[topic]
            self._names = None

    @property
    def names(self) -> frozenset[str]:
        """Beginnings of the names of the stations whose spectrum is wanted; "" means all."""
        if self._names is None:
            found = {_name(topic) for topic in self._topics}
            self._names = frozenset([""] if "" in found or len(found) > MAX_NAMES else found)
        return self._names


def _requests(topic: bytes) -> bool:
    return any(topic.startswith(each[:-1]) for each in _ON_REQUEST)


def _name(topic: bytes) -> str:
    """Return the beginning of a name, which ends where the topic cuts a letter in two."""
    name = topic.partition(b"/")[2]
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        return name[: error.start].decode()
