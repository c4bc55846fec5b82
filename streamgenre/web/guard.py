"""Middleware that asks for a login, and the check of requests that change anything."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from streamgenre.web.auth import COOKIE, SESSION_S, Auth
from streamgenre.web.endpoints import error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from streamgenre.config.web import WebSettings
    from streamgenre.web.site import Site

OPEN_PATHS: Final = (
    *("/healthz", "/readyz", "/login"),
    *("/theme.css", "/manifest.webmanifest", "/favicon.ico"),
)
"""What everyone may see."""
OPEN_FOLDERS: Final = ("/static/",)
CSRF_HEADER: Final = "x-csrf-token"


class Guard:
    """Middleware: lets a request in whose sender is known, or asks for a login.

    Who it is goes to ``request.state.identity``; ``request.state.trusted`` is whether it is known.

    Parameters
    ----------
    app
        The application.
    auth
        Checks the sender.
    settings
        Prefix and TLS, for the cookie.
    """

    def __init__(self, app: ASGIApp, auth: Auth, settings: WebSettings) -> None:
        self._app = app
        self._auth = auth
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or ask for a login."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        identity = self._auth.identify(request)
        state = scope.setdefault("state", {})
        state["identity"], state["trusted"] = identity, identity is not None
        path = scope["path"]
        if identity is None and path not in OPEN_PATHS and not path.startswith(OPEN_FOLDERS):
            await self._ask(scope)(scope, receive, send)
            return
        renew = identity is not None and identity.kind == "session"
        if renew and identity is not None and identity.ends - time.time() < SESSION_S / 2:
            fresh = self._auth.new_session()

            async def renewing(message: Message) -> None:
                if message["type"] == "http.response.start" and not _sets_session(message):
                    answer = Response()
                    set_session(answer, fresh, self._settings)
                    cookie = [each for each in answer.raw_headers if each[0] == b"set-cookie"]
                    message["headers"] = [*message.get("headers", []), *cookie]
                await send(message)

            await self._app(scope, receive, renewing)
            return
        await self._app(scope, receive, send)

    def _ask(self, scope: Scope) -> Response:
        """Send people to the login page; answer programs with 401."""
        request = HTTPConnection(scope)
        wants_page = "text/html" in request.headers.get("accept", "")
        if scope["method"] in ("GET", "HEAD") and wants_page:
            query = scope["query_string"].decode("latin-1")
            path = quote(scope["path"]) + (f"?{query}" if query else "")
            where = f"{self._settings.prefix}/login?next={quote(path, safe='')}"
            return RedirectResponse(where, 303, {"Cache-Control": "no-store"})
        message = "a login or token is needed: Authorization: Bearer TOKEN"
        body = {"error": {"code": 401, "message": message}}
        return JSONResponse(body, 401, {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"})


def _sets_session(message: Message) -> bool:
    """Return whether an answer itself sets the cookie of a session: a login, or a logout."""
    name = f"{COOKIE}=".encode()
    headers = message.get("headers", [])
    return any(key.lower() == b"set-cookie" and value.startswith(name) for key, value in headers)


def set_session(answer: Response, value: str, settings: WebSettings) -> None:
    """Set the cookie of a session.

    Parameters
    ----------
    answer
        The answer that sets it.
    value
        Value of the cookie; empty to remove it.
    settings
        Prefix and TLS.
    """
    answer.set_cookie(
        COOKIE,
        value,
        max_age=SESSION_S if value else 0,
        path=settings.prefix or "/",
        secure=settings.secure,
        httponly=True,
        samesite="lax",
    )


def check_change(request: Request) -> None:
    """Refuse a request that changes anything unless it is allowed and comes from this page.

    Parameters
    ----------
    request
        The request; a page sends the header ``X-CSRF-Token`` with the value of its
        ``<meta name="csrf">``. Programs with a token need none.

    Raises
    ------
    HTTPException
        403 if the page is read-only, or the header is missing or wrong.
    """
    site: Site = request.app.state.site
    if not site.settings.web.allow_control:
        raise error(403, "this page is read-only; start it with --allow-control to change anything")
    check_origin(request)


def check_origin(request: Request, given: str | None = None) -> None:
    """Refuse a request that does not come from a page of this server.

    Parameters
    ----------
    request
        The request.
    given
        Token that came in a form; None to take the header.

    Raises
    ------
    HTTPException
        403 if it is missing or wrong.
    """
    site: Site = request.app.state.site
    identity = request.state.identity
    if identity is not None and identity.kind == "token":
        return
    token = request.headers.get(CSRF_HEADER, "") if given is None else given
    expected = "" if identity is None else site.auth.csrf_token(identity)
    if not expected or not hmac.compare_digest(token.encode(), expected.encode()):
        raise error(403, "the CSRF token is missing or out of date; load the page again")
