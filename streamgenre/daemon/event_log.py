"""The log as a sink: what happens to the inputs, not what they play."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from streamgenre.daemon.sinks import Sink
from streamgenre.events import DeadAir, Gap, SourceChange, Status
from streamgenre.logger import get_logger
from streamgenre.system import logs

if TYPE_CHECKING:
    from streamgenre.events import AnyEvent

_log = get_logger(__name__)
_LEVELS: Final = {"lost": logging.WARNING}


class EventLog(Sink):
    """Logs changes of sources, gaps and dead air; other events are ignored."""

    TYPES = frozenset({"source", "gap", "status", "dead_air"})

    def __init__(self) -> None:
        self._workers: dict[str, str | None] = {}

    def forget(self, station: str) -> None:
        """Forget which worker a station had."""
        self._workers.pop(station, None)

    def take(self, event: AnyEvent) -> None:
        """Log an event."""
        if isinstance(event, SourceChange):
            # The state is part of the template by which repetitions are counted, so that a flood
            # of `live` does not hold `lost` back.
            template = f"%s: {event.state}%s"
            more = f": {event.detail}" if event.detail else f", {event.input}"
            level = _LEVELS.get(event.state, logging.INFO)
            _log.log(level, template, event.station, more, extra=self._fields(event))
        elif isinstance(event, Gap):
            _log.warning(
                "%s: %.3f s lost (%d samples, %s)",
                *(event.station, event.seconds, event.samples, event.reason),
                extra=self._fields(event),
            )
        elif isinstance(event, Status):
            self._workers[event.station] = event.worker
            logs.report_repeats()
        elif isinstance(event, DeadAir) and event.active:
            template = "%s: dead air: silent for %.0f s"
            _log.warning(template, event.station, event.seconds, extra=self._fields(event))
        elif isinstance(event, DeadAir):
            template = "%s: dead air is over after %.0f s"
            _log.info(template, event.station, event.seconds, extra=self._fields(event))

    def _fields(self, event: AnyEvent) -> dict[str, str]:
        fields = {"station": event.station, "event": event.TYPE}
        worker = self._workers.get(event.station)
        return fields if worker is None else fields | {"worker": worker}
