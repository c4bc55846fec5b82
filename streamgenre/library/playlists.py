"""Playlists of what was classified: one for each genre, and one for each tag."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.library import placing
from streamgenre.library.hearing import file_hash
from streamgenre.library.journal import Journal, Step
from streamgenre.library.sorting import folder_of
from streamgenre.sources.decoding import error_text

if TYPE_CHECKING:
    from streamgenre.library.results import FileResult

TAGS: Final = "tags"
"""Name of the folder of the tags' playlists."""
_HEADER: Final = b"#EXTM3U\n# by streamgenre classify\n"


class Playlists:
    """Collects entries, and writes them as ``GENRE.m3u8`` and ``tags/TAG.m3u8``.

    Parameters
    ----------
    folder
        The folder of the playlists.
    journal
        Takes every new playlist first.
    """

    def __init__(self, folder: Path, journal: Journal) -> None:
        self._folder = folder.absolute()
        self._journal = journal
        self._entries: defaultdict[Path, list[str]] = defaultdict(list)

    def add(self, result: FileResult, path: Path) -> None:
        """Add a file to the playlists of its genre and of its tags.

        Parameters
        ----------
        result
            What was heard in it.
        path
            Where it is now.
        """
        if result.genre is not None:
            self._add(self._folder / f"{folder_of(result.genre)}.m3u8", result, path)
        for tag in result.tags:
            self._add(self._folder / TAGS / f"{folder_of(tag)}.m3u8", result, path)

    def _add(self, playlist: Path, result: FileResult, path: Path) -> None:
        folder = os.path.abspath(playlist.parent)  # noqa: PTH100 - without following links
        place = os.path.abspath(path)  # noqa: PTH100
        if "\n" in place or "\r" in place:  # a line in the list
            place = Path(place).as_uri()
        elif place.startswith(f"{folder}{os.sep}"):
            place = place[len(folder) + 1 :]
            if place[0] in "# ":  # a comment, or left out
                place = f"./{place}"
        title = " - ".join(part for part in (result.artist, result.title) if part) or path.stem
        shown = " ".join(os.fsencode(title).decode(errors="replace").split())
        self._entries[playlist].append(f"#EXTINF:{round(result.seconds)},{shown}\n{place}\n")

    def write(self) -> None:
        """Write the playlists; those of earlier runs are replaced, other files are not.

        Raises
        ------
        InputError
            If one cannot be written; the others are.
        """
        problems = []
        for playlist, entries in self._entries.items():
            try:
                self._write(playlist, _HEADER + os.fsencode("".join(entries)))
            except OSError as error:
                problems.append(f"{playlist}: the playlist cannot be written ({error_text(error)})")
        if problems:
            raise InputError("\n".join(problems))

    def _write(self, playlist: Path, content: bytes) -> None:
        if not os.path.lexists(playlist):
            with placing.unfinished(playlist) as temporary:
                temporary.write_bytes(content)
                step = Step(
                    "write", os.fspath(self._folder), os.fspath(playlist), file_hash(temporary)
                )
                self._journal.write(step)
            return
        if not playlist.is_file() or not _is_ours(playlist):
            raise FileExistsError(0, "another file has its name, and is left as it is")
        temporary = playlist.with_name(f"{placing.PART}{os.getpid()}.m3u8")
        try:
            temporary.write_bytes(content)
            temporary.replace(playlist)
        finally:
            temporary.unlink(missing_ok=True)


def _is_ours(playlist: Path) -> bool:
    with playlist.open("rb") as file:
        return file.read(len(_HEADER)) == _HEADER
