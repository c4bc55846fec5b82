"""``/api/genres``: the colours and letters of a station's genres."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from streamgenre.web.answers import json_answer
from streamgenre.web.endpoints import Endpoint, Parameter, error
from streamgenre.web.looks import genre_looks

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from streamgenre.web.site import Site


async def genres(request: Request) -> Response:
    """Return the looks of the genres in the last update of a station."""
    site: Site = request.app.state.site
    name = request.state.parameters["station"]
    station = site.hub.stations.get(name)
    update = station.events.get("update") if station is not None else None
    if update is None:
        raise error(404, f"no update of a station {name!r} is known")
    return json_answer(request, {"genres": genre_looks(json.loads(update)["smoothed"])})


_COLOR: Final = {"type": "string", "pattern": "^#[0-9A-F]{6}$"}
_LOOK: Final = {
    "type": "object",
    "properties": {"color": _COLOR, "ink": _COLOR, "letter": {"type": "string"}},
    "required": ["color", "ink", "letter"],
}
ENDPOINTS: Final = (
    Endpoint(
        "/api/genres",
        genres,
        "Colour, text colour on it (`ink`) and letter of each genre of a station, as the pages and "
        "the terminal dashboard show them.",
        parameters=(
            Parameter(
                "station",
                "name of the station",
                {"type": "string", "minLength": 1},
                required=True,
            ),
        ),
        answer={
            "type": "object",
            "properties": {"genres": {"type": "object", "additionalProperties": _LOOK}},
            "required": ["genres"],
        },
        errors=(404,),
    ),
)
