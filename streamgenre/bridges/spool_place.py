"""Which file holds what waits for a receiver, where the user names none."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from streamgenre.history.database import COMPANIONS, companion

if TYPE_CHECKING:
    from pathlib import Path

UNUSED_S: Final = 400 * 86_400.0
"""Seconds after which a spool that nobody uses is removed: all that waits in it is too old."""


def default_spool(folder: Path, url: str) -> Path:
    """Return a spool that no other bridge uses, and remove old ones of receivers that are gone.

    Parameters
    ----------
    folder
        Folder of the spools.
    url
        URL of the receiver. A new one gets a new spool: what waits for the old one is not sent to
        it.

    Returns
    -------
    Path
        ``FOLDER/webhook-DIGEST.sqlite3``, with a number if another bridge has the same receiver.
    """
    _remove_old(folder)
    name = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:12]
    for number in range(1, 9):
        path = folder / f"webhook-{name}{'' if number == 1 else f'-{number}'}.sqlite3"
        if not _is_used(path):
            return path
    return path


def _is_used(path: Path) -> bool:
    if not path.exists():
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


def _remove_old(folder: Path) -> None:
    """Remove spools that were not used for long: all that waits in them is too old."""
    with suppress(OSError):
        for path in folder.glob("webhook-*.sqlite3"):
            files = [path, *(companion(path, suffix) for suffix in COMPANIONS)]
            newest = max(file.stat().st_mtime for file in files if file.exists())
            if time.time() - newest > UNUSED_S and not _is_used(path):
                for file in files:
                    file.unlink(missing_ok=True)
