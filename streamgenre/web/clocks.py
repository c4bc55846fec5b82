"""The time zone of the viewer, with that of the station beside it.

The station's time zone is that of this machine, which keeps the history.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException

from streamgenre.errors import HistoryError
from streamgenre.history.time_zones import local, machine_zone, zone
from streamgenre.web.endpoints import error

if TYPE_CHECKING:
    from starlette.requests import Request

    from streamgenre.history.time_zones import Span, Zone

COOKIE: Final = "tz"
"""Cookie in which the page keeps the viewer's time zone."""
STATION: Final = "station"
"""Value that stands for the station's own time zone."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")


@dataclass(frozen=True, slots=True)
class Clock:
    """The time zones of one page."""

    tz: Zone
    """Time zone of days and times."""
    name: str
    """Its name, such as ``Europe/Berlin``."""
    station_tz: Zone
    station_name: str
    chosen: str | None = None
    """The time zone that the address of the page names, if it does."""

    def differs(self, span: Span) -> bool:
        """Return whether the viewer's clock differs from the station's within a span."""
        return any(
            local(at, self.tz).utcoffset() != local(at, self.station_tz).utcoffset()
            for at in (span.start, span.end)
        )

    def day(self, unix: float) -> str:
        """Return the day of UNIX seconds, ``2026-07-01``."""
        return local(unix, self.tz).date().isoformat()

    def time(self, unix: float) -> str:
        """Return the viewer's time of day of UNIX seconds, ``18:04:31``."""
        return local(unix, self.tz).strftime("%H:%M:%S")

    def minute(self, unix: float) -> str:
        """Return the viewer's time of day without seconds, ``18:04``."""
        return local(unix, self.tz).strftime("%H:%M")

    def moment(self, unix: float) -> str:
        """Return the viewer's date and time, ``2026-07-01 18:04:31``."""
        return local(unix, self.tz).strftime("%Y-%m-%d %H:%M:%S")

    def at_station(self, unix: float) -> str:
        """Return the station's time, with its date where that is not the viewer's."""
        here, there = local(unix, self.tz), local(unix, self.station_tz)
        same = here.date() == there.date()
        return there.strftime("%H:%M:%S" if same else "%Y-%m-%d %H:%M:%S")

    def iso(self, unix: float) -> str:
        """Return UNIX seconds as ISO 8601, for machines."""
        return local(unix, self.tz).isoformat(timespec="seconds")


def named_zone(name: str) -> Zone:
    """Return the time zone of a name from a request.

    Raises
    ------
    HTTPException
        400 if there is none of that name.
    """
    if len(name) <= 64 and _NAME.fullmatch(name):
        try:
            return zone(name)
        except HistoryError as problem:
            raise error(400, str(problem).removeprefix("--")) from problem
    raise error(400, f"tz {name[:64]!r}: expected a name like Europe/Berlin or UTC")


def clock_of(request: Request) -> Clock:
    """Return the time zones of a request: that of its query, else its cookie, else the station's.

    Raises
    ------
    HTTPException
        400 if the query names a time zone that does not exist.
    """
    station_name = machine_zone()
    station = zone(station_name)
    shown = station_name or local(0, station).tzname() or ""
    chosen = request.query_params.get("tz") or None
    wanted = chosen or request.cookies.get(COOKIE) or STATION
    if wanted == STATION:
        return Clock(station, shown, station, shown, chosen)
    try:
        return Clock(named_zone(wanted), wanted, station, shown, chosen)
    except HTTPException:
        if chosen:
            raise
        return Clock(station, shown, station, shown)
