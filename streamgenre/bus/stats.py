"""Figures of the bus, and a budget that keeps one reader from costing the others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BusStats:
    """How the bus is doing, for the status event."""

    subscribers: int = 0
    """Connections with at least one subscription."""
    subscribers_slow: int = 0
    """Those of them that have not taken what was sent to them for a second or more."""
    events_dropped: int = 0
    """Events that at least one subscriber may have lost, because a queue was full."""
    connections_refused: int = 0
    """Connections that were no ZeroMQ, had no allowed key or were too many."""


class TokenBucket:
    """A token bucket: bursts up to ``capacity``, then ``refill`` a second.

    Parameters
    ----------
    capacity
        Tokens of a full bucket; it begins full.
    refill
        Tokens that come back a second.
    now
        Monotonic seconds of the beginning.
    """

    def __init__(self, capacity: float, refill: float, now: float) -> None:
        self._capacity = capacity
        self._refill = refill
        self._tokens = capacity
        self._seen = now

    def take(self, tokens: float, now: float) -> bool:
        """Take tokens if they are there; return whether they were.

        What costs more than a full bucket is paid with a full one.
        """
        self._tokens = min(self._capacity, self._tokens + (now - self._seen) * self._refill)
        self._seen = now
        cost = min(tokens, self._capacity)
        if cost > self._tokens:
            return False
        self._tokens -= cost
        return True
