"""The API of the history: stations, calendar, days and reports; see :mod:`.history_listings`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from streamgenre.history import query
from streamgenre.history.export import exported
from streamgenre.report.data import collect
from streamgenre.report.html import page as report_page
from streamgenre.report.theme import THEMES
from streamgenre.web.answers import json_answer, tagged
from streamgenre.web.clocks import clock_of
from streamgenre.web.endpoints import Endpoint, Parameter
from streamgenre.web.history_asks import FIRST_YEAR, LAST_YEAR, answered, day_of, ids_of
from streamgenre.web.history_days import calendar_days
from streamgenre.web.history_parameters import DAY, STATION, TZ

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from streamgenre.history.connection import Connection


async def history_stations(request: Request) -> Response:
    """Return the stations of the history, and what each plays or played last."""

    def ask(request: Request, connection: Connection) -> Response:
        tz = clock_of(request).tz
        ids = ids_of(connection, [])
        path = request.app.state.site.readers.path
        now = {row.station: exported(row, tz) for row in query.now(connection, ids, path)}
        rows = [{"station": name, "now": now.get(name)} for name in ids.values()]
        return json_answer(request, {"stations": rows})

    return await answered(request, ask)


async def history_calendar(request: Request) -> Response:
    """Return the main genre of each day of a year."""

    def ask(request: Request, connection: Connection) -> Response:
        given = request.state.parameters
        tz = clock_of(request).tz
        ids = ids_of(connection, [given["station"]])
        days = calendar_days(connection, ids, given["year"], tz)
        rows = [
            {
                "day": day.isoformat(),
                "genre": found.genre,
                "recorded_s": round(found.recorded_s, 3),
                "shares": [
                    {"state": s.state, "genre": s.genre, "seconds": s.seconds, "share": s.share}
                    for s in found.shares
                ],
            }
            for day, found in sorted(days.items())
        ]
        answer = {"station": given["station"], "year": given["year"], "days": rows}
        return json_answer(request, answer)

    return await answered(request, ask)


async def history_day(request: Request) -> Response:
    """Return the figures of one day."""

    def ask(request: Request, connection: Connection) -> Response:
        given = request.state.parameters
        clock = clock_of(request)
        ids_of(connection, [given["station"]])
        data = collect(connection, given["station"], day_of(given["day"], clock.tz), clock.tz)
        answer = {
            "station": data.station,
            "day": data.day.isoformat(),
            "tz": clock.name,
            "start": clock.iso(data.span.start),
            "end": clock.iso(data.span.end),
            "recorded_s": round(data.recorded_s, 3),
            "totals": [_part(kind.state, kind.genre, data.totals[kind]) for kind in data.kinds],
            "hours": [
                {
                    "start": clock.iso(hour.span.start),
                    "parts": [_part(k.state, k.genre, s) for k, s in hour.seconds.items()],
                }
                for hour in data.hours
            ],
            "transitions": [
                {"before": before, "after": after, "count": count}
                for (before, after), count in sorted(data.transitions.items())
            ],
            "confidence": [
                {
                    "time": clock.iso(point.time),
                    **{name: round(getattr(point, name), 4) for name in ("low", "mean", "high")},
                }
                for point in data.confidence
            ],
            "detailed": data.detailed,
        }
        return json_answer(request, answer)

    return await answered(request, ask)


def _part(state: str, genre: str | None, seconds: float) -> dict[str, Any]:
    return {"state": state, "genre": genre, "seconds": round(seconds, 3)}


async def history_report(request: Request) -> Response:
    """Return the report of a day as one HTML file."""

    def ask(request: Request, connection: Connection) -> Response:
        given = request.state.parameters
        tz = clock_of(request).tz
        ids_of(connection, [given["station"]])
        data = collect(connection, given["station"], day_of(given["day"], tz), tz)
        body = report_page(data, THEMES[given["theme"]]).encode("utf-8", "replace")
        name = f"streamgenre-{data.day.isoformat()}.html"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
        }
        return tagged(request, body, "text/html; charset=utf-8", headers=headers)

    return await answered(request, ask)


_OBJECT: Final = {"type": "object"}
ENDPOINTS: Final = (
    Endpoint(
        "/api/history/stations",
        history_stations,
        "The stations of the history, and what each plays or played last.",
        parameters=(TZ,),
        answer={
            "type": "object",
            "properties": {"stations": {"type": "array", "items": _OBJECT}},
            "required": ["stations"],
        },
        errors=(404, 503),
    ),
    Endpoint(
        "/api/history/calendar",
        history_calendar,
        "Main genre and shares of each day of a year.",
        parameters=(
            STATION,
            Parameter(
                "year",
                "the year",
                {"type": "integer", "minimum": FIRST_YEAR, "maximum": LAST_YEAR},
                required=True,
            ),
            TZ,
        ),
        answer={
            "type": "object",
            "properties": {
                "station": {"type": "string"},
                "year": {"type": "integer"},
                "days": {"type": "array", "items": _OBJECT},
            },
            "required": ["station", "year", "days"],
        },
        errors=(404, 503),
    ),
    Endpoint(
        "/api/history/day",
        history_day,
        "Totals, hours, transitions and confidence of one day.",
        parameters=(STATION, DAY, TZ),
        answer={"type": "object", "required": ["station", "day", "hours", "totals"]},
        errors=(404, 503),
    ),
    Endpoint(
        "/api/history/report",
        history_report,
        "The report of one day as an HTML file.",
        parameters=(
            STATION,
            DAY,
            TZ,
            Parameter(
                "theme",
                "its colours",
                {"type": "string", "enum": [*THEMES], "default": "light"},
            ),
        ),
        media="text/html",
        errors=(404, 503),
    ),
)
