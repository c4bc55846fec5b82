"""Settings from files, the environment and flags; every value keeps its origin."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamgenre.config.reading import read_bounded
from streamgenre.config.toml_errors import explained
from streamgenre.config.toml_lines import lines
from streamgenre.errors import SettingsError
from streamgenre.paths import SYSTEM_CONFIG, config_dir, expand
from streamgenre.urls import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SYSTEM_FILE: Final = SYSTEM_CONFIG / "config.toml"
MAX_BYTES: Final = 1 << 20
PREFIX: Final = "STREAMGENRE_"
_CREDENTIALS: Final = re.compile(
    r"""(?!mqtts?:|postgres(?:ql)?://[^:/\s"'@]*@)  # users, not passwords
    \b[a-zA-Z][\w+.-]*://[^/\s"']*[^/\s"']@ | ://[^\s"']*\?[^\s"']
    | ^\s*"?(?:[\w"-]+\.)*"?(?:headers|user_agent|url)\b(?!\s*=\s*\{\s*\})[^=\n]*=
    | [{,]\s*"?url"?\s*= | ^\s*\[[^\]\n]*\bheaders\b""",
    re.VERBOSE | re.MULTILINE,
)


class SettingsTree(dict[str, Any]):
    """Settings by table and key; leaves are :class:`Setting`, ``station`` is a list of trees."""

    origin: str = ""
    """``FILE:LINE`` of the table; empty if it is not from a file."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A given value and its origin."""

    value: Any
    origin: str
    """``FILE:LINE``, ``$VARIABLE`` or ``--flag``."""
    key: str = ""
    """Name of the key in a file, for messages; empty where ``origin`` identifies it."""
    text: bool = False
    """Whether it is the text of a variable, still to be parsed."""

    def __str__(self) -> str:
        shown = show(self.value)
        if self.key:
            return f"{self.origin}: {self.key} = {shown}"
        bare = isinstance(self.value, str) and re.fullmatch(r"[\w.*/+-]{1,80}", self.value)
        return f"{self.origin} {self.value if bare else shown}"


def show(value: object) -> str:
    """Return a value for a message: short, and without credentials."""
    if isinstance(value, str):
        text = shown(value)
        # repr escapes control characters, which must not reach the terminal.
        return repr(text) if len(text) <= 80 else repr(text[:77]) + "…"
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "an array"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "a huge number" if isinstance(value, int) and abs(value) >= 10**20 else str(value)


# ---- files --------------------------------------------------------------------------------------


def config_files(given: str | None) -> list[Path]:
    """Return the configuration files to read; later ones override earlier ones.

    The given file, else the readable ones of the system and the user. That of the system may be
    readable for the service only.
    """
    if given is not None:
        return [expand(given)]
    # Without a home folder both are the same.
    files = dict.fromkeys((SYSTEM_FILE, config_dir() / "config.toml"))
    return [path for path in files if os.access(path, os.R_OK)]


def read_file(path: Path) -> SettingsTree:
    """Return the settings of a configuration file.

    Raises
    ------
    SettingsError
        If it cannot be read or is not valid TOML.
    """
    try:
        data = read_bounded(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SettingsError(f"{path}: the configuration cannot be read: {why}") from error
    if len(data) > MAX_BYTES:
        raise SettingsError(f"{path}: longer than {MAX_BYTES} bytes; expected a configuration file")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        document = tomllib.loads(text)
        where = lines(text)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path}:{line}: not UTF-8; save the file as UTF-8") from error
    except RecursionError as error:
        raise SettingsError(f"{path}: nested too deeply; expected tables and values") from error
    except ValueError as error:
        line, column, words = explained(text, error)
        raise SettingsError(f"{path}:{line}:{column}: not valid TOML: {words}") from error
    tree: SettingsTree = _given(document, path, where, (), ())
    return tree


def _given(
    value: Any,
    file: Path,
    where: dict[tuple[str | int, ...], int],
    path: tuple[str | int, ...],
    names: tuple[str, ...],
) -> Any:
    """Return a part of a document as a tree with the origin of every leaf."""
    line = f"{file}:{where.get(path, 1)}"
    if isinstance(value, dict):
        tree = SettingsTree()
        tree.origin = line
        for key, part in value.items():
            tree[key] = _given(part, file, where, (*path, key), (*names, key))
        return tree
    if path == ("station",) and isinstance(value, list):
        return [_given(part, file, where, (*path, i), ()) for i, part in enumerate(value)]
    return Setting(value, line, ".".join(names) or "station")


def open_secrets(path: Path) -> bool:
    """Whether others may read a file with headers, webhooks, or credentials or queries of URLs."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return False
        text = read_bounded(path, MAX_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return False
    uncommented = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return bool(mode & stat.S_IROTH) and _CREDENTIALS.search(uncommented) is not None


# ---- environment --------------------------------------------------------------------------------


def variable(path: Iterable[str]) -> str:
    """Return the name of the environment variable of a key."""
    return PREFIX + "_".join(path).upper()


def read_environment(
    environment: Mapping[str, str], keys: Iterable[tuple[str, ...]]
) -> SettingsTree:
    """Return the settings of variables such as ``STREAMGENRE_BUS_PUBLISH``; ignore empty ones.

    Other variables with the prefix belong to other commands, unless they begin with the name of a
    table: those are kept, so that the unknown key is reported.

    Parameters
    ----------
    environment
        Variables by name.
    keys
        Paths of the known keys.
    """
    known = {variable(path): path for path in keys}
    tables = {path[0].upper(): path[0] for path in known.values() if len(path) > 1}
    tree = SettingsTree()
    for name, value in environment.items():
        if not name.startswith(PREFIX) or value == "":
            continue
        path = known.get(name)
        if path is None:
            table, _, rest = name.removeprefix(PREFIX).partition("_")
            if table not in tables or not rest:
                continue
            path = (tables[table], rest.lower())
        put(tree, path, Setting(value, f"${name}", text=True))
    return tree


# ---- trees --------------------------------------------------------------------------------------


def put(tree: SettingsTree, path: tuple[str, ...], given: Setting) -> None:
    """Set a value in a tree.

    Parameters
    ----------
    tree
        The tree.
    path
        Path of the key; missing tables are created.
    given
        The value.
    """
    for key in path[:-1]:
        tree = tree.setdefault(key, SettingsTree())
    tree[path[-1]] = given


def merge(*trees: SettingsTree) -> SettingsTree:
    """Return one tree of several; later ones override earlier ones, key by key."""
    merged = SettingsTree()
    for tree in trees:
        merged.origin = tree.origin or merged.origin
        for key, value in tree.items():
            old = merged.get(key)
            if isinstance(old, SettingsTree) and isinstance(value, SettingsTree):
                merged[key] = merge(old, value)
            else:
                merged[key] = value
    return merged
