"""Writes clips in a thread of its own, so that nothing that listens waits for the disk."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from streamgenre.clips.adding import add, tidy
from streamgenre.clips.store import ClipStore
from streamgenre.ending import has_ended
from streamgenre.errors import ClipError
from streamgenre.logger import get_logger

if TYPE_CHECKING:
    from streamgenre.clips.clip import NewClip
    from streamgenre.clips.settings import ClipSettings

_WAITING: Final = 8
"""Most clips that wait to be written; further ones are dropped."""
_PATIENCE_S: Final = 5.0
_EXPIRE_S: Final = 3600.0
"""Seconds after which clips that are too old are deleted even if no new one comes."""
_log = get_logger(__name__)


class Keeper:
    """Takes clips from any thread and writes them, within the limits of the settings.

    Where that fails, one warning says so, and later clips are tried; listening goes on.

    Parameters
    ----------
    settings
        Folder and limits.
    """

    def __init__(self, settings: ClipSettings) -> None:
        self.settings = settings
        """Folder and limits."""
        self._waiting: queue.Queue[NewClip | None] = queue.Queue(_WAITING)
        self._store: ClipStore | None = None
        self._failing = False
        self._thread = threading.Thread(target=self._work, name="clips", daemon=True)
        self._thread.start()

    def offer(self, clip: NewClip, *, waits: bool = False) -> None:
        """Have a clip written; one that finds too many waiting is dropped.

        Parameters
        ----------
        clip
            The clip.
        waits
            Whether to wait some seconds for a slow disk instead.
        """
        try:
            self._waiting.put(clip, block=waits, timeout=_PATIENCE_S)
        except queue.Full:
            self._warn("the disk is too slow")

    def close(self) -> None:
        """Write what waits, for some seconds at most."""
        ends = time.monotonic() + _PATIENCE_S
        with suppress(queue.Full):
            self._waiting.put(None, timeout=_PATIENCE_S)
        has_ended(self._thread, ends - time.monotonic())

    def _work(self) -> None:
        self._try(None)  # what is too old goes at the start
        while True:
            try:
                clip = self._waiting.get(timeout=_EXPIRE_S)
                if clip is None:
                    break
            except queue.Empty:
                clip = None
            self._try(clip)
        if self._store is not None:
            self._store.close()

    def _try(self, clip: NewClip | None) -> None:
        """Write a clip; without one, delete what is too old or beyond the limits."""
        try:
            if self._store is None or not self._store.path_exists:
                if self._store is not None:
                    self._store.close()
                    self._store = None
                self._store = ClipStore(self.settings.folder, create=True)
            if clip is not None:
                add(self._store, clip, self.settings)
            else:
                tidy(self._store, self.settings)
            self._failing = False
        except ClipError as error:
            self._warn(str(error))
        except Exception as error:  # noqa: BLE001 - an encoder may fail in many ways
            _log.debug("a clip could not be kept", exc_info=error)
            self._warn(f"{type(error).__name__}")

    def _warn(self, why: str) -> None:
        if not self._failing:
            self._failing = True
            _log.warning(
                "clips cannot be kept: %s; listening goes on", why, extra={"about": "clips"}
            )
