"""The inventory of a corpus: its files with genre, artist, length and hash, and the copies."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from streamgenre.audio.fingerprint import Copy, copies
from streamgenre.display.sound_check import SILENT_DBFS
from train.corpora.corpus import CSV_NAME, read_corpus
from train.corpora.fingerprint import sound_of
from train.errors import TrainError
from train.hashes import file_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from streamgenre.audio.fingerprint import Fingerprint
    from train.corpora.corpus import Corpus


_CLIPPED: Final = 0.001
"""Share of samples from which on a clip counts as clipped."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a corpus."""

    clip: str
    """Name, unique in the corpus."""
    file: str
    """Path below the corpus's folder, with slashes."""
    genre: str
    artist: str
    """Empty where unknown."""
    sha256: str
    seconds: float
    row: dict[str, str]
    """Its row of the table; empty where there is none."""
    level_dbfs: float | None = None
    """RMS level, ``-inf`` for digital silence; None if it was not decoded."""
    clipped: float | None = None
    """Share of samples that have probably been clipped, 0 to 1; None if it was not decoded."""

    @property
    def is_silent(self) -> bool:
        """Whether nothing is heard in it."""
        return self.level_dbfs is not None and self.level_dbfs <= SILENT_DBFS

    @property
    def is_clipped(self) -> bool:
        """Whether so many samples have been clipped that it can be heard."""
        return self.clipped is not None and self.clipped > _CLIPPED


@dataclass(frozen=True, slots=True)
class Listing:
    """All files of a corpus."""

    corpus: Corpus
    items: tuple[Item, ...]
    """Files that could be read, sorted by clip."""
    unreadable: tuple[str, ...]
    """A message for each file that could not be read."""
    copies: tuple[Copy, ...]
    """Pairs of clips with the same recording in them."""
    artists_from: str
    """Source of the artists, in words."""


def read_listing(
    folder: Path,
    cache: Path | None,
    *,
    tags: bool = False,
    table: Path | None = None,
    columns: tuple[str, str] = ("clip", "artist"),
    fingerprints: bool = True,
    on_begin: Callable[[int], None] = lambda total: None,
    on_file: Callable[[], None] = lambda: None,
) -> Listing:
    """Read all files of a corpus.

    Parameters
    ----------
    folder
        The corpus.
    cache
        Where fingerprints are kept; None to compute them always.
    tags
        Whether to take the artists from the files' tags.
    table
        A table about the clips; None for the corpus's own ``clips.csv``.
    columns
        Names of the table's columns with the clip and its artist.
    fingerprints
        Whether to look for copies.
    on_begin, on_file
        Called with the number of files, and after each file.

    Raises
    ------
    TrainError
        If the folder is not a corpus or the table cannot be read.
    """
    corpus = read_corpus(folder)
    index = Index((clip.genre, clip.name) for clip in corpus.clips)
    rows = _rows(table or folder / CSV_NAME, columns[0], index, needed=table is not None)
    on_begin(len(corpus.clips))
    items: list[Item] = []
    unreadable: list[str] = []
    prints: dict[str, Fingerprint] = {}
    for clip in corpus.clips:
        row = rows.get(clip.name, {})
        artist = row.get(columns[1]) or clip.artist
        level = clipped = None
        try:
            sha256 = file_hash(clip.path)
            seconds, tagged = _opened(clip.path)
            if fingerprints:
                sound = sound_of(clip.path, cache)
                prints[clip.name], level, clipped = sound.print, sound.level_dbfs, sound.clipped
        except TrainError as error:
            unreadable.append(str(error))
            continue
        finally:
            on_file()
        file = clip.path.relative_to(folder).as_posix()
        items.append(
            Item(
                clip.name, file, clip.genre, (tagged if tags else artist).strip(), sha256,
                seconds, row, level, clipped,
            )
        )  # fmt: skip
    if not items:
        raise TrainError(f"{folder}: none of its {len(unreadable)} files could be read")
    source = "the files' tags" if tags else (table.name if table else CSV_NAME) if rows else ""
    return Listing(
        corpus, tuple(items), tuple(unreadable), tuple(copies(prints)),
        source if any(item.artist for item in items) else "",
    )  # fmt: skip


class Index:
    """Finds clips by their names in tables and lists: ``genre/name.wav``, ``name.au``, ``name``.

    Parameters
    ----------
    clips
        Genre and name of each.
    """

    def __init__(self, clips: Iterable[tuple[str, str]]) -> None:
        self._with_genre: dict[str, str] = {}
        alone: dict[str, list[str]] = defaultdict(list)
        for genre, name in clips:
            stem = _stem(name)
            self._with_genre[f"{genre.casefold()}/{stem}"] = name
            alone[stem].append(name)
        self._alone = {stem: names[0] for stem, names in alone.items() if len(names) == 1}

    def find(self, text: str) -> str | None:
        """Return a clip's name; None if there is no such clip or more than one."""
        path = PurePosixPath(text.strip().replace("\\", "/"))
        found = self._with_genre.get(f"{path.parent.name.casefold()}/{_stem(path.name)}")
        return found or self._alone.get(_stem(path.name))


def _stem(name: str) -> str:
    """Return a file's name without its suffix; ``blues.00012`` has none."""
    last = PurePosixPath(name).name.casefold()
    stem, dot, suffix = last.rpartition(".")
    return stem if dot and not suffix.isdigit() else last


def _opened(path: Path) -> tuple[float, str]:
    """Return a file's length in seconds and the artist in its tags.

    Raises
    ------
    TrainError
        If it is not an audio file.
    """
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise TrainError(f"{path}: holds no audio stream")
            stream = container.streams.audio[0]
            tags = {
                k.lower(): v for k, v in (*container.metadata.items(), *stream.metadata.items())
            }
            if stream.duration and stream.time_base:
                seconds = float(stream.duration * stream.time_base)
            else:
                seconds = (container.duration or 0) / 1_000_000
    except (av.FFmpegError, OSError) as error:
        raise TrainError(f"{path}: cannot be decoded: {error}") from error
    return round(seconds, 2), tags.get("artist") or tags.get("album_artist") or ""


def _rows(table: Path, column: str, index: Index, *, needed: bool) -> dict[str, dict[str, str]]:
    """Return a table's rows by clip; empty without a table."""
    if not needed and not table.is_file():
        return {}
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainError(f"{table}: cannot be read as CSV in UTF-8: {error}") from error
    if not rows or column not in rows[0]:
        there = ", ".join(rows[0]) if rows else "no rows"
        raise TrainError(
            f"{table}: no column {column!r} (found: {there}); name the one with the clips by "
            "--clip-column"
        )
    named = [(index.find(row[column] or ""), row) for row in rows]
    return {clip: row for clip, row in named if clip is not None}
