"""JSON answers with an ETag."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request


def json_answer(
    request: Request,
    value: object,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return a value as JSON, or 304 if the client already has it.

    Parameters
    ----------
    request
        The request.
    value
        The JSON value, or its UTF-8 text.
    status
        Status code.
    headers
        Further headers.
    """
    if not isinstance(value, bytes):
        value = json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
    return tagged(request, value, "application/json", status=status, headers=headers)


def tagged(
    request: Request,
    body: bytes,
    media: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return a body with an ETag, or 304 if the client already has it.

    Parameters
    ----------
    request
        The request.
    body
        The body.
    media
        Its media type.
    status
        Status code.
    headers
        Further headers.
    """
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:24]}"'
    more = {"ETag": tag, "Cache-Control": "private, no-cache", **(headers or {})}
    known = [each.strip() for each in request.headers.get("if-none-match", "").split(",")]
    if status == 200 and (tag in known or "*" in known):
        return Response(status_code=304, headers=more)
    return Response(body, status, more, media)
