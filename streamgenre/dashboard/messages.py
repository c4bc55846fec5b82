"""What the program says beside its events, while the dashboard has the terminal."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

MAX_MESSAGES: Final = 20
"""Messages that are kept."""
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


class Messages:
    """Messages on their way to the dashboard: any thread puts, the dashboard moves them."""

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque(maxlen=MAX_MESSAGES)

    def put(self, message: Message) -> None:
        """Hand a message over; returns at once."""
        self._waiting.append(message)

    def move(self, shown: deque[Message], now: float) -> bool:
        """Append what waits to ``shown`` and take out what is old by ``now`` (UNIX seconds).

        Returns whether ``shown`` has changed.
        """
        before = (len(shown), shown[-1] if shown else None)
        while self._waiting:
            shown.append(self._waiting.popleft())
        while shown and now - shown[0].time > SHOWN_S:
            shown.popleft()
        return (len(shown), shown[-1] if shown else None) != before
