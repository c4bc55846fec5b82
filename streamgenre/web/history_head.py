"""What every page of the history has: the station, its time zone, and links that keep both."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from streamgenre.display.text import clean, duration
from streamgenre.history.time_zones import local
from streamgenre.report.theme import PAGE, pattern_defs
from streamgenre.web.answers import tagged
from streamgenre.web.clocks import Clock, clock_of
from streamgenre.web.endpoints import error
from streamgenre.web.history_asks import ids_of
from streamgenre.web.history_views import name_key
from streamgenre.web.pages import page
from streamgenre.web.station_paths import MAX_NAME, from_path, to_path

if TYPE_CHECKING:
    from datetime import date

    from starlette.requests import Request

    from streamgenre.history.connection import Connection
    from streamgenre.history.places import Place
    from streamgenre.report.data import Kind
    from streamgenre.web.history_views import Look
    from streamgenre.web.texts import Texts


_PATTERNS: Final = Markup(pattern_defs(PAGE))
"""Hatching of what was lost or not recorded; every chart of a page refers to it."""


@dataclass(frozen=True, slots=True)
class Head:
    """One request for a page of the history."""

    request: Request
    kind: str
    """First part of the path, such as ``calendar``."""
    clock: Clock
    station: str | None
    """The station of the page; None for all."""
    ids: dict[int, str]
    """All stations by id."""
    chosen: dict[int, str]
    """Those that are shown."""
    path: str
    """Path of the page, without the prefix of the site."""
    texts: Texts
    language: str

    @property
    def slug(self) -> str:
        """The station as a part of a path."""
        return to_path(self.station or "")

    @property
    def today(self) -> date:
        """The present day of the viewer."""
        return local(time.time(), self.clock.tz).date()

    @property
    def history(self) -> Place:
        """Where the history is kept."""
        path: Place = self.request.app.state.site.readers.path
        return path

    def slug_of(self, station: str) -> str:
        """Return a station as a part of a path."""
        return to_path(station)

    def say(self, key: str, **values: object) -> str:
        """Return a text in the language of the page."""
        return self.texts.get(self.language, key, **values)

    def name(self, kind: Kind) -> str:
        """Return the name of a genre or state in the language of the page."""
        return self.texts.known(self.language, name_key(kind), clean(kind.name))

    def named(self, look: Look) -> str:
        """Return the same of a look."""
        return self.texts.known(self.language, look.key, look.name)

    def decimal(self, value: float) -> str:
        """Return a number with one decimal in the language of the page."""
        return f"{value:.1f}".replace(".", self.say("history.decimal_point"))

    def day_words(self, day: date) -> str:
        """Return a day in words: ``Wednesday, 1 July 2026``."""
        return self.say(
            "history.date",
            weekday=self.say(f"history.weekday_{day.weekday()}"),
            day=day.day,
            month=self.say(f"history.month_{day.month}"),
            year=day.year,
        )

    def link(self, path: str, /, **query: str | None) -> str:
        """Return the address of another page, in the same time zone.

        Parameters
        ----------
        path
            Path within the site, percent-encoded.
        **query
            Its query; None is left out.
        """
        pairs = {"tz": self.clock.chosen, **query}
        kept = {name: value for name, value in pairs.items() if value is not None}
        address: str = self.request.app.state.site.url(path)
        return f"{address}?{urlencode(kept)}" if kept else address

    def here(self, /, **changes: str | None) -> str:
        """Return the address of this page with another query."""
        kept = {k: v for k, v in self.request.query_params.items() if k != "part"}
        return self.link(self.path, **{**kept, **changes})

    def station_link(self, kind: str, *rest: object) -> str:
        """Return the address of another page about the same station.

        Parameters
        ----------
        kind
            First part of its path.
        *rest
            Further parts.
        """
        return self.link("/" + "/".join([kind, self.slug, *map(str, rest)]))

    def api(self, name: str, /, **query: str | None) -> str:
        """Return the address of an export, with times in the page's zone.

        Parameters
        ----------
        name
            Name of the listing, such as ``playlist.csv``.
        **query
            Its query; None is left out.
        """
        chosen = {"station": self.station, "tz": self.clock.name, **query}
        kept = {key: value for key, value in chosen.items() if value is not None}
        return f"{self.request.app.state.site.url('/api/history/')}{name}?{urlencode(kept)}"

    def redirect(self, path: str, *, fragment: str = "") -> Response:
        """Return a redirection to another page, in the same time zone."""
        return RedirectResponse(self.link(path) + (f"#{fragment}" if fragment else ""), 303)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page from a template.

        Parameters
        ----------
        template
            File in ``templates/``.
        status
            Status code.
        **values
            Variables of the template.
        """
        answer = page(
            self.request,
            template,
            status=status,
            head=self,
            duration=duration,
            patterns=_PATTERNS,
            **values,
        )
        return tagged_page(self.request, answer)


def tagged_page(request: Request, answer: Response) -> Response:
    """Return a page with an ETag, or 304 if the browser already has it.

    Parameters
    ----------
    request
        The request.
    answer
        The page.
    """
    kept = {
        name: answer.headers[name]
        for name in ("content-language", "vary")
        if name in answer.headers
    }
    vary = ", ".join(dict.fromkeys([*kept.get("vary", "Accept-Language").split(", "), "Cookie"]))
    return tagged(
        request,
        bytes(answer.body),
        "text/html; charset=utf-8",
        status=answer.status_code,
        headers={**kept, "vary": vary},
    )


def head_of(request: Request, connection: Connection, kind: str) -> Head:
    """Return what a request for a page of the history is about.

    Parameters
    ----------
    request
        The request.
    connection
        The history.
    kind
        First part of its path.

    Raises
    ------
    HTTPException
        404 if there is no such station, 400 if there is no such time zone.
    """
    clock = clock_of(request)
    ids = ids_of(connection, [])
    part = request.path_params.get("station")
    station = from_path(part) if part is not None else request.query_params.get("station") or None
    if (part is not None and station is None) or (station and len(station) > MAX_NAME):
        raise error(404, "there is no such station")
    chosen = ids_of(connection, [station]) if station is not None else ids
    further = [
        request.path_params[name] for name in ("year", "date") if name in request.path_params
    ]
    if part is None:
        path = f"/{kind}"
    else:
        path = "/" + "/".join([kind, to_path(station or ""), *map(to_path, further)])
    texts: Texts = request.app.state.site.texts
    language = texts.choose(
        request.headers.get("accept-language", ""),
        request.query_params.get("lang") or request.cookies.get("language"),
    )
    return Head(request, kind, clock, station, ids, chosen, path, texts, language)
