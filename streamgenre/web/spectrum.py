"""``/api/spectrum``: what a station hears, and whether it sounds right, while somebody looks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from streamgenre.web.endpoints import Endpoint, Parameter
from streamgenre.web.sse import TICK_S, EventStream
from streamgenre.web.viewer import message

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request
    from starlette.responses import Response

    from streamgenre.web.site import Site


async def spectrum(request: Request) -> Response:
    """Stream the spectrum of a station."""
    site: Site = request.app.state.site
    station = request.state.parameters["station"]
    site.spectra.check(station)
    return EventStream(_stream(request, site, station))


async def _stream(request: Request, site: Site, station: str) -> AsyncGenerator[bytes, None]:
    spectra, hub = site.spectra, site.hub
    viewer = spectra.join(station)
    try:
        ticked = time.monotonic()
        yield b"retry: 2000\n\n"
        while not hub.closed:
            if viewer.restarted is not None:
                lost, viewer.restarted = viewer.restarted, None
                yield message("hole", {"by": "viewer", "count": lost})
            if found := viewer.pop_all():
                yield found
            now = time.monotonic()
            if now - ticked >= TICK_S:
                if site.auth.identify(request) is None:
                    return  # the session or token has ended
                ticked = now
                yield message("tick", {"now": round(time.time(), 3)})
            await viewer.wait(ticked + TICK_S - now)
    finally:
        spectra.leave(station, viewer)


ENDPOINTS: Final = (
    Endpoint(
        "/api/spectrum",
        spectrum,
        "What a station hears, as server-sent events, while somebody looks: the `spectrum` events "
        "of docs/events.md with their bytes as base64 in `levels`; `sound`, a `verdict` on the "
        "last seconds (`silence`, `clipping`, `hum`, `quiet` or `fine`) whenever it changes; "
        "`hole` if the viewer was too slow; and `tick` every 10 s.",
        parameters=(
            Parameter(
                "station",
                "name of a station",
                {"type": "string", "minLength": 1},
                required=True,
            ),
        ),
        media="text/event-stream",
        errors=(404, 503),
    ),
)
