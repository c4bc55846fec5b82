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
    """Return the looks of the genres in the last update of a station, and of those before."""
    site: Site = request.app.state.site
    name = request.state.parameters["station"]
    station = site.hub.stations.get(name)
    update = station.events.get("update") if station is not None else None
    if station is None or update is None:
        raise error(404, f"no update of a station {name!r} is known")
    found = genre_looks(json.loads(update)["smoothed"])
    # Of a model that the station had before: each alone, so that the letters above do not change.
    for genre in sorted(station.past_genres() - set(found)):
        found |= genre_looks([genre])
    return json_answer(request, {"genres": found})


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
        "the terminal dashboard show them; also of the last minutes, if its model was changed.",
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
