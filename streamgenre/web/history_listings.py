"""Listings of the history for other programs: ``/api/history/segments`` and others, JSON or CSV."""

from __future__ import annotations

import io
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from streamgenre.history import query, records
from streamgenre.history.airplay_log import AirplayLine, airplay_log, clip
from streamgenre.history.export import columns_of, exported, write_csv
from streamgenre.history.search import titles_found
from streamgenre.history.shares import Share, shares
from streamgenre.web.answers import json_answer, tagged
from streamgenre.web.clocks import clock_of
from streamgenre.web.endpoints import Endpoint, error
from streamgenre.web.history_asks import answered, ids_of, in_words, span_of
from streamgenre.web.history_parameters import (
    BY,
    DOWNLOAD,
    LIMIT,
    OFFSET,
    SPAN,
    STATIONS,
    TZ,
    WORDS,
)

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
_FURTHER: Final = {"shares": (BY,), "search": (WORDS,)}


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
        return json_answer(request, answer, headers=headers)

    handler.__name__ = f"history_{name.replace('-', '_')}{'_csv' if csv else ''}"
    return Endpoint(
        f"/api/history/{name}{'.csv' if csv else ''}",
        handler,
        summary if not csv else f"{summary[:-1]}, as CSV.",
        parameters=(
            *_FURTHER.get(name, ()),
            *(STATIONS, *SPAN, TZ, LIMIT, OFFSET),
            *(() if csv else (DOWNLOAD,)),
        ),
        answer=None if csv else _rows_schema(columns),
        media="text/csv" if csv else "application/json",
        errors=(404, 503),
    )


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


ENDPOINTS: Final = tuple(_listing(name, csv=csv) for name in _LISTINGS for csv in (False, True))
