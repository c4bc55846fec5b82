"""Builds one frozen settings object from a table; reports every error with its origin."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from streamgenre.config.key_names import meant
from streamgenre.config.layers import Setting
from streamgenre.config.values import InvalidValueError, bare, convert, expected_of
from streamgenre.errors import SettingsError
from streamgenre.limits import HIDDEN, is_secret, keys_of
from streamgenre.sources.stream.settings import Headers

if TYPE_CHECKING:
    from collections.abc import Callable

COMPLETE: Final[dict[type, Callable[[dict[str, Any]], None]]] = {}
"""By settings class: what adds values that follow from the given ones."""


def settings_of(cls: Any, tree: Any, path: tuple[str, ...], problems: list[str]) -> Any:
    """Return the settings of a table.

    Parameters
    ----------
    cls
        Their dataclass.
    tree
        The given values.
    path
        Names of the table and of those around it.
    problems
        Errors are appended to it, each with its origin.

    Returns
    -------
    object
        An instance of ``cls``; None if there was an error.
    """
    if isinstance(tree, Setting):
        problems.append(f"{tree}: expected a table")
        return None
    values: dict[str, Any] = {}
    types_of = keys_of(cls)
    before = len(problems)
    for key, given in tree.items():
        if key not in types_of:
            problems.append(unknown_key(key, given, types_of, path))
        elif is_dataclass(types_of[key]):
            values[key] = settings_of(types_of[key], given, (*path, key), problems)
        elif bare(types_of[key]) is Headers and isinstance(given, dict):
            _convert(values, key, types_of[key], _as_setting(given, key), problems)
        elif not isinstance(given, Setting):
            dotted = ".".join((*path, key))
            problems.append(f"{place_of(given)}{dotted} is a table: {expected_of(types_of[key])}")
        else:
            _convert(values, key, types_of[key], given, problems)
    if cls in COMPLETE:
        COMPLETE[cls](values)
    try:
        return cls(**values)
    except (ValueError, SettingsError) as error:
        if len(problems) == before:  # else a default may not fit the value that was left out
            problems.append(f"{place_of(tree)}[{'.'.join(path) or 'station'}] {error}")
        return None
    except TypeError:
        return None  # a missing key was reported above


def _convert(
    values: dict[str, Any], key: str, hint: Any, given: Setting, problems: list[str]
) -> None:
    try:
        values[key] = convert(hint, given)
    except InvalidValueError as wrong:
        shown = replace(given, value=HIDDEN, text=False) if is_secret(hint) else given
        problems.append(f"{shown}: {wrong}")


def _as_setting(tree: Any, key: str) -> Setting:
    """Return a table of texts as one setting."""
    texts = {
        name: given.value if isinstance(given, Setting) else None for name, given in tree.items()
    }
    return Setting(texts, getattr(tree, "origin", ""), key)


def unknown_key(key: str, given: Any, known: Any, path: tuple[str, ...] = ()) -> str:
    """Return the message about an unknown key.

    Parameters
    ----------
    key
        The key.
    given
        Its value or table.
    known
        The known keys.
    path
        Names of the table.
    """
    table = f" in [{'.'.join(path)}]" if path else ""
    expected = ", ".join(known)
    return (
        f"{place_of(given)}unknown key {key!r}{table}: expected {expected}{meant(key, path, known)}"
    )


def place_of(given: Any) -> str:
    """Return the origin of a setting or tree, as the beginning of a line."""
    while not isinstance(given, Setting) and not getattr(given, "origin", "") and given:
        given = next(iter(given.values())) if isinstance(given, dict) else given[0]
    where = getattr(given, "origin", "")
    return f"{where}: " if where else ""
