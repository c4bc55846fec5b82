"""Builds frozen settings from files, environment and flags; reports every error with its origin."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from streamgenre.bus.settings import BusSettings
from streamgenre.clips.settings import ClipSettings
from streamgenre.config.bridges import BridgeSettings
from streamgenre.config.key_names import EVERYWHERE
from streamgenre.config.layers import (
    Setting,
    SettingsTree,
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
from streamgenre.config.tables import COMPLETE, place_of, settings_of, unknown_key
from streamgenre.config.web import WebSettings
from streamgenre.defaults import INPUT
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import ModelError, SettingsError
from streamgenre.history.settings import HistorySettings
from streamgenre.inference.model_names import find_model
from streamgenre.inference.settings import HYSTERESES, DecisionSettings
from streamgenre.limits import hints, keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


_KNOWN: Final = {"known_enter", "known_keep"}


def _complete_decision(values: dict[str, Any]) -> None:
    """Lower both thresholds where one is lowered without naming the one for keeping."""
    values["known_given"] = not _KNOWN.isdisjoint(values)
    for keep, enter in HYSTERESES:
        if enter in values:
            values.setdefault(keep, min(values[enter], getattr(DecisionSettings(), keep)))


COMPLETE[DecisionSettings] = _complete_decision

TABLES: Final[dict[str, type]] = {
    "engine": EngineSettings,
    "bus": BusSettings,
    "metrics": MetricsSettings,
    "history": HistorySettings,
    "bridge": BridgeSettings,
    "web": WebSettings,
    "clips": ClipSettings,
}
"""Tables of the daemon as a whole; the other keys are defaults of every station."""
OWN: Final = ("name", "input")
"""Keys without a default for all stations."""
_AN_INPUT: Final = (
    'input = "…", with a device, a path, a URL, "-", "demo", or "default" for the default device'
)


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration and its sources."""

    config: Config
    named: bool
    """Whether an input was given; else the default input is used."""
    by_hand: bool
    """Whether the inputs come from the command line or are the default: no file names them."""
    tree: SettingsTree
    """All given settings, merged, without the stations."""
    stations: tuple[SettingsTree, ...]
    """The given settings of each station."""
    files: tuple[Path, ...]
    """The files that were read; later ones override earlier ones."""


def load(
    given: str | None,
    environment: Mapping[str, str],
    flags: SettingsTree | None = None,
    *,
    models: bool = True,
    check_stations: Callable[[list[SettingsTree]], list[str]] = lambda stations: [],
) -> LoadedConfig:
    """Return the configuration; the environment overrides files, and flags override both.

    Settings of stations (a model, a threshold) in environment and flags hold for every station; an
    input there replaces the stations of the files.

    Parameters
    ----------
    given
        The only file to read; None for those of the system and the user.
    environment
        Environment variables by name.
    flags
        Settings of the command line; ``station`` in it is a list of inputs.
    models
        Whether a missing model is an error.
    check_stations
        Called with the given settings of each station, even if there are errors; returns further
        errors.

    Raises
    ------
    SettingsError
        If anything is wrong; the message has one line for each error.
    """
    files = config_files(given)
    below = merge(*map(read_file, files))
    above = merge(read_environment(environment, keys()), flags or SettingsTree())
    service = bool(environment.get("NOTIFY_SOCKET"))
    return build(below, above, files, service=service, models=models, check_stations=check_stations)


def build(
    below: SettingsTree,
    above: SettingsTree,
    files: list[Path] | None = None,
    *,
    service: bool = False,
    models: bool = True,
    check_stations: Callable[[list[SettingsTree]], list[str]] = lambda stations: [],
) -> LoadedConfig:
    """Return the configuration of two trees; parameters and errors otherwise as for :func:`load`.

    Without an input, the default device is used. Only on the command line, without files, the demo
    replaces a missing device; a service must not play the demo.

    Parameters
    ----------
    below
        Settings of the files.
    above
        Settings that override them, for every station.
    files
        The files that ``below`` comes from.
    service
        Whether a service manager started the process.
    models
        Whether a missing model is an error.
    check_stations
        As for :func:`load`.
    """
    problems: list[str] = []
    listed = _station_trees(below, above, problems) or [SettingsTree()]
    named = any("input" in tree for tree in listed)
    by_hand = "station" in above or "input" in above or not (files or service)
    default = SettingsTree() if by_hand else SettingsTree(input=Setting(INPUT, "default"))
    both = merge(below, above)
    for key in ("station", *OWN):
        if key in above or key == "station":
            both.pop(key, None)
    parts = {
        name: settings_of(cls, both.get(name, SettingsTree()), (name,), problems)
        for name, cls in TABLES.items()
    }
    known = (*TABLES, *_COMMON, "station")
    problems += [unknown_key(key, both[key], known) for key in both if key not in known]
    common = [
        SettingsTree({key: tree[key] for key in tree if key in _COMMON}) for tree in (below, above)
    ]
    trees = [_for_demo(merge(default, common[0], own, common[1])) for own in listed]
    stations = [settings_of(StationSettings, tree, (), problems) for tree in trees]
    _check_names(listed, problems)
    _check_standard_input(trees, problems)
    if models:
        _check_models(trees, problems)
    problems += check_stations(trees)
    if problems:
        raise SettingsError("\n".join(sorted(dict.fromkeys(problems), key=_place)))
    return LoadedConfig(
        config=Config(tuple(stations), **parts),
        named=named,
        by_hand=by_hand,
        tree=both,
        stations=tuple(trees),
        files=tuple(files or ()),
    )


