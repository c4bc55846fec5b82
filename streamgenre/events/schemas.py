"""The JSON Schemas of the events, generated from their classes by ``scripts/event-docs``."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from streamgenre.events.event import BINARY, VERSION
from streamgenre.events.types import EVENT_CLASSES
from streamgenre.limits import field_docs

POLICY: Final = "Fields may be added within version 1: ignore fields that you do not know."
_NAMES: Final[dict[Any, str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    types.NoneType: "null",
}


def event_schema(event_type: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of an event type, from the fields of its class."""
    cls = EVENT_CLASSES[event_type]
    hints = get_type_hints(cls, include_extras=True)
    properties: dict[str, Any] = {
        "v": {"const": VERSION, "description": "Version of the contract"},
        "type": {"const": event_type},
    }
    docs = {name: text for base in reversed(cls.__mro__[:-1]) for name, text in _docs(base).items()}
    in_json = [field for field in fields(cls) if BINARY not in field.metadata]
    for field in in_json:
        properties[field.name] = _of_type(hints[field.name]) | {"description": docs[field.name]}
        if field.default is not MISSING:
            properties[field.name]["default"] = field.default
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"streamgenre {event_type} event",
        "description": f"{_plain(cls.__doc__ or '')} {POLICY}",
        "type": "object",
        "properties": properties,
        "required": [
            *("v", "type"),
            *(field.name for field in in_json if field.default is MISSING),
        ],
    }


def _of_type(hint: Any) -> dict[str, Any]:
    """Return the schema of a type; pairs and typed dictionaries in ``Annotated`` add to it."""
    origin = get_origin(hint)
    if origin is Annotated:
        rest = hint.__metadata__
        if is_typeddict(rest[0]):  # its fields, in place of the dictionary's
            return {"type": "object"} | _of_fields(rest[0])
        return _of_type(hint.__origin__) | dict(rest)
    if origin in (Union, types.UnionType):
        *kinds, null = [_of_type(part) for part in get_args(hint)]
        assert null == {"type": "null"}, f"{hint}: expected a type, or a type and None"
        (found,) = kinds
        return found | {"type": [found["type"], "null"]}
    if origin is Literal:
        return {"enum": list(get_args(hint))}
    if origin is list:
        return {"type": "array", "items": _of_type(get_args(hint)[0])}
    if origin is dict and get_args(hint)[1] is not Any:
        return {"type": "object", "additionalProperties": _of_type(get_args(hint)[1])}
    return {"type": _NAMES[origin or hint]}


def _of_fields(cls: Any) -> dict[str, Any]:
    """Return the properties of a typed dictionary, all of them required."""
    hints = get_type_hints(cls, include_extras=True)
    return {
        "properties": {name: _of_type(hint) for name, hint in hints.items()},
        "required": list(hints),
    }


def _docs(cls: type) -> dict[str, str]:
    return {name: _plain(text).removesuffix(".") for name, text in field_docs(cls).items()}


def _plain(text: str) -> str:
    """Return a docstring as JSON's readers need it: no markup, and JSON's word for None."""
    return " ".join(text.replace("``", "").replace("None", "null").split())
