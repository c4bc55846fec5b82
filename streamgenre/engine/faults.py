"""Errors of our own programming: logged, and confined to the station or call that met them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streamgenre.errors import BusError, StreamgenreError, missing_package
from streamgenre.logger import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = get_logger(__name__)


def reason(error: Exception) -> str:
    """Return why something failed, for people.

    An error that is not explained to the user, such as an ``AttributeError``, is a fault of the
    program: its text says nothing to anybody else.
    """
    if missing := missing_package(error):
        return missing
    if isinstance(error, StreamgenreError | OSError | MemoryError):
        return f"{error}" or type(error).__name__
    return (
        f"internal error ({type(error).__name__}). This is a fault of streamgenre: please report "
        "it with the lines that --log-level debug adds"
    )


def log_traceback(what: str, error: Exception) -> None:
    """Log the traceback of an error that is not explained to the user, at debug level.

    Parameters
    ----------
    what
        What failed, in words.
    error
        The error.
    """
    if not isinstance(error, StreamgenreError):
        _log.debug("%s failed", what, exc_info=error)


def start_quietly(what: str, function: Callable[[], None]) -> threading.Thread:
    """Start a function in a thread of its own and return that; an error is logged, not shown.

    Parameters
    ----------
    what
        What the function does, in words; also the name of the thread.
    function
        It may hang.
    """

    def run() -> None:
        try:
            function()
        except Exception as error:  # noqa: BLE001 - nobody waits for its result
            _log.debug("%s failed", what, exc_info=error)

    thread = threading.Thread(target=run, name=what, daemon=True)
    thread.start()
    return thread


class Faults:
    """Confines errors, and logs the first of each kind."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()

    @contextmanager
    def confined(self, what: str) -> Iterator[None]:
        """Log an error of the block instead of raising it.

        Parameters
        ----------
        what
            What the block does, in words, for the log.

        Raises
        ------
        BusError
            If the event bus has failed: without it the daemon is of no use, and has to end.
        """
        try:
            yield
        except BusError:
            raise
        except Exception as error:  # noqa: BLE001 - what it ends is known and logged
            self.note(what, error)

    def note(self, what: str, error: Exception) -> None:
        """Log an error that was caught.

        Parameters
        ----------
        what
            What failed, in words.
        error
            The error.
        """
        log_traceback(what, error)
        kind = (what, type(error).__name__)
        if kind not in self._known:
            self._known.add(kind)
            _log.error("%s failed: %s", what, reason(error))
