"""Days of a calendar with their main genre."""

from __future__ import annotations

import calendar
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from streamgenre.history.shares import grouped, sums
from streamgenre.web.history_asks import days_span

if TYPE_CHECKING:
    from streamgenre.history.connection import Connection
    from streamgenre.history.shares import Share
    from streamgenre.history.time_zones import Zone


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """What was heard on one day."""

    shares: tuple[Share, ...]
    """The largest first."""

    @property
    def recorded_s(self) -> float:
        """Seconds recorded."""
        return sum(share.seconds for share in self.shares)

    @property
    def main(self) -> Share:
        """The genre that was heard most; the state if there was no music."""
        return next((share for share in self.shares if share.genre is not None), self.shares[0])

    @property
    def genre(self) -> str | None:
        """The main genre; None if there was no music."""
        return self.main.genre


def days_between(
    connection: Connection, ids: dict[int, str], first: date, last: date, tz: Zone
) -> dict[date, CalendarDay]:
    """Return the days on which anything was recorded.

    Parameters
    ----------
    connection
        The history.
    ids
        Stations by id.
    first, last
        The days, the last included.
    tz
        Their time zone.
    """
    found = sums(connection, ids, days_span(first, last, tz), tz=tz)
    days: defaultdict[date, list[Share]] = defaultdict(list)
    for share in grouped(found, by=("day",), tz=tz)["day"]:
        days[date.fromisoformat(share.part)].append(share)
    return {day: CalendarDay(tuple(parts)) for day, parts in days.items()}


def calendar_days(
    connection: Connection, ids: dict[int, str], year: int, tz: Zone
) -> dict[date, CalendarDay]:
    """Return the days of a year on which anything was recorded.

    Parameters
    ----------
    connection
        The history.
    ids
        Stations by id.
    year
        The year.
    tz
        Time zone of the days.
    """
    return days_between(connection, ids, date(year, 1, 1), date(year, 12, 31), tz)


def weeks(year: int, month: int) -> list[list[date | None]]:
    """Return the weeks of a month from Monday to Sunday; None for days of other months.

    Parameters
    ----------
    year
        The year.
    month
        1 to 12.
    """
    found = calendar.Calendar().monthdayscalendar(year, month)
    return [[date(year, month, day) if day else None for day in week] for week in found]
