"""The page on which clips are labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.routing import Route

from streamgenre.web.clips_api import check_rights
from streamgenre.web.pages import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def clips(request: Request) -> Response:
    """Show one clip after another; the script asks for them."""
    check_rights(request)
    return page(request, "clips.html", tables=("clips", "control", "genre", "link"))


ROUTES: Final = (Route("/clips", clips, methods=["GET"]),)
