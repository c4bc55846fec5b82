"""Converts times as people write them, in a time zone, to UNIX seconds.

A local time that occurs twice means the first; one that is skipped means as long after the change.
"""

from __future__ import annotations

import re
import time
from datetime import date, datetime, timedelta
from typing import Final

from streamgenre.errors import HistoryError, nearest
from streamgenre.history.time_zones import Span, Zone, local, midnight, unix

EXPECTED: Final = (
    'expected something like "2h ago", "yesterday 18:00", "monday", "2026-07-01 18:00", '
    '"18:00", "today" or "now"'
)
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "seconds"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "minutes"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "hours"),
    **dict.fromkeys(("d", "day", "days"), "days"),
    **dict.fromkeys(("w", "week", "weeks"), "weeks"),
}
_AMOUNT: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?|\ban?(?=\s))\s*([a-z]+)")
_CLOCK: Final = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(am|pm)?|(\d{1,2})\s*(am|pm)"
)
_LONGEST: Final = 100
EARLIEST: Final = 0.0
LATEST: Final = 32_503_680_000.0  # the year 3000: both SQLite and datetime support it


def parse_day(text: str, tz: Zone, now: float | None = None) -> date:
    """Return the day that a text names: ``yesterday``, ``monday``, ``2026-07-01``.

    Parameters
    ----------
    text
        A day in words or as ISO 8601.
    tz
        Time zone of the day.
    now
        UNIX seconds of the present; None for the system clock.

    Returns
    -------
    date
        The day.

    Raises
    ------
    HistoryError
        If it does not name a day.
    """
    words = _words(text)
    found = _day(words, local(_now(now), tz).date())
    if found is None or found[1]:
        raise _not_understood(
            text, 'expected a day, like "today", "yesterday", "monday" or "2026-07-01"'
        )
    return found[0]


def parse(text: str, tz: Zone, now: float | None = None) -> float:
    """Return the UNIX seconds that a text names.

    Parameters
    ----------
    text
        ``now``; ``2h ago``, ``1 day 6 hours ago`` (days and weeks by the calendar: the same time
        of day); a day (``today``, ``yesterday``, ``monday``, ``last monday``, ``2026-07-01``),
        from its midnight, or with a time of day; a time of day, of today; ISO 8601, also with an
        offset; ``@1767225600``.
    tz
        Time zone of days and times.
    now
        UNIX seconds of the present; None for the system clock.

    Returns
    -------
    float
        UNIX seconds.

    Raises
    ------
    HistoryError
        If it does not name a time.
    """
    present = _now(now)
    words = _words(text)
    try:
        moment = _parse(words, tz, present)
    except (ValueError, OverflowError, OSError):
        moment = None
    if moment is None:
        raise _not_understood(text, EXPECTED)
    if not EARLIEST <= moment <= LATEST:
        raise HistoryError(f"{text!r} is out of range: expected a time from 1970 to the year 3000")
    return moment


def _now(now: float | None) -> float:
    return time.time() if now is None else now


def _words(text: str) -> str:
    return " ".join(text.casefold().split()) if len(text) <= _LONGEST else ""


def _not_understood(text: str, expected: str) -> HistoryError:
    shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    known = ("now", "today", "yesterday", *_DAYS)
    hint = nearest(shown.split()[0], known) if shown.split() and shown[0].isalpha() else ""
    return HistoryError(f"not a time: {shown!r}; {expected}{hint}")


def _parse(words: str, tz: Zone, now: float) -> float | None:
    if words in ("", "now"):
        return now if words else None
    if re.fullmatch(r"@\d{1,12}(\.\d{1,9})?", words):
        return float(words[1:])
    if words.endswith(" ago"):
        return _ago(words[: -len(" ago")], tz, now)
    today = local(now, tz).date()
    day, rest = _day(words, today) or (today, words)
    if not rest:
        return midnight(day, tz)
    clock = _clock(rest.removeprefix("at ").strip() if rest != words else rest)
    if clock is not None:
        naive = datetime(day.year, day.month, day.day) + clock
        # Hours of the day, not since midnight: 18:00 is 18:00 also on the day of a clock change.
        return unix(naive, tz)
    return _iso(words, tz)


def _day(words: str, today: date) -> tuple[date, str] | None:
    """Return the day at the start of a text, and the rest of the text."""
    first, _, rest = words.partition(" ")
    if first in ("today", "yesterday"):
        return today - timedelta(days=first == "yesterday"), rest
    last = first == "last"
    if last:
        first, _, rest = rest.partition(" ")
    for number, name in enumerate(_DAYS):
        if first in (name, name[:3]):
            back = (today.weekday() - number) % 7
            return today - timedelta(days=7 if last and back == 0 else back), rest
    if last or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", first):
        return None
    try:
        return date.fromisoformat(first), rest
    except ValueError:
        return None


def _clock(words: str) -> timedelta | None:
    """Return a time of day as the time since midnight, ignoring clock changes."""
    match = _CLOCK.fullmatch(words)
    if match is None:
        return None
    hour, minute, second = (int(match[i] or 0) for i in (1, 2, 3))
    half = match[4] or match[6]
    hour = int(match[5]) if match[5] else hour
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _ago(words: str, tz: Zone, now: float) -> float | None:
    amounts: dict[str, float] = {}
    at = 0
    for match in _AMOUNT.finditer(words):
        between = words[at : match.start()].strip()
        unit = _UNITS.get(match[2])
        if between not in ("", ",", "and") or unit is None or unit in amounts:
            return None
        amounts[unit] = 1.0 if match[1] in ("a", "an") else float(match[1])
        at = match.end()
    if not amounts or words[at:].strip():
        return None
    days = amounts.pop("days", 0.0) + 7 * amounts.pop("weeks", 0.0)
    moment = now
    if days:
        whole = int(days)
        here = local(now, tz).replace(tzinfo=None) - timedelta(days=whole)
        moment = unix(here, tz) - 86_400 * (days - whole)
    return moment - timedelta(**amounts).total_seconds()


def _iso(words: str, tz: Zone) -> float | None:
    moment = datetime.fromisoformat(words.upper())
    return moment.timestamp() if moment.tzinfo is not None else unix(moment, tz)


def span(
    since: str | None,
    until: str | None,
    tz: Zone,
    *,
    default_s: float | None,
    now: float | None = None,
) -> Span:
    """Return the span between two texts.

    Parameters
    ----------
    since, until
        As for :func:`parse`; None for the default start, and for now.
    tz
        Time zone of both.
    default_s
        Length in seconds if ``since`` is None; None to start at the earliest time.
    now
        UNIX seconds of the present; None for the system clock.

    Returns
    -------
    Span
        The span.

    Raises
    ------
    HistoryError
        If one of them is not a time, or the end is not after the start.
    """
    present = _now(now)
    end = present if until is None else parse(until, tz, present)
    if since is not None:
        start = parse(since, tz, present)
    else:
        start = EARLIEST if default_s is None else end - default_s
    if start >= end:
        first, last = (local(t, tz).strftime("%Y-%m-%d %H:%M:%S") for t in (start, end))
        raise HistoryError(
            f"the range starts at {first} and ends at {last}: expected --since before --until"
            + (" (default: now)" if until is None else "")
            + "; a day as --until means its midnight; use --day for a whole day"
        )
    return Span(start, end)
