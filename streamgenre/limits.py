"""What a setting may be, written beside its type: ``Annotated[float, Range(0, 1)]``.

The settings check themselves with it, the configuration names file and line with it, and the JSON
Schema tells it to editors.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints

from streamgenre.errors import SettingsError
from streamgenre.urls import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import DataclassInstance


class Range:
    """Numbers from ``low`` to ``high``, both included unless ``above``: then ``low`` is not.

    ``unit`` is what they count.
    """

    def __init__(self, low: float, high: float, unit: str = "", *, above: bool = False) -> None:
        self.low, self.high, self.above, self._unit = low, high, above, unit

    def fault(self, value: Any) -> str:
        """Return what was expected where the value is none of them, as NaN is; else ""."""
        above = self.low < value if self.above else self.low <= value
        return "" if above and value <= self.high else f"expected {self.expected}"

    @property
    def expected(self) -> str:
        """What is expected, in words."""
        unit = f" {self._unit}" if self._unit else ""
        if math.isinf(self.high):
            return f"{self.low:g}{unit} or more"
        if math.isinf(self.low):
            return f"at most {self.high:g}{unit}"
        if self.above:
            return f"more than {self.low:g} and up to {self.high:g}{unit}"
        return f"{self.low:g} to {self.high:g}{unit}"


class Like:
    """Text that fits a regular expression as a whole; ``expected`` says what that means."""

    def __init__(self, pattern: str, expected: str) -> None:
        self.pattern, self.expected = pattern, expected

    def fault(self, value: Any) -> str:
        """Return what was expected where the value does not fit; else ""."""
        fits = isinstance(value, str) and re.fullmatch(self.pattern, value) is not None
        return "" if fits else f"expected {self.expected}"


class Checked:
    """Values that a function finds no fault with: it returns what is wrong in words, else ""."""

    def __init__(self, fault: Callable[[Any], str]) -> None:
        self.fault = fault


Limit: TypeAlias = Range | Like | Checked


@cache
def hints(cls: type) -> dict[str, Any]:
    """Return the types of a dataclass's fields with what is annotated."""
    return get_type_hints(cls, vars(sys.modules[cls.__module__]), include_extras=True)


def limits_of(hint: Any) -> list[Limit]:
    """Return what a type is limited to."""
    if get_origin(hint) is Annotated:
        return [limit for limit in get_args(hint)[1:] if isinstance(limit, Limit)]
    return [limit for part in get_args(hint) for limit in limits_of(part)]


def check(settings: DataclassInstance) -> None:
    """Raise SettingsError where a field is not what its type is limited to; None always may be."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        for limit in limits_of(hints(type(settings))[field.name]):
            if value is not None and (fault := limit.fault(value)):
                given = shown(value) if isinstance(value, str) else value
                raise SettingsError(f"{field.name} {given}: {fault}")
