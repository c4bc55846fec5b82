"""What a subscriber missed, from the sequence numbers of the received events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from streamgenre.events import SEQ_MODULUS

if TYPE_CHECKING:
    from streamgenre.events import AnyEvent

MAX_TRACKS: Final = 10_000
"""Most pairs of station and type that are tracked; the longest silent one is dropped."""
MAX_SESSIONS: Final = 4
"""Most sessions of one station and type: several where two daemons use the same name."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Events of one type and station that were sent but not received."""

    station: str
    """Name of the station."""
    type: str
    """Type of the events."""
    session: str
    """Session that they belong to."""
    first: int
    """Number (``seq``) of the first of them."""
    count: int
    """Number of missing events. May be 0 after a restart: how many events the old session sent
    while this subscriber was disconnected is unknown."""
    restarted: bool
    """Whether the daemon was restarted meanwhile, so that the session is a new one."""
    seconds: float
    """Time between the events before and after the hole, by this machine's monotonic clock."""


@dataclass(slots=True)
class _Track:
    """Sequence numbers of one station and type."""

    next: dict[str, int] = field(default_factory=dict)
    """Next number by session; the session of the newest event is the last."""
    arrival: float = 0.0
    """Arrival of the newest event in monotonic seconds."""
    losses: int = 0
    """Number of lost connections when the newest session began. A disconnection between its events
    would not do: they may wait in a queue while their daemon dies."""


class SequenceTracker:
    """Finds holes in the sequence numbers, and repeated events to drop."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str], _Track] = {}

    def update(self, event: AnyEvent, now: float, losses: int) -> tuple[bool, Hole | None]:
        """Process an event; return whether it is new, and the hole before it if there is one.

        Parameters
        ----------
        event
            The received event.
        now
            Monotonic seconds.
        losses
            Number of lost connections so far.
        """
        key = (event.station, event.TYPE)
        track = self._tracks.pop(key, None)
        if track is None:
            if len(self._tracks) >= MAX_TRACKS:
                del self._tracks[next(iter(self._tracks))]
            track = _Track(arrival=now, losses=losses)
        self._tracks[key] = track  # moved to the end
        expected = track.next.get(event.session)
        restarted = False
        if expected is None:
            # A new session after a lost connection is a restart: all of its earlier events were
            # missed. Otherwise this is the first event, or one of another daemon.
            restarted = bool(track.next) and losses > track.losses
            expected = 0 if restarted else event.seq
            track.losses = losses
        ahead = (event.seq - expected) % SEQ_MODULUS
        if ahead >= SEQ_MODULUS // 2:
            return False, None
        hole = None
        if ahead or restarted:
            hole = Hole(
                station=event.station,
                type=event.TYPE,
                session=event.session,
                first=expected,
                count=ahead,
                restarted=restarted,
                seconds=round(now - track.arrival, 3),
            )
        track.next.pop(event.session, None)
        track.next[event.session] = (event.seq + 1) % SEQ_MODULUS
        if len(track.next) > MAX_SESSIONS:
            del track.next[next(iter(track.next))]
        track.arrival = now
        return True, hole
