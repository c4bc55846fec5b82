"""A stretch of time cut at the quarters of UTC hours, in whole milliseconds.

Whole numbers, so that what was added can be taken away again without a rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

QUARTERS: Final = 4
"""Quarters of an hour."""
QUARTER_S: Final = 900
_QUARTER_MS: Final = 1000 * QUARTER_S


def spread(start: float, end: float) -> Iterator[tuple[int, int, int]]:
    """Yield ``(hour, quarter, milliseconds)`` of a stretch.

    Parameters
    ----------
    start, end
        UNIX seconds; nothing is yielded unless ``start < end``.
    """
    at, stop = round(start * 1000), round(end * 1000)
    while at < stop:
        number = at // _QUARTER_MS
        until = min(stop, (number + 1) * _QUARTER_MS)
        yield number // QUARTERS, number % QUARTERS, until - at
        at = until
