"""Where downloads and computed arrays are kept, and how they are written and read."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamgenre import paths
from train.errors import TrainError
from train.parallel import make_files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import DTypeLike, NDArray

    from train.parallel import JobT


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


def made_arrays(
    make: Callable[[JobT], None],
    jobs: Collection[JobT],
    *,
    processes: int,
    on_total: Callable[[int], None],
    on_file: Callable[[Path], None],
) -> list[dict[str, NDArray[Any]]]:
    """Return the arrays of ``.npz`` files, of which those missing or damaged are made first.

    Parameters
    ----------
    make
        Writes the file of a job; a function of a module, called in another process.
    jobs
        One for each file.
    processes
        Processes, at least 1.
    on_total
        Called with the number of files that are to be made.
    on_file
        Called with each file that was made.

    Raises
    ------
    TrainError
        If a file cannot be made.
    """
    make_files(
        make, jobs, processes=processes, on_total=on_total,
        on_file=lambda path, _: on_file(path), exists=lambda path: read_arrays(path) is not None,
    )  # fmt: skip
    return [read_arrays(job.path) or {} for job in jobs]


def joined(parts: Sequence[Mapping[str, NDArray[Any]]], name: str, kind: DTypeLike) -> NDArray[Any]:
    """Return the arrays of a name in all parts as one.

    Parameters
    ----------
    parts
        Arrays by name.
    name
        The name.
    kind
        Type of the result's elements.
    """
    return np.concatenate([part[name] for part in parts]).astype(kind)
