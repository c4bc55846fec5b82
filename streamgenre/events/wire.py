"""Events as JSON: parsing, schemas, sequence numbers and rounding."""

from __future__ import annotations

import base64
import binascii
import json
from collections import defaultdict
from dataclasses import MISSING, fields
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import BusError
from streamgenre.events.checks import Check, checks
from streamgenre.events.event import FIELDS, VERSION, Event
from streamgenre.events.field_types import SEQ_MODULUS
from streamgenre.events.json_text import cleaned, parse, quoted
from streamgenre.events.types import (
    EVENT_CLASSES,
    AnyEvent,
    Spectrum,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBABILITY_DIGITS: Final = 8
"""Digits of a probability: ten rounded ones still sum to 1 within 1e-7."""

_REQUIRED: Final[dict[type[Event], tuple[str, ...]]] = {
    cls: tuple(f.name for f in fields(cls) if f.default is MISSING and f.name in FIELDS[cls])
    for cls in EVENT_CLASSES.values()
}


def from_dict(data: dict[str, Any], binary: bytes | None = None) -> AnyEvent:
    """Return the typed event of a JSON object; unknown fields are ignored.

    Parameters
    ----------
    data
        The JSON object.
    binary
        The third part of the message; None if it has none, or is in the object as base64
        (:func:`inlined`).

    Raises
    ------
    BusError
        If the object is not an event of a known version and type, or a field is missing, of another
        type, or out of range.
    """
    if not isinstance(data, dict) or data.get("v") != VERSION:
        found = data.get("v") if isinstance(data, dict) else type(data).__name__
        raise BusError(
            f"not an event of version {VERSION} (found {quoted(found)}); "
            "update streamgenre on the older side"
        )
    event_type = data.get("type")
    cls = EVENT_CLASSES.get(event_type) if isinstance(event_type, str) else None
    if cls is None:
        raise BusError(
            f"unknown event type {quoted(event_type)}; known are {', '.join(EVENT_CLASSES)}"
        )
    missing = [name for name in _REQUIRED[cls] if name not in data]
    if missing:
        raise BusError(f"{cls.TYPE} event without {', '.join(missing)}")
    found = {name: data[name] for name in FIELDS[cls] if name in data}
    limits = _checks(event_type)
    for name, value in found.items():
        if problem := limits[name](value):
            raise BusError(f"{cls.TYPE} event: {name} {problem}")
    if cls is Spectrum:
        found["levels"] = _levels(data, binary)
    return cls(**found)


def _levels(data: dict[str, Any], binary: bytes | None) -> bytes:
    """Return the levels of a spectrum, which are as many as its header says."""
    edges = data["edges_hz"]
    if any(high <= low for low, high in pairwise(edges)):
        raise BusError("spectrum event: edges_hz: expected ascending frequencies")
    if binary is None:
        try:
            binary = base64.b64decode(data["levels"], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise BusError("spectrum event: levels: expected a third part of bytes") from error
    expected = int(data["rows"]) * (len(edges) - 1)
    if len(binary) != expected:
        raise BusError(f"spectrum event: levels {len(binary)} bytes: expected {expected}")
    return binary


@cache
def _checks(event_type: Any) -> dict[str, Check]:
    return checks(EVENT_CLASSES[event_type])


def from_json(text: str | bytes, binary: bytes | None = None) -> AnyEvent:
    """Return the typed event of a JSON text.

    Parameters
    ----------
    text
        The second part of the message.
    binary
        The third part; None if there is none.

    Raises
    ------
    BusError
        If the text is not JSON, or not an event as :func:`from_dict` expects it.
    """
    try:
        data = parse(text)
        escape = "\\ud" if isinstance(text, str) else b"\\ud"
        if escape in text.lower():  # type: ignore[operator]
            data = cleaned(data)
    except (ValueError, RecursionError) as error:
        raise BusError(f"not JSON: {error}") from error
    return from_dict(data, binary)


def inlined(text: bytes, binary: bytes) -> bytes:
    """Return the JSON object of an event with its binary part as base64 in ``levels``.

    Parameters
    ----------
    text
        The JSON object.
    binary
        The binary part.
    """
    return text[:-1] + b', "levels": "' + base64.b64encode(binary) + b'"}'


def schema(event_type: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of an event type."""
    text = (resources.files("streamgenre") / "schemas" / f"{event_type}.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


class Sequence:
    """Counts the ``seq`` of one station's events, for each event type.

    Parameters
    ----------
    first
        Number of the first event of each type.
    following
        Numbers by type that differ from ``first``.
    """

    def __init__(self, first: int = 0, following: Mapping[str, int] | None = None) -> None:
        self._next: defaultdict[str, int] = defaultdict(lambda: first, following or {})

    def next(self, event_type: str) -> int:
        """Return the next number of this type."""
        number = self._next[event_type]
        self._next[event_type] = (number + 1) % SEQ_MODULUS
        return number


def rounded(probabilities: dict[str, float]) -> dict[str, float]:
    """Return probabilities rounded to the digits that are sent."""
    return {label: round(p, PROBABILITY_DIGITS) for label, p in probabilities.items()}
