"""The pages of the history over several days: calendar, shares, search and dead air."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.routing import Route

from streamgenre.display.text import duration
from streamgenre.history import query, tags
from streamgenre.history.search import genres_found, titles_found, words_of
from streamgenre.history.shares import grouped, sums
from streamgenre.history.time_zones import Span, local
from streamgenre.report.data import Kind
from streamgenre.report.theme import page_css
from streamgenre.web import day_pages
from streamgenre.web import history_views as views
from streamgenre.web.answers import tagged
from streamgenre.web.endpoints import error
from streamgenre.web.history_asks import (
    FIRST_YEAR,
    LAST_YEAR,
    answered,
    day_of,
    days_span,
    in_words,
)
from streamgenre.web.history_days import calendar_days, days_between, weeks
from streamgenre.web.history_head import Head, head_of

if TYPE_CHECKING:
    from datetime import date

    from starlette.requests import Request
    from starlette.responses import Response

    from streamgenre.history.connection import Connection
    from streamgenre.history.records import NowRecord

_DAYS: Final = 30
"""Days that a page about several days shows at first."""
_MAX_STRIPS: Final = 40
"""Most stations whose last days the overview shows."""
_ROWS: Final = 100
"""Rows of one page of a search or of dead air."""


async def charts_css(request: Request) -> Response:
    """Return the style sheet of the charts."""
    return tagged(request, page_css().encode(), "text/css")


async def calendar(request: Request) -> Response:
    """Show all stations with their last days, or the year of one."""
    return await answered(request, _calendar)


def _calendar(request: Request, connection: Connection) -> Response:
    head = head_of(request, connection, "calendar")
    today = head.today
    if head.station is None:
        shown = dict(list(head.ids.items())[:_MAX_STRIPS])
        heard = {row.station: row for row in query.now(connection, shown, head.history)}
        strips = [_strip(head, connection, number, heard.get(n)) for number, n in shown.items()]
        rest = list(head.ids.values())[_MAX_STRIPS:]
        return head.page("history.html", strips=strips, rest=rest, one_day=timedelta(days=1))
    text = request.path_params.get("year")
    if text is None:
        return head.redirect(f"/calendar/{head.slug}/{today.year}")
    fits = text.isascii() and text.isdigit() and len(text) == 4
    if not (fits and FIRST_YEAR <= int(text) <= LAST_YEAR):
        raise error(404, f"year {text[:20]!r}: expected {FIRST_YEAR} to {LAST_YEAR}")
    year = int(text)
    found = calendar_days(connection, head.chosen, year, head.clock.tz)
    months = [
        {
            "number": month,
            "weeks": [
                [day and _cell(head, head.station, day, found) for day in week]
                for week in weeks(year, month)
            ],
        }
        for month in range(1, 13)
    ]
    kinds = {Kind(share.state, share.genre): None for day in found.values() for share in day.shares}
    return head.page(
        "calendar.html",
        year=year,
        months=months,
        legend=views.looks(kinds),
        days=len(found),
        before=year - 1 if year > FIRST_YEAR else None,
        after=year + 1 if year < LAST_YEAR else None,
    )


def _strip(
    head: Head, connection: Connection, number: int, heard: NowRecord | None
) -> dict[str, Any]:
    """Return the last days of a station, up to the day on which it was heard last."""
    name, tz = head.ids[number], head.clock.tz
    last = head.today if heard is None else min(head.today, local(heard.heard, tz).date())
    first = last - timedelta(days=_DAYS - 1)
    found = days_between(connection, {number: name}, first, last, tz)
    cells = [_cell(head, name, first + timedelta(days=i), found) for i in range(_DAYS)]
    return {"name": name, "cells": cells, "heard": heard, "last": last}


def _cell(head: Head, station: str, day: date, found: dict[date, Any]) -> dict[str, Any]:
    cell: dict[str, Any] = {"day": day, "look": None, "text": head.day_words(day)}
    entry = found.get(day)
    if entry is not None:
        main = Kind(entry.main.state, entry.main.genre)
        parts = ", ".join(
            f"{head.name(Kind(s.state, s.genre))} {100 * s.share:.0f} %" for s in entry.shares[:3]
        )
        cell["look"] = views.look(main)
        cell["href"] = head.link(f"/day/{head.slug_of(station)}/{day.isoformat()}")
        cell["text"] += f": {parts}; {duration(entry.recorded_s)}"
        cell["thin"] = entry.recorded_s < 3600
    return cell


async def shares(request: Request) -> Response:
    """Show the shares by hour of the day, weekday and month."""
    return await answered(request, _shares)


def _shares(request: Request, connection: Connection) -> Response:
    head = head_of(request, connection, "shares")
    first, last = _days_of(request, head, default=364)
    within = days_span(first, last, head.clock.tz)
    found = sums(connection, head.chosen, within, tz=head.clock.tz) if head.chosen else {}
    parts = grouped(found, by=("all", "hour", "weekday", "month"), tz=head.clock.tz)
    charts = []
    for by in ("hour", "weekday", "month"):
        chart, rows = views.shares_chart(parts[by], by, head.say, head.name)
        charts.append({"by": by, "chart": chart, "rows": rows})
    whole = parts["all"]
    kinds = [Kind(s.state, s.genre) for s in whole]
    return head.page(
        "shares.html",
        first=first,
        last=last,
        charts=charts if found else [],
        whole=[
            {"look": each, "share": f"{head.decimal(100 * s.share)} %", "time": duration(s.seconds)}
            for s, each in zip(whole, views.looks(kinds), strict=True)
        ],
        span=within,
    )


def _days_of(request: Request, head: Head, *, default: int) -> tuple[date, date]:
    """Return the first and last day that ``from`` and ``to`` name."""
    texts = {name: request.query_params.get(name) for name in ("from", "to")}
    last = day_of(texts["to"], head.clock.tz) if texts["to"] else head.today
    first = (
        day_of(texts["from"], head.clock.tz) if texts["from"] else last - timedelta(days=default)
    )
    if first > last:
        raise error(400, f"from {first} to {last}: expected the first day before the last")
    if (last - first).days > 3660:
        raise error(400, f"from {first} to {last}: expected at most ten years")
    return first, last


async def search(request: Request) -> Response:
    """Find titles, artists and genres."""
    return await answered(request, _search)


def _search(request: Request, connection: Connection) -> Response:
    head = head_of(request, connection, "search")
    text = request.query_params.get("q", "").strip()
    page = _page_of(request)
    values: dict[str, Any] = {"q": text, "rows": None, "genres": [], "tags": [], "problem": None}
    if text:
        try:
            span = Span(0.0, 4e10)
            found, more = in_words(
                lambda: titles_found(
                    connection, head.chosen, span, text, limit=_ROWS, skip=page * _ROWS
                )
            )
            if page == 0:
                values["genres"] = genres_found(connection, head.chosen, text)
                values["tags"] = tags.found(connection, head.chosen, words_of(text))
            values["rows"] = [{"id": round(row.start * 1000), "row": row} for row in found]
            values["newer"] = head.here(page=str(page)) if page else None
            values["older"] = head.here(page=str(page + 2)) if more else None
        except HTTPException as problem:
            values |= {"problem": problem.detail, "q": text[:200]}
    return head.page("search.html", status=400 if values["problem"] else 200, **values)


def _page_of(request: Request) -> int:
    """Return the number of the page, from 0."""
    text = request.query_params.get("page") or "1"
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 1000 and len(text) < 6):
        raise error(400, "page: expected a number from 1 to 1000")
    return int(text) - 1


async def dead_air(request: Request) -> Response:
    """Show the dead air of some days."""
    return await answered(request, _dead_air)


def _dead_air(request: Request, connection: Connection) -> Response:
    head = head_of(request, connection, "dead-air")
    first, last = _days_of(request, head, default=_DAYS - 1)
    within = days_span(first, last, head.clock.tz)
    found = list(query.dead_air(connection, head.chosen, within)) if head.chosen else []
    page = _page_of(request)
    shown = found[::-1][page * _ROWS : (page + 1) * _ROWS]
    return head.page(
        "dead_air.html",
        first=first,
        last=last,
        rows=[{"row": row, "lasted": duration(row.end - row.start)} for row in shown],
        count=len(found),
        total=duration(sum(row.end - row.start for row in found)),
        longest=duration(max((row.end - row.start for row in found), default=0.0)),
        newer=head.here(page=str(page)) if page else None,
        older=head.here(page=str(page + 2)) if len(found) > (page + 1) * _ROWS else None,
        span=within,
    )


def _routes() -> list[Route]:
    found = [Route("/charts.css", charts_css, methods=["GET"])]
    for path, handler, further in (
        ("/calendar", calendar, "/{year}"),
        ("/day", day_pages.day, "/{date}"),
        ("/playlist", day_pages.playlist, "/{date}"),
        ("/shares", shares, ""),
        ("/dead-air", dead_air, ""),
    ):
        found.append(Route(path, handler, methods=["GET"]))
        if further:
            found.append(Route(f"{path}/{{station:path}}{further}", handler, methods=["GET"]))
        found.append(Route(f"{path}/{{station:path}}", handler, methods=["GET"]))
    found.append(Route("/search", search, methods=["GET"]))
    return found


ROUTES: Final = tuple(_routes())
