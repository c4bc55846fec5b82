"""Times as people say them, in their own time zone, to UNIX seconds and back.

A day is from midnight to midnight where the listener lives: 23 or 25 hours where the clock is
changed. Of a local time that happens twice the first is meant; one that does not happen stands for
as long after the change as it names.
"""

from __future__ import annotations

import re
import time
import zoneinfo
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Final

from streamgenre.errors import HistoryError, nearest

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
LATEST: Final = 32_503_680_000.0  # the year 3000: what SQLite and datetime both know

Zone = tzinfo | None
"""None for the zone of this machine, whose rules ``datetime`` asks the C library for."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, its end not included."""

    start: float
    """UNIX seconds."""
    end: float
    """UNIX seconds."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


def zone(name: str | None) -> Zone:
    """Return the zone of an IANA name; that of this machine for None.

    Raises
    ------
    HistoryError
        If there is no such zone.
    """
    if name is None:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        hint = nearest(name, known) if known else "; install the package tzdata to have any"
        raise HistoryError(
            f"--tz {name!r}: no such time zone; expected a name like Europe/Berlin or UTC{hint}"
        ) from None


def local(unix: float, tz: Zone) -> datetime:
    """Return UNIX seconds as an aware time of a zone."""
    moment = datetime.fromtimestamp(unix, timezone.utc)  # noqa: UP017 - the module's own name
    return moment.astimezone(tz)


def unix(moment: datetime, tz: Zone) -> float:
    """Return the UNIX seconds of a naive time of a zone."""
    if tz is None:
        return moment.timestamp()
    return moment.replace(tzinfo=tz).timestamp()


def midnight(day: date, tz: Zone) -> float:
    """Return the UNIX seconds at which a day begins."""
    return unix(datetime(day.year, day.month, day.day), tz)


def day_span(day: date, tz: Zone) -> Span:
    """Return a day from midnight to midnight."""
    return Span(midnight(day, tz), midnight(day + timedelta(days=1), tz))


def parse_day(text: str, tz: Zone, now: float | None = None) -> date:
    """Return the day that a text names: ``yesterday``, ``monday``, ``2026-07-01``.

    Raises
    ------
    HistoryError
        If it names none.
    """
    words = _words(text)
    found = _day(words, local(_now(now), tz).date())
    if found is None or found[1]:
        raise _not_understood(
            text, 'expected a day, like "today", "yesterday", "monday" or "2026-07-01"'
        )
    return found[0]


def parse(text: str, tz: Zone, now: float | None = None) -> float:
    """Return the UNIX seconds that a text means.

    Parameters
    ----------
    text
        ``now``; ``2h ago``, ``1 day 6 hours ago`` (days and weeks by the calendar: the same time
        of day); a day (``today``, ``yesterday``, ``monday``, ``last monday``, ``2026-07-01``),
        from its midnight, or with a time of day; a time of day, of today; ISO 8601, also with an
        offset; ``@1767225600``.
    tz
        Zone in which days and times are meant.
    now
        UNIX seconds of the present; None for the clock's.

    Raises
    ------
    HistoryError
        If it means no time.
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
    return HistoryError(f"no time is understood from {shown!r}: {expected}{hint}")


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
        # Hours of the day, not since midnight: 18:00 is 18:00 where the clock was changed, too.
        return unix(naive, tz)
    return _iso(words, tz)


def _day(words: str, today: date) -> tuple[date, str] | None:
    """Return the day at the beginning of a text and what follows it."""
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
    """Return a time of day as the time since a midnight without changes of the clock."""
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
        As :func:`parse` takes them; None for the default beginning, and for now.
    tz
        Zone in which they are meant.
    default_s
        Seconds before the end at which it begins unless told; None for all there is.
    now
        UNIX seconds of the present; None for the clock's.

    Raises
    ------
    HistoryError
        If one is not understood, or the end is not after the beginning.
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
            f"the range begins at {first} and ends at {last}: expected --since before --until"
            + (" (which is now unless given)" if until is None else "")
            + "; a day as --until means its midnight, --day names a whole one"
        )
    return Span(start, end)
