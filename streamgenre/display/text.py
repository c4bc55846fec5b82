"""Words and numbers as they are shown; text from outside is sanitised here."""

from __future__ import annotations

import math
import time
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CLEAN: Final = 256
"""Most characters of a text from outside that are used; no screen row shows more."""
MAX_MARKS: Final = 2
"""Most combining marks kept on one character; more would cover other rows."""

_DROPPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Me"})
_VARIATION_SELECTORS: Final = range(0xFE00, 0xFE10)
_REGIONAL_INDICATORS: Final = range(0x1F1E6, 0x1F200)


@lru_cache(maxsize=512)
def clean(text: str) -> str:
    """Return text from outside as one line that cannot control a terminal.

    Removes control and format characters (escapes, direction marks, joiners), lone surrogates,
    stacked marks and line breaks; the rest has the same width in rich and in terminals.
    """
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text[:MAX_CLEAN]):
        if char in "\t\n\r":
            kept.append(" ")
            continue
        category = unicodedata.category(char)
        point = ord(char)
        # Flags and emoji variants are wide in some terminals and narrow in others.
        if category in _DROPPED or point in _VARIATION_SELECTORS or point in _REGIONAL_INDICATORS:
            continue
        marks = marks + 1 if category == "Mn" else 0
        if marks <= MAX_MARKS:
            kept.append(char)
    return " ".join("".join(kept).split())


def listed(names: Iterable[str]) -> str:
    """Return up to 12 names in order, with commas between them."""
    first, more = (ordered := sorted(map(clean, names)))[:12], len(ordered) - 12
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")


def share(value: float) -> float:
    """Return a number limited to the range 0 to 1; values that are not finite count as 0."""
    return min(1.0, max(0.0, value)) if math.isfinite(value) else 0.0


def percent(part: float) -> str:
    """Return a share between 0 and 1 as ``83 %``."""
    return f"{round(100 * share(part))} %"


def clock(unix: float) -> str:
    """Return UNIX seconds as local time ``12:04:31``; ``--:--:--`` if it is out of range."""
    try:
        return time.strftime("%H:%M:%S", time.localtime(unix))
    except (ValueError, OverflowError, OSError):
        return "--:--:--"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units: ``42 s``, ``3 min 5 s``, ``2 h 4 min``.

    Negative values and values that are not finite count as 0.
    """
    whole = round(seconds) if math.isfinite(seconds) and seconds > 0 else 0
    minutes, rest = divmod(whole, 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes} min {rest} s"
    days, hours = divmod(hours, 24)
    return f"{hours} h {minutes} min" if days == 0 else f"{days} d {hours} h"


def level(dbfs: float | None) -> str:
    """Return a level in dBFS as ``-18.2 dBFS``; None is digital silence."""
    if dbfs is None or not math.isfinite(dbfs):
        return "digital silence"
    return f"{dbfs:.1f} dBFS"


def milliseconds(ms: float) -> str:
    """Return milliseconds with two significant digits or as a whole number: ``3.1``, ``42``."""
    return f"{ms:.1f}" if ms < 10 else f"{ms:.0f}"


def size(count: int) -> str:
    """Return bytes as ``84 MB`` (millions of bytes)."""
    return f"{count / 1e6:.0f} MB"


def number(count: int) -> str:
    """Return a whole number in groups of three digits: ``1 234 567``."""
    return f"{count:,}".replace(",", " ")
