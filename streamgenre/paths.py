"""Folders for configuration, keys, state and cache: the XDG base directories, in one place.

A variable that holds a relative path is ignored, as the XDG Base Directory Specification demands.
A user without a home folder (no ``$HOME``, no entry in the user database: containers have such
users) gets the folders of the system. They may be read-only for that user; whoever writes there
reports it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

NAME: Final = "streamgenre"
"""Name of the folder in each of the base directories."""
SYSTEM_CONFIG: Final = Path("/etc") / NAME
"""Configuration of the system; the user's overrides it."""
SYSTEM_STATE: Final = Path("/var/lib") / NAME
SYSTEM_CACHE: Final = Path("/var/cache") / NAME
MODELS: Final = "models"
"""Name of the folder of one's own models."""
SYSTEM_MODELS: Final = SYSTEM_STATE / MODELS


def home() -> Path | None:
    """Return the user's home folder; None for a user without one."""
    try:
        found = Path.home()
    except RuntimeError:
        return None
    return found if found.is_absolute() else None


def expand(path: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` and ``~USER`` replaced; unchanged where there is no such home.

    ``Path.expanduser`` raises RuntimeError in that case. A name from a file, which the locale's
    charset may lack, becomes the name whose bytes are UTF-8.
    """
    expanded = os.path.expanduser(path)  # noqa: PTH111 - see above
    try:
        os.fsencode(expanded)
    except UnicodeEncodeError:
        # A lone surrogate that stands for no byte cannot be in any name: it is not found.
        expanded = os.fsdecode(expanded.encode("utf-8", "surrogatepass"))
    return Path(expanded)


def config_dir() -> Path:
    """Return ``$XDG_CONFIG_HOME/streamgenre``, by default ``~/.config/streamgenre``."""
    return _folder("XDG_CONFIG_HOME", ".config", SYSTEM_CONFIG)


def keys_dir() -> Path:
    """Return the folder of the CURVE keys, ``keys`` in :func:`config_dir`."""
    return config_dir() / "keys"


def state_dir() -> Path:
    """Return the folder of the history.

    ``$STATE_DIRECTORY`` (systemd sets it for a service), else ``$XDG_STATE_HOME/streamgenre``, else
    ``~/.local/state/streamgenre``.
    """
    return _given_state_dir() or _folder("XDG_STATE_HOME", ".local/state", SYSTEM_STATE)


def models_dirs() -> tuple[Path, ...]:
    """Return the folders of one's own models, the user's before the system's.

    ``$XDG_DATA_HOME/streamgenre/models``, by default ``~/.local/share/streamgenre/models``;
    ``$STATE_DIRECTORY/models`` in a service; ``/var/lib/streamgenre/models``.
    """
    user = _folder("XDG_DATA_HOME", ".local/share", SYSTEM_STATE) / MODELS
    given = _given_state_dir()
    own = () if given is None else (given / MODELS,)
    return tuple(dict.fromkeys((user, *own, SYSTEM_MODELS)))


def models_dir() -> Path:
    """Return the folder that new models are written to: a service's own, else the user's."""
    given = _given_state_dir()
    return models_dirs()[0] if given is None else given / MODELS


def _given_state_dir() -> Path | None:
    given = os.environ.get("STATE_DIRECTORY", "").split(":", 1)[0]
    return Path(given) if given else None


def cache_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/streamgenre``, by default ``~/.cache/streamgenre``."""
    return _folder("XDG_CACHE_HOME", ".cache", SYSTEM_CACHE)


def _folder(variable: str, below_home: str, system: Path) -> Path:
    base = Path(os.environ.get(variable, ""))
    if base.is_absolute():
        return base / NAME
    found = home()
    return system if found is None else found / below_home / NAME
