"""Time zones, days and spans of time.

A day lasts from midnight to midnight in its zone: 23 or 25 hours when daylight saving time changes.
"""

from __future__ import annotations

import os
import zoneinfo
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from pathlib import Path

from streamgenre.errors import HistoryError, nearest

Zone = tzinfo | None
"""None for this machine's time zone; ``datetime`` takes its rules from the C library."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time, its end excluded."""

    start: float
    """UNIX seconds."""
    end: float
    """UNIX seconds."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.end - self.start


def zone(name: str | None) -> Zone:
    """Return the time zone of an IANA name; this machine's for None.

    Raises
    ------
    HistoryError
        If there is no such time zone.
    """
    if name is None:
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        hint = nearest(name, known) if known else "; install the package tzdata"
        raise HistoryError(
            f"--tz {name!r}: no such time zone; expected a name like Europe/Berlin or UTC{hint}"
        ) from None


def machine_zone() -> str | None:
    """Return the IANA name of this machine's time zone, or None if it cannot be found out."""
    named = os.environ.get("TZ", "").removeprefix(":")
    if not named:
        try:
            _, divider, named = str(Path("/etc/localtime").resolve()).partition("/zoneinfo/")
        except OSError:
            return None
        if not divider:
            return "UTC" if not Path("/etc/localtime").exists() else None
    if named in ("Etc/UTC", "UCT", "Etc/UCT", "Universal", "Zulu"):
        return "UTC"
    return named if named in zoneinfo.available_timezones() else None


def local(unix: float, tz: Zone) -> datetime:
    """Return UNIX seconds as an aware ``datetime`` of a time zone.

    Parameters
    ----------
    unix
        UNIX seconds.
    tz
        The time zone; None for this machine's.

    Raises
    ------
    HistoryError
        If it lies outside the years 1 to 9999.
    """
    try:
        moment = datetime.fromtimestamp(unix, timezone.utc)  # noqa: UP017 - the module's own name
        return moment.astimezone(tz)
    except (ValueError, OverflowError, OSError):
        raise HistoryError(
            f"the time @{unix:.0f} lies outside the years 1 to 9999: the system's clock is or was "
            "set wrongly. Set it, and select what was recorded with --since and --until"
        ) from None


def unix(moment: datetime, tz: Zone) -> float:
    """Return the UNIX seconds of a naive ``datetime`` of a time zone.

    Parameters
    ----------
    moment
        Local time without a time zone.
    tz
        The time zone; None for this machine's.
    """
    if tz is None:
        return moment.timestamp()
    return moment.replace(tzinfo=tz).timestamp()


def midnight(day: date, tz: Zone) -> float:
    """Return the UNIX seconds of a day's midnight.

    Parameters
    ----------
    day
        The day.
    tz
        The time zone; None for this machine's.
    """
    return unix(datetime(day.year, day.month, day.day), tz)


def day_span(day: date, tz: Zone) -> Span:
    """Return a day from midnight to midnight.

    Parameters
    ----------
    day
        The day.
    tz
        The time zone; None for this machine's.

    Returns
    -------
    Span
        UNIX seconds; 23, 24 or 25 hours in most time zones.
    """
    return Span(midnight(day, tz), midnight(day + timedelta(days=1), tz))
