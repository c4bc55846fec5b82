"""What the webhook bridge posts, and the identifier of each post."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeAlias

from streamgenre.bridges.absence import AbsenceWatch
from streamgenre.bridges.presence import Presence
from streamgenre.events import DeadAir, Segment, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from streamgenre.events import AnyEvent

Post: TypeAlias = tuple[dict[str, Any], str]
"""JSON object and identifier; the identifier is the same whenever the object is."""
EVENT_TYPES = ("update", "segment", "source", "dead_air", "status")
"""Types of events that have to be subscribed to."""


class PostSelector:
    """Chooses what is posted: finished segments, dead air, and stations that stop updating.

    Parameters
    ----------
    kinds
        ``segment`` for ``segment`` events, ``dead-air`` for ``dead_air`` events and absences.
    absent_after
        Seconds without updates, or with the source lost, after which a station is absent.
    """

    def __init__(self, kinds: Collection[str], absent_after: float) -> None:
        self._kinds = kinds
        self._watch = AbsenceWatch(absent_after)
        self.presence = Presence()
        """Finds stations that the daemon no longer has after its restart."""
        self._dead_air: dict[str, DeadAir] = {}  # by station: the last that was posted

    def take(self, event: AnyEvent, now: float) -> Iterator[Post]:
        """Yield an event if it is to be posted.

        Parameters
        ----------
        event
            An event of any station.
        now
            When it arrived, monotonic seconds.

        Yields
        ------
        Post
            The event as it came over the bus.
        """
        self._watch.take(event, now)
        if isinstance(event, Status) and event.removed:
            self._forget(event.station)
            return
        self.presence.heard(event.station)
        if isinstance(event, Segment):
            # A retained segment may have been posted before a restart of the bridge.
            if "segment" in self._kinds and not event.retained:
                yield event.as_dict(), _identifier(event)
        elif isinstance(event, DeadAir) and "dead-air" in self._kinds and self._is_news(event):
            self._dead_air[event.station] = event
            yield event.as_dict(), _identifier(event)

    def due(self, now: float, wall: float) -> Iterator[Post]:
        """Yield the absences that have begun or ended since the last call.

        Parameters
        ----------
        now
            Monotonic seconds.
        wall
            The same moment in UNIX seconds.

        Yields
        ------
        Post
            An ``absence``.
        """
        for station in self.presence.gone(now):
            self._watch.forget(station)
            self._forget(station)
        for absence in self._watch.due(now, wall):
            if "dead-air" in self._kinds:
                state = "start" if absence.active else "end"
                name, since = _digest(absence.station), absence.start_time
                yield absence.as_dict(), f"absence-{state}-{name}-{since:.3f}"

    def _forget(self, station: str) -> None:
        self.presence.forget(station)
        self._dead_air.pop(station, None)

    def _is_news(self, event: DeadAir) -> bool:
        """Return whether dead air was not posted yet, or ends after its start was posted.

        Retained dead air that still lasts is posted after a restart of the bridge: it may have
        begun while the bridge was away, and a receiver recognises a repetition by its identifier.
        """
        if not event.retained:
            return True
        last = self._dead_air.get(event.station)
        if last is not None and (last.session, last.seq) == (event.session, event.seq):
            return False
        return event.active or (last is not None and last.active)


def _identifier(event: Segment | DeadAir) -> str:
    return f"{event.session}-{_digest(event.station)}-{event.TYPE}-{event.seq}"


def _digest(station: str) -> str:
    """Return a station's name for an identifier: two stations may have the same numbers."""
    return hashlib.sha256(station.encode("utf-8", "replace")).hexdigest()[:12]
