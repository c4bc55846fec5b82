"""Errors that a single message caused: the message is dropped, and the serving loop continues."""

from __future__ import annotations

import errno
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import zmq

if TYPE_CHECKING:
    from collections.abc import Iterator

_BROKEN: Final = frozenset(
    {zmq.ETERM, zmq.ENOTSOCK, zmq.EMTHREAD, errno.EBADF, errno.EMFILE, errno.ENFILE}
)
"""Errors of a socket rather than of a message."""
_log = logging.getLogger("streamgenre.bus")


class Mishaps:
    """Counts the messages that caused an unexpected error.

    The first of each kind is logged as a warning, and all with their traceback at debug level.
    """

    def __init__(self) -> None:
        self.count = 0
        """Number of such messages."""
        self._known: set[tuple[str, str]] = set()

    @contextmanager
    def confined(self, what: str) -> Iterator[None]:
        """Handle one message: an error ends its handling only.

        Parameters
        ----------
        what
            The message in words, for the log.

        Raises
        ------
        zmq.ZMQError
            If the socket itself is broken.
        """
        try:
            yield
        except Exception as error:
            if isinstance(error, zmq.ZMQError | OSError) and error.errno in _BROKEN:
                raise
            self._note(what, error)

    def _note(self, what: str, error: Exception) -> None:
        self.count += 1
        kind = (what, type(error).__name__)
        _log.debug("dropped %s", what, exc_info=error)
        if kind not in self._known:
            self._known.add(kind)
            _log.warning(
                "dropped %s that could not be handled (%s); further ones are dropped without a "
                "word. Please report this with the traceback that --debug logs",
                what,
                kind[1],
            )
