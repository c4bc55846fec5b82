"""The events that belong into a log: what happens to the inputs, not what they play."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from streamgenre.events import DeadAir, Gap, SourceChange, Status
from streamgenre.system import logs

if TYPE_CHECKING:
    from streamgenre.events import AnyEvent

_log = logging.getLogger(__name__)
_LEVELS: Final = {"lost": logging.WARNING}


def log_event(event: AnyEvent) -> None:
    """Log a change of a source, a gap or dead air; other events are passed over."""
    if isinstance(event, SourceChange):
        # The state is part of the kind of line that is counted: `live` does not hold `lost` back.
        words = f"%s: {event.state}%s"
        more = f": {event.detail}" if event.detail else f", {event.input}"
        level = _LEVELS.get(event.state, logging.INFO)
        _log.log(level, words, event.station, more, extra=_fields(event))
    elif isinstance(event, Gap):
        _log.warning(
            "%s: %.3f s lost (%d samples, %s)",
            *(event.station, event.seconds, event.samples, event.reason),
            extra=_fields(event),
        )
    elif isinstance(event, Status):
        logs.settle()
    elif isinstance(event, DeadAir) and event.active:
        words = "%s: dead air, nothing was heard for %.0f s"
        _log.warning(words, event.station, event.seconds, extra=_fields(event))
    elif isinstance(event, DeadAir):
        words = "%s: heard again after %.0f s of dead air"
        _log.info(words, event.station, event.seconds, extra=_fields(event))


def _fields(event: AnyEvent) -> dict[str, str]:
    return {"station": event.station, "event": event.TYPE}
