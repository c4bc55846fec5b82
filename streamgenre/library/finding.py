"""Finds the audio files of a library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.paths import expand
from streamgenre.sources.decoding import error_text
from streamgenre.sources.formats import audio_suffixes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_PROBLEMS: Final = 100
"""Folders that could not be read and are named; further ones are only counted."""


class Finder:
    """Finds files in folders and their sub-folders, in order of their names.

    Files that are named are always yielded, those in folders only if their suffix is that of an
    audio format and their name does not begin with a dot. Links to folders are followed once.

    Parameters
    ----------
    paths
        Files and folders; ``~`` is expanded.
    without
        Folders that are left out, such as a target within the library.

    Raises
    ------
    InputError
        If a path does not exist.
    """

    def __init__(self, paths: Iterable[str | Path], without: Iterable[Path] = ()) -> None:
        self._paths = [expand(path) for path in paths]
        self._without = {os.path.realpath(folder) for folder in without}
        self.problems: list[str] = []
        """Folders that could not be read, for people."""
        self.ignored = 0
        """Files in folders whose suffix is no audio format's."""
        for path in self._paths:
            if not os.path.lexists(path):
                raise InputError(f"{path}: no such file or folder")

    def files(self) -> Iterator[Path]:
        """Yield every file once."""
        named: set[Path] = set()
        folders: set[str] = set()
        for path in self._paths:
            if path.is_dir():
                for found in self._of_folder(path, folders):
                    if not named or _place(found) not in named:
                        yield found
            elif (place := _place(path)) not in named:
                named.add(place)
                if os.fspath(place.parent) not in folders or not _looks_like_audio(path.name):
                    yield path

    def count(self) -> int:
        """Return the number of files."""
        total = sum(1 for _ in self.files())
        self.problems.clear()
        self.ignored = 0
        return total

    def _of_folder(self, top: Path, seen: set[str]) -> Iterator[Path]:
        for place, folders, names in os.walk(top, onerror=self._failed, followlinks=True):
            real = os.path.realpath(place)
            if real in seen or real in self._without:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if name[0] != ".")
            for name in sorted(names):
                if _looks_like_audio(name):
                    yield Path(place, name)
                elif name[0] != ".":
                    self.ignored += 1

    def _failed(self, error: OSError) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{error.filename}: {error_text(error)}")


def _place(path: Path) -> Path:
    """Return a file's path without links to folders: the same however the file was named."""
    return Path(os.path.realpath(path.parent), path.name)


def _looks_like_audio(name: str) -> bool:
    return name[0] != "." and os.path.splitext(name)[1].lower() in audio_suffixes()  # noqa: PTH122
