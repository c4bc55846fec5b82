"""Requests and answers of the control socket as JSON."""

from __future__ import annotations

import json
from typing import Any, Final

from streamgenre.errors import ControlError, StreamgenreError
from streamgenre.events.json_text import parse

MAX_REQUEST: Final = 4096
"""Bytes of a request; a longer one is refused."""


def encoded(answer: dict[str, Any]) -> bytes:
    """Return an answer as JSON that every client can decode."""
    try:
        return json.dumps(answer, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:  # a lone surrogate, such as in the client's own id
        return json.dumps(answer, allow_nan=False).encode()


def parsed(body: memoryview | bytes) -> dict[str, Any]:
    """Return a request.

    Raises
    ------
    ControlError
        If it is too long, or not a JSON object with a permitted ``id``.
    """
    if len(body) > MAX_REQUEST:
        raise ControlError(f"{len(body)} bytes; expected at most {MAX_REQUEST}", "oversize")
    try:
        request = parse(bytes(body), unique=True)
    except ValueError as error:
        raise ControlError(
            f'not JSON: {error}; expected an object such as {{"request": "status"}}'
        ) from error
    if not isinstance(request, dict):
        raise ControlError('expected a JSON object such as {"request": "status"}')
    identifier = request.get("id")
    if isinstance(identifier, bool) or not isinstance(identifier, str | int | float | None):
        raise ControlError("id: expected a string or a number")
    return request


def failure(error: StreamgenreError) -> dict[str, Any]:
    """Return the answer about an error."""
    return error_answer(error.code if isinstance(error, ControlError) else "failed", str(error))


def error_answer(code: str, message: str) -> dict[str, Any]:
    """Return the answer with an error.

    Parameters
    ----------
    code
        The reason in one word.
    message
        The reason in words.
    """
    return {"ok": False, "error": {"code": code, "message": message}}


INTERNAL: Final = error_answer("failed", "internal error; see the daemon's log")
"""The answer where an error of our own has occurred."""
