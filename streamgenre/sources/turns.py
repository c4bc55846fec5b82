"""Decoders one after another: many that wake for a little work each are slow side by side.

Python runs one thread at a time, and decoding hands that right over several times a packet. A
hundred decoders that fight for it cost three times as much as the same work in turns.
"""

from __future__ import annotations

import threading
from typing import Final

LONGEST_S: Final = 0.05
"""Nobody waits longer for a turn: a decoder that is stuck delays no other."""

_free: Final = threading.Semaphore(1)


class Turn:
    """The right to decode, of one thread; given away while there is nothing to decode."""

    def __init__(self) -> None:
        self._mine = False

    def take(self) -> None:
        """Wait for it, but not for long."""
        if not self._mine:
            self._mine = _free.acquire(timeout=LONGEST_S)

    def give(self) -> None:
        """Give it to the next."""
        if self._mine:
            self._mine = False
            _free.release()
