"""The history as a sink: which stations are kept, and the writer that keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamgenre.daemon.sinks import Sink
from streamgenre.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.events import AnyEvent
    from streamgenre.events.encoded import Encoded
    from streamgenre.history.settings import HistorySettings
    from streamgenre.history.writer import HistoryWriter

_log = get_logger(__name__)


class HistorySink(Sink):
    """Keeps the events of live stations, or of all of them, in the history file.

    A live station is heard once. Files and the demo can be played again, so they are kept only if
    the settings ask for ``all``. The file is opened with the first event that is kept: until then
    nothing is written to the disk, and :mod:`sqlite3` is not loaded.

    Parameters
    ----------
    settings
        Which stations to keep, where, and for how long.
    is_live
        Returns whether a station of this name is live.
    lossless
        Whether the engine waits for a slow disk; otherwise events are dropped and counted.
    """

    def __init__(
        self, settings: HistorySettings, is_live: Callable[[str], bool], *, lossless: bool
    ) -> None:
        self._settings = settings
        self._is_live = is_live
        self._lossless = lossless
        self._writer: HistoryWriter | None = None

    def take(self, event: AnyEvent) -> None:
        """Keep an event, if its station is kept; never waits unless lossless."""
        if self._keeps(event.station):
            self._running_writer().put(event)

    def take_encoded(self, encoded: Encoded) -> None:
        """Keep an event of a worker, if its station is kept."""
        if self._keeps(encoded.station):
            self._running_writer().put(encoded.event)

    def state(self, station: str) -> dict[str, Any] | None:
        """Return the field ``history`` of a station's status event; None if it is not kept."""
        return self._running_writer().state() if self._keeps(station) else None

    def stop(self) -> None:
        """Write what is left and close the file."""
        if self._writer is not None:
            self._writer.close()

    def _keeps(self, station: str) -> bool:
        keep = self._settings.keep
        return keep == "all" or (keep == "live" and self._is_live(station))

    def _running_writer(self) -> HistoryWriter:
        if self._writer is None:
            from streamgenre.history.writer import HistoryWriter

            self._writer = HistoryWriter(self._settings, lossless=self._lossless, say=_warn)
            self._writer.start()
        return self._writer


def _warn(text: str) -> None:
    _log.warning(text, extra={"about": "history"})
