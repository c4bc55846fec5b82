"""Events from the engine's thread to what shows them in the same process."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.events import AnyEvent

_ROOM: Final = 2000
POLL_S: Final = 0.2
"""Longest silence of an iteration in seconds."""


class EventQueue:
    """A bounded queue of events with one writer and one reader.

    Parameters
    ----------
    lossless
        Where the reader is too slow: True lets the writer wait (a file waits too), False drops the
        event and counts it (a live input does not wait).
    """

    def __init__(self, *, lossless: bool) -> None:
        self._queue: queue.Queue[AnyEvent | None] = queue.Queue(_ROOM)
        self._lossless = lossless
        self._abandoned = False
        self.dropped = 0
        """Events that the reader never saw."""

    def put(self, event: AnyEvent) -> None:
        """Hand an event over."""
        while not self._abandoned:
            try:
                self._queue.put(event, timeout=POLL_S if self._lossless else 0)
                return
            except queue.Full:
                if not self._lossless:
                    self.dropped += 1
                    return

    def end(self) -> None:
        """Say that no more events come."""
        while not self._abandoned:
            try:
                self._queue.put(None, timeout=POLL_S)
                return
            except queue.Full:
                continue

    def abandon(self) -> None:
        """Say that nobody reads any more: the writer never waits again."""
        self._abandoned = True

    def __iter__(self) -> Iterator[AnyEvent | None]:
        """Yield events in order, and None where none came for a while, until the end."""
        while True:
            try:
                event = self._queue.get(timeout=POLL_S)
            except queue.Empty:
                yield None
                continue
            if event is None:
                return
            yield event
