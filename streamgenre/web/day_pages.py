"""The pages about one day of a station: its charts and figures, and its playlist."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from streamgenre.display.text import duration, percent
from streamgenre.history import query
from streamgenre.history.airplay_log import airplay_log, clip
from streamgenre.history.time_zones import Span, local
from streamgenre.report.data import Kind, collect
from streamgenre.web import history_views as views
from streamgenre.web.endpoints import error
from streamgenre.web.history_asks import answered, day_of, days_span, in_words, is_iso_day
from streamgenre.web.history_head import Head, head_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from starlette.requests import Request
    from starlette.responses import Response

    from streamgenre.history.connection import Connection
    from streamgenre.history.records import SegmentRecord, TitleRecord

_SHORTEST_ZOOM_S: Final = 30.0


async def day(request: Request) -> Response:
    """Show one day of one station, or a part of it enlarged."""
    return await answered(request, partial(_shown, "day", _day))


async def playlist(request: Request) -> Response:
    """Show the titles of a day with their genres."""
    return await answered(request, partial(_shown, "playlist", _playlist))


def _shown(
    kind: Literal["day", "playlist"],
    page: Callable[[Head, Connection, date], Response],
    request: Request,
    connection: Connection,
) -> Response:
    """Return a page about the station and day of a request, or where that belongs."""
    head = head_of(request, connection, kind)
    moved = _moved(request, head, kind)
    if moved is not None:
        return moved
    return page(head, connection, day_of(request.path_params["date"], head.clock.tz))


def _of_a_day(
    the_day: date, span: Span, titles: Iterable[TitleRecord], segments: Iterable[SegmentRecord]
) -> dict[str, Any]:
    """Return what both pages show: the day, those around it, and its playlist."""
    lines = list(clip(airplay_log(titles, segments), span.start, span.end))
    return {
        "day": the_day,
        "before": the_day - timedelta(days=1),
        "after": the_day + timedelta(days=1) if span.end < time.time() else None,
        "lines": views.playlist_rows(lines),
        "count": len(lines),
        "span": span,
    }


def _day(head: Head, connection: Connection, the_day: date) -> Response:
    assert head.station is not None
    request = head.request
    data = collect(connection, head.station, the_day, head.clock.tz)
    zoom = _zoom(request, data.span)
    values: dict[str, Any] = {"recorded": data, "zoom": _zoomed(head, data, zoom)}
    if request.query_params.get("part") == "zoom":
        return head.page("day_zoom.html", **values)
    return head.page(
        "day.html",
        hours_in_day=round(data.span.seconds / 3600, 2),
        charts=views.day_charts(data),
        figures=views.figures(data, head.say, head.name),
        legend=views.looks(data.kinds),
        hours=views.hour_rows(data, head.clock, head.name),
        shares=views.share_rows(data),
        losses=views.loss_rows(data, head.say),
        **_of_a_day(the_day, data.span, data.titles, data.segments),
        **values,
    )


def _zoom(request: Request, whole: Span) -> Span | None:
    """Return the part of a day that is enlarged."""
    given = [request.query_params.get(name) for name in ("start", "end")]
    if given == [None, None]:
        return None
    try:
        start, end = (float(text or "nan") for text in given)
    except ValueError:
        start = end = float("nan")
    start, end = max(start, whole.start), min(end, whole.end)
    if not start < end:
        raise error(
            400,
            "start and end: expected UNIX seconds within the day, the start before the end, as in "
            f"start={whole.start:.0f}&end={whole.start + 3600:.0f}",
        )
    if end - start < _SHORTEST_ZOOM_S:
        end = min(whole.end, start + _SHORTEST_ZOOM_S)
        start = max(whole.start, end - _SHORTEST_ZOOM_S)
    return Span(start, end)


def _zoomed(head: Head, data: Any, zoom: Span | None) -> dict[str, Any] | None:
    if zoom is None:
        return None
    whole, length = data.span, zoom.seconds

    def part(start: float, length: float) -> str:
        start = min(max(start, whole.start), whole.end - length)
        return head.here(start=f"{start:.0f}", end=f"{start + length:.0f}")

    half, twice = max(_SHORTEST_ZOOM_S, length / 2), min(whole.seconds, length * 2)
    inside = [s for s in data.segments if s.start < zoom.end and s.end > zoom.start]
    return {
        "span": zoom,
        "chart": views.zoom_chart(data, zoom),
        "links": [
            ("earlier", "←", part(zoom.start - length, length)),
            ("later", "→", part(zoom.start + length, length)),
            ("closer", "+", part(zoom.start + (length - half) / 2, half)),
            ("wider", "−", part(zoom.start - (twice - length) / 2, twice)),
        ],
        "close": head.here(start=None, end=None),
        "segments": [
            {
                "start": s.start,
                "end": s.end,
                "lasted": duration(s.end - s.start),
                "look": views.look(Kind(s.state, s.genre)),
                "confidence": percent(s.confidence) if s.confidence is not None else "",
            }
            for s in inside[:200]
        ],
        "count": len(inside),
    }


def _playlist(head: Head, connection: Connection, the_day: date) -> Response:
    within = days_span(the_day, the_day, head.clock.tz)
    titles = query.titles(connection, head.chosen, within)
    segments = query.segments(connection, head.chosen, within)
    return head.page("playlist.html", **_of_a_day(the_day, within, titles, segments))


def _moved(request: Request, head: Head, kind: str) -> Response | None:
    """Return where a request without a station or with a day in words belongs; None if here."""
    given = request.query_params.get("at")
    if head.station is None:
        if not head.ids:
            return head.page("history.html", strips=[], rest=[])
        name = next(iter(head.ids.values()))
        words = request.query_params.get("date") or "yesterday"
        if given is None:
            return head.redirect(f"/{kind}/{head.slug_of(name)}/{day_of(words, head.clock.tz)}")
        raise error(400, "at: expected it with station")
    if given is not None:
        try:
            moment = float(given)
        except ValueError as problem:
            raise error(400, "at: expected UNIX seconds") from problem
        the_day = in_words(lambda: local(moment, head.clock.tz)).date()
        return head.redirect(f"/{kind}/{head.slug}/{the_day}", fragment=f"t{round(moment * 1000)}")
    words = request.path_params.get("date") or request.query_params.get("date") or "yesterday"
    if "date" not in request.path_params or not is_iso_day(words):
        return head.redirect(f"/{kind}/{head.slug}/{day_of(words, head.clock.tz)}")
    return None
