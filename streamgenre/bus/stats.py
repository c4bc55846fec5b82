"""The figures of the bus that every status event carries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BusStats:
    """Figures of the bus; the fields of the status event with the same names."""

    subscribers: int = 0
    """Connections with at least one subscription."""
    subscribers_slow: int = 0
    """Those of them that have not taken what was sent to them for a second or more."""
    events_dropped: int = 0
    """Events that at least one subscriber may have lost because a queue was full."""
    connections_refused: int = 0
    """Connections that did not speak ZeroMQ, had no allowed key, or exceeded a limit."""
