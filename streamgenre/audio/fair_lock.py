"""One after another: threads that wake for a little work each are slow side by side.

Python runs one thread at a time, and decoding hands that right over several times a packet; every
thread that waits for it wakes again and again to ask. A hundred decoders and the engine that fight
for it spend several times the work on that, and once behind they stay behind. In turns they keep
time.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

PATIENCE_S: Final = 0.5
"""Who keeps a turn for longer is taken for stuck, and the next one comes."""


class FairLock:
    """What there is one of: it is handed from turn to turn in the order of asking, urgent first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: Turn | None = None
        self._since = 0.0  # monotonic seconds
        self._waiting: deque[tuple[Turn, threading.Lock]] = deque()

    def acquire(self, turn: Turn) -> None:
        """Wait for it; nothing where it is the turn's already."""
        with self._lock:
            if self._holder is turn:
                return
            if self._holder is None:
                self._holder, self._since = turn, time.monotonic()
                return
            granted = threading.Lock()
            granted.acquire()
            add = self._waiting.appendleft if turn.urgent else self._waiting.append
            add((turn, granted))
        while not granted.acquire(timeout=PATIENCE_S):
            with self._lock:
                if time.monotonic() - self._since >= PATIENCE_S:
                    self._hand_on()

    def release(self, turn: Turn) -> None:
        """Hand it on, unless it was taken away from that turn before."""
        with self._lock:
            if self._holder is turn:
                self._hand_on()

    def _hand_on(self) -> None:
        self._holder = None
        if self._waiting:
            self._holder, granted = self._waiting.popleft()
            self._since = time.monotonic()
            granted.release()


_FLOOR: Final = FairLock()


class Turn:
    """The right to work, of one thread; given away while there is nothing to do.

    Parameters
    ----------
    urgent
        Whether it comes before those that wait already.
    floor
        What is handed on: by default one for the engine and all decoders of a process.
    """

    def __init__(self, *, urgent: bool = False, floor: FairLock = _FLOOR) -> None:
        self.urgent = urgent
        self._floor = floor

    def take(self) -> None:
        """Wait for it."""
        self._floor.acquire(self)

    def give(self) -> None:
        """Give it to the next, if it is ours."""
        self._floor.release(self)

    def __enter__(self) -> None:
        """Take it."""
        self.take()

    def __exit__(self, *about: object) -> None:
        """Give it away."""
        self.give()
