"""Where downloads and computed arrays are kept, and how they are written and read."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamgenre import paths
from train.errors import TrainError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def cache_folder(name: str) -> Path:
    """Return ``$XDG_CACHE_HOME/streamgenre/NAME``, by default in ``~/.cache/streamgenre``."""
    return paths.cache_dir() / name


def read_arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of an ``.npz`` file by name; None if it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def write_arrays(path: Path, arrays: Mapping[str, Any], *, advice: str = "") -> None:
    """Write an ``.npz`` file completely or not at all.

    Parameters
    ----------
    path
        The file; its folder is created.
    arrays
        Arrays by name.
    advice
        What to do if it cannot be written, for the message.

    Raises
    ------
    TrainError
        If it cannot be written.
    """
    named: dict[str, Any] = dict(arrays)
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            np.savez(file, **named)
        part.replace(path)
    except OSError as error:
        if part is not None:
            part.unlink(missing_ok=True)
        raise TrainError(
            f"cannot write the cache {path.parent}: {error.strerror}" + (advice and f"; {advice}")
        ) from error
