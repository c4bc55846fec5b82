"""What a subscriber missed, by the numbers of the events that came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from streamgenre.events import SEQ_MODULUS

if TYPE_CHECKING:
    from streamgenre.events import AnyEvent

MAX_TRACKS: Final = 10_000
"""Stations times types that are followed; the one that was silent longest goes first."""
MAX_SESSIONS: Final = 4
"""Sessions of one station and type: more than one where two daemons use one name."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Events of one type and station that were sent and never arrived."""

    station: str
    """Name of the station."""
    type: str
    """Type of the events."""
    session: str
    """Session that they belong to."""
    first: int
    """Number (``seq``) of the first of them."""
    count: int
    """How many they are. May be 0 after a restart; what the old session still sent while nobody
    was connected is not known."""
    restarted: bool
    """Whether the daemon was restarted meanwhile: the session is a new one."""
    seconds: float
    """Time between the events before and behind the hole, by this machine's monotonic clock."""


@dataclass(slots=True)
class _Track:
    """One station and type."""

    next: dict[str, int] = field(default_factory=dict)
    """Number that comes next, by session; the session heard last is the last."""
    arrival: float = 0.0
    """When the newest event came, monotonic seconds."""
    losses: int = 0
    """How often the connection had been lost when the newest session was first heard: events may
    wait in a queue while their daemon dies."""


class Numbers:
    """Follows the numbers of all events: tells holes, and repetitions to be dropped."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str], _Track] = {}

    def note(self, event: AnyEvent, now: float, losses: int) -> tuple[bool, Hole | None]:
        """Take in an event; return whether it is new, and the hole before it.

        Parameters
        ----------
        event
            As it came.
        now
            Monotonic seconds.
        losses
            How often the connection has been lost so far.
        """
        key = (event.station, event.TYPE)
        track = self._tracks.pop(key, None)
        if track is None:
            if len(self._tracks) >= MAX_TRACKS:
                del self._tracks[next(iter(self._tracks))]
            track = _Track(arrival=now, losses=losses)
        self._tracks[key] = track  # now the last of all
        expected = track.next.get(event.session)
        restarted = False
        if expected is None:
            # A new session behind a lost connection is a restart, and all of its events that came
            # before this one were missed. Else this is the first that is heard, or another daemon.
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
