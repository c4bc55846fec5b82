"""The ASGI application, gathered from the tables of its parts."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import wraps
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from streamgenre.history.readers import Readers
from streamgenre.logger import get_logger
from streamgenre.web import (
    api,
    clips_api,
    clips_page,
    control,
    genres_api,
    history_api,
    history_listings,
    history_pages,
    login,
    pages,
    spectrum,
    sse,
)
from streamgenre.web.auth import Auth
from streamgenre.web.endpoints import Endpoint, checked
from streamgenre.web.feed import Feed
from streamgenre.web.guard import Guard
from streamgenre.web.headers import ALWAYS, Headers
from streamgenre.web.hub import Hub
from streamgenre.web.openapi import openapi
from streamgenre.web.site import Site
from streamgenre.web.spectra import Spectra
from streamgenre.web.texts import DEFAULT, Texts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request

    from streamgenre.config.site import SiteSettings

_log = get_logger(__name__)

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *api.ENDPOINTS,
    *genres_api.ENDPOINTS,
    *sse.ENDPOINTS,
    *spectrum.ENDPOINTS,
    *control.ENDPOINTS,
    *clips_api.ENDPOINTS,
    *history_listings.ENDPOINTS,
    *history_api.ENDPOINTS,
)
"""The public API. A later path with ``{name:path}`` must not hide another one."""
_ERROR_WORDS: Final = ("error_400", "error_403", "error_404", "error_500", "error_503")
"""Texts of status codes; the first is that of all others."""
PAGES: Final[tuple[Route, ...]] = (
    *pages.ROUTES,
    *history_pages.ROUTES,
    *clips_page.ROUTES,
    *login.ROUTES,
)
"""The pages for people."""


def create_app(
    settings: SiteSettings, *, on_failure: Callable[[], None] = lambda: None
) -> Starlette:
    """Return the application of one web process.

    Parameters
    ----------
    settings
        What it serves.
    on_failure
        Called if reading the daemon ends with an error.

    Raises
    ------
    StreamgenreError
        If an endpoint, a key or a file cannot be used.
    """
    hub = Hub(connected=bool(settings.connect))
    feed = Feed(settings, hub, on_failure) if settings.connect else None
    auth = Auth(settings.web)
    spectra = Spectra(settings, hub)
    texts = Texts(settings.web.language)
    site = Site(settings, hub, feed, auth, spectra, _templates(), texts)
    if settings.history is not None:
        site.readers = Readers(settings.history)
    site.document = openapi(ENDPOINTS, settings.web.prefix)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if feed is not None:
            feed.start(asyncio.get_running_loop())
        yield
        hub.close()
        if site.readers is not None:
            site.readers.close()
        if feed is not None:
            await asyncio.to_thread(feed.stop)

    static = resources.files("streamgenre.web") / "static"
    app = Starlette(
        routes=[
            *(_route(each) for each in ENDPOINTS),
            *PAGES,
            Mount("/static", _Static(directory=str(static)), name="static"),
        ],
        middleware=[
            Middleware(Headers, settings=settings.web),
            Middleware(Guard, auth=auth, settings=settings.web),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
        ],
        exception_handlers={HTTPException: _refused, Exception: _failed},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # to an address without the proxy's prefix
    app.state.site = site
    return app


class _Static(StaticFiles):
    """Files that browsers keep but ask about: after an update none runs with those of before."""

    def file_response(self, *args: Any, **more: Any) -> Response:
        """Return a file, or 304 if the client already has it."""
        answer = super().file_response(*args, **more)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def _templates() -> Environment:
    loader = PackageLoader("streamgenre.web")
    return Environment(
        loader=loader, autoescape=select_autoescape(["html", "svg"]), trim_blocks=True
    )


def _route(endpoint: Endpoint) -> Route:
    @wraps(endpoint.handler)
    async def handle(request: Request) -> Response:
        request.state.parameters = checked(endpoint, request)
        return await endpoint.handler(request)

    return Route(endpoint.path, handle, methods=[endpoint.method])


def _is_api(request: Request) -> bool:
    path = request.url.path
    return path.startswith("/api/") or path in ("/healthz", "/readyz", "/metrics")


async def _refused(request: Request, error: Exception) -> Response:
    """Answer a request that was refused: JSON for programs, a page for people."""
    assert isinstance(error, HTTPException)
    if _is_api(request):
        body = {"error": {"code": error.status_code, "message": error.detail}}
        return JSONResponse(body, error.status_code, error.headers)
    code, detail = error.status_code, error.detail
    words = f"error_{code}"
    answer = pages.page(
        request,
        "error.html",
        status=code,
        code=code,
        words=words if words in _ERROR_WORDS else _ERROR_WORDS[0],
        detail="" if detail == HTTPStatus(code).phrase else detail,
    )
    answer.headers.update(error.headers or {})
    return answer


async def _failed(request: Request, error: Exception) -> Response:
    """Answer a request that met an error of ours; the server logs the traceback."""
    # This answer passes no middleware.
    message = HTTPStatus.INTERNAL_SERVER_ERROR.phrase
    if _is_api(request):
        site: Site = request.app.state.site
        message = site.texts.get(DEFAULT, "error_500")
    return await _refused(request, HTTPException(500, message, ALWAYS))
