"""Finds the recordings to learn from: a folder with a sub-folder of audio files per genre."""

from __future__ import annotations

import stat
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from streamgenre.display.text import clean
from streamgenre.errors import InputError, ModelError, SettingsError
from streamgenre.inference.genre_names import check_genre
from streamgenre.library.finding import Finder
from streamgenre.library.hearing import file_hash
from streamgenre.paths import expand
from streamgenre.sources.decoding import error_text
from streamgenre.sources.tags import file_title

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

_NAMED: Final = 5
"""Files named in a message."""


@dataclass(frozen=True, slots=True)
class Recording:
    """An audio file and the genre that it is an example of."""

    path: Path
    genre: str
    artist: str = ""
    """Artist, for folds that keep artists apart; empty where unknown."""
    sha256: str = ""
    """Hash of the file's content; empty before :func:`identified`."""


@dataclass(frozen=True, slots=True)
class Found:
    """The recordings of a folder."""

    recordings: tuple[Recording, ...]
    notes: tuple[str, ...]
    """What was left out, in words."""


def find(folder: str | Path, names: Mapping[str, str] | None = None) -> Found:
    """Return the audio files of a folder of genre sub-folders.

    Parameters
    ----------
    folder
        The folder. Files in sub-folders of a genre's folder belong to that genre; the first such
        sub-folder counts as the artist where tags and file name state none.
    names
        Names of genres by the name of their folder, for genres that are to be called otherwise;
        two folders may get the same name.

    Raises
    ------
    InputError
        If the folder cannot be read, or holds fewer than two genres.
    ModelError
        If a genre's name is not allowed.
    SettingsError
        If ``names`` names a folder that is not there.
    """
    top = expand(folder)
    try:
        if not top.is_dir():
            what = "is not a folder" if top.exists() else "no such folder"
            raise InputError(f"{top}: {what}; expected a folder with a sub-folder per genre")
        inside = sorted(top.iterdir())
        folders = [path for path in inside if path.is_dir() and path.name[0] != "."]
    except OSError as error:  # no access, too long a name
        raise InputError(f"{top}: {error_text(error)}") from error
    new_names = {_plain(old): new for old, new in (names or {}).items()}
    if unknown := new_names.keys() - {_plain(path.name) for path in folders}:
        raise SettingsError(f"--as {min(unknown)}=…: there is no such folder in {top}")
    recordings: list[Recording] = []
    notes: list[str] = []
    if loose := sum(path.is_file() and path.name[0] != "." for path in inside):
        notes.append(f"{loose} file{'s' * (loose != 1)} beside the genre folders left out")
    for path in folders:
        finder = Finder([path], without=[top])  # a link may lead back up
        of_genre = [file for file in finder.files() if _is_regular(file, notes)]
        notes += finder.problems
        if not of_genre:
            notes.append(f"{clean(path.name)}: no audio files in this folder; left out")
            continue
        try:
            genre = check_genre(new_names.get(_plain(path.name), path.name))
        except ModelError as error:
            raise ModelError(
                f"{error}. Rename the folder, or name its genre with --as FOLDER=GENRE"
            ) from error
        recordings += [Recording(file, genre, artist_of(file, path)) for file in of_genre]
    if len({each.genre for each in recordings}) < 2:
        raise InputError(
            f"{top}: {_counted(recordings)}; expected at least two sub-folders, each named after a "
            "genre and with audio files in it"
        )
    return Found(tuple(recordings), tuple(notes))


def _is_regular(file: Path, notes: list[str]) -> bool:
    """Return whether a file can be read to its end; if not, note why it is left out."""
    try:
        if stat.S_ISREG(file.stat().st_mode):
            return True
        notes.append(f"{file}: is not a regular file; left out")
    except OSError as error:
        notes.append(f"{file}: {error_text(error)}; left out")
    return False


def artist_of(file: Path, genre_folder: Path | None = None) -> str:
    """Return a file's artist; empty where unknown.

    Taken from its tags, else from a name like ``Artist - Title``, else from the folder that it is
    in below the genre's folder.

    Parameters
    ----------
    file
        The audio file.
    genre_folder
        Folder of its genre; None if there is none.
    """
    if artist := file_title(file).artist:
        return artist
    if genre_folder is None:
        return ""
    below = file.relative_to(genre_folder).parts
    return clean(below[0]) if len(below) > 1 else ""


def identified(
    recordings: Iterable[Recording], on_file: Callable[[], None] = lambda: None
) -> tuple[list[Recording], list[str]]:
    """Return the recordings with their hashes, each content once, and notes about those left out.

    Parameters
    ----------
    recordings
        The recordings.
    on_file
        Called after each file.

    Raises
    ------
    InputError
        If the same content is in two genres; the files are named.
    """
    kept: dict[str, Recording] = {}
    clashes: list[tuple[Recording, Recording]] = []
    again = 0
    notes = []
    for each in recordings:
        try:
            sha256 = file_hash(each.path)  # of now: --again may find another file in its place
        except OSError as error:
            notes.append(f"{each.path}: {error_text(error)}")
            continue
        finally:
            on_file()
        first = kept.setdefault(sha256, replace(each, sha256=sha256))
        again += first.path != each.path and first.genre == each.genre
        if first.genre != each.genre:
            clashes.append((first, each))
    if clashes:
        named = "; ".join(
            f"{a.path} ({a.genre}) and {b.path} ({b.genre})" for a, b in clashes[:_NAMED]
        )
        more = f"; and {len(clashes) - _NAMED} more" if len(clashes) > _NAMED else ""
        raise InputError(f"the same file in two genres: {named}{more}. Leave each in one of them")
    if again:
        notes.append(f"{again} cop{'y' if again == 1 else 'ies'} of a file counted once")
    return list(kept.values()), notes


def by_genre(recordings: Iterable[Recording]) -> dict[str, list[Recording]]:
    """Return the recordings by genre, genres in order of their names."""
    found: dict[str, list[Recording]] = defaultdict(list)
    for each in recordings:
        found[each.genre].append(each)
    return dict(sorted(found.items()))


def _counted(recordings: Sequence[Recording]) -> str:
    genres = by_genre(recordings)
    if not genres:
        return "no audio files in sub-folders"
    [genre] = genres
    return f"audio files of one genre only ({genre})"


def _plain(name: str) -> str:
    """Return a name as it is compared: macOS writes accents as separate characters."""
    return unicodedata.normalize("NFC", name).strip()
