"""From what was given to frozen settings; every fault is told, each with its place."""

from __future__ import annotations

import re
import types
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

from streamgenre.config.layers import (
    Given,
    Tree,
    config_files,
    merge,
    read_environment,
    read_file,
)
from streamgenre.config.settings import (
    MAX_STATIONS,
    BusSettings,
    Config,
    EngineSettings,
    MetricsSettings,
    StationSettings,
)
from streamgenre.decision import DecisionSettings
from streamgenre.errors import SettingsError, nearest
from streamgenre.history.settings import HistorySettings
from streamgenre.limits import Range, hints, limits_of

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLES: Final[dict[str, type]] = {
    "engine": EngineSettings,
    "bus": BusSettings,
    "metrics": MetricsSettings,
    "history": HistorySettings,
}
"""Tables of the daemon as a whole; beside them stands what holds for every station."""
OWN: Final = ("name", "input")
"""What each station has for itself alone."""
_KINDS: Final[dict[type, str]] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Path: "a path",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and what it was made of."""

    config: Config
    from_file: bool
    """Whether the stations are those of a file."""
    tree: Tree
    """All that was given, merged, without the stations."""
    stations: tuple[Tree, ...]
    """What was given for each station."""
    files: tuple[Path, ...]
    """The files that were read, the weightier last."""


class _WrongError(Exception):
    """A value is not usable; the message says what was expected."""


def load(given: str | None, environment: Mapping[str, str], flags: Tree | None = None) -> Loaded:
    """Return the configuration: files, over them the environment, over that the flags.

    What environment and flags say of stations (a model, a threshold) holds for every one of them;
    an input there takes the place of the stations of the files.

    Parameters
    ----------
    given
        The one file to read; None for the system's and the user's.
    environment
        Variables by name.
    flags
        A tree of what the command line says; ``station`` in it is a list of inputs.

    Raises
    ------
    SettingsError
        If anything is wrong; the message has a line for every fault.
    """
    files = config_files(given)
    below = merge(*map(read_file, files))
    return build(below, merge(read_environment(environment, keys()), flags or Tree()), files)


def build(below: Tree, above: Tree, files: list[Path] | None = None) -> Loaded:
    """Return the configuration of two trees, of which the second holds for every station."""
    problems: list[str] = []
    listed = _station_trees(below, above, problems)
    both = merge(below, above)
    for key in ("station", *OWN):
        if key in above or key == "station":
            both.pop(key, None)
    parts = {
        name: _table(cls, both.get(name, Tree()), (name,), problems) for name, cls in TABLES.items()
    }
    known = (*TABLES, *_COMMON, "station")
    problems += [_unknown(key, both[key], known) for key in both if key not in known]
    common = [Tree({key: tree[key] for key in tree if key in _COMMON}) for tree in (below, above)]
    trees = [merge(common[0], own, common[1]) for own in listed]
    stations = [_table(StationSettings, tree, (), problems) for tree in trees]
    if not listed:
        trees = [merge(*common)]
        stations = [_table(StationSettings, trees[0], (), problems)]
    _check_names(listed, problems)
    if problems:
        raise SettingsError("\n".join(sorted(dict.fromkeys(problems), key=_place)))
    return Loaded(
        config=Config(tuple(stations), **parts),
        from_file=bool(listed) and listed == below.get("station"),
        tree=both,
        stations=tuple(trees),
        files=tuple(files or ()),
    )


def _place(problem: str) -> tuple[str, int]:
    """Return what faults are sorted by: file and line."""
    found = re.match(r"(.*?):(\d+): ", problem)
    return (found[1], int(found[2])) if found else ("", 0)


def _station_trees(below: Tree, above: Tree, problems: list[str]) -> list[Tree]:
    """Return what is given for each station of its own."""
    if "station" in above:
        listed = above["station"]
    elif "input" in above:
        listed = [Tree({key: above[key] for key in OWN if key in above})]
    else:
        listed = below.get("station", [])
        if "name" in above and listed == []:
            return [Tree(name=above["name"])]
        if "name" in above:
            problems.append(f"{above['name']}: the stations of the file have names; add --input")
        if isinstance(listed, list) and any(not isinstance(tree, dict) for tree in listed):
            listed = next(tree for tree in listed if not isinstance(tree, dict))
        if not isinstance(listed, list):
            problems.append(f"{_at(listed)}expected stations as [[station]], in double brackets")
            return []
        problems += [
            f'{_at(tree)}a [[station]] without a name: expected name = "…"'
            for tree in listed
            if "name" not in tree
        ]
    if len(listed) > MAX_STATIONS:
        problems.append(f"{len(listed)} stations: expected at most {MAX_STATIONS}")
        return []
    return list(listed)


def _check_names(trees: list[Tree], problems: list[str]) -> None:
    names: dict[Any, Given] = {}
    for tree in trees:
        given = tree.get("name")
        if not isinstance(given, Given) or not isinstance(given.value, str):
            continue
        first = names.setdefault(given.value, given)
        if first is not given:
            also = f"; {first.where} has it too" if first.where != given.where else ""
            problems.append(f"{given}: two stations of one name{also}; expected each its own")


def _table(cls: Any, tree: Any, path: tuple[str, ...], problems: list[str]) -> Any:
    """Return the settings of a tree; faults are added to ``problems``."""
    if isinstance(tree, Given):
        problems.append(f"{tree}: expected a table")
        return None
    values: dict[str, Any] = {}
    types_of = hints(cls)
    for key, given in tree.items():
        if key not in types_of:
            problems.append(_unknown(key, given, types_of, path))
        elif is_dataclass(types_of[key]):
            values[key] = _table(types_of[key], given, (*path, key), problems)
        elif not isinstance(given, Given):
            dotted = ".".join((*path, key))
            problems.append(f"{_at(given)}{dotted} is a table: expected {_expected(types_of[key])}")
        else:
            try:
                values[key] = _convert(types_of[key], given)
            except _WrongError as wrong:
                problems.append(f"{given}: expected {wrong}")
    if cls is DecisionSettings:
        # Whoever lowers the one without a word of the other means both.
        for enter, keep in (("enter", "keep"), ("speech_enter", "speech_keep")):
            if enter in values:
                values.setdefault(keep, min(values[enter], getattr(DecisionSettings(), keep)))
    try:
        return cls(**values)
    except (ValueError, SettingsError) as error:
        if None not in values.values():
            problems.append(f"{_at(tree)}[{'.'.join(path) or 'station'}] {error}")
        return None
    except TypeError:
        return None  # what is missing has been told above


def _unknown(key: str, given: Any, known: Any, path: tuple[str, ...] = ()) -> str:
    table = f" in [{'.'.join(path)}]" if path else ""
    expected = ", ".join(known)
    return f"{_at(given)}no key {key!r}{table}: expected one of {expected}{nearest(key, known)}"


def _at(given: Any) -> str:
    """Return where something was given, as the beginning of a line."""
    while not isinstance(given, Given) and not getattr(given, "where", "") and given:
        given = next(iter(given.values())) if isinstance(given, dict) else given[0]
    where = getattr(given, "where", "")
    return f"{where}: " if where else ""


# ---- values -------------------------------------------------------------------------------------


def bare(hint: Any) -> Any:
    """Return a type without its limits and without None."""
    if get_origin(hint) is Annotated:
        return bare(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return bare(next(part for part in get_args(hint) if part is not type(None)))
    return hint


def _expected(hint: Any) -> str:
    """Return in words what is expected."""
    limits, kind = limits_of(hint), bare(hint)
    if limits:
        return limits[0].expected
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    return _KINDS.get(kind, "a value")


def _convert(hint: Any, given: Given) -> Any:
    kind = bare(hint)
    value = _read(kind, given.value) if given.text else given.value
    if get_origin(kind) is Literal:
        if not isinstance(value, str) or value not in get_args(kind):
            hint_text = nearest(value, get_args(kind)) if isinstance(value, str) else ""
            raise _WrongError(_expected(hint) + hint_text)
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 1e300 else float("nan")
    if kind is Path:
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise _WrongError(_expected(hint))
        try:
            return Path(value).expanduser()
        except RuntimeError:
            return Path(value)
    if type(value) is not kind or (kind is str and "\0" in value):
        raise _WrongError(_expected(hint))
    limits = limits_of(hint)
    if kind is float and not limits:
        limits = [Range(-1e12, 1e12)]  # neither NaN nor infinity
    if not all(limit.holds(value) for limit in limits):
        raise _WrongError(limits[0].expected)
    if kind is str and not value.strip():
        raise _WrongError("text that is not empty")
    return value


def _read(kind: type, text: str) -> Any:
    """Return the text of a variable as a value of a kind; as it is where it is none."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        if kind is bool:
            return words.get(text.strip().lower(), text)
        return kind(text) if kind in (int, float) else text
    except ValueError:
        return text


# ---- keys ---------------------------------------------------------------------------------------

_COMMON: Final = tuple(field.name for field in fields(StationSettings) if field.name not in OWN)


@cache
def keys() -> dict[tuple[str, ...], Any]:
    """Return every key that is no station's own, with its type, as ``("bus", "publish")``."""
    found: dict[tuple[str, ...], Any] = {("input",): hints(StationSettings)["input"]}
    for name in _COMMON:
        found |= _keys_of(hints(StationSettings)[name], (name,))
    for name, cls in TABLES.items():
        found |= _keys_of(cls, (name,))
    return found


def _keys_of(hint: Any, path: tuple[str, ...]) -> dict[tuple[str, ...], Any]:
    if not is_dataclass(hint):
        return {path: hint}
    found: dict[tuple[str, ...], Any] = {}
    for name, part in hints(hint).items():  # type: ignore[arg-type]
        found |= _keys_of(part, (*path, name))
    return found
