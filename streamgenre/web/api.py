"""The API about the stations and the process: ``/api/stations``, ``/healthz``, ``/readyz``."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from streamgenre import __version__
from streamgenre.web.answers import json_answer
from streamgenre.web.endpoints import Endpoint, Parameter, error

if TYPE_CHECKING:
    from starlette.requests import Request

    from streamgenre.web.site import Site

LIMIT: Final = Parameter(
    "limit",
    "most items of the answer",
    {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
)
OFFSET: Final = Parameter(
    "offset",
    "number of items to skip",
    {"type": "integer", "minimum": 0, "maximum": 1_000_000_000, "default": 0},
)
STATION: Final[dict[str, Any]] = {
    "type": "object",
    "description": "The newest event of each type, as docs/events.md defines them, and the "
    "decisions of the last ten minutes.",
    "properties": {
        "station": {"type": "string"},
        **{
            kind: {"type": "object"}
            for kind in ("update", "segment", "gap", "source", "title", "dead_air", "status")
        },
        "recent": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["station", "recent"],
}


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


async def stations(request: Request) -> Response:
    """Return the stations in order of their names, some at a time."""
    hub, given = _site(request).hub, request.state.parameters
    names = sorted(hub.stations)
    first = given["offset"]
    chosen = names[first : first + given["limit"]]
    rest = first + len(chosen) < len(names)
    head = {
        "total": len(names),
        "next": first + len(chosen) if rest and chosen else None,
        "bus": hub.bus(),
    }
    items = b",".join(hub.stations[name].to_json() for name in chosen)
    return json_answer(request, json.dumps(head).encode()[:-1] + b',"stations":[' + items + b"]}")


async def station(request: Request) -> Response:
    """Return one station."""
    name = request.state.parameters["station"]
    found = _site(request).hub.stations.get(name)
    if found is None:
        raise error(404, f"no station {name!r}")
    return json_answer(request, found.to_json(full=True))


async def document(request: Request) -> Response:
    """Return the OpenAPI document."""
    return json_answer(request, _site(request).document)


async def health(request: Request) -> Response:
    """Return whether this process works."""
    site = _site(request)
    well = site.feed is None or site.feed.alive
    body = {
        "status": "ok" if well else "failed",
        "version": __version__,
        "uptime_s": round(time.monotonic() - site.started, 1),
        "viewers": len(site.hub.viewers),
    }
    status = 200 if well else 503
    return json_answer(request, body, status=status, headers={"Cache-Control": "no-store"})


async def ready(request: Request) -> Response:
    """Return whether live events can be shown now, and if not, why."""
    reasons = _site(request).not_ready()
    body: dict[str, Any] = {"ready": not reasons}
    if request.state.trusted:
        body["reasons"] = reasons
    status = 503 if reasons else 200
    return json_answer(request, body, status=status, headers={"Cache-Control": "no-store"})


async def session(request: Request) -> Response:
    """Return who asks, and what a change must send along."""
    site, identity = _site(request), request.state.identity
    body = {
        "login": identity.kind,
        "control": site.can_control,
        "csrf": site.auth.csrf_token(identity),
    }
    return json_answer(request, body, headers={"Cache-Control": "no-store"})


async def metrics(request: Request) -> Response:
    """Return figures of this process for Prometheus."""
    hub, is_ready = _site(request).hub, not _site(request).not_ready()
    lines = [
        ("web_viewers", "gauge", "Viewers of the event stream", len(hub.viewers)),
        ("web_stations", "gauge", "Stations that are shown", len(hub.stations)),
        ("web_events_total", "counter", "Events received from the daemon", hub.events),
        ("web_events_lost_total", "counter", "Events sent but not received", hub.lost),
        (
            "web_ready",
            "gauge",
            "1 if live events can be shown",
            int(is_ready),
        ),
    ]
    text = "".join(
        f"# HELP streamgenre_{name} {what}\n# TYPE streamgenre_{name} {kind}\n"
        f"streamgenre_{name} {value}\n"
        for name, kind, what, value in lines
    )
    return Response(text, media_type="text/plain; version=0.0.4")


ENDPOINTS: Final = (
    Endpoint(
        "/api/stations",
        stations,
        "All stations, in order of their names.",
        parameters=(LIMIT, OFFSET),
        answer={
            "type": "object",
            "properties": {
                "stations": {"type": "array", "items": STATION},
                "total": {"type": "integer"},
                "next": {
                    "type": ["integer", "null"],
                    "description": "`offset` of the next page; null on the last one.",
                },
                "bus": {
                    "type": "object",
                    "description": "The connection to the daemon.",
                    "properties": {
                        "state": {"enum": ["none", "connecting", "live", "lost"]},
                        "detail": {"type": "string"},
                        "since": {"type": "number"},
                    },
                    "required": ["state", "detail", "since"],
                },
            },
            "required": ["stations", "total", "next", "bus"],
        },
    ),
    Endpoint(
        "/api/stations/{station:path}",
        station,
        "One station.",
        parameters=(
            Parameter(
                "station",
                "name of a station",
                {"type": "string", "minLength": 1},
                where="path",
                required=True,
            ),
        ),
        answer=STATION,
        errors=(404,),
    ),
    Endpoint(
        "/api/openapi.json",
        document,
        "This API as an OpenAPI document.",
        answer={"type": "object", "required": ["openapi", "info", "paths"]},
    ),
    Endpoint(
        "/api/session",
        session,
        "Who asks (`open`: no login is needed), whether changes are allowed, and the value of the "
        "header `X-CSRF-Token` that they need unless a token is used.",
        answer={
            "type": "object",
            "properties": {
                "login": {"enum": ["open", "session", "token"]},
                "control": {"type": "boolean"},
                "csrf": {"type": "string"},
            },
            "required": ["login", "control", "csrf"],
        },
    ),
    Endpoint(
        "/healthz",
        health,
        "Whether this process works: 200, or 503.",
        answer={
            "type": "object",
            "properties": {
                "status": {"enum": ["ok", "failed"]},
                "version": {"type": "string"},
                "uptime_s": {"type": "number"},
                "viewers": {"type": "integer"},
            },
            "required": ["status", "version"],
        },
        errors=(503,),
        public=True,
    ),
    Endpoint(
        "/readyz",
        ready,
        "Whether live events can be shown now: 200, or 503 with the reasons.",
        answer={
            "type": "object",
            "properties": {
                "ready": {"type": "boolean"},
                "reasons": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["ready"],
        },
        errors=(503,),
        public=True,
    ),
    Endpoint(
        "/metrics",
        metrics,
        "Figures of this process for Prometheus.",
        media="text/plain",
    ),
)
