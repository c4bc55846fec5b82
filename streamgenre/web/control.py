"""``/api/control``: what changes the daemon, only with ``--allow-control``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from streamgenre.bus.control import request as send_request
from streamgenre.bus.keys import check_public, read_pair
from streamgenre.client.encryption import use_keys
from streamgenre.errors import StreamgenreError
from streamgenre.paths import keys_dir
from streamgenre.web.answers import json_answer
from streamgenre.web.bodies import read_json
from streamgenre.web.endpoints import Endpoint, error
from streamgenre.web.guard import check_change

if TYPE_CHECKING:
    import zmq
    from starlette.requests import Request
    from starlette.responses import Response

    from streamgenre.config.site import SiteSettings
    from streamgenre.web.site import Site

_PATIENCE_S: Final = 10.0
_ONE: Final = asyncio.Semaphore(4)
"""Requests to the daemon at the same time."""


async def reset(request: Request) -> Response:
    """Reset model and decision of one station."""
    check_change(request)
    body = await read_json(request)
    station = body.get("station")
    if not isinstance(station, str) or not station or set(body) != {"station"}:
        raise error(400, 'expected {"station": NAME}')
    return await _ask(request, {"request": "reset", "station": station})


async def reload(request: Request) -> Response:
    """Have the daemon read its configuration again."""
    check_change(request)
    if await read_json(request):
        raise error(400, "expected an empty object: {}")
    return await _ask(request, {"request": "reload"})


async def _ask(request: Request, body: dict[str, Any]) -> Response:
    site: Site = request.app.state.site
    if site.settings.control is None:
        raise error(
            503,
            "the daemon's control endpoint is unknown: start the daemon and this with --control",
        )
    async with _ONE:
        try:
            answer = await asyncio.to_thread(_send, site.settings, body)
        except StreamgenreError as problem:
            raise error(502, str(problem)) from problem
    if not answer.get("ok"):
        found = answer.get("error")
        text = found.get("message") if isinstance(found, dict) else None
        raise error(502, str(text or "the daemon refused without a reason"))
    return json_answer(request, {"ok": True, "result": answer.get("result")})


def _send(settings: SiteSettings, body: dict[str, Any]) -> dict[str, Any]:
    assert settings.control is not None

    def configure(socket: zmq.Socket[bytes]) -> None:
        if settings.server_key:
            pair = read_pair(settings.keys or keys_dir())
            use_keys(socket, pair, check_public(settings.server_key[0]))

    return send_request(settings.control, body, configure=configure, timeout=_PATIENCE_S)


_DONE: Final = {
    "type": "object",
    "properties": {"ok": {"const": True}, "result": {}},
    "required": ["ok", "result"],
}

ENDPOINTS: Final = (
    Endpoint(
        "/api/control/reset",
        reset,
        "Reset model and decision of a station, as after a long gap. Pages send `X-CSRF-Token`.",
        method="POST",
        body={
            "type": "object",
            "properties": {"station": {"type": "string", "minLength": 1, "maxLength": 1000}},
            "required": ["station"],
            "additionalProperties": False,
        },
        answer=_DONE,
        errors=(502, 503),
    ),
    Endpoint(
        "/api/control/reload",
        reload,
        "Have the daemon read its configuration again. Pages send `X-CSRF-Token`.",
        method="POST",
        body={"type": "object", "additionalProperties": False, "maxProperties": 0},
        answer=_DONE,
        errors=(502, 503),
    ),
)
