"""Which file holds what waits for a receiver or a server, where the user names none."""

from __future__ import annotations

import hashlib
import os.path
import re
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from streamgenre.history.database import COMPANIONS, companion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNUSED_S: Final = 400 * 86_400.0
"""Seconds after which a spool that nobody uses is removed: all that waits in it is too old."""


def default_spool(folder: Path, url: str, kind: str = "webhook") -> Path:
    """Return a spool that no other process uses, and remove old ones of receivers that are gone.

    Parameters
    ----------
    folder
        Folder of the spools.
    url
        URL of the receiver. A new one gets a new spool: what waits for the old one is not sent to
        it.
    kind
        Beginning of the file's name.

    Returns
    -------
    Path
        ``FOLDER/KIND-DIGEST.sqlite3``, with a number if another process has the same receiver.
    """
    _remove_old(folder, kind)
    path = folder
    for path in _places(folder, url, kind):
        if not _is_used(path):
            break
    return path


def left_spools(folder: Path, url: str, kind: str) -> list[Path]:
    """Return the spools of a receiver that exist and that no process uses.

    Parameters
    ----------
    folder
        Folder of the spools.
    url
        URL of the receiver.
    kind
        Beginning of the files' names.
    """
    return [p for p in _places(folder, url, kind) if os.path.lexists(p) and not _is_used(p)]


def _places(folder: Path, url: str, kind: str) -> Iterator[Path]:
    name = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:12]
    for number in range(1, 9):
        yield folder / f"{kind}-{name}{'' if number == 1 else f'-{number}'}.sqlite3"


def _is_used(path: Path) -> bool:
    if not os.path.lexists(path):  # or the folder may not be searched
        return False
    try:
        disk = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            disk.execute("SELECT count(*) FROM sqlite_master")
        finally:
            disk.close()
    except sqlite3.Error as error:
        return "locked" in str(error)
    return False


def _remove_old(folder: Path, kind: str) -> None:
    """Remove spools that were not used for long: all that waits in them is too old."""
    ours = re.compile(rf"{kind}-[0-9a-f]{{12}}(-[2-8])?\.sqlite3")  # not history-2024.sqlite3
    with suppress(OSError):
        for path in filter(lambda path: ours.fullmatch(path.name), folder.glob(f"{kind}-*")):
            files = [path, *(companion(path, suffix) for suffix in COMPANIONS)]
            newest = max(file.stat().st_mtime for file in files if file.exists())
            if time.time() - newest > UNUSED_S and not _is_used(path):
                for file in files:
                    file.unlink(missing_ok=True)
