"""Watches whether any process opens a file, by Linux' inotify."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_IN_OPEN: Final = 0x20
_IN_NONBLOCK: Final = os.O_NONBLOCK


class OpenedFiles:
    """Notices when a file, or anything in a folder, is opened.

    Parameters
    ----------
    paths
        The files and folders.
    """

    def __init__(self, *paths: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._watch = libc.inotify_init1(_IN_NONBLOCK)
        assert self._watch >= 0
        for path in paths:
            assert libc.inotify_add_watch(self._watch, os.fsencode(path), _IN_OPEN) >= 0

    def any(self) -> bool:
        """Whether one was opened since the last call."""
        try:
            return bool(os.read(self._watch, 65_536))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._watch)
