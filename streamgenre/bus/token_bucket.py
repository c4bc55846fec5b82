"""A token bucket: a rate limit that allows bursts."""

from __future__ import annotations


class TokenBucket:
    """Allows bursts of ``capacity`` tokens, and ``refill`` tokens a second in the long run.

    Parameters
    ----------
    capacity
        Tokens in a full bucket; it starts full.
    refill
        Tokens that return each second.
    now
        Monotonic seconds.
    """

    def __init__(self, capacity: float, refill: float, now: float) -> None:
        self._capacity = capacity
        self._refill = refill
        self._tokens = capacity
        self._updated = now

    def take(self, tokens: float, now: float) -> bool:
        """Take tokens if there are enough; return whether there were.

        Parameters
        ----------
        tokens
            Tokens to take; more than ``capacity`` costs a full bucket.
        now
            Monotonic seconds.
        """
        self._tokens = min(self._capacity, self._tokens + (now - self._updated) * self._refill)
        self._updated = now
        cost = min(tokens, self._capacity)
        if cost > self._tokens:
            return False
        self._tokens -= cost
        return True
