"""``/api/spectrum``: what a station hears, and whether it sounds right, while somebody looks."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from streamgenre.web.endpoints import Endpoint, Parameter
from streamgenre.web.sse import EventStream, messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from streamgenre.web.site import Site
    from streamgenre.web.spectra import Spectra
    from streamgenre.web.viewer import Viewer


async def spectrum(request: Request) -> Response:
    """Stream the spectrum of a station."""
    site: Site = request.app.state.site
    station = request.state.parameters["station"]
    site.spectra.check(station)
    joined = _joined(site.spectra, station)
    return EventStream(messages(request, joined, retry_ms=2000))


@contextmanager
def _joined(spectra: Spectra, station: str) -> Iterator[Viewer]:
    viewer = spectra.join(station)
    try:
        yield viewer
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
