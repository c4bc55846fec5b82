"""The pages: what all of them have, and the live page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from streamgenre import __version__
from streamgenre.display.palette import GENRE_COLORS, heat_colors
from streamgenre.display.text import clean
from streamgenre.report.theme import DARK, LIGHT
from streamgenre.web.answers import tagged
from streamgenre.web.looks import genre_looks, signs, state_looks, theme_css
from streamgenre.web.navigation import navigation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

    from streamgenre.web.site import Site
    from streamgenre.web.stations import Station

THEMES: Final = ("light", "dark")
"""Colours that a reader may choose; otherwise the device's."""
LIVE_TABLES: Final = (
    *(
        "control",
        "genre",
        "health",
        "level",
        "link",
        "live",
        "log",
        "nav",
        "say",
        "sound",
        "source",
        "state",
        "unit",
    ),
)
"""Tables of texts that the scripts of the live page need."""


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    tables: Iterable[str] = (),
    data: dict[str, Any] | None = None,
    **values: Any,
) -> Response:
    """Return a page from a template.

    Parameters
    ----------
    request
        The request.
    template
        File in ``templates/``.
    status
        Status code.
    tables
        Tables of texts for the scripts of the page.
    data
        Further values for its scripts; they find both in ``data`` of ``words.js``.
    **values
        Variables of the template, beside ``t`` (texts), ``url`` (paths), ``here`` (the same page
        with another query), ``clean`` (text from outside), ``language``, ``site``,
        ``csrf`` (what a change must send along) and ``identity`` (who asks; may be None).

    Returns
    -------
    Response
        The page.
    """
    site: Site = request.app.state.site
    query = request.query_params
    language = site.texts.choose(
        request.headers.get("accept-language", ""),
        query.get("lang") or request.cookies.get("language"),
    )
    theme = query.get("theme") or request.cookies.get("theme")

    def text(key: str, **more: object) -> str:
        return site.texts.get(language, key, **more)

    identity = getattr(request.state, "identity", None)

    def here(**changes: str | None) -> str:
        kept = {**query, **changes}
        pairs = {name: value for name, value in kept.items() if value is not None}
        return site.url(request.url.path.removeprefix(site.url("")) or "/") + (
            f"?{urlencode(pairs)}" if pairs else ""
        )

    content = site.templates.get_template(template).render(
        t=text,
        url=site.url,
        here=here,
        clean=clean,
        language=language,
        languages=[
            (tag, words["page.language_name"]) for tag, words in site.texts.languages.items()
        ],
        theme=theme if theme in THEMES else "auto",
        bar_colors={"light": LIGHT.ground, "dark": DARK.empty},
        navigation=navigation(request, text),
        version=__version__,
        site=site,
        request=request,
        csrf="" if identity is None else site.auth.csrf_token(identity),
        identity=identity,
        page_data={
            "base": site.url("/"),
            "language": language,
            "texts": site.texts.tables(language, tables),
            "genres": genre_looks(GENRE_COLORS),
            "states": state_looks(),
            "signs": signs(),
            **(data or {}),
        },
        **values,
    )
    headers = {
        "Content-Language": language,
        "Vary": "Accept-Language, Cookie",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(content, status, headers)


async def live(request: Request) -> Response:
    """Show all stations, or one: the chosen one, or the only one."""
    site: Site = request.app.state.site
    stations = site.hub.stations
    name = request.query_params.get("station") or None
    if name is None and len(stations) == 1:
        name = next(iter(stations))
    view = "big" if request.query_params.get("view") == "big" else "usual"
    found = [_shown(site, stations[each]) for each in sorted(stations) if name in (None, each)]
    return page(
        request,
        "live.html",
        tables=LIVE_TABLES,
        data={"station": name, "view": view, "heat": heat_colors(64) if name else []},
        station=name,
        view=view,
        stations=found,
        shown=found[0] if found else None,
        several=len(stations) != 1,
        controls=site.can_control,
        neighbours=_neighbours(sorted(stations), name),
    )


def _neighbours(names: list[str], name: str | None) -> dict[str, str | None]:
    """Return the stations before and after one in a ring."""
    if name not in names or len(names) < 2:
        return {"previous": None, "next": None}
    at = names.index(name)
    return {"previous": names[at - 1], "next": names[(at + 1) % len(names)]}


def _shown(site: Site, station: Station) -> dict[str, Any]:
    """Return what the server draws of a station before the script takes over."""
    shown: dict[str, Any] = {"name": station.name, "kind": None, "letter": "", "words": "–"}
    update = json.loads(station.events.get("update", b"null"))
    if update is not None and station.source_state == "live":
        genre = update["genre"]
        kind = "state" if genre is None else "genre"
        shown["kind"] = (kind, update["state"] if genre is None else genre)
        looks = state_looks() if genre is None else genre_looks(update["smoothed"])
        shown["letter"] = looks.get(shown["kind"][1], {}).get("letter", "")
        shown["words"] = clean(shown["kind"][1])
    return shown


async def theme(request: Request) -> Response:
    """Return the style sheet with the colours."""
    return tagged(request, theme_css().encode(), "text/css")


async def manifest(request: Request) -> Response:
    """Return the web app manifest, with which browsers put the page on the home screen."""
    site: Site = request.app.state.site
    sizes = (("192", "any"), ("512", "any"), ("maskable", "maskable"))
    icons = [
        {
            "src": site.url(f"/static/icon-{name}.png"),
            "sizes": "512x512" if name == "maskable" else f"{name}x{name}",
            "type": "image/png",
            "purpose": purpose,
        }
        for name, purpose in sizes
    ]
    vector = {"src": site.url("/static/icon.svg"), "sizes": "any", "type": "image/svg+xml"}
    value = {
        "id": site.url("/"),
        "name": "streamgenre",
        "short_name": "streamgenre",
        "start_url": site.url("/"),
        "scope": site.url("/"),
        "display": "standalone",
        "background_color": DARK.ground,
        "theme_color": DARK.ground,
        "icons": [vector, *icons],
    }
    return tagged(request, json.dumps(value).encode(), "application/manifest+json")


ROUTES: Final = (
    Route("/", live, methods=["GET"]),
    Route("/theme.css", theme, methods=["GET"]),
    Route("/manifest.webmanifest", manifest, methods=["GET"]),
)
