"""Conversion of one given value to the type of its setting."""

from __future__ import annotations

import tomllib
import types
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

from streamgenre.errors import SettingsError, nearest
from streamgenre.limits import Checked, Range, RangeOrWord, limits_of, parser_of
from streamgenre.paths import expand
from streamgenre.sources.stream.settings import Headers

if TYPE_CHECKING:
    from streamgenre.config.layers import Setting

_KINDS: Final[dict[type, str]] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Path: "a path",
    Headers: 'a table of texts: { X-Token = "…" }',
}


class InvalidValueError(Exception):
    """A value is not valid; the message says what was expected."""


def bare(hint: Any) -> Any:
    """Return a type without its limits and without None."""
    if get_origin(hint) is Annotated:
        return bare(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return bare(next(part for part in get_args(hint) if part is not type(None)))
    return hint


def expected_of(hint: Any) -> str:
    """Return the expected values of a type in words."""
    limits, kind = limits_of(hint), bare(hint)
    described = [limit.expected for limit in limits if not isinstance(limit, Checked)]
    if described:
        return f"expected {described[0]}"
    if get_origin(kind) is Literal:
        return "expected one of " + ", ".join(get_args(kind))
    return f"expected {_KINDS.get(kind, 'a value')}"


def convert(hint: Any, given: Setting) -> Any:
    """Return a given value converted to a type.

    Parameters
    ----------
    hint
        Type of the setting, with its limits.
    given
        The value.

    Raises
    ------
    InvalidValueError
        If the value does not fit the type or its limits.
    """
    kind = bare(hint)
    value = _read(kind, given.value) if given.text else given.value
    if kind is Headers and isinstance(value, dict):
        value = Headers(value.items())
    if get_origin(kind) is Literal:
        if not isinstance(value, str) or value not in get_args(kind):
            hint_text = nearest(value, get_args(kind)) if isinstance(value, str) else ""
            raise InvalidValueError(expected_of(hint) + hint_text)
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 1e300 else float("nan")
    if kind is Path:
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise InvalidValueError(expected_of(hint))
        try:
            value = (parser_of(hint) or expand)(value)
        except SettingsError as error:
            raise InvalidValueError(str(error)) from error
        for limit in limits_of(hint):
            if problem := limit.problem(value):
                raise InvalidValueError(problem)
        return value
    if any(isinstance(limit, RangeOrWord) and value == limit.word for limit in limits_of(hint)):
        return value
    if type(value) is not kind or (kind is str and "\0" in value):
        raise InvalidValueError(expected_of(hint))
    if kind is str and not value.strip() and not limits_of(hint):
        raise InvalidValueError("expected text that is not empty")
    limits = limits_of(hint)
    if kind is float and not limits:
        limits = [Range(-1e12, 1e12)]  # neither NaN nor infinity
    for limit in limits:
        if problem := limit.problem(value):
            raise InvalidValueError(problem)
    return value


def _read(kind: type, text: str) -> Any:
    """Return the text of a variable converted to a type; unchanged if that is impossible."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        if kind is Headers:
            return tomllib.loads(f"headers = {text}")["headers"]
        if kind is bool:
            return words.get(text.strip().lower(), text)
        return kind(text) if kind in (int, float) else text
    except ValueError:
        return text
