"""The spectra that somebody looks at, read from the daemon only as long as that.

One connection to the daemon serves all viewers of a station, and ends with the last of them: the
daemon makes a spectrum only while it is subscribed to.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from streamgenre.display.sound_check import SoundCheck
from streamgenre.events import Spectrum, inlined
from streamgenre.logger import get_logger
from streamgenre.web.endpoints import error
from streamgenre.web.feed import subscriber_of
from streamgenre.web.viewer import Viewer, message

if TYPE_CHECKING:
    from streamgenre.config.site import SiteSettings
    from streamgenre.events import AnyEvent
    from streamgenre.web.hub import Hub

MAX_WATCHED: Final = 32
"""Most stations whose spectrum is read at the same time."""
MAX_VIEWERS: Final = 100
"""Most viewers of spectra at the same time."""
_WAIT_S: Final = 10.0

_log = get_logger(__name__)


class Spectra:
    """The spectra that are looked at now, in the thread of the event loop.

    Parameters
    ----------
    settings
        Which daemons to read.
    hub
        Brings the other events.
    """

    def __init__(self, settings: SiteSettings, hub: Hub) -> None:
        self._settings = settings
        self._hub = hub
        self._watched: dict[str, _Watched] = {}
        hub.listeners.append(self._take)
        hub.closers.append(self._wake)

    @property
    def stations(self) -> list[str]:
        """Names of the stations that are looked at."""
        return list(self._watched)

    def _take(self, event: AnyEvent) -> None:
        watched = self._watched.get(event.station)
        if watched is not None:
            watched.judge(event)

    def check(self, station: str) -> None:
        """Check that one more may watch a station.

        Raises
        ------
        HTTPException
            404 if there is no such station, 503 if there are too many viewers.
        """
        if station not in self._hub.stations:
            raise error(404, f"no station {station[:100]!r} is known")
        if sum(len(each.viewers) for each in self._watched.values()) >= MAX_VIEWERS:
            raise error(503, f"{MAX_VIEWERS} viewers already watch a spectrum; try again later")
        if station not in self._watched and len(self._watched) >= MAX_WATCHED:
            words = f"the spectra of {MAX_WATCHED} stations are already watched"
            raise error(503, f"{words}; try again later")

    def join(self, station: str) -> Viewer:
        """Return a new viewer of a station."""
        watched = self._watched.get(station)
        if watched is None:
            watched = self._watched[station] = _Watched(self._settings, station)
        viewer = Viewer(frozenset([station]), None)
        watched.viewers.add(viewer)
        watched.tell(viewer)
        return viewer

    def leave(self, station: str, viewer: Viewer) -> None:
        """Take a viewer out; without viewers, the daemon is no longer asked."""
        watched = self._watched[station]
        watched.viewers.discard(viewer)
        if not watched.viewers:
            del self._watched[station]
            watched.close()

    def _wake(self) -> None:
        for watched in self._watched.values():
            for viewer in watched.viewers:
                viewer.wake()


class _Watched:
    """One station, its viewers, and the task that reads its spectrum."""

    def __init__(self, settings: SiteSettings, station: str) -> None:
        self.station = station
        self.viewers: set[Viewer] = set()
        self._check = SoundCheck()
        self._verdict: str | None = None
        self._settings = settings
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        subscriber = subscriber_of(
            self._settings,
            types=["spectrum"],
            stations=[self.station],
            on_malformed=_log.warning,
        )
        async with subscriber:
            while True:
                event = await subscriber.receive_async(_WAIT_S)
                if isinstance(event, Spectrum):
                    text = inlined(event.to_json().encode(), event.levels)
                    frame = b"event: spectrum\ndata: " + text + b"\n\n"
                    for viewer in self.viewers:
                        viewer.put(frame)
                    self.judge(event)

    def judge(self, event: AnyEvent) -> None:
        """Take an event into the verdict, and tell the viewers if it changes."""
        self._check.take(event)
        if self._check.verdict != self._verdict:
            self._verdict = self._check.verdict
            for viewer in self.viewers:
                self.tell(viewer)

    def tell(self, viewer: Viewer) -> None:
        """Send the verdict to a viewer."""
        if self._verdict is not None:
            viewer.put(message("sound", {"station": self.station, "verdict": self._verdict}))

    def close(self) -> None:
        self._task.cancel()
