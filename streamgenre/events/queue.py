"""A queue of events from the engine's thread to a reader in the same process."""

from __future__ import annotations

import math
import queue
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamgenre.events import AnyEvent

CAPACITY: Final = 2000
"""Most events that wait, unless a queue is made for more."""
POLL_S: Final = 0.2
"""Longest time in seconds between two items of an iteration."""
_SIGNALS_S: Final = 0.5
"""Seconds after which a signal is handled at the latest."""


class EventQueue:
    """A bounded queue of events with one writer and one reader.

    Parameters
    ----------
    lossless
        What happens while the queue is full: True makes the writer wait (a file can wait), False
        drops events and counts them (a live input cannot wait).
    on_spectrum
        Called in the reader's thread with the names of the stations whose spectrum it wants.
    capacity
        Most events that wait.
    """

    def __init__(
        self,
        *,
        lossless: bool,
        on_spectrum: Callable[[frozenset[str]], None] = lambda names: None,
        capacity: int = CAPACITY,
    ) -> None:
        self._queue: queue.Queue[AnyEvent | None] = queue.Queue(capacity)
        self._lossless = lossless
        self._abandoned = False
        self.discards = False
        """Whether the reader takes no events, but waits for the end."""
        self.dropped = 0
        """Number of dropped events."""
        self.spectrum_of: frozenset[str] = frozenset()
        """Names of the stations whose spectrum the reader wants."""
        self._on_spectrum = on_spectrum

    def put(self, event: AnyEvent) -> None:
        """Add an event; while the queue is full, wait or drop the event."""
        while not (self._abandoned or self.discards):
            try:
                self._queue.put(event, timeout=POLL_S if self._lossless else 0)
                return
            except queue.Full:
                if not self._lossless:
                    self.dropped += 1
                    return

    def want_spectrum(self, station: str | None) -> None:
        """Ask for the spectrum of one station, or of none; called by the reader."""
        self.spectrum_of = frozenset() if station is None else frozenset([station])
        self._on_spectrum(self.spectrum_of)

    def end(self, seconds: float = math.inf) -> None:
        """End the iteration after the events so far.

        A full queue makes this wait for its reader, ``seconds`` at most.
        """
        ends = time.monotonic() + seconds
        while not self._abandoned and time.monotonic() < ends:
            try:
                self._queue.put(None, timeout=POLL_S)
                return
            except queue.Full:
                continue

    def abandon(self) -> None:
        """Note that the reader has stopped: the writer never waits again."""
        self._abandoned = True

    def discard(self) -> None:
        """Take no event, but wait for the end; called by the reader.

        The wait is cut into pieces: Python runs signal handlers in the main thread, which may read
        here, and a signal that the kernel gave to another thread does not end a wait.
        """
        self.discards = True
        while True:
            try:
                if self._queue.get(timeout=_SIGNALS_S) is None:
                    return
            except queue.Empty:
                continue

    def __iter__(self) -> Iterator[AnyEvent | None]:
        """Yield events in order, and None after each :data:`POLL_S` without one, until the end."""
        return self.until(lambda: time.monotonic() + POLL_S)

    def until(self, latest: Callable[[], float]) -> Iterator[AnyEvent | None]:
        """Yield events in order, and None where there is none in time, until the end.

        ``latest`` returns up to when to wait for the next event, in monotonic seconds.
        """
        while True:
            try:
                event = self._queue.get(timeout=max(0.0, latest() - time.monotonic()))
            except queue.Empty:
                yield None
                continue
            if event is None:
                return
            yield event
