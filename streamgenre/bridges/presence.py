"""Stations that do not come back after their daemon does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

RETURN_S: Final = 15.0
"""Seconds after the first event over a new connection within which every station is heard of: the
daemon repeats the last events to a new connection, and sends a status every 10 s at least."""
SILENT_RETURN_S: Final = 300.0
"""The same where no station is heard of at all, and the daemon may still be starting."""
MAX_STATIONS: Final = 10_000
"""Most stations that are known; further ones are never gone."""


class Presence:
    """Tells which stations are gone: the daemon is connected again, and nothing comes of them.

    A station is never gone while the daemon is away, nor because it is silent: after its end a
    station sends nothing more, but a new connection still brings its last events.

    Parameters
    ----------
    after
        Seconds of an unbroken connection, from its first event, after which a station that was not
        heard of is gone.
    silent_after
        The same for a connection without any event.
    """

    def __init__(self, after: float = RETURN_S, silent_after: float = SILENT_RETURN_S) -> None:
        self._after = after
        self._silent_after = silent_after
        self._known: set[str] = set()
        self._heard: set[str] = set()
        """Heard of since the newest connection."""
        self._connections = 0
        self._live_since: float | None = None
        self._heard_since: float | None = None
        self._decided = True
        """Whether the stations that did not come back over this connection have been reported."""

    def heard(self, station: str) -> None:
        """Note that an event of a station arrived."""
        if station in self._known or len(self._known) < MAX_STATIONS:
            self._known.add(station)
            self._heard.add(station)

    def expect(self, stations: Iterable[str]) -> None:
        """Note stations that an earlier run knew.

        Parameters
        ----------
        stations
            Their names.
        """
        self._known.update(stations)
        self._decided = False

    def forget(self, station: str) -> None:
        """Forget a station that its daemon has removed."""
        self._known.discard(station)
        self._heard.discard(station)

    def link(self, live: bool, connections: int, now: float) -> None:
        """Note the state of the connection to the daemon; to be called often.

        Parameters
        ----------
        live
            Whether the daemon can be reached.
        connections
            Number of connections that were made so far, this one included.
        now
            Monotonic seconds.
        """
        if connections != self._connections:
            self._connections = connections
            self._heard.clear()
            self._live_since = self._heard_since = None
            self._decided = False
        if not live:
            self._live_since = self._heard_since = None
        elif self._live_since is None:
            self._live_since = now
        if self._live_since is not None and self._heard and self._heard_since is None:
            self._heard_since = now

    def gone(self, now: float) -> list[str]:
        """Return the stations that are gone, each once.

        Parameters
        ----------
        now
            Monotonic seconds.

        Returns
        -------
        list of str
            Their names, sorted.
        """
        if self._decided or self._live_since is None:
            return []
        since, after = self._live_since, self._silent_after
        if self._heard_since is not None:
            since, after = self._heard_since, self._after
        if now - since < after:
            return []
        self._decided = True
        missing = sorted(self._known - self._heard)
        self._known -= set(missing)
        return missing
