"""From what was given to frozen settings; every fault is told, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from streamgenre.bus.settings import BusSettings
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
    Config,
    MetricsSettings,
    StationSettings,
)
from streamgenre.config.values import WrongError, convert, expected_of
from streamgenre.defaults import INPUT
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import ModelError, SettingsError, nearest
from streamgenre.history.settings import HistorySettings
from streamgenre.inference.decision import DecisionSettings
from streamgenre.inference.manifest import find_model
from streamgenre.limits import hints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TABLES: Final[dict[str, type]] = {
    "engine": EngineSettings,
    "bus": BusSettings,
    "metrics": MetricsSettings,
    "history": HistorySettings,
}
"""Tables of the daemon as a whole; beside them stands what holds for every station."""
OWN: Final = ("name", "input")
"""What each station has for itself alone."""
_AN_INPUT: Final = (
    'input = "…", with a device, a path, a URL, "-", "demo", or "default" for the default device'
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and what it was made of."""

    config: Config
    named: bool
    """Whether inputs were given; else it is the default one."""
    by_hand: bool
    """Whether the inputs are those of the command line, or of nobody: no file has a say in them."""
    tree: Tree
    """All that was given, merged, without the stations."""
    stations: tuple[Tree, ...]
    """What was given for each station."""
    files: tuple[Path, ...]
    """The files that were read, the weightier last."""


def load(
    given: str | None,
    environment: Mapping[str, str],
    flags: Tree | None = None,
    *,
    models: bool = True,
    look: Callable[[list[Tree]], list[str]] = lambda stations: [],
) -> Loaded:
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
    models
        Whether a model that is not there is a fault.
    look
        Told what was given for each station, whatever else is wrong; returns further faults.

    Raises
    ------
    SettingsError
        If anything is wrong; the message has a line for every fault.
    """
    files = config_files(given)
    below = merge(*map(read_file, files))
    above = merge(read_environment(environment, keys()), flags or Tree())
    service = bool(environment.get("NOTIFY_SOCKET"))
    return build(below, above, files, service=service, models=models, look=look)


def build(
    below: Tree,
    above: Tree,
    files: list[Path] | None = None,
    *,
    service: bool = False,
    models: bool = True,
    look: Callable[[list[Tree]], list[str]] = lambda stations: [],
) -> Loaded:
    """Return the configuration of two trees, of which the second holds for every station.

    Where nobody names an input it is the default device. The demo in place of one that is missing
    is for who tries ``listen`` by hand: not for a service, nor where there is a file.
    """
    problems: list[str] = []
    listed = _station_trees(below, above, problems) or [Tree()]
    named = any("input" in tree for tree in listed)
    by_hand = "station" in above or "input" in above or not (files or service)
    default = Tree() if by_hand else Tree(input=Given(INPUT, "default"))
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
    trees = [merge(default, common[0], own, common[1]) for own in listed]
    stations = [_table(StationSettings, tree, (), problems) for tree in trees]
    _check_names(listed, problems)
    _check_standard_input(trees, problems)
    if models:
        _check_models(trees, problems)
    problems += look(trees)
    if problems:
        raise SettingsError("\n".join(sorted(dict.fromkeys(problems), key=_place)))
    return Loaded(
        config=Config(tuple(stations), **parts),
        named=named,
        by_hand=by_hand,
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
        for tree in listed:
            if "name" not in tree:
                problems.append(f'{_at(tree)}a [[station]] without a name: expected name = "…"')
            if "input" not in tree:
                problems.append(f"{_at(tree)}a [[station]] without an input: expected {_AN_INPUT}")
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


def _check_standard_input(trees: list[Tree], problems: list[str]) -> None:
    given = [tree["input"] for tree in trees if isinstance(tree.get("input"), Given)]
    problems += [
        f"{second}: two stations of standard input, which one alone can read; expected another"
        for second in [each for each in given if each.value == "-"][1:]
    ]


def _check_models(trees: list[Tree], problems: list[str]) -> None:
    for tree in trees:
        given = tree.get("model")
        if isinstance(given, Given) and isinstance(given.value, str) and given.value.strip():
            try:
                find_model(given.value)
            except ModelError as error:
                problems.append(f"{given.where}: {error}")


def _table(cls: Any, tree: Any, path: tuple[str, ...], problems: list[str]) -> Any:
    """Return the settings of a tree; faults are added to ``problems``."""
    if isinstance(tree, Given):
        problems.append(f"{tree}: expected a table")
        return None
    values: dict[str, Any] = {}
    types_of = hints(cls)
    before = len(problems)
    for key, given in tree.items():
        if key not in types_of:
            problems.append(_unknown(key, given, types_of, path))
        elif is_dataclass(types_of[key]):
            values[key] = _table(types_of[key], given, (*path, key), problems)
        elif not isinstance(given, Given):
            dotted = ".".join((*path, key))
            problems.append(f"{_at(given)}{dotted} is a table: {expected_of(types_of[key])}")
        else:
            try:
                values[key] = convert(types_of[key], given)
            except WrongError as wrong:
                problems.append(f"{given}: {wrong}")
    if cls is DecisionSettings:
        # Whoever lowers the one without a word of the other means both.
        for enter, keep in (("enter", "keep"), ("speech_enter", "speech_keep")):
            if enter in values:
                values.setdefault(keep, min(values[enter], getattr(DecisionSettings(), keep)))
    try:
        return cls(**values)
    except (ValueError, SettingsError) as error:
        if len(problems) == before:  # else it may be about a default beside what is wrong
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
