"""Where settings come from: files, the environment and flags, each value with its origin."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

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
_CREDENTIALS: Final = re.compile(r"[a-zA-Z][\w+.-]*://[^/\s\"']*[^/\s\"']@|://[^\s\"']*\?[^\s\"']")


class Tree(dict[str, Any]):
    """Tables by name; the leaves are :class:`Given`, ``station`` is a list of trees."""

    where: str = ""
    """``FILE:LINE`` of the table; empty where it is of no file."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value that somebody gave."""

    value: Any
    where: str
    """Where: ``FILE:LINE``, ``$VARIABLE`` or ``--flag``."""
    key: str = ""
    """Name of the key in a file, for messages; empty where ``where`` says it all."""
    text: bool = False
    """Whether it is text that has to be read as a number and the like (a variable)."""

    def __str__(self) -> str:
        shown = show(self.value)
        if self.key:
            return f"{self.where}: {self.key} = {shown}"
        bare = isinstance(self.value, str) and re.fullmatch(r"[\w.*/+-]{1,80}", self.value)
        return f"{self.where} {self.value if bare else shown}"


def show(value: object) -> str:
    """Return a value as a message may show it: short, and without credentials."""
    if isinstance(value, str):
        text = shown(value)
        # repr keeps what can be printed and escapes the rest, so that no control character gets to
        # the terminal.
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
    """Return the files to read, in rising priority: the given one, else system and user.

    Files that this user cannot read are left out: the service's may be closed to other users.
    """
    if given is not None:
        return [expand(given)]
    # Without a home folder both are the same.
    files = dict.fromkeys((SYSTEM_FILE, config_dir() / "config.toml"))
    return [path for path in files if os.access(path, os.R_OK)]


def read_file(path: Path) -> Tree:
    """Return what a configuration file says.

    Raises
    ------
    SettingsError
        If it cannot be read or is not valid TOML.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
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
        raise SettingsError(f"{path}:{line}: no UTF-8; save the file as UTF-8") from error
    except RecursionError as error:
        raise SettingsError(f"{path}: nested too deeply; expected tables and values") from error
    except ValueError as error:
        line, column, words = explained(text, error)
        raise SettingsError(f"{path}:{line}:{column}: not valid TOML: {words}") from error
    tree: Tree = _given(document, path, where, (), ())
    return tree


def _given(
    value: Any,
    file: Path,
    where: dict[tuple[str | int, ...], int],
    path: tuple[str | int, ...],
    names: tuple[str, ...],
) -> Any:
    """Return a part of a document with an origin at every leaf."""
    line = f"{file}:{where.get(path, 1)}"
    if isinstance(value, dict):
        tree = Tree()
        tree.where = line
        for key, part in value.items():
            tree[key] = _given(part, file, where, (*path, key), (*names, key))
        return tree
    if path == ("station",) and isinstance(value, list):
        return [_given(part, file, where, (*path, i), ()) for i, part in enumerate(value)]
    return Given(value, line, ".".join(names) or "station")


def open_secrets(path: Path) -> bool:
    """Whether a file has credentials in a URL, or a query, and may be read by others."""
    try:
        mode = path.stat().st_mode
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return False
    uncommented = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return bool(mode & stat.S_IROTH) and _CREDENTIALS.search(uncommented) is not None


# ---- environment --------------------------------------------------------------------------------


def variable(path: Iterable[str]) -> str:
    """Return the name of the environment variable of a key."""
    return PREFIX + "_".join(path).upper()


def read_environment(environment: Mapping[str, str], keys: Iterable[tuple[str, ...]]) -> Tree:
    """Return what variables such as ``STREAMGENRE_BUS_PUBLISH`` say; empty ones say nothing.

    Other variables of the prefix belong to other commands, unless they begin like a table here:
    then they end up in a place where an unknown key is told.
    """
    known = {variable(path): path for path in keys}
    tables = {path[0].upper(): path[0] for path in known.values() if len(path) > 1}
    tree = Tree()
    for name, value in environment.items():
        if not name.startswith(PREFIX) or value == "":
            continue
        path = known.get(name)
        if path is None:
            table, _, rest = name.removeprefix(PREFIX).partition("_")
            if table not in tables or not rest:
                continue
            path = (tables[table], rest.lower())
        put(tree, path, Given(value, f"${name}", text=True))
    return tree


# ---- all of them --------------------------------------------------------------------------------


def put(tree: Tree, path: tuple[str, ...], given: Given) -> None:
    """Add a value to a tree."""
    for key in path[:-1]:
        tree = tree.setdefault(key, Tree())
    tree[path[-1]] = given


def merge(*trees: Tree) -> Tree:
    """Return one tree of several, later ones over earlier ones, key by key."""
    merged = Tree()
    for tree in trees:
        merged.where = tree.where or merged.where
        for key, value in tree.items():
            old = merged.get(key)
            if isinstance(old, Tree) and isinstance(value, Tree):
                merged[key] = merge(old, value)
            else:
                merged[key] = value
    return merged
