"""Questions of requests to the history: in its threads, with errors as status codes."""

from __future__ import annotations

import asyncio
import re
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from streamgenre.errors import HistoryError
from streamgenre.history import query
from streamgenre.history.readers import BusyError
from streamgenre.history.time_zones import Span, midnight
from streamgenre.history.times import parse_day, span
from streamgenre.web.endpoints import error

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import Response

    from streamgenre.history.connection import Connection
    from streamgenre.history.time_zones import Zone
    from streamgenre.web.site import Site

    Question = Callable[[Request, Connection], Response]

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2999
T = TypeVar("T")
_ISO_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


async def answered(request: Request, question: Question) -> Response:
    """Return the answer to a question, which runs in a thread of the history's readers.

    Parameters
    ----------
    request
        The request.
    question
        Reads the history and makes the whole answer.

    Raises
    ------
    HTTPException
        404 if no history is shown; 503 if it cannot be read at the moment.
    """
    site: Site = request.app.state.site
    if site.readers is None:
        raise error(404, "no history is shown: start the page with --history PATH")
    try:
        return await asyncio.wrap_future(site.readers.ask(partial(question, request)))
    except BusyError as problem:
        raise _unavailable(problem, retry_s=2) from problem
    except HistoryError as problem:
        raise _unavailable(problem, retry_s=30) from problem


def _unavailable(problem: HistoryError, *, retry_s: int) -> HTTPException:
    refused = error(503, str(problem))
    refused.headers = {"Retry-After": str(retry_s)}
    return refused


def ids_of(connection: Connection, names: list[str]) -> dict[int, str]:
    """Return the wanted stations by id; all if none is named.

    Parameters
    ----------
    connection
        The history.
    names
        Names of stations.

    Raises
    ------
    HTTPException
        404 if the history has no such station.
    """
    try:
        return query.stations(connection, names or None)
    except HistoryError as problem:
        raise error(404, str(problem)) from problem


def in_words(ask: Callable[[], T]) -> T:
    """Return what a function returns; what a user asked wrongly becomes a 400.

    Raises
    ------
    HTTPException
        400 with the words of the error.
    """
    try:
        return ask()
    except HistoryError as problem:
        raise error(400, re.sub(r"--(since|until|day|tz)\b", r"\1", str(problem))) from problem


def day_of(text: str, tz: Zone) -> date:
    """Return the day that a text names.

    Parameters
    ----------
    text
        ``2026-07-01``, ``yesterday``, ``monday``.
    tz
        Time zone of the day.

    Raises
    ------
    HTTPException
        400 if there is no such day.
    """
    found: date = in_words(lambda: parse_day(text, tz))
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise error(400, f"{text}: expected a day of the years {FIRST_YEAR} to {LAST_YEAR}")
    return found


def span_of(given: dict[str, Any], tz: Zone, *, default_s: float | None = 86_400.0) -> Span:
    """Return the span of the parameters ``day``, or ``since`` and ``until``.

    Parameters
    ----------
    given
        Parameters by name.
    tz
        Time zone of days and times.
    default_s
        Length in seconds if nothing is given; None for the whole history.

    Raises
    ------
    HTTPException
        400 if they do not name a span.
    """
    if given["day"] is not None:
        if given["since"] is not None or given["until"] is not None:
            raise error(400, "day selects a whole day: expected it without since and until")
        day = day_of(given["day"], tz)
        return days_span(day, day, tz)
    found: Span = in_words(lambda: span(given["since"], given["until"], tz, default_s=default_s))
    return found


def days_span(first: date, last: date, tz: Zone) -> Span:
    """Return whole days, the last included.

    Parameters
    ----------
    first, last
        The days.
    tz
        Their time zone.
    """
    return Span(midnight(first, tz), midnight(last + timedelta(days=1), tz))


def is_iso_day(text: str) -> bool:
    """Return whether a text has the form ``2026-07-01``."""
    return _ISO_DAY.fullmatch(text) is not None
