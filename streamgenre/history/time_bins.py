"""Time split at the quarters of UTC hours, in whole milliseconds.

Whole numbers, so that an amount that was added can be subtracted again exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

QUARTERS: Final = 4
"""Quarters of an hour."""
QUARTER_S: Final = 900
_QUARTER_MS: Final = 1000 * QUARTER_S


def split_by_quarter(start: float, end: float) -> Iterator[tuple[int, int, int]]:
    """Split a span at the quarters of UTC hours.

    Parameters
    ----------
    start, end
        UNIX seconds; nothing is yielded unless ``start < end``.

    Yields
    ------
    tuple of int
        ``(hour, quarter, milliseconds)``: UNIX hour, quarter 0 to 3, and the part of the span that
        lies in it.

    Examples
    --------
    >>> list(split_by_quarter(899.5, 901))
    [(0, 0, 500), (0, 1, 1000)]
    """
    at, stop = round(start * 1000), round(end * 1000)
    while at < stop:
        number = at // _QUARTER_MS
        until = min(stop, (number + 1) * _QUARTER_MS)
        yield number // QUARTERS, number % QUARTERS, until - at
        at = until
