"""One viewer of the event stream: what it wants, and its bounded queue."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any, Final

MAX_QUEUE: Final = 2000
"""Most messages that wait for a slow viewer."""
MAX_QUEUE_BYTES: Final = 256 * 1024
"""Most bytes that wait for a slow viewer. Then all of them are dropped, and it starts again with a
``hole`` and a snapshot."""
ALWAYS: Final = frozenset({"hole", "bus"})
"""Types of messages that every viewer receives."""


class Viewer:
    """What one viewer has not received yet.

    Parameters
    ----------
    stations
        Names of the stations that it wants; None for all.
    types
        Types of the events that it wants; None for all.
    """

    def __init__(self, stations: frozenset[str] | None, types: frozenset[str] | None) -> None:
        self.stations = stations
        self.types = types
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._woken = asyncio.Event()
        self.restarted: int | None = None
        """Number of messages lost before the snapshot that is due; -1 if it is unknown; None if no
        snapshot is due."""

    def wants(self, kind: str, station: str | None) -> bool:
        """Return whether this viewer wants a type of event of a station; None is all stations."""
        if station is not None and self.stations is not None and station not in self.stations:
            return False
        return kind in ALWAYS or self.types is None or kind in self.types

    def put(self, frame: bytes) -> None:
        """Queue a message; if the queue is full, drop everything and start again."""
        if len(self._queue) >= MAX_QUEUE or self._bytes + len(frame) > MAX_QUEUE_BYTES:
            self.restart(len(self._queue) + 1)
            return
        if self.restarted is not None:
            # What comes before the snapshot is part of it.
            return
        self._queue.append(frame)
        self._bytes += len(frame)
        self._woken.set()

    def restart(self, lost: int | None) -> None:
        """Drop what is queued and send a snapshot instead.

        Parameters
        ----------
        lost
            Number of messages lost; None if it is unknown.
        """
        self._queue.clear()
        self._bytes = 0
        self.restarted = -1 if lost is None else lost
        self._woken.set()

    def wake(self) -> None:
        """Let :meth:`wait` return."""
        self._woken.set()

    async def wait(self, seconds: float) -> None:
        """Wait until there is something to send, at most so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    def pop_all(self) -> bytes:
        """Return everything that is queued."""
        found = b"".join(self._queue)
        self._queue.clear()
        self._bytes = 0
        return found


def message(kind: str, value: dict[str, Any]) -> bytes:
    """Return a message of a stream.

    Parameters
    ----------
    kind
        Its type.
    value
        Its data.
    """
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n".encode()
