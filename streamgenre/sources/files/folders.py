"""Finds the audio files in a folder and its subfolders, in their natural order."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from streamgenre.sources.decoding import error_text
from streamgenre.sources.formats import audio_suffixes
from streamgenre.sources.playlist_formats import SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.sources.files.tracks import Listing

_EXAMPLES: Final = 3
"""Names of files that are left out of a folder, and shown."""
_COMPANIONS: Final = frozenset(
    {
        *(".accurip", ".bmp", ".cue", ".db", ".gif", ".htm", ".html", ".ini", ".jpeg", ".jpg"),
        *(".log", ".lrc", ".md5", ".nfo", ".pdf", ".png", ".sfv", ".txt", ".url", ".webp"),
        *SUFFIXES,
    }
)
"""Suffixes of what usually lies beside music: covers, lists, notes. Nothing is said of them."""


def add_folder(folder: Path, listing: Listing) -> None:
    """Add the files below a folder: its own first, then those of its subfolders.

    Parameters
    ----------
    folder
        The folder.
    listing
        Receives the files, and what is left out.
    """
    left_out = _LeftOut()
    seen = {_identity(folder)}  # links are followed, and may form a circle
    waiting = [str(folder)]
    while waiting:
        place = waiting.pop()
        if not listing.count():
            break
        folders, files, complete = _scan(place, listing, left_out)
        for name in sorted(files, key=_natural):
            listing.tracks.add(os.path.join(place, name))  # noqa: PTH118 - there may be many
        if not complete:
            break
        new = []
        for name in sorted(folders, key=_natural):
            inner = os.path.join(place, name)  # noqa: PTH118
            if (identity := _identity(inner)) not in seen:
                seen.add(identity)
                new.append(inner)
        waiting += reversed(new)
    if left_out.count:
        listing.report(f"{folder}: {left_out}")


class _LeftOut:
    """The files of a folder that are left out because of their suffix."""

    def __init__(self) -> None:
        self.count = 0
        self._examples: list[str] = []

    def add(self, name: str) -> None:
        """Count a file; covers, notes and lists beside the music are not counted."""
        if _suffix(name) not in _COMPANIONS:
            self.count += 1
            if self.count <= _EXAMPLES:
                self._examples.append(name)

    def __str__(self) -> str:
        what = "files were" if self.count > 1 else "file was"
        names = ", ".join(self._examples) + (", …" if self.count > _EXAMPLES else "")
        return f"{self.count} {what} left out, by the suffix not audio: {names}"


def _scan(place: str, listing: Listing, left_out: _LeftOut) -> tuple[list[str], list[str], bool]:
    """Return a folder's subfolders and audio files, and whether all entries were looked at."""
    suffixes = audio_suffixes()
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(place) as found:
            for entry in found:
                if not listing.count():
                    return folders, files, False
                if entry.name[0] == ".":
                    continue
                try:
                    is_folder, is_file = entry.is_dir(), entry.is_file()
                except OSError:  # for example a link to itself
                    is_folder = is_file = False
                if is_folder:
                    folders.append(entry.name)
                elif _suffix(entry.name) in suffixes:
                    files.append(entry.name)
                elif is_file:
                    left_out.add(entry.name)
    except OSError as error:
        listing.report(f"{place}: {error_text(error)}")
    return folders, files, True


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - there may be many


def _identity(folder: str | Path) -> tuple[int, int] | str:
    """Return the device and inode of a folder, or its path if it cannot be read."""
    try:
        found = os.stat(folder)  # noqa: PTH116 - there may be many
    except OSError:
        return str(folder)
    return found.st_dev, found.st_ino


def _natural(name: str) -> str:
    """Return a sort key by which 2 comes before 10, and digits before everything else."""
    return re.sub(r"\d{1,18}", lambda match: f"\0{int(match[0]):018}", name.casefold())
