"""Bodies of requests: bounded, and with every error in words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from streamgenre.events.json_text import parse
from streamgenre.web.endpoints import error

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BODY: Final = 64 * 1024
"""Most bytes of a body."""
_PATIENCE_S: Final = 15.0


async def read_body(request: Request, limit: int = MAX_BODY) -> bytes:
    """Return the body of a request.

    Parameters
    ----------
    request
        The request.
    limit
        Most bytes.

    Raises
    ------
    HTTPException
        413 if it is longer, 408 if it does not arrive in time.
    """
    found = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for part in request.stream():
                found += part
                if len(found) > limit:
                    raise error(413, f"the body is longer than {limit} bytes")
    except TimeoutError:
        raise error(408, f"the body did not arrive within {_PATIENCE_S:g} s") from None
    return bytes(found)


async def read_json(request: Request, limit: int = MAX_BODY) -> dict[str, Any]:
    """Return the JSON object in the body of a request.

    Parameters
    ----------
    request
        The request.
    limit
        Most bytes.

    Raises
    ------
    HTTPException
        400 if it is not a JSON object, 413 if it is too long.
    """
    _require(request, "application/json")
    try:
        value = parse(await read_body(request, limit), unique=True)
    except ValueError as problem:
        raise error(400, f"the body is not JSON: {problem}") from problem
    if not isinstance(value, dict):
        raise error(400, "the body: expected a JSON object")
    return value


async def read_form(request: Request, limit: int = MAX_BODY) -> dict[str, str]:
    """Return the fields of a form by name; of repeated ones the last.

    Parameters
    ----------
    request
        The request.
    limit
        Most bytes.

    Raises
    ------
    HTTPException
        400 if it is not a form, 413 if it is too long.
    """
    _require(request, "application/x-www-form-urlencoded")
    text = (await read_body(request, limit)).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100))
    except ValueError as problem:
        raise error(400, "the form has too many fields") from problem


def _require(request: Request, media: str) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != media:
        raise error(400, f"expected Content-Type: {media}")
