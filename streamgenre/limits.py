"""Limits of settings, written beside their types: ``Annotated[float, Range(0, 1)]``.

Settings check themselves with them, the configuration reports violations with file and line, and
the JSON Schema passes them on to editors.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
import sys
import textwrap
from dataclasses import fields
from functools import cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    TypeAlias,
    get_args,
    get_origin,
    get_type_hints,
)

from streamgenre.errors import SettingsError
from streamgenre.urls import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import DataclassInstance


class Range:
    """Numbers from ``low`` to ``high``.

    Parameters
    ----------
    low, high
        Limits, both included.
    unit
        Unit of the numbers, for messages.
    above
        Whether ``low`` itself is excluded.
    """

    def __init__(self, low: float, high: float, unit: str = "", *, above: bool = False) -> None:
        self.low, self.high, self.above, self._unit = low, high, above, unit

    def problem(self, value: Any) -> str:
        """Return what was expected if the value is out of range or NaN, else ""."""
        above = self.low < value if self.above else self.low <= value
        return "" if above and value <= self.high else f"expected {self.expected}"

    @property
    def expected(self) -> str:
        """The range in words."""
        unit = f" {self._unit}" if self._unit else ""
        if math.isinf(self.high):
            return f"{self.low:g}{unit} or more"
        if math.isinf(self.low):
            return f"at most {self.high:g}{unit}"
        if self.above:
            return f"more than {self.low:g} and up to {self.high:g}{unit}"
        return f"{self.low:g} to {self.high:g}{unit}"


class RangeOrWord(Range):
    """Numbers from ``low`` to ``high``, or one word.

    Parameters
    ----------
    word
        The word.
    low, high
        Limits, both included.
    unit
        Unit of the numbers, for messages.
    """

    def __init__(self, word: str, low: float, high: float, unit: str = "") -> None:
        super().__init__(low, high, unit)
        self.word = word

    def problem(self, value: Any) -> str:
        """Return what was expected if the value is neither the word nor in range, else ""."""
        if isinstance(value, str):
            return "" if value == self.word else f"expected {self.expected}"
        return super().problem(value)

    @property
    def expected(self) -> str:
        """Word and range in words."""
        return f'"{self.word}" or {super().expected}'


class Like:
    """Text that matches a regular expression as a whole.

    Parameters
    ----------
    pattern
        The regular expression.
    expected
        Its meaning in words, for messages.
    """

    def __init__(self, pattern: str, expected: str) -> None:
        self.pattern, self.expected = pattern, expected

    def problem(self, value: Any) -> str:
        """Return what was expected if the value does not match, else ""."""
        fits = isinstance(value, str) and re.fullmatch(self.pattern, value) is not None
        return "" if fits else f"expected {self.expected}"


class Checked:
    """Values that a function accepts: it returns what is wrong in words, else ""."""

    def __init__(self, problem: Callable[[Any], str]) -> None:
        self.problem = problem


class Parsed:
    """Marks text that a function converts; it raises :class:`SettingsError` in words."""

    def __init__(self, parse: Callable[[str], Any]) -> None:
        self.parse = parse


Limit: TypeAlias = Range | Like | Checked


class Secret:
    """Marks a setting whose value is never shown: ``Annotated[str, Secret()]``."""


class Derived:
    """Marks a field that follows from the settings given: no key of the configuration sets it."""


HIDDEN: Final = "…"
"""Replaces a secret."""


@cache
def hints(cls: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields with their annotations."""
    return get_type_hints(cls, vars(sys.modules[cls.__module__]), include_extras=True)


@cache
def keys_of(cls: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields that are keys of the configuration."""
    return {
        name: hint
        for name, hint in hints(cls).items()
        if not any(isinstance(part, Derived) for part in get_args(hint))
    }


def limits_of(hint: Any) -> list[Limit]:
    """Return the limits of a type."""
    if get_origin(hint) is Annotated:
        return [limit for limit in get_args(hint)[1:] if isinstance(limit, Limit)]
    return [limit for part in get_args(hint) for limit in limits_of(part)]


def parser_of(hint: Any) -> Callable[[str], Any] | None:
    """Return the function that converts the text of a type, or None."""
    found = (part.parse for part in get_args(hint) if isinstance(part, Parsed))
    return next(found, None)


def is_secret(hint: Any) -> bool:
    """Whether the values of a type are never shown."""
    parts = get_args(hint)
    return any(isinstance(part, Secret) or is_secret(part) for part in parts)


def check(settings: DataclassInstance) -> None:
    """Check the fields of settings against the limits of their types; None always passes.

    Raises
    ------
    SettingsError
        If a field exceeds its limits.
    """
    for field in fields(settings):
        value = getattr(settings, field.name)
        hint = hints(type(settings))[field.name]
        for limit in limits_of(hint):
            if value is not None and (problem := limit.problem(value)):
                given = shown(value) if isinstance(value, str) else value
                given = HIDDEN if is_secret(hint) else given
                raise SettingsError(f"{field.name} {given}: {problem}")


@cache
def field_docs(cls: type) -> dict[str, str]:
    """Return the docstrings below a class's own fields by name, each on one line."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: " ".join(str(after.value.value).split())
        for field, after in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }
