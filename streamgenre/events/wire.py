"""Events on their way: read from JSON, described by their schemas, numbered and rounded."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import MISSING, fields
from importlib import resources
from typing import Any, Final

from streamgenre.errors import BusError
from streamgenre.events.types import EVENT_CLASSES, FIELDS, TYPES, VERSION, AnyEvent, Event

SEQ_MODULUS: Final = 2**53
"""Numbers go from 0 to one less, the largest integer that every JSON reader holds; then from 0."""
PROBABILITY_DIGITS: Final = 8
"""Ten probabilities rounded to this still sum to 1 within 1e-7."""

_REQUIRED: Final[dict[type[Event], tuple[str, ...]]] = {
    cls: tuple(f.name for f in fields(cls) if f.default is MISSING)
    for cls in EVENT_CLASSES.values()
}


def from_dict(data: dict[str, Any]) -> AnyEvent:
    """Return the typed event of a JSON object; unknown fields are ignored.

    Raises
    ------
    BusError
        If it is no event of a version and type known here.
    """
    if not isinstance(data, dict) or data.get("v") != VERSION:
        found = data.get("v") if isinstance(data, dict) else type(data).__name__
        raise BusError(
            f"not an event of version {VERSION} (found {found!r}); "
            "update streamgenre on the side that is older"
        )
    event_type = data.get("type")
    cls = EVENT_CLASSES.get(event_type) if isinstance(event_type, str) else None
    if cls is None:
        raise BusError(f"unknown event type {event_type!r}; known are {', '.join(TYPES)}")
    missing = [name for name in _REQUIRED[cls] if name not in data]
    if missing:
        raise BusError(f"{cls.TYPE} event without {', '.join(missing)}")
    return cls(**{name: data[name] for name in FIELDS[cls] if name in data})


def from_json(text: str | bytes) -> AnyEvent:
    """Return the typed event of one JSON line; errors as :func:`from_dict`."""
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BusError(f"not JSON: {error}") from error
    return from_dict(data)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def schema(event_type: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of an event type."""
    text = (resources.files("streamgenre") / "schemas" / f"{event_type}.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


class Sequence:
    """Hands out ``seq`` numbers for one station: per event type, from 0, no holes.

    Parameters
    ----------
    first
        Number of the first event of each type.
    """

    def __init__(self, first: int = 0) -> None:
        self._next: defaultdict[str, int] = defaultdict(lambda: first)

    def next(self, event_type: str) -> int:
        """Return the next number of this type."""
        number = self._next[event_type]
        self._next[event_type] = (number + 1) % SEQ_MODULUS
        return number


def rounded(probabilities: dict[str, float]) -> dict[str, float]:
    """Return probabilities with as many digits as are sent."""
    return {label: round(p, PROBABILITY_DIGITS) for label, p in probabilities.items()}
