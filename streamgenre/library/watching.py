"""Finds files as they appear in folders, once they are complete."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.library.finding import Finder
from streamgenre.logger import get_logger
from streamgenre.sources.formats import audio_suffixes

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator

SETTLE_S: Final = 2.0
"""Seconds without a change after which a file is complete."""
_POLL_MS: Final = 500
MAX_PENDING: Final = 100_000
"""Files that are waited for at the same time; further ones are left out, with a warning."""

_log = get_logger(__name__)


class Watcher:
    """Waits for audio files in folders and their sub-folders.

    Parameters
    ----------
    folders
        The folders.
    without
        Folders within that are left out.

    Raises
    ------
    InputError
        If one is not a folder.
    ModuleNotFoundError
        If the extra ``watch`` is not installed.
    """

    def __init__(self, folders: Iterable[Path], without: Iterable[Path] = ()) -> None:
        import watchfiles

        self._watch = watchfiles.watch
        self._folders = list(folders)
        self._without = [os.path.realpath(folder) for folder in without]
        for folder in self._folders:
            if not folder.is_dir():
                raise InputError(f"{folder}: is not a folder; expected one to watch")
        # Size and time of change of each file that is not complete, and when they were first seen.
        self._pending: dict[Path, tuple[tuple[int, int], float]] = {}
        self._known: dict[Path, tuple[int, int]] = {}  # size and time of change when it was heard

    def files(self, stop: threading.Event, *, existing: bool) -> Iterator[Path]:
        """Yield complete files until ``stop`` is set.

        Parameters
        ----------
        stop
            Ends the waiting.
        existing
            Whether to begin with the files that are there.

        Raises
        ------
        InputError
            If the folders cannot be watched.
        """
        try:
            changes = self._watch(
                *self._folders,
                stop_event=stop,
                rust_timeout=_POLL_MS,
                yield_on_timeout=True,
                raise_interrupt=False,
                watch_filter=None,
            )
            for batch in changes:
                if existing:  # now that changes are noticed, so that no file is missed
                    existing = False
                    for path in Finder(self._folders, self._without_paths()).files():
                        self._note(path)
                for _, name in batch:
                    self._appeared(Path(name))
                yield from self._complete(stop)
        except (OSError, RuntimeError) as error:
            raise InputError(f"the folders can no longer be watched ({error})") from error

    def keep(self, path: Path) -> None:
        """Note the present state of a file: it is heard again only after a further change."""
        stamp = _stamp(path)
        if stamp is not None:
            self._known[path] = stamp
            if len(self._known) > MAX_PENDING:
                del self._known[next(iter(self._known))]

    def _without_paths(self) -> list[Path]:
        return [Path(folder) for folder in self._without]

    def _appeared(self, path: Path) -> None:
        """Note a new or changed file, or the files of a folder that was moved here."""
        if any(part[0] == "." for part in self._below(path)):
            return
        if path.is_dir() and not path.is_symlink():
            with suppress(InputError):  # removed again
                for file in Finder([path], self._without_paths()).files():
                    self._note(file)
        elif path.suffix.lower() in audio_suffixes():
            self._note(path)

    def _below(self, path: Path) -> tuple[str, ...]:
        """Return the parts of a path below the folder that is watched."""
        for folder in self._folders:
            if path.is_relative_to(folder):
                return path.relative_to(folder).parts
        return (path.name,)

    def _note(self, path: Path) -> None:
        real = os.path.realpath(path.parent)
        if any(real == each or real.startswith(f"{each}{os.sep}") for each in self._without):
            return
        seen = _stamp(path)
        if seen is None:
            self._known.pop(path, None)
        elif seen != self._known.get(path):
            if len(self._pending) < MAX_PENDING:
                self._pending[path] = (seen, time.monotonic())
            else:
                _log.warning("%s: left out: %d files are waited for already", path, MAX_PENDING)

    def _complete(self, stop: threading.Event) -> Iterator[Path]:
        now = time.monotonic()
        for path, (seen, since) in list(self._pending.items()):
            if stop.is_set():
                return
            stamp = _stamp(path)
            if stamp is None:
                del self._pending[path]  # removed again
            elif stamp != seen:
                self._pending[path] = (stamp, now)
            elif now - since >= SETTLE_S:
                del self._pending[path]
                self.keep(path)
                yield path


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
