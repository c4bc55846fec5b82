"""When a station is polled next: as soon as its next hop can be complete, and no sooner."""

from __future__ import annotations

import time
from typing import Final

POLL_S: Final = 0.01
"""Pause where a hop is due and its last block is about to arrive."""
FAST_POLL_S: Final = 0.001
"""The same for sources that are not paced by a clock."""
EAGER_S: Final = 0.05
"""After a hop that came early, the next one is expected at once for this time: a file or pipe may
bring more."""
CHUNK_S: Final = 0.25
"""Most seconds of audio that a source delivers in one block."""
NEAR_S: Final = 0.05
"""Longest pause where a hop lacks less than :data:`CHUNK_S`."""
IDLE_POLL_S: Final = 1.5
"""Pause of a source that notifies: longer than a usual hop, shorter than its ring."""
LONGEST_POLL_S: Final = 0.25
"""Longest pause: changes of a source are seen within it."""
LONGEST_IDLE_S: Final = 0.5
"""The same where all sources notify: the end of the engine is seen within it."""


def shortest_pause_s(*, real_time: bool) -> float:
    """Return the shortest pause between two polls of a source in seconds."""
    return POLL_S if real_time else FAST_POLL_S


class PollSchedule:
    """When one station is polled next."""

    def __init__(self) -> None:
        self.next_poll = 0.0
        """Monotonic seconds before which nothing can have arrived."""
        self._last_hop = time.monotonic()
        self._eager_until = 0.0

    def polled(
        self,
        now: float,
        *,
        hop_complete: bool,
        due_s: float,
        hop_s: float,
        real_time: bool,
        notifies: bool = False,
    ) -> None:
        """Plan the next poll after one.

        Parameters
        ----------
        now
            Monotonic seconds of this poll.
        hop_complete
            Whether it completed a hop.
        due_s
            Seconds of audio that the next hop still lacks; not positive where it has arrived.
        hop_s
            Length of a hop in seconds of audio.
        real_time
            Whether the source's samples arrive as they happen.
        notifies
            Whether the source tells when the missing audio has arrived, or its state has changed.
        """
        if notifies and due_s > 0:
            self.next_poll = now + IDLE_POLL_S
            return
        if hop_complete:
            if now - self._last_hop < hop_s / 2:
                self._eager_until = now + EAGER_S
            self._last_hop = now
            if due_s <= 0 or not real_time:
                self.next_poll = now  # the next hop may be complete already
                return
        shortest = shortest_pause_s(real_time=real_time)
        # The missing audio may come early, at the head of a large block.
        wait = max(min(due_s, NEAR_S), due_s - CHUNK_S, shortest)
        self.next_poll = now + min(shortest if now < self._eager_until else wait, LONGEST_POLL_S)
