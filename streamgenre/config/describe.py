"""Descriptions of the configuration: settings in use with their origin, JSON Schema, example."""

from __future__ import annotations

import json
import math
import re
import textwrap
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from streamgenre.config.build import OWN, TABLES, keys
from streamgenre.config.layers import Setting
from streamgenre.config.settings import MAX_STATIONS, StationSettings
from streamgenre.config.values import bare
from streamgenre.history.places import Server
from streamgenre.limits import (
    HIDDEN,
    Like,
    Range,
    RangeOrWord,
    field_docs,
    hints,
    is_secret,
    keys_of,
    limits_of,
)
from streamgenre.paths import home
from streamgenre.sources.stream.settings import Headers
from streamgenre.urls import shown as safe

if TYPE_CHECKING:
    from streamgenre.config.build import LoadedConfig
    from streamgenre.config.layers import SettingsTree

_STATION_DOC: Final = "A named audio input; each table [[station]] defines one."
_HEAD: Final = """\
# Configuration of `streamgenre listen`, with every key and its default.
#
# ~/.config/streamgenre/config.toml overrides /etc/streamgenre/config.toml; --config FILE replaces
# both. Variables such as STREAMGENRE_BUS_PUBLISH override files, and flags override variables.
# `streamgenre config check FILE` checks a file; `systemctl reload` or SIGHUP rereads it.

# ---- defaults of every station ----
"""
_STATIONS: Final = """

# ---- the stations ----
# Each has a name and an input: a device by name or id, a path, a URL, "-" for standard input,
# "demo", or "default" for the default input device. Without any station, the default input device
# is the only one. A station can override each of the defaults above for itself.

[[station]]
name = "line-in"
input = "{device}"

[[station]]
name = "jazz"
input = "http://radio.example/jazz.mp3"
# model = "lite"
# decision.enter = 0.5
"""


@cache
def docs(cls: type) -> dict[str, str]:
    """Return the docstrings of a dataclass's fields for readers of a configuration file.

    TOML has no None: such a key is left out.
    """
    return {
        name: re.sub(r"\bNone (for|to)\b", r"leave it out \1", text.replace("``", "`"))
        for name, text in field_docs(cls).items()
    }


def _default(field: Any) -> Any:
    return field.default if field.default is not MISSING else field.default_factory()


# ---- show ---------------------------------------------------------------------------------------


def settings_in_use(loaded: LoadedConfig) -> list[dict[str, Any]]:
    """Return every setting with its value and origin, without credentials."""
    config = loaded.config
    rows = [
        _row(path, _get(getattr(config, path[0]), path[1:]), loaded.tree)
        for path in keys()
        if path[0] in TABLES
    ]
    own = [(name,) for name in OWN]
    rest = [path for path in keys() if path[0] not in TABLES and path not in own]
    for number, (settings, tree) in enumerate(zip(config.stations, loaded.stations, strict=True)):
        for path in sorted(own, reverse=True) + rest:
            row = _row(path, _get(settings, path), tree)
            rows.append({"station": settings.name or f"#{number + 1}", **row})
    return rows


