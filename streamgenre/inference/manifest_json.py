"""Reading ``manifest.json``: strict JSON of bounded size, checked against its schema."""

from __future__ import annotations

import json
import math
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import ModelError
from streamgenre.inference.files import read_bounded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_MANIFEST_BYTES: Final = 1_000_000
"""The shipped ones have 36 kB; read as JSON, a megabyte takes up to twenty."""


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a manifest.

    Raises
    ------
    ModelError
        If the file cannot be read, is too large, or is not such an object.
    """
    return parse_json(path, read_bounded(path, MAX_MANIFEST_BYTES, "a manifest"))


def parse_json(path: Path, content: bytes) -> dict[str, Any]:
    """Return the JSON object that a manifest contains.

    Parameters
    ----------
    path
        The file, for messages.
    content
        Its content.

    Raises
    ------
    ModelError
        If it is not such an object.
    """
    try:
        data = json.loads(
            content.decode("utf-8-sig"),
            parse_float=_number,
            parse_int=_integer,
            parse_constant=_number,
            object_pairs_hook=_without_repeats,
        )
        # A lone surrogate such as \ud800 cannot be encoded, so it could not be sent or shown.
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not valid JSON: not UTF-8") from error
    except UnicodeEncodeError as error:
        raise ModelError(f"{path}: not valid JSON: surrogates stand alone in a text") from error
    except RecursionError as error:
        raise ModelError(f"{path}: not valid JSON: nested too deeply") from error
    except ValueError as error:
        raise ModelError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path}: expected a JSON object, found {type(data).__name__}")
    return data


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"{shortly(twice)} is given twice")
    return found


def shortly(value: Any) -> str:
    """Return a value as Python writes it, in up to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _number(text: str) -> float:
    """Parse a finite number; 16000.0 becomes an int, as JSON Schema allows for integers."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:60]} is not a finite number")
    return int(value) if value.is_integer() else value


def _integer(text: str) -> int:
    """Parse an integer; Python refuses longer ones than any field allows."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text[:20]}… is too large a number") from None


def check_schema(path: Path, data: dict[str, Any]) -> None:
    """Check a manifest against its JSON Schema.

    Parameters
    ----------
    path
        The file, for the message.
    data
        The JSON object in it.

    Raises
    ------
    ModelError
        Naming the file and what does not fit.
    """
    import fastjsonschema

    try:
        _validator()(data)
    except fastjsonschema.JsonSchemaValueException as error:
        message = error.message.removeprefix("data.").removeprefix("data ")
        raise ModelError(f"{path}: {message[:300]}") from error
    except OverflowError as error:
        raise ModelError(f"{path}: a number is too large: {error}") from error


@cache
def _validator() -> Callable[[dict[str, Any]], Any]:
    import fastjsonschema

    schema = json.loads(
        (resources.files("streamgenre") / "schemas" / "manifest.json").read_text("utf-8")
    )
    compiled: Callable[[dict[str, Any]], Any] = fastjsonschema.compile(schema)
    return compiled
