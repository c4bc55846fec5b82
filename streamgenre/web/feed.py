"""The feed: one thread that reads the daemon with the project's own client."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from streamgenre.client.subscriber import Subscriber
from streamgenre.ending import has_ended
from streamgenre.logger import get_logger
from streamgenre.web.hub import Hub, Received

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from streamgenre.client.link import Link
    from streamgenre.client.sequence import Hole
    from streamgenre.config.site import SiteSettings

FEED_TYPES: Final = ("update", "segment", "gap", "source", "title", "dead_air", "status")
"""Types of events that every viewer can have."""
_WAIT_S: Final = 1.0
_BATCH: Final = 500
"""Most events that are handed over at once."""
_MAX_PENDING: Final = 20_000
"""Most events that wait for the event loop; then the feed waits, and the client's queue fills."""

_log = get_logger(__name__)


class Feed:
    """Reads the events of the daemons and hands them to the hub.

    Parameters
    ----------
    settings
        Which daemons to read.
    hub
        Receives the events, in the thread of its event loop.
    on_failure
        Called in that thread if reading ends with an error.

    Raises
    ------
    BusError
        If an endpoint is malformed.
    KeysError
        If a key cannot be used.
    """

    def __init__(
        self, settings: SiteSettings, hub: Hub, on_failure: Callable[[], None] = lambda: None
    ) -> None:
        self._hub = hub
        self._on_failure = on_failure
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._pending: list[Received | Hole | Link] = []
        self._room = threading.Event()
        self._stop = threading.Event()
        self._subscriber = subscriber_of(
            settings,
            types=FEED_TYPES,
            on_hole=self._put,
            on_link=self._put,
            on_malformed=_log.warning,
        )
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start reading; events go to the hub in the thread of ``loop``."""
        self._loop = loop
        self._thread.start()

    def stop(self) -> None:
        """End the thread and the connection."""
        self._stop.set()
        if has_ended(self._thread):
            self._subscriber.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                found = self._subscriber.receive_both(timeout=_WAIT_S)
                count = 0
                while found is not None:
                    self._put(Received(found[1], found[0]))
                    count += 1
                    found = self._subscriber.receive_both(timeout=0) if count < _BATCH else None
        except Exception:  # noqa: BLE001 - the process ends and is restarted
            _log.exception("reading the daemon has failed")
            self._post(self._on_failure)

    def _put(self, each: Received | Hole | Link) -> None:
        with self._lock:
            first = not self._pending
            self._pending.append(each)
            full = len(self._pending) >= _MAX_PENDING
        if first:
            self._post(self._hand_over)
        while full and not self._stop.is_set() and not self._room.wait(_WAIT_S):
            pass
        self._room.clear()

    def _hand_over(self) -> None:
        with self._lock:
            batch, self._pending = self._pending, []
        self._room.set()
        self._hub.take(batch)

    def _post(self, function: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)


def subscriber_of(settings: SiteSettings, **more: Any) -> Subscriber:
    """Return a subscriber to the daemons of a web process.

    Parameters
    ----------
    settings
        Which daemons and stations.
    **more
        Further arguments of :class:`Subscriber`.
    """
    more.setdefault("stations", settings.stations or None)
    return Subscriber(
        settings.connect,
        server_key=settings.server_key or None,
        keys=settings.keys if settings.server_key else None,
        **more,
    )
