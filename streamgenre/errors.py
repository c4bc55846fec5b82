"""Errors with a message for the user.

Every message says what was wrong, what was expected and what to do next. The command line prints
it on stderr and exits with :attr:`StreamgenreError.exit_code`; ``--debug`` adds a traceback.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

EXTRAS: Final = {
    **dict.fromkeys(
        (
            *("numpy", "onnxruntime", "sounddevice", "soxr", "av", "mutagen", "rich", "psutil"),
            *("fastjsonschema", "prometheus_client", "threadpoolctl"),
        ),
        "listen",
    ),
    **{
        "paho": "mqtt",
        "typst": "report",
        "psycopg": "postgres",
        "pyarrow": "parquet",
        "watchfiles": "watch",
        "ray": "cluster",
        "fsspec": "cluster",
        **dict.fromkeys(("starlette", "uvicorn", "h11", "jinja2", "markupsafe"), "web"),
    },
}
"""The extra with a module that the base install lacks: ``pip install 'streamgenre[EXTRA]'``."""


class StreamgenreError(Exception):
    """Base class of all errors that streamgenre explains to its user."""

    exit_code: ClassVar[int] = 1


class SettingsError(StreamgenreError):
    """A flag or setting is not valid."""

    exit_code = 2


class InputError(StreamgenreError):
    """An audio input cannot be found, opened or read."""


class ModelError(StreamgenreError):
    """A model folder is missing, damaged or incompatible."""


class HistoryError(StreamgenreError):
    """The history cannot be opened, queried or exported."""


class ClipError(StreamgenreError):
    """A clip, or the index of the clips, cannot be read or written."""


class BusError(StreamgenreError):
    """The event bus cannot be bound or reached, or a message is not an event."""


class KeysError(StreamgenreError):
    """A key, or a file with keys, is missing, damaged or open to other users."""


class ControlError(StreamgenreError):
    """A request to the daemon is not valid or failed.

    Parameters
    ----------
    message
        The reason in words.
    code
        The reason in one word, for programs.
    """

    def __init__(self, message: str, code: str = "invalid") -> None:
        super().__init__(message)
        self.code = code


def missing_package(error: Exception) -> str | None:
    """Return in words which package is not installed, and how to install it.

    Parameters
    ----------
    error
        Any error.

    Returns
    -------
    str or None
        None if the error is another one than a package that an extra installs.
    """
    if not isinstance(error, ModuleNotFoundError):
        return None
    package = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(package)
    if extra is None:
        return None
    return f"needs {package}, which is not installed; `pip install 'streamgenre[{extra}]'`"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"``, or ``""`` if no known word is similar.

    Parameters
    ----------
    word
        What was given.
    known
        The words to choose from; case does not matter.
    """
    by_fold = {k.casefold(): k for k in known}
    match = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.4)
    return f"; did you mean {by_fold[match[0]]!r}?" if match else ""
