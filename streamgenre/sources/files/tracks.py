"""The files of a folder or playlist, and what was left out of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from streamgenre.sources.playlist_formats import Entry

if TYPE_CHECKING:
    from streamgenre.sources.titles import Title

MAX_ENTRIES: Final = 100_000
"""Entries of folders and playlists that are read; further ones are ignored."""
_MAX_PROBLEMS: Final = 100
"""Problems that are kept; those beyond are not reported."""


class Track(NamedTuple):
    """One file of a folder or playlist."""

    file: Path
    """The file; it need not exist."""
    title: Title | None
    """The title that a playlist states; None if there is none."""


class Tracks(Sequence[Track]):
    """The files in playing order; kept as bytes, since there may be many."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []  # path, artist and title with zero bytes between them

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Track:  # type: ignore[override]
        place, *more = self._rows[index].split(b"\0", 2)
        texts = (part.decode("utf-8", errors="surrogateescape") for part in more)
        return Track(Path(os.fsdecode(place)), Entry("", *texts).title())

    def add(self, file: str | Path, entry: Entry | None = None) -> None:
        """Add a file.

        Parameters
        ----------
        file
            Its path.
        entry
            The playlist's entry, which may state a title.
        """
        row = os.fsencode(file)
        if entry is not None and entry.name:
            text = f"\0{entry.artist.replace(chr(0), ' ')}\0{entry.name}"
            row += text.encode("utf-8", errors="surrogateescape")
        self._rows.append(row)


@dataclass(slots=True)
class Listing:
    """The files of a folder or playlist."""

    tracks: Tracks = field(default_factory=Tracks)
    """Files in playing order."""
    streams: list[str] = field(default_factory=list)
    """URLs of streams, which are not played among files."""
    problems: list[str] = field(default_factory=list)
    """Entries that are not playable, and errors, for people."""
    looked_at: int = 0
    """Number of entries so far."""

    @property
    def files(self) -> list[Path]:
        """The files in playing order."""
        return [track.file for track in self.tracks]

    def count(self) -> bool:
        """Count an entry; return False beyond :data:`MAX_ENTRIES`."""
        self.looked_at += 1
        if self.looked_at == MAX_ENTRIES + 1:
            self.problems.insert(0, f"only the first {MAX_ENTRIES} entries are read")
        return self.looked_at <= MAX_ENTRIES

    def report(self, problem: str) -> None:
        """Keep a problem, unless there are many already."""
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(problem)