def _for_demo(tree: SettingsTree) -> SettingsTree:
    """Let the demo show genres, although its music is like none, unless the user says otherwise."""
    given = tree.get("input")
    decision = tree.get("decision", {})
    if not (isinstance(given, Setting) and given.value == "demo" and isinstance(decision, dict)):
        return tree
    if not _KNOWN.isdisjoint(decision):
        return tree
    eased = SettingsTree(known_enter=Setting(0.0, "the demo"))
    return merge(tree, SettingsTree(decision=eased))


def _place(problem: str) -> tuple[str, int]:
    """Return the sort key of an error: file and line."""
    found = re.match(r"(.*?):(\d+): ", problem)
    return (found[1], int(found[2])) if found else ("", 0)


def _station_trees(
    below: SettingsTree, above: SettingsTree, problems: list[str]
) -> list[SettingsTree]:
    """Return the settings given for each single station."""
    if "station" in above:
        listed = above["station"]
    elif "input" in above:
        listed = [SettingsTree({key: above[key] for key in OWN if key in above})]
    else:
        listed = below.get("station", [])
        if "name" in above and listed == []:
            return [SettingsTree(name=above["name"])]
        if "name" in above:
            problems.append(f"{above['name']}: the stations of the file have names; add --input")
        if isinstance(listed, list) and any(not isinstance(tree, dict) for tree in listed):
            listed = next(tree for tree in listed if not isinstance(tree, dict))
        if not isinstance(listed, list):
            problems.append(
                f"{place_of(listed)}expected stations as [[station]], in double brackets"
            )
            return []
        for tree in listed:
            if "name" not in tree:
                problems.append(
                    f'{place_of(tree)}a [[station]] without a name: expected name = "…"'
                )
            if "input" not in tree:
                problems.append(
                    f"{place_of(tree)}a [[station]] without an input: expected {_AN_INPUT}"
                )
    if len(listed) > MAX_STATIONS:
        problems.append(f"{len(listed)} stations: expected at most {MAX_STATIONS}")
        return []
    return list(listed)


def _check_names(trees: list[SettingsTree], problems: list[str]) -> None:
    names: dict[Any, Setting] = {}
    for tree in trees:
        given = tree.get("name")
        if not isinstance(given, Setting) or not isinstance(given.value, str):
            continue
        first = names.setdefault(given.value, given)
        if first is not given:
            also = f"; {first.origin} has it too" if first.origin != given.origin else ""
            problems.append(f"{given}: two stations have this name{also}; expected different names")


def _check_standard_input(trees: list[SettingsTree], problems: list[str]) -> None:
    given = [tree["input"] for tree in trees if isinstance(tree.get("input"), Setting)]
    problems += [
        f"{second}: two stations read standard input; only one of them can"
        for second in [each for each in given if each.value == "-"][1:]
    ]


def _check_models(trees: list[SettingsTree], problems: list[str]) -> None:
    for tree in trees:
        given = tree.get("model")
        if isinstance(given, Setting) and isinstance(given.value, str) and given.value.strip():
            try:
                find_model(given.value)
            except ModelError as error:
                problems.append(f"{given.origin}: {error}")


# ---- keys ---------------------------------------------------------------------------------------

_COMMON: Final = tuple(field.name for field in fields(StationSettings) if field.name not in OWN)


@cache
def keys() -> dict[tuple[str, ...], Any]:
    """Return the types of all keys by path, such as ``("bus", "publish")``, without ``name``."""
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
    for name, part in keys_of(hint).items():  # type: ignore[arg-type]
        found |= _keys_of(part, (*path, name))
    return found


EVERYWHERE.append(lambda: [("name",), *keys()])
