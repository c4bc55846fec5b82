"""The pages: live stations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

    from streamgenre.web.site import Site


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Return a page from a template.

    Parameters
    ----------
    request
        The request.
    template
        File in ``templates/``.
    status
        Status code.
    **values
        Variables of the template, beside ``t`` (texts), ``url`` (paths), ``language`` and ``site``.
    """
    site: Site = request.app.state.site
    language = site.texts.choose(request.headers.get("accept-language", ""))

    def text(key: str, **more: object) -> str:
        return site.texts.get(language, key, **more)

    content = site.templates.get_template(template).render(
        t=text, url=site.url, language=language, site=site, request=request, **values
    )
    headers = {"Content-Language": language, "Vary": "Accept-Language", "Cache-Control": "no-store"}
    return HTMLResponse(content, status, headers)


async def live(request: Request) -> Response:
    """Show all stations."""
    site: Site = request.app.state.site
    found = [json.loads(site.hub.stations[name].to_json()) for name in sorted(site.hub.stations)]
    return page(request, "live.html", stations=found, bus=site.hub.bus())


ROUTES: Final = (Route("/", live, methods=["GET"]),)
