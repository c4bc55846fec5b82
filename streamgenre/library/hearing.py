"""Hears one file: the sources, features, model and decisions of listening, at full speed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from streamgenre.engine.engine import Engine
from streamgenre.engine.settings import EngineSettings
from streamgenre.errors import StreamgenreError, missing_package
from streamgenre.library.results import FileResult, FileSummary
from streamgenre.logger import get_logger
from streamgenre.sources.files.playlist import open_file
from streamgenre.sources.tags import name_title

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streamgenre.inference.model import Model
    from streamgenre.inference.settings import DecisionSettings

_log = get_logger(__name__)


def hear(
    path: Path,
    model: Model,
    decision: DecisionSettings,
    stopping: Callable[[], bool] = lambda: False,
    **more: Any,
) -> FileResult:
    """Hear a file to its end and return the result; errors of the file are in the result.

    Parameters
    ----------
    path
        The file.
    model
        Model that decides on the genres.
    decision
        How genres are decided on; ``enter`` is also the threshold for the whole file.
    stopping
        Whether to stop early.
    more
        Further fields of the result.
    """
    more |= {"model": model.manifest.name, "model_sha256": model.manifest.sha256}
    summary = FileSummary(decision.enter)
    try:
        if not path.is_file():
            what = "is not a regular file" if path.exists() else "no such file"
            return FileResult(path=path, problem=what, **more)
        engine = Engine(summary.take, EngineSettings())
        engine.add("file", open_file(path, pace="fast", threaded=False), model, decision)
        engine.run(stopping)
    except Exception as error:  # noqa: BLE001 - one file must not end the work on all others
        return FileResult(path=path, problem=problem_of(error, path), **more)
    return summary.result(path, untagged=name_title(path), warning=_warning(summary.ending), **more)


def problem_of(error: Exception, path: Path) -> str:
    """Return why a file could not be heard; an error of our own goes to the log.

    Parameters
    ----------
    error
        What was raised.
    path
        The file, which the words do not name.
    """
    if missing := missing_package(error):
        return missing
    if isinstance(error, StreamgenreError | OSError):
        return str(error).removeprefix(f"{path}: ")
    _log.error("%s", path, exc_info=error)
    return f"internal error: {type(error).__name__}"


def _warning(ending: str) -> str | None:
    """Return what the end of a file says about it, beyond that it is the end."""
    rest = ending.removeprefix("end of file").strip()
    return (rest[1:-1] if rest.startswith("(") else rest) or None


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
