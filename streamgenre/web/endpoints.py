"""The table of the public API: from it come the routes, the checks and the OpenAPI document."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    Handler = Callable[[Request], Awaitable[Response]]

MAX_TEXT: Final = 1000
"""Most characters of a text parameter."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an endpoint in the query or in the path."""

    name: str
    description: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    """JSON Schema: ``type``, ``enum``, ``minimum``, ``maximum``, ``pattern``, ``default``."""
    where: Literal["query", "path"] = "query"
    required: bool = False
    many: bool = False
    """Whether it may be repeated; its value is then a list."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One public endpoint."""

    path: str
    """Path with ``{name}`` or, at the end, ``{name:path}`` for values with slashes."""
    handler: Handler
    """Gets the request; the checked parameters are in ``request.state.parameters``."""
    summary: str
    """One line of documentation."""
    method: Literal["GET", "POST"] = "GET"
    parameters: tuple[Parameter, ...] = ()
    answer: dict[str, Any] | None = None
    """JSON Schema of the answer; None if it is not JSON."""
    media: str = "application/json"
    """Media type of the answer."""
    body: dict[str, Any] | None = None
    """JSON Schema of the request's body; None for none."""
    errors: tuple[int, ...] = ()
    """Further status codes, besides 400 where there are parameters and 401."""
    public: bool = False
    """Whether it is answered without a login."""
    control: bool = False
    """Whether it changes anything: only with ``--allow-control``."""


def error(status: int, message: str) -> HTTPException:
    """Return an error of a request to raise; its message is shown to the user."""
    return HTTPException(status, message)


def checked(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    """Return the parameters of a request by name, converted and checked.

    Parameters
    ----------
    endpoint
        The endpoint.
    request
        The request.

    Raises
    ------
    HTTPException
        400 if a parameter is unknown, missing, repeated or wrong.
    """
    known = {each.name: each for each in endpoint.parameters}
    given: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name not in known or known[name].where != "query":
            expected = ", ".join(n for n, each in known.items() if each.where == "query")
            raise error(400, f"unknown parameter {name!r}: expected {expected or 'none'}")
        given.setdefault(name, []).append(value)
    for name, value in request.path_params.items():
        given[name] = [str(value)]
    found: dict[str, Any] = {}
    for name, each in known.items():
        texts = given.get(name, [])
        if not texts:
            if each.required:
                raise error(400, f"{name}: missing")
            found[name] = [] if each.many else each.schema.get("default")
        elif each.many:
            if len(texts) > MAX_TEXT:
                raise error(400, f"{name}: given {len(texts)} times")
            found[name] = [_converted(each, text) for text in texts]
        elif len(texts) > 1:
            raise error(400, f"{name}: expected once")
        else:
            found[name] = _converted(each, texts[0])
    return found


def _converted(parameter: Parameter, text: str) -> Any:
    schema, name = parameter.schema, parameter.name
    kind = schema.get("type", "string")
    value: Any = text
    if kind == "boolean":
        if text not in ("true", "false"):
            raise error(400, f"{name}: expected true or false")
        return text == "true"
    if kind == "integer":
        if not re.fullmatch(r"-?[0-9]{1,18}", text):
            raise error(400, f"{name}: expected a whole number")
        value = int(text)
    elif kind == "number":
        try:
            value = float(text) if text.isascii() and "_" not in text else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise error(400, f"{name}: expected a number")
    else:
        most = schema.get("maxLength", MAX_TEXT)
        if len(text) > most or "\0" in text:
            raise error(400, f"{name}: expected at most {most} characters, none of them NUL")
        if len(text) < schema.get("minLength", 0):
            raise error(400, f"{name}: expected a text that is not empty")
        if "pattern" in schema and not re.search(schema["pattern"], text):
            raise error(400, f"{name}: expected {parameter.description}")
    if "enum" in schema and value not in schema["enum"]:
        raise error(400, f"{name}: expected one of {', '.join(map(str, schema['enum']))}")
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if kind != "string" and not low <= value <= high:
        raise error(400, f"{name}: expected {low:g} to {high:g}")
    return value
