"""Holds repeated messages back, so that a flood of them costs a few lines."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SPAN_S: Final = 60.0
"""Seconds over which lines are counted."""
ALIKE: Final = 5
"""Lines of one kind let through in that time."""
TOTAL: Final = 100
"""Lines of all kinds let through in that time."""
KINDS: Final = 256
"""Kinds that are told apart; beyond it the one that is longest known is forgotten."""


@dataclass(slots=True)
class _Kind:
    """Lines that differ in their values only."""

    last: logging.LogRecord
    """The last one held back, or the first."""
    since: float
    """Monotonic seconds since when they are counted."""
    passed: int = 0
    held: int = 0


class Repeats(logging.Filter):
    """Lets the first lines of a kind through and counts the others.

    A kind is the template of a message (before its values are put in) and its station. The number
    of those held back goes out with the next line of the kind, as ``record.repeated``, or with one
    that :meth:`due` returns.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: OrderedDict[tuple[str, str], _Kind] = OrderedDict()
        self._since = time.monotonic()
        self._passed = 0
        self._forgotten = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is let through; see :class:`logging.Filter`."""
        now = time.monotonic()
        if now - self._since >= SPAN_S:
            self._since, self._passed = now, 0
        key = (str(record.msg), str(getattr(record, "station", "")))
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = _Kind(record, now)
            if len(self._kinds) > KINDS:
                self._forgotten += self._kinds.popitem(last=False)[1].held
        if now - kind.since >= SPAN_S:
            kind.since, kind.passed = now, 0
        if kind.passed >= ALIKE or self._passed >= TOTAL:
            kind.held += 1
            kind.last = record
            return False
        kind.passed += 1
        self._passed += 1
        record.repeated, kind.held = kind.held, 0
        return True

    def due(self, *, all_of_them: bool = False) -> Iterator[logging.LogRecord]:
        """Yield a line for each kind whose held-back ones are not told for ``SPAN_S``.

        At the end of the log ``all_of_them`` are.
        """
        now = time.monotonic()
        for kind in self._kinds.values():
            if kind.held and (all_of_them or now - kind.since >= SPAN_S):
                kind.last.repeated = kind.held - 1  # beside the one that is shown
                kind.since, kind.held = now, 0
                yield kind.last
        if self._forgotten:
            words = f"{self._forgotten} more lines were held back"
            self._forgotten = 0
            yield logging.LogRecord("streamgenre", logging.WARNING, "", 0, words, None, None)
