"""Messages of the program that are shown while the dashboard has the terminal."""

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
    """One message."""

    time: float
    """UNIX seconds."""
    text: str
    """The message; may contain text from outside."""
    bad: bool
    """Whether it needs attention."""
    about: str = ""
    """Subject: a newer message about the same one replaces this one. Empty for none."""


class Resolved(NamedTuple):
    """Withdraws the message about a subject."""

    about: str


class Messages:
    """Messages on their way to the dashboard; any thread may put them."""

    def __init__(self) -> None:
        self._waiting: deque[Message | Resolved] = deque(maxlen=_MAX_WAITING)
        self._subjects: set[str] = set()

    def put(self, message: Message) -> None:
        """Add a message; returns at once."""
        if message.about:
            self._subjects.add(message.about)
        self._waiting.append(message)

    def resolve(self, about: str) -> None:
        """Withdraw the message about a subject, if there was one; returns at once."""
        if about in self._subjects:
            self._subjects.discard(about)
            self._waiting.append(Resolved(about))

    def take(self) -> Iterator[Message | Resolved]:
        """Yield the waiting messages in order."""
        while self._waiting:
            yield self._waiting.popleft()

    def move(self, shown: deque[Message], now: float) -> bool:
        """Append waiting messages; remove replaced, resolved and old ones.

        Parameters
        ----------
        shown
            The messages shown, newest last; changed in place.
        now
            UNIX seconds.

        Returns
        -------
        bool
            Whether ``shown`` has changed.
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
