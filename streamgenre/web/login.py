"""The login page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from streamgenre.web.bodies import read_form
from streamgenre.web.guard import check_origin, set_session
from streamgenre.web.pages import page

if TYPE_CHECKING:
    from starlette.requests import Request

    from streamgenre.web.site import Site

_ONE_AT_A_TIME: Final = asyncio.Semaphore(1)
"""Checking a password takes 16 MB of memory."""

_Message = tuple[str, dict[str, object]]
_UNSET: Final[_Message] = ("login_unset", {})
_WRONG: Final[_Message] = ("login_wrong", {})


async def show(request: Request) -> Response:
    """Show the form, or go on if nobody has to log in."""
    after = _local(request.query_params.get("next", "/"))
    if request.state.trusted:
        return _to(request, after)
    site: Site = request.app.state.site
    message = None if _has_password(site) else _UNSET
    return page(request, "login.html", after=after, message=message)


async def log_in(request: Request) -> Response:
    """Check the password; so many attempts a client."""
    site: Site = request.app.state.site
    form = await read_form(request, 8192)
    after = _local(form.get("next", "/"))
    if not site.auth.required:
        return _to(request, after)
    address = site.auth.address(request)
    if wait := site.login_attempts.attempt(address):
        answer = page(
            request,
            "login.html",
            status=429,
            after=after,
            message=("login_wait", {"seconds": wait}),
        )
        answer.headers["Retry-After"] = str(wait)
        return answer
    logins = site.auth.logins
    async with _ONE_AT_A_TIME:
        right = logins is not None and await asyncio.to_thread(
            logins.accepts, form.get("password", "")
        )
    if not right:
        message = _WRONG if _has_password(site) else _UNSET
        return page(request, "login.html", status=401, after=after, message=message)
    site.login_attempts.succeeded(address)
    answer = _to(request, after)
    set_session(answer, site.auth.new_session(), site.settings.web)
    return answer


async def log_out(request: Request) -> Response:
    """End the session."""
    site: Site = request.app.state.site
    form = await read_form(request, 8192)
    check_origin(request, form.get("csrf", ""))
    if request.state.identity is not None:
        site.auth.end_session(request.state.identity)
    answer = _to(request, "/login")
    set_session(answer, "", site.settings.web)
    return answer


def _to(request: Request, path: str) -> Response:
    site: Site = request.app.state.site
    return RedirectResponse(site.url(path), 303, {"Cache-Control": "no-store"})


def _has_password(site: Site) -> bool:
    """Return whether anyone can log in; there may be tokens only."""
    logins = site.auth.logins
    return logins is not None and logins.password is not None


def _local(path: str) -> str:
    """Return a path of this page; the start page for anything else."""
    fits = path.startswith("/") and not path.startswith("//") and path.isprintable()
    return path if fits and "\\" not in path and len(path) <= 2000 else "/"


ROUTES: Final = (
    Route("/login", show, methods=["GET"]),
    Route("/login", log_in, methods=["POST"]),
    Route("/logout", log_out, methods=["POST"]),
)
