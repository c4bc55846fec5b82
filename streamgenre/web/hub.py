"""The hub: keeps the state of every station and hands events to the viewers.

Everything here runs in the thread of the event loop; :mod:`streamgenre.web.feed` brings the events.
"""

from __future__ import annotations

import json
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streamgenre import __version__
from streamgenre.client.link import Link
from streamgenre.events import Status
from streamgenre.web.stations import Station

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamgenre.client.sequence import Hole
    from streamgenre.events import AnyEvent
    from streamgenre.web.viewer import Viewer

MAX_VIEWERS: Final = 500
"""Most viewers at the same time."""
MAX_STATIONS: Final = 2000
"""Most stations whose state is kept."""
KEPT_BYTES: Final = 1 << 20
"""Bytes of the newest events that are kept for viewers that reconnect."""


class Received(NamedTuple):
    """An event and its JSON."""

    event: AnyEvent
    text: bytes


class Kept(NamedTuple):
    """A message that is kept for viewers that reconnect."""

    number: int
    station: str | None
    """Name of its station; None if it is about all of them."""
    type: str
    frame: bytes


class Hub:
    """The state of the stations, and who watches them.

    Parameters
    ----------
    connected
        Whether a daemon is read at all.
    """

    def __init__(self, *, connected: bool = True) -> None:
        self.connected = connected
        self.stations: dict[str, Station] = {}
        """The stations by name."""
        self.link = Link("connecting", "")
        """State of the connection to the daemon."""
        self.link_since = time.time()
        """UNIX seconds since when it holds."""
        self.viewers: set[Viewer] = set()
        """Everybody who watches now."""
        self.events = 0
        """Number of events received."""
        self.lost = 0
        """Number of events that were sent but not received."""
        self.closed = False
        """Whether the process ends."""
        self.listeners: list[Callable[[AnyEvent], None]] = []
        """Called with each event."""
        self.closers: list[Callable[[], None]] = []
        """Called when the process ends."""
        self._run = uuid.uuid4().hex[:8]
        self._number = 0
        self._kept: deque[Kept] = deque()
        self._kept_bytes = 0

    # ---- what the feed brings --------------------------------------------------------------------

    def take(self, batch: Iterable[Received | Hole | Link]) -> None:
        """Take what the feed received, in order."""
        for each in batch:
            if isinstance(each, Received):
                self._take_event(each.event, each.text)
            elif isinstance(each, Link):
                self._take_link(each)
            else:
                self.lost += each.count
                self._send("hole", each.station, _json({**_hole(each), "by": "feed"}))

    def _take_event(self, event: AnyEvent, text: bytes) -> None:
        self.events += 1
        if b"\n" in text or b"\r" in text:  # allowed in JSON, but it ends a line of the stream
            text = json.dumps(json.loads(text)).encode()
        if isinstance(event, Status) and event.removed:
            self.stations.pop(event.station, None)
        else:
            station = self.stations.get(event.station)
            if station is None and len(self.stations) < MAX_STATIONS:
                station = self.stations[event.station] = Station(event.station)
            if station is not None:
                station.take(event, text)
        self._send(event.TYPE, event.station, text)
        for listener in self.listeners:
            listener(event)

    def _take_link(self, link: Link) -> None:
        if link.state != self.link.state:
            self.link_since = time.time()
        self.link = link
        self._send("bus", None, _json(self.bus()))

    def _send(self, kind: str, station: str | None, text: bytes) -> None:
        self._number += 1
        frame = b"event: %s\nid: %s-%d\ndata: %s\n\n" % (
            kind.encode(),
            self._run.encode(),
            self._number,
            text,
        )
        self._kept.append(Kept(self._number, station, kind, frame))
        self._kept_bytes += len(frame)
        while self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft().frame)
        for viewer in self.viewers:
            if viewer.wants(kind, station):
                viewer.put(frame)

    # ---- what viewers need -----------------------------------------------------------------------

    def bus(self) -> dict[str, Any]:
        """Return the state of the connection to the daemon as a JSON object."""
        if not self.connected:
            return {"state": "none", "detail": "", "since": round(self.link_since, 3)}
        return {
            "state": self.link.state,
            "detail": self.link.detail,
            "since": round(self.link_since, 3),
        }

    def join(self, viewer: Viewer, last_id: str | None) -> None:
        """Add a viewer, and give it what it needs first.

        A viewer that reconnects gets what it missed. If that is no longer kept, it gets a ``hole``
        and a snapshot; a new viewer gets a snapshot.

        Parameters
        ----------
        viewer
            The viewer.
        last_id
            Identifier of the last message that it received; None for a new one.
        """
        missed = None if last_id is None else self._since(last_id)
        if missed is None:
            viewer.restart(0 if last_id is None else None)
        else:
            for each in missed:
                if viewer.wants(each.type, each.station):
                    viewer.put(each.frame)
        self.viewers.add(viewer)

    def _since(self, last_id: str) -> list[Kept] | None:
        """Return the messages after one; None if they are unknown."""
        run, _, digits = last_id.partition("-")
        if run != self._run or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
            return None
        last = int(digits)
        oldest = self._kept[0].number if self._kept else self._number + 1
        if not oldest - 1 <= last <= self._number:
            return None
        return [each for each in self._kept if each.number > last]

    def snapshot(self, viewer: Viewer) -> bytes:
        """Return the state of a viewer's stations as a message of the stream."""
        head = {"now": round(time.time(), 3), "version": __version__, "bus": self.bus()}
        full = viewer.stations is not None and len(viewer.stations) == 1
        chosen = [
            _json(name) + b":" + station.to_json(types=viewer.types, full=full)
            for name, station in sorted(self.stations.items())
            if viewer.stations is None or name in viewer.stations
        ]
        text = _json(head)[:-1] + b',"stations":{' + b",".join(chosen) + b"}}"
        return b"event: snapshot\nid: %s-%d\ndata: %s\n\n" % (
            self._run.encode(),
            self._number,
            text,
        )

    def close(self) -> None:
        """End all streams: the process ends."""
        self.closed = True
        for viewer in self.viewers:
            viewer.wake()
        for closer in self.closers:
            closer()

    def not_ready(self) -> list[str]:
        """Return why no live events can be shown now, in words; empty if they can."""
        if not self.connected:
            return []
        if self.link.state != "live":
            why = self.link.detail or "no connection to the daemon yet"
            return [f"the daemon is away: {why}"]
        return [
            f"{station.name}: the source is live, but no update came for {station.silent_s():.0f} s"
            for station in self.stations.values()
            if station.stalled
        ]


def _hole(hole: Hole) -> dict[str, Any]:
    return {
        "station": hole.station,
        "type": hole.type,
        "count": hole.count,
        "restarted": hole.restarted,
        "seconds": hole.seconds,
    }


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
