"""The API of the history: ``/api/history/…``, as JSON and CSV."""

from __future__ import annotations

import io
import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from streamgenre.history import query, records
from streamgenre.history.airplay_log import AirplayLine, airplay_log, clip
from streamgenre.history.export import columns_of, exported, write_csv
from streamgenre.history.search import MAX_TEXT, titles_found
from streamgenre.history.shares import Share, shares
from streamgenre.report.data import collect
from streamgenre.report.html import page as report_page
from streamgenre.report.theme import THEMES
from streamgenre.web.answers import json_answer, tagged
from streamgenre.web.clocks import clock_of
from streamgenre.web.endpoints import Endpoint, Parameter, error
from streamgenre.web.history_asks import (
    FIRST_YEAR,
    LAST_YEAR,
    answered,
    day_of,
    ids_of,
    in_words,
    span_of,
)
from streamgenre.web.history_days import calendar_days

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from streamgenre.history.connection import Connection
    from streamgenre.history.time_zones import Span, Zone

    Rows = Callable[[Connection, dict[int, str], Span, dict[str, Any], Zone], Iterable[Any]]

_DAY_S: Final = 86_400.0
_PLAYLIST_DAYS: Final = 32
"""Most days of one playlist, whose genres are worked out in memory."""
_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 100}
_STATIONS: Final = Parameter(
    "station", "name of a station; may be repeated; default: all", {"type": "string"}, many=True
)
_STATION: Final = Parameter(
    "station", "name of the station", {"type": "string", "minLength": 1}, required=True
)
_TZ: Final = Parameter(
    "tz", "time zone of days and times, such as Europe/Berlin; default: the station's", _TEXT
)
_DAY: Final = Parameter("day", "a whole day: 2026-07-01, yesterday, monday", _TEXT)
_SPAN: Final = (
    Parameter("since", "start: 2h ago, yesterday 18:00, 2026-07-01, @1782864000", _TEXT),
    Parameter("until", "end, as since; default: now", _TEXT),
    _DAY,
)
_LIMIT: Final = Parameter(
    "limit",
    "most rows of the answer",
    {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 1000},
)
_OFFSET: Final = Parameter(
    "offset",
    "number of rows to skip",
    {"type": "integer", "minimum": 0, "maximum": 1_000_000, "default": 0},
)
_DOWNLOAD: Final = Parameter(
    "download",
    "whether a browser saves the answer as a file",
    {"type": "boolean", "default": False},
)
_BY: Final = Parameter(
    "by",
    "the parts: all, hour (of the day), day, weekday or month",
    {
        "type": "string",
        "enum": ["all", "hour", "day", "weekday", "month"],
        "default": "all",
    },
)
_WORDS: Final = Parameter(
    "q",
    "words of artists or titles; case and accents do not matter",
    {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
    required=True,
)


def _clipped(
    connection: Connection, ids: dict[int, str], within: Span, _: dict[str, Any], __: Zone
) -> Iterable[AirplayLine]:
    if within.seconds > _PLAYLIST_DAYS * _DAY_S:
        raise error(400, f"a playlist has at most {_PLAYLIST_DAYS} days: ask for less")
    lines = airplay_log(
        query.titles(connection, ids, within), query.segments(connection, ids, within)
    )
    return clip(lines, within.start, within.end)


def _found(
    connection: Connection,
    ids: dict[int, str],
    within: Span,
    given: dict[str, Any],
    __: Zone,
) -> Iterable[records.TitleRecord]:
    # One row more than wanted, by which the caller sees that there are more.
    wanted = given["offset"] + given["limit"]
    found, _ = in_words(lambda: titles_found(connection, ids, within, given["q"], limit=wanted + 1))
    return found


_LISTINGS: Final[dict[str, tuple[Rows, type[Any], str]]] = {
    "segments": (
        lambda c, ids, s, _, __: query.segments(c, ids, s),
        records.SegmentRecord,
        "Stretches of one genre or state.",
    ),
    "titles": (
        lambda c, ids, s, _, __: query.titles(c, ids, s),
        records.TitleRecord,
        "Titles that the stations announced.",
    ),
    "gaps": (
        lambda c, ids, s, _, __: query.gaps(c, ids, s),
        records.GapRecord,
        "Lost audio, and events that the history could not keep.",
    ),
    "dead-air": (
        lambda c, ids, s, _, __: query.dead_air(c, ids, s),
        records.DeadAirRecord,
        "Silence that lasted long enough to be dead air.",
    ),
    "sources": (
        lambda c, ids, s, _, __: query.sources(c, ids, s),
        records.SourceRecord,
        "Changes of the sources' states.",
    ),
    "playlist": (
        _clipped,
        AirplayLine,
        "Titles with their genres, and untitled music of at least ten seconds.",
    ),
    "shares": (
        lambda c, ids, s, given, tz: shares(c, ids, s, by=given["by"], tz=tz),
        Share,
        "Share of the time heard that each genre or state had.",
    ),
    "search": (_found, records.TitleRecord, "Titles that contain every word, newest first."),
}
_FURTHER: Final = {"shares": (_BY,), "search": (_WORDS,)}


def _listing(name: str, *, csv: bool) -> Endpoint:
    rows, kind, summary = _LISTINGS[name]
    columns = columns_of(kind)
    default_s = None if name == "search" else _DAY_S

    async def handler(request: Request) -> Response:
        return await answered(request, ask)

    def ask(request: Request, connection: Connection) -> Response:
        given = request.state.parameters
        tz = clock_of(request).tz
        within = span_of(given, tz, default_s=default_s)
        ids = ids_of(connection, given["station"])
        first, limit = given["offset"], given["limit"]
        found = list(islice(rows(connection, ids, within, given, tz), first, first + limit + 1))
        more = len(found) > limit
        table = [exported(row, tz) for row in found[:limit]]
        headers = {}
        if csv or given["download"]:
            ending = "csv" if csv else "json"
            headers["Content-Disposition"] = f'attachment; filename="streamgenre-{name}.{ending}"'
        if csv:
            file = io.BytesIO()
            write_csv(file, table, columns, bom=True)
            return tagged(request, file.getvalue(), "text/csv; charset=utf-8", headers=headers)
        answer = {"rows": table, "next": first + limit if more else None}
        return json_answer(request, _strict(answer), headers=headers)

    handler.__name__ = f"history_{name.replace('-', '_')}{'_csv' if csv else ''}"
    return Endpoint(
        f"/api/history/{name}{'.csv' if csv else ''}",
        handler,
        summary if not csv else f"{summary[:-1]}, as CSV.",
        parameters=(
            *_FURTHER.get(name, ()),
            *(_STATIONS, *_SPAN, _TZ, _LIMIT, _OFFSET),
            *(() if csv else (_DOWNLOAD,)),
        ),
        answer=None if csv else _rows_schema(columns),
        media="text/csv" if csv else "application/json",
        errors=(404, 503),
    )


def _strict(answer: object) -> bytes:
    return json.dumps(answer, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _rows_schema(columns: tuple[str, ...]) -> dict[str, Any]:
    row = {"type": "object", "properties": {name: {} for name in columns}, "required": [*columns]}
    return {
        "type": "object",
        "properties": {
            "rows": {"type": "array", "items": row},
            "next": {
                "type": ["integer", "null"],
                "description": "`offset` of the next page; null on the last one.",
            },
        },
        "required": ["rows", "next"],
    }


async def history_stations(request: Request) -> Response:
    """Return the stations of the history, and what each plays or played last."""

    def ask(request: Request, connection: Connection) -> Response:
        tz = clock_of(request).tz
        ids = ids_of(connection, [])
        path = request.app.state.site.readers.path
        now = {row.station: exported(row, tz) for row in query.now(connection, ids, path)}
        rows = [{"station": name, "now": now.get(name)} for name in ids.values()]
        return json_answer(request, _strict({"stations": rows}))

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
        return json_answer(request, _strict(answer))

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
        return json_answer(request, _strict(answer))

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


_ONE_DAY: Final = Parameter(_DAY.name, _DAY.description, _DAY.schema, required=True)
_OBJECT: Final = {"type": "object"}
ENDPOINTS: Final = (
    *(_listing(name, csv=csv) for name in _LISTINGS for csv in (False, True)),
    Endpoint(
        "/api/history/stations",
        history_stations,
        "The stations of the history, and what each plays or played last.",
        parameters=(_TZ,),
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
            _STATION,
            Parameter(
                "year",
                "the year",
                {"type": "integer", "minimum": FIRST_YEAR, "maximum": LAST_YEAR},
                required=True,
            ),
            _TZ,
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
        parameters=(_STATION, _ONE_DAY, _TZ),
        answer={"type": "object", "required": ["station", "day", "hours", "totals"]},
        errors=(404, 503),
    ),
    Endpoint(
        "/api/history/report",
        history_report,
        "The report of one day as an HTML file.",
        parameters=(
            _STATION,
            _ONE_DAY,
            _TZ,
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
