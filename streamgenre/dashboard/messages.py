"""What the program says beside its events, while the dashboard has the terminal."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MESSAGES: Final = 20
"""Messages that are kept."""
_MAX_WAITING: Final = 200
SHOWN_S: Final = 600.0
"""Seconds for which a message is shown."""


class Message(NamedTuple):
    """One thing that was said."""

    time: float
    """UNIX seconds."""
    text: str
    """What; may hold text from outside."""
    bad: bool
    """Whether it wants attention."""
    about: str = ""
    """What it is about: the next one about the same takes its place. Empty where nothing does."""


class Mended(NamedTuple):
    """What was said about something does not hold any more."""

    about: str


class Messages:
    """Messages on their way to the dashboard: any thread puts, the dashboard moves them."""

    def __init__(self) -> None:
        self._waiting: deque[Message | Mended] = deque(maxlen=_MAX_WAITING)
        self._told: set[str] = set()

    def put(self, message: Message) -> None:
        """Hand a message over; returns at once."""
        if message.about:
            self._told.add(message.about)
        self._waiting.append(message)

    def mended(self, about: str) -> None:
        """Take back what was said about something, if anything was; returns at once."""
        if about in self._told:
            self._told.discard(about)
            self._waiting.append(Mended(about))

    def take(self) -> Iterator[Message | Mended]:
        """Yield what waits, in its order."""
        while self._waiting:
            yield self._waiting.popleft()

    def move(self, shown: deque[Message], now: float) -> bool:
        """Append what waits to ``shown`` and take out what is mended, or old by ``now``.

        ``now`` is in UNIX seconds. Returns whether ``shown`` has changed.
        """
        before = list(shown)
        for one in self.take():
            for old in [old for old in shown if one.about and old.about == one.about]:
                shown.remove(old)
            if isinstance(one, Message):
                shown.append(one)
        while shown and now - shown[0].time > SHOWN_S:
            shown.popleft()
        return list(shown) != before
