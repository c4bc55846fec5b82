"""Whether and where ``listen`` keeps a history."""

from __future__ import annotations

import dataclasses
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamgenre.events import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamgenre.events import AnyEvent
    from streamgenre.history.settings import HistorySettings
    from streamgenre.history.writer import HistoryWriter

_log = logging.getLogger(__name__)


def _say(text: str) -> None:
    _log.warning(text, extra={"about": "history"})


@contextmanager
def keep_history(
    settings: HistorySettings, *, lossless: bool
) -> Iterator[Callable[[AnyEvent, bool], AnyEvent]]:
    """Yield what keeps an event, and returns it as it is to be sent.

    With each event it is told whether the station is live: heard once, it will not come again. A
    file or the demo is played for the sake of its output and would only soil the record; it is
    kept where ``settings`` say so. The file is opened with the first event that is kept.

    Parameters
    ----------
    settings
        Where, and for how long.
    lossless
        Whether the stations wait where the disk is too slow.
    """
    writer: HistoryWriter | None = None

    def keep(event: AnyEvent, live: bool) -> AnyEvent:
        nonlocal writer
        if settings.keep == "none" or not (live or settings.keep == "all"):
            return event
        if writer is None:
            from streamgenre.history.writer import HistoryWriter

            writer = HistoryWriter(settings, lossless=lossless, say=_say)
            writer.start()
        if isinstance(event, Status):
            event = dataclasses.replace(event, history=writer.state())
        writer.put(event)
        return event

    try:
        yield keep
    finally:
        if writer is not None:
            writer.close()
