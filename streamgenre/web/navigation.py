"""The links at the top of every page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamgenre.clips.folder import has_index
from streamgenre.errors import ClipError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from streamgenre.web.site import Site

LINKS: Final = (
    ("live", "/"),
    ("calendar", "/calendar"),
    ("shares", "/shares"),
    ("search", "/search"),
    ("playlist", "/playlist"),
    ("dead_air", "/dead-air"),
    ("clips", "/clips"),
)
"""Name of each link (a text of the table ``nav``) and its path, in order."""


def may_label(request: Request) -> bool:
    """Return whether the page shows clips: to those who log in, where it may change anything.

    Clips are readable by their owner alone: not everybody who reaches an open page may have them.
    """
    site: Site = request.app.state.site
    web, identity = site.settings.web, getattr(request.state, "identity", None)
    known = identity is not None and (identity.kind != "open" or web.login == "proxy")
    return site.settings.clips is not None and web.allow_control and known


def _has_clips(request: Request) -> bool:
    """Return whether there are clips that the reader may label."""
    site: Site = request.app.state.site
    folder = site.settings.clips
    try:
        return may_label(request) and folder is not None and has_index(folder)
    except ClipError:
        return True  # the page says what is wrong


def navigation(request: Request, text: Callable[[str], str]) -> list[dict[str, object]]:
    """Return the links to the pages that this process serves.

    Parameters
    ----------
    request
        The request, which tells the present page.
    text
        Returns the text of a key.

    Returns
    -------
    list[dict[str, object]]
        For each link ``href``, ``text`` and whether it is ``current``.
    """
    site: Site = request.app.state.site
    served = {getattr(route, "path", None) for route in request.app.routes}
    here = request.url.path.removeprefix(site.url(""))
    return [
        {
            "href": site.url(path),
            "text": text(f"nav.{name}"),
            "current": here == path or (path != "/" and here.startswith(f"{path}/")),
        }
        for name, path in LINKS
        if path in served and (name != "clips" or _has_clips(request))
    ]
