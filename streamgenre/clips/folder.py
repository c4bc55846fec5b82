"""The folder of the clips: which of its files are theirs, and who may read it."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Final

from streamgenre.errors import ClipError

if TYPE_CHECKING:
    from pathlib import Path

INDEX: Final = "clips.sqlite3"
"""Name of the index."""
TEMPORARY: Final = ".part"
"""Suffix of a file that is being written."""
_FILE: Final = re.compile(r"clip-[0-9]+-[0-9a-f]{8}\.(flac|part)")
"""Names of the files of clips. Other files in the folder are the user's and stay."""


def has_index(folder: Path) -> bool:
    """Return whether there are or were clips in a folder.

    Raises
    ------
    ClipError
        If this user may not look into it.
    """
    try:
        return (folder / INDEX).exists()
    except OSError as error:
        raise ClipError(f"{folder}: {error.strerror or error}") from error


def clip_files(folder: Path) -> list[Path]:
    """Return the files of clips in a folder, with and without a row in the index."""
    try:
        return sorted(path for path in folder.iterdir() if _FILE.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ClipError(f"{folder}: {error.strerror or error}") from error


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can read.

    Raises
    ------
    ClipError
        If it is another user's, or has other files, which others may read.
    OSError
        If it cannot be made.
    """
    other = "name another folder under [clips]"
    if not folder.is_dir():
        if folder.exists():
            raise ClipError(f"{folder}: expected a folder, found a file; {other}")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)  # whatever the umask
    status = folder.stat()
    if os.geteuid() not in (0, status.st_uid):
        raise ClipError(f"{folder}: belongs to another user; {other}")
    if stat.S_IMODE(status.st_mode) & 0o777 == 0o700:
        return
    ours = {INDEX, f"{INDEX}-journal"}
    if any(path.name not in ours and not _FILE.fullmatch(path.name) for path in folder.iterdir()):
        raise ClipError(
            f"{folder}: other users may read it, and it has other files than clips; {other}, "
            "which is made if it is missing"
        )
    folder.chmod(0o700)
