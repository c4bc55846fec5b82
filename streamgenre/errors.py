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


def alike(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return which of some known words was meant by one that is not among them.

    Parameters
    ----------
    word
        What was given.
    known
        The words to choose from; case, and ``-`` or ``_``, do not matter.
    cutoff
        How similar it must be, 0 to 1, unless it is a singular, a plural or a first part.

    Returns
    -------
    str or None
        None if it is not clear which one was meant.
    """
    word = plain(word)
    names = {plain(name): name for name in known}
    for forms in (both_numbers(word), [name for name in names if name.startswith(f"{word}_")]):
        found = [names[form] for form in forms if form in names]
        if len(found) == 1:
            return found[0]
    close = difflib.get_close_matches(word, names, n=1, cutoff=cutoff)
    return names[close[0]] if close else None


def plain(word: str) -> str:
    """Return a name without what people confuse: case, hyphens, blanks, underscores."""
    return word.casefold().replace("-", "_").replace(" ", "_")


def both_numbers(word: str) -> list[str]:
    """Return a word, and its singular and plural."""
    return [word, word.removesuffix("s"), f"{word}s"]


def nearest(word: str, known: Iterable[str], cutoff: float = 0.4) -> str:
    """Return ``"; did you mean 'x'?"``, or ``""`` if no known word is similar.

    Parameters
    ----------
    word
        What was given.
    known
        The words to choose from; case does not matter.
    cutoff
        How similar it must be, 0 to 1.
    """
    found = alike(word, known, cutoff)
    return "" if found is None else f"; did you mean {found!r}?"
