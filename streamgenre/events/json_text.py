"""JSON from outside: parsed as the standard says, with every error in words."""

from __future__ import annotations

import json
import math
import re
import reprlib
from typing import Any, Final

MAX_DIGITS: Final = 400
"""Most digits of an integer; longer ones take long to convert, and no field needs them."""
_SURROGATES: Final = re.compile("[\ud800-\udfff]")

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80
_short.maxlevel = 3


def parse(text: str | bytes, *, unique: bool = False) -> Any:
    """Return the value of a JSON text.

    Parameters
    ----------
    text
        The text, or its UTF-8 bytes.
    unique
        Whether a key that an object has twice is refused; otherwise the last one counts.

    Raises
    ------
    ValueError
        If the text is not UTF-8 or not JSON, a number is not finite or has more than
        :data:`MAX_DIGITS` digits, or objects and arrays are nested too deeply.
    """
    try:
        return json.loads(
            text if isinstance(text, str) else text.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_short_integer,
            object_pairs_hook=_without_repetition if unique else None,
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def quoted(value: object) -> str:
    """Return a value from outside for a message: shortened, and without control characters."""
    try:
        return _short.repr(value)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"


def encodable(text: str) -> str:
    """Return a text that UTF-8 can encode: lone surrogates become U+FFFD."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def cleaned(value: Any) -> Any:
    """Return a JSON value in which UTF-8 can encode every text."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, list):
        return [cleaned(one) for one in value]
    if isinstance(value, dict):
        return {encodable(key): cleaned(one) for key, one in value.items()}
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is not a number that can be held")
    return number


def _short_integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a key twice")
    return found
