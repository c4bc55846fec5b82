"""A limit on attempts: so many at once for each client, then one now and then."""

from __future__ import annotations

import ipaddress
import math
import time
from typing import Final

MAX_CLIENTS: Final = 10_000
"""Most clients that are remembered; the longest unseen one is dropped."""
_ALL: Final = "all"


class RateLimit:
    """Token buckets, one for each client and one for all together.

    Parameters
    ----------
    burst
        Attempts that one client has at once.
    every_s
        Seconds after which it has one more.
    burst_of_all, every_s_of_all
        The same for all clients together, which bounds the work that attempts cause.
    """

    def __init__(
        self,
        burst: int = 5,
        every_s: float = 30.0,
        *,
        burst_of_all: int = 50,
        every_s_of_all: float = 1.0,
    ) -> None:
        self._one = (burst, every_s)
        self._all = (burst_of_all, every_s_of_all)
        self._spent: dict[str, tuple[float, float]] = {}

    def attempt(self, address: str) -> int:
        """Count an attempt; return the seconds to wait if it is one too many, else 0.

        Parameters
        ----------
        address
            IP address of the client.
        """
        now = time.monotonic()
        client = client_of(address)
        wait = max(self._wait(client, self._one, now), self._wait(_ALL, self._all, now))
        if wait:
            return math.ceil(wait)
        self._spend(client, self._one, now)
        self._spend(_ALL, self._all, now)
        return 0

    def succeeded(self, address: str) -> None:
        """Forget the attempts of a client that has logged in."""
        self._spent.pop(client_of(address), None)

    def _left(self, key: str, limit: tuple[int, float], now: float) -> float:
        spent, since = self._spent.get(key, (0.0, now))
        return limit[0] - max(0.0, spent - (now - since) / limit[1])

    def _wait(self, key: str, limit: tuple[int, float], now: float) -> float:
        left = self._left(key, limit, now)
        return 0.0 if left >= 1 else (1 - left) * limit[1]

    def _spend(self, key: str, limit: tuple[int, float], now: float) -> None:
        spent = limit[0] - self._left(key, limit, now) + 1
        self._spent.pop(key, None)
        if len(self._spent) > MAX_CLIENTS:
            self._spent.pop(next(each for each in self._spent if each != _ALL))
        self._spent[key] = (spent, now)


def client_of(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or a /64 network of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)
