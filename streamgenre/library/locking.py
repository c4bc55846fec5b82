"""Keeps two runs from writing into one folder at the same time."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources.decoding import error_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK: Final = ".streamgenre-sort.lock"


@contextmanager
def only_run(target: Path, name: str = _LOCK) -> Iterator[None]:
    """Keep other runs out of a target folder.

    Parameters
    ----------
    target
        The folder; it is made.
    name
        Name of the file in it that is locked.

    Raises
    ------
    InputError
        If another run writes into it, or it cannot be made.
    """
    path = target / name
    with ExitStack() as stack:
        try:
            target.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
            stack.callback(os.close, lock)
            locked = _is_locked(lock, path)
        except OSError as error:
            raise InputError(f"{target}: cannot be written ({error_text(error)})") from error
        if not locked:
            raise InputError(
                f"{target}: another run is writing into this folder; wait until it ends"
            )
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def _is_locked(lock: int, path: Path) -> bool:
    """Lock a file; return False if another run has, or has just removed it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(lock), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False
