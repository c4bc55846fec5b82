"""Checks of the fields of an event from outside, by the same limits as the JSON Schemas.

Words such as the ``state`` may be ones that a newer daemon added, so any text passes for them.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from streamgenre.events.json_text import quoted

Check: TypeAlias = Callable[[Any], str]
"""Returns what is wrong with a value, in words; "" if nothing is."""
_KINDS: Final[dict[Any, tuple[tuple[type, ...], str]]] = {
    str: ((str,), "a text"),
    bool: ((bool,), "true or false"),
    int: ((int, float), "an integer"),
    float: ((int, float), "a number"),
    dict: ((dict,), "an object"),
    list: ((list,), "an array"),
}
_LEAST: Final = ("minLength", "minProperties", "minItems")


def checks(cls: Any) -> dict[str, Check]:
    """Return a check for each field of an event class or typed dictionary."""
    hints = get_type_hints(cls, include_extras=True)
    # bytes are not JSON: the binary part of the message.
    return {
        name: _check(hint) for name, hint in hints.items() if name != "TYPE" and hint is not bytes
    }


def _check(hint: Any) -> Check:
    origin = get_origin(hint)
    if origin is Annotated:
        rest = hint.__metadata__
        if is_typeddict(rest[0]):
            return _object(rest[0])
        return _both(_check(hint.__origin__), _limited(hint.__origin__, dict(rest)))
    if origin in (Union, types.UnionType):
        (inner,) = (_check(part) for part in get_args(hint) if part is not types.NoneType)
        return lambda value: "" if value is None else inner(value)
    if origin is Literal:
        return _of_kind(str)
    if origin is list:
        return _both(_of_kind(list), _each(_check(get_args(hint)[0]), list))
    if origin is dict and get_args(hint)[1] is not Any:
        return _both(_of_kind(dict), _each(_check(get_args(hint)[1]), dict))
    return _of_kind(origin or hint)


def _of_kind(kind: Any) -> Check:
    allowed, words = _KINDS[kind]

    def check(value: Any) -> str:
        # true and false are integers in Python, but not in JSON.
        fits = isinstance(value, allowed) and (kind is bool or not isinstance(value, bool))
        if fits and kind is int and isinstance(value, float):
            fits = value.is_integer()
        return "" if fits else f"{quoted(value)}: expected {words}"

    return check


def _limited(kind: Any, limits: dict[str, Any]) -> Check:
    low, high = limits.get("minimum"), limits.get("maximum")
    least = next((limits[key] for key in _LEAST if key in limits), 0)
    most = limits.get("maxProperties", limits.get("maxItems"))
    pattern = re.compile(limits["pattern"]) if "pattern" in limits else None

    def number(value: Any) -> str:
        return "" if low <= value <= high else f"{quoted(value)}: expected {low} to {high}"

    def size(value: Any) -> str:
        if len(value) < least or (most is not None and len(value) > most):
            upper = "" if most is None else f" and at most {most}"
            return f"{len(value)} characters or entries: expected at least {least}{upper}"
        if pattern is not None and pattern.search(value) is None:
            return f"{quoted(value)}: expected {pattern.pattern}"
        return ""

    return number if kind in (int, float) else size


def _both(first: Check, second: Check) -> Check:
    return lambda value: first(value) or second(value)


def _each(inner: Check, kind: type) -> Check:
    def check(value: Any) -> str:
        for one in value.values() if kind is dict else value:
            if problem := inner(one):
                return problem
        return ""

    return check


def _object(cls: Any) -> Check:
    is_object = _of_kind(dict)
    fields = checks(cls)

    def check(value: Any) -> str:
        if problem := is_object(value):
            return problem
        for name, inner in fields.items():
            if name not in value:
                return f"without {name}"
            if problem := inner(value[name]):
                return f"{name} {problem}"
        return ""

    return check
