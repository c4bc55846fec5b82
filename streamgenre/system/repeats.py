"""Holds repeated log lines back, so that a flood of them costs a few lines."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

WINDOW_S: Final = 60.0
"""Seconds over which lines are counted."""
MAX_PER_KIND: Final = 5
"""Lines of one kind that pass in that time."""
MAX_TOTAL: Final = 100
"""Lines of all kinds that pass in that time."""
MAX_KINDS: Final = 256
"""Kinds that are counted separately; beyond that number the oldest one is forgotten."""


@dataclass(slots=True)
class _Kind:
    """Lines that differ only in their values."""

    last: logging.LogRecord
    """The last one held back, or the first."""
    since: float
    """Start of the counting in monotonic seconds."""
    passed: int = 0
    held: int = 0


class RepeatFilter(logging.Filter):
    """Lets the first lines of a kind pass and counts the others.

    A kind is a message's template, before its values are put in, together with the station. The
    number of lines held back goes out as ``record.repeated``, with the next line of the kind or
    with one that :meth:`due` yields.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: OrderedDict[tuple[str, str], _Kind] = OrderedDict()
        self._since = time.monotonic()
        self._passed = 0
        self._forgotten = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line passes; see :class:`logging.Filter`."""
        now = time.monotonic()
        if now - self._since >= WINDOW_S:
            self._since, self._passed = now, 0
        key = (str(record.msg), str(getattr(record, "station", "")))
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = _Kind(record, now)
            if len(self._kinds) > MAX_KINDS:
                self._forgotten += self._kinds.popitem(last=False)[1].held
        if now - kind.since >= WINDOW_S:
            kind.since, kind.passed = now, 0
        if kind.passed >= MAX_PER_KIND or self._passed >= MAX_TOTAL:
            kind.held += 1
            kind.last = record
            return False
        kind.passed += 1
        self._passed += 1
        record.repeated, kind.held = kind.held, 0
        return True

    def due(self, *, every_kind: bool = False) -> Iterator[logging.LogRecord]:
        """Yield one line for each kind whose held-back lines have not been reported lately.

        Parameters
        ----------
        every_kind
            Whether to report all held-back lines, as at the end of the log; otherwise only those
            of kinds that were last reported ``WINDOW_S`` ago or earlier.
        """
        now = time.monotonic()
        for kind in self._kinds.values():
            if kind.held and (every_kind or now - kind.since >= WINDOW_S):
                kind.last.repeated = kind.held - 1  # without the one that is shown
                kind.since, kind.held = now, 0
                yield kind.last
        if self._forgotten:
            text = f"{self._forgotten} more lines were held back"
            self._forgotten = 0
            yield logging.LogRecord("streamgenre", logging.WARNING, "", 0, text, None, None)
