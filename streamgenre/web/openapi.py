"""The OpenAPI document, from the table of endpoints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from streamgenre import __version__
from streamgenre.web.endpoints import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamgenre.web.endpoints import Endpoint, Parameter

_REASONS: Final = {
    400: "A parameter or the body is wrong.",
    401: "A login or token is needed.",
    403: "Refused: read-only, another origin, or a host that is not this page.",
    404: "Not found.",
    405: "Another method is expected.",
    409: "It was changed meanwhile.",
    413: "The body is too large.",
    429: "Too many attempts; try again later.",
    502: "The daemon refused or did not answer.",
    503: "Not available now.",
}
_ERROR: Final = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
            "required": ["code", "message"],
        }
    },
    "required": ["error"],
}


def openapi(endpoints: Iterable[Endpoint], server: str) -> dict[str, Any]:
    """Return the OpenAPI document (version 3.1).

    Parameters
    ----------
    endpoints
        The public endpoints.
    server
        Path under which they are served, without a slash at the end.
    """
    paths: dict[str, Any] = {}
    for each in endpoints:
        path = re.sub(r":\w+\}", "}", each.path)
        paths.setdefault(path, {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "streamgenre",
            "version": __version__,
            "description": "Stations, live events and the history of a streamgenre daemon. "
            "Fields may be added: ignore those that you do not know.",
        },
        "servers": [{"url": server or "/"}],
        "security": [{}, {"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "streamgenre"},
            },
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    content = {endpoint.media: {"schema": endpoint.answer or {"type": "string"}}}
    answers: dict[str, Any] = {"200": {"description": "The answer.", "content": content}}
    if endpoint.answer is not None and endpoint.method == "GET":
        answers["304"] = {"description": "Unchanged since the given ETag."}
    codes = {400, 403, *endpoint.errors} | (set() if endpoint.public else {401})
    if endpoint.method == "POST":
        codes |= {413}
    for code in sorted(codes):
        schema: dict[str, Any] = {"$ref": "#/components/schemas/Error"}
        if code == 503 and endpoint.public:  # the answer has the reasons
            schema = endpoint.answer or schema
        answers[str(code)] = {
            "description": _REASONS[code],
            "content": {"application/json": {"schema": schema}},
        }
    found: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": endpoint.handler.__name__,
        "responses": answers,
    }
    if endpoint.parameters:
        found["parameters"] = [
            {
                "name": each.name,
                "in": each.where,
                "required": each.required,
                "description": each.description,
                "schema": _schema(each),
            }
            for each in endpoint.parameters
        ]
    if endpoint.body is not None:
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": endpoint.body}},
        }
    return found


def _schema(parameter: Parameter) -> dict[str, Any]:
    """Return the schema of a parameter, with the limits that all texts have."""
    schema = parameter.schema
    if schema.get("type", "string") == "string" and "enum" not in schema:
        schema = {"type": "string", "maxLength": MAX_TEXT, "pattern": "^[^\\u0000]*$", **schema}
    return {"type": "array", "items": schema} if parameter.many else schema