def _get(settings: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        settings = getattr(settings, name)
    return settings


def _row(path: tuple[str, ...], value: Any, tree: SettingsTree) -> dict[str, Any]:
    place: Any = tree
    for name in path:
        place = place.get(name, {}) if isinstance(place, dict) else {}
    shown: Any = str(value) if isinstance(value, Path | Server) else value
    if isinstance(value, Headers):
        shown = dict.fromkeys((name for name, _ in value), HIDDEN)
    elif value is not None and is_secret(keys().get(path)):
        shown = HIDDEN
    if isinstance(shown, str):
        shown = safe(shown)
    if isinstance(shown, float) and not math.isfinite(shown):
        shown = str(shown)
    given = isinstance(place, Setting) or (isinstance(value, Headers) and bool(value))
    where = place.origin if given else "default"
    return {"key": ".".join(path), "value": shown, "from": where}


def listing(rows: list[dict[str, Any]]) -> str:
    """Return settings as lines of text."""
    lines = []
    station = None
    for row in rows:
        if row.get("station") != station:
            station = row["station"]
            lines += ["", f"station {station!r}"]
        value = "–" if row["value"] is None else _toml(row["value"])
        lines.append(f"{row['key']} = {value}".ljust(56) + f"  # {row['from']}")
    return "\n".join(lines)


# ---- schema -------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of the configuration file, for editors."""
    station = _object(StationSettings)
    station["required"] = ["name", "input"]
    common = {name: part for name, part in station["properties"].items() if name not in OWN}
    properties: dict[str, Any] = dict(common)
    properties |= {name: _object(cls) for name, cls in TABLES.items()}
    properties["station"] = {
        "type": "array", "items": station, "maxItems": MAX_STATIONS, "description": _STATION_DOC,
    }  # fmt: skip
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of streamgenre listen",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _object(cls: Any) -> dict[str, Any]:
    properties = {}
    for field in _fields(cls):
        hint = hints(cls)[field.name]
        part = _object(hint) if is_dataclass(hint) else _type(hint)
        properties[field.name] = part | {"description": docs(cls)[field.name]}
        default = _default(field)
        if not is_dataclass(default) and default is not None and not isinstance(default, Path):
            properties[field.name]["default"] = (
                dict(default) if isinstance(default, Headers) else default
            )
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _fields(cls: Any) -> list[Field[Any]]:
    """Return the fields that are keys of the configuration."""
    return [field for field in fields(cls) if field.name in keys_of(cls)]


def _type(hint: Any) -> dict[str, Any]:
    kind = bare(hint)
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if kind is Headers:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    names = {str: "string", Path: "string", bool: "boolean", int: "integer", float: "number"}
    found: dict[str, Any] = {"type": names[kind]}
    for limit in limits_of(hint):
        if isinstance(limit, Like):
            found["pattern"] = f"^(?:{limit.pattern})$"
        if not isinstance(limit, Range):
            continue
        if math.isfinite(limit.low):
            found["exclusiveMinimum" if limit.above else "minimum"] = limit.low
        if math.isfinite(limit.high):
            found["maximum"] = limit.high
        if isinstance(limit, RangeOrWord):
            found = {"anyOf": [{"const": limit.word}, found]}
    return found


# ---- example ------------------------------------------------------------------------------------


def example(device: str = "USB Audio") -> str:
    """Return a complete configuration file with all defaults and comments."""
    common = [field for field in fields(StationSettings) if field.name not in OWN]
    plain = [field for field in common if not is_dataclass(hints(StationSettings)[field.name])]
    text = _HEAD + "".join(map(_entry, plain, [StationSettings] * len(plain)))
    for field in common:
        hint = hints(StationSettings)[field.name]
        if is_dataclass(hint):
            text += _section(field.name, hint)
    text += "\n\n# ---- the daemon as a whole ----\n"
    for name, cls in TABLES.items():
        text += _section(name, cls)
    return text + _STATIONS.format(device=device)


def _section(name: str, cls: Any) -> str:
    title = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
    nested = {field.name: hints(cls)[field.name] for field in _fields(cls)}
    nested = {key: hint for key, hint in nested.items() if is_dataclass(hint)}
    text = f"\n# {title}\n[{name}]\n"
    text += "".join(_entry(field, cls) for field in _fields(cls) if field.name not in nested)
    return text + "".join(_section(f"{name}.{key}", hint) for key, hint in nested.items())


def _entry(field: Any, cls: Any) -> str:
    comment = textwrap.fill(docs(cls)[field.name], 98, initial_indent="# ", subsequent_indent="# ")
    default = _default(field)
    hint = hints(cls)[field.name]
    kind = bare(hint)
    line = f"{field.name} = {_toml(default)}"
    if default is None or isinstance(default, Path):
        shown = _short(default) if isinstance(default, Path) else 0 if kind in (int, float) else "…"
        line = f"# {field.name} = {_toml(shown)}"
    elif get_origin(kind) is Literal:
        line += "  # " + ", ".join(get_args(kind))
    return f"\n{comment}\n{line}\n"


def _short(path: Path) -> str:
    """Return a path with ``~`` for the user's home: the example may be given to others."""
    own = home()
    return f"~/{path.relative_to(own)}" if own and path.is_relative_to(own) else str(path)


def _toml(value: Any) -> str:
    if isinstance(value, Headers | dict):
        pairs = ", ".join(f"{name} = {_toml(text)}" for name, text in dict(value).items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False)
