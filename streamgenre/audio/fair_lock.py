"""A fair lock that serialises decoders and engine to avoid contention for the GIL.

Python runs one thread at a time, and a decoder releases the GIL several times a packet. Every
thread that waits for the GIL then wakes again and again to ask for it. When a hundred decoders and
the engine compete like this, they spend several times the CPU time of the work itself, and once
late they stay late. One after the other they keep up. A few of them are quicker without turns: they
decode while the engine computes.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from typing import Final

PATIENCE_S: Final = 0.5
"""A holder that keeps the lock for longer than this is taken for stuck and loses it."""
FEW: Final = 4
"""Up to so many participants in a process do not take turns."""


class FairLock:
    """A lock granted in the order of the requests; urgent participants go first.

    Parameters
    ----------
    few
        Up to so many participants do not wait for each other at all.
    """

    def __init__(self, few: int = 0) -> None:
        self._few = few
        self._participants: weakref.WeakSet[Participant] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._holder: Participant | None = None
        self._since = 0.0  # monotonic seconds
        self._waiting: deque[tuple[Participant, threading.Lock]] = deque()

    def join(self, participant: Participant) -> None:
        """Count a participant for as long as it exists."""
        self._participants.add(participant)

    def acquire(self, participant: Participant) -> None:
        """Wait until the participant holds the lock; return at once if it already does."""
        with self._lock:
            if self._holder is participant or len(self._participants) <= self._few:
                return
            if self._holder is None:
                self._holder, self._since = participant, time.monotonic()
                return
            granted = threading.Lock()
            granted.acquire()
            add = self._waiting.appendleft if participant.urgent else self._waiting.append
            add((participant, granted))
        while not granted.acquire(timeout=PATIENCE_S):
            with self._lock:
                if time.monotonic() - self._since >= PATIENCE_S:
                    self._grant_next()

    def release(self, participant: Participant) -> None:
        """Grant the lock to the next participant, unless this one no longer holds it."""
        with self._lock:
            if self._holder is participant:
                self._grant_next()

    def _grant_next(self) -> None:
        self._holder = None
        if self._waiting:
            self._holder, granted = self._waiting.popleft()
            self._since = time.monotonic()
            granted.release()


_PROCESS_LOCK: Final = FairLock(FEW)


class Participant:
    """One thread's access to a fair lock, as a context manager or by method.

    Parameters
    ----------
    urgent
        Whether it goes before those that already wait.
    lock
        The lock that it shares with others; by default the one for the engine and all decoders of
        the process.
    """

    def __init__(self, *, urgent: bool = False, lock: FairLock = _PROCESS_LOCK) -> None:
        self.urgent = urgent
        self._lock = lock
        lock.join(self)

    def acquire(self) -> None:
        """Wait for the lock."""
        self._lock.acquire(self)

    def release(self) -> None:
        """Release the lock if this participant holds it."""
        self._lock.release(self)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()
