"""Settings as JSON and back, for the link to a worker."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from streamgenre.config.values import bare
from streamgenre.limits import hints
from streamgenre.sources.stream.settings import Headers

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Return settings, or a value of them, as a JSON value; with the secrets in them."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Headers):
        return [list(pair) for pair in value]
    return value


def from_json(cls: type[T], data: dict[str, Any]) -> T:
    """Return the settings that :func:`to_json` made a JSON object of.

    Parameters
    ----------
    cls
        Their dataclass.
    data
        The JSON object.

    Raises
    ------
    SettingsError
        If a value exceeds its limits.
    TypeError
        If the object has other fields, as one of another version of streamgenre may have.
    """
    types = hints(cls)  # type: ignore[arg-type]
    return cls(**{name: _value(types.get(name), value) for name, value in data.items()})


def _value(hint: Any, value: Any) -> Any:
    if value is None or hint is None:
        return value
    kind = bare(hint)
    if is_dataclass(kind):
        return from_json(kind, value)  # type: ignore[arg-type]
    if kind is Path:
        return Path(value)
    if kind is Headers:
        return Headers(tuple(pair) for pair in value)
    return value
