"""Finds the files of a folder or playlist, in their order.

Folders and playlists are bounded while they are read: by entries, bytes and lines. What is left out
is reported.
"""

from __future__ import annotations

import os
import re
import stat
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from streamgenre.errors import InputError
from streamgenre.sources.decoding import error_text
from streamgenre.sources.formats import audio_suffixes
from streamgenre.sources.playlist_formats import (
    MAX_BYTES,
    SUFFIXES,
    Entry,
    entries,
    is_hls,
    is_list,
)
from streamgenre.urls import is_stream, looks_like_url, redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.sources.titles import Title

MAX_ENTRIES: Final = 100_000
"""Entries of folders and playlists that are read; further ones are ignored."""
_MAX_STREAMS: Final = 32
"""URLs of streams that are kept."""
_MAX_PROBLEMS: Final = 100
"""Problems that are kept; those beyond are not reported."""
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
_MAX_DEPTH: Final = 8
"""How deep playlists may be nested."""
_MAX_PATH: Final = 4095
"""Longest path in bytes that Linux accepts."""
_HEAD: Final = 65_536
"""Bytes of a file by which its kind is recognised."""


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


def is_playlist(path: Path) -> bool:
    """Whether a path is a folder, or a list of files or stations, rather than one audio file.

    The suffix decides, and for files without the suffix of audio the first bytes.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        return True
    if not path.is_file() or not path.stat().st_size:  # reading files of /proc may block
        return False
    if suffix in SUFFIXES:
        return not is_hls(_read(path, _HEAD))
    if suffix in audio_suffixes():
        return False
    try:
        with path.open("rb") as file:
            return is_list(head := file.read(_HEAD)) and not is_hls(head)
    except OSError:
        return False


def no_files_message(path: Path, listing: Listing) -> str:
    """Return the error message for a folder or playlist without files.

    Parameters
    ----------
    path
        The folder or playlist.
    listing
        What was found in it; its first problem is quoted.
    """
    why = f" ({listing.problems[0]})" if listing.problems else ""
    return (
        f"{path}: contains no files{why}; expected a folder with audio files, such as "
        ".mp3, .flac, .ogg, .m4a or .wav, or a list of them"
    )


def list_files(path: Path) -> Listing:
    """Return the files of a folder (with its subfolders) or of a playlist.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    listing = Listing()
    if path.is_dir():
        _add_folder(path, listing)
    else:
        _add_list(path, listing, ())
    return listing


def list_stations(path: Path) -> list[str]:
    """Return the streams of a list that names no files; none for a list of files.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    listing = Listing()
    try:
        _add_list(path, listing, (), until_file=True)
    except _FileFoundError:
        return []
    return listing.streams


class _FileFoundError(Exception):
    pass


# ---- folders ------------------------------------------------------------------------------------


def _add_folder(folder: Path, listing: Listing) -> None:
    """Add the files below a folder: its own first, then those of its subfolders."""
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


# ---- playlists ----------------------------------------------------------------------------------


def _add_list(
    path: Path, listing: Listing, outer: tuple[str, ...], *, until_file: bool = False
) -> None:
    here = os.path.realpath(path)
    if here in outer:
        listing.report(f"{path}: a playlist that contains itself")
        return
    if len(outer) == _MAX_DEPTH:
        listing.report(f"{path}: more than {_MAX_DEPTH} nested playlists")
        return
    for entry in _entries(path, listing):
        if not listing.count():
            return
        if is_stream(entry.place):
            if len(listing.streams) < _MAX_STREAMS:
                listing.streams.append(entry.place)
            continue
        file, kind = _place(entry.place, path.parent)
        if file is None or kind == stat.S_IFDIR:
            # Folders are refused too: one entry could mean the whole disk.
            shown = redacted(entry.place) if looks_like_url(entry.place) else entry.place
            listing.report(f"{path}: {shown[:80]!r} is not a file")
        elif file.lower().endswith(SUFFIXES) and not _is_local_hls(Path(file)):
            try:
                _add_list(Path(file), listing, (*outer, here), until_file=until_file)
            except InputError as error:
                listing.report(str(error))
        elif until_file:
            raise _FileFoundError
        else:
            listing.tracks.add(file, entry)


def _entries(path: Path, listing: Listing) -> Iterator[Entry]:
    """Yield the entries of a playlist; a limit is reported."""
    data = _read(path, MAX_BYTES + 1)
    found = entries(data)
    del data
    while True:
        try:
            yield next(found)
        except StopIteration:
            return
        except InputError as error:
            listing.report(f"{path}: {error}")
            return


def _is_local_hls(path: Path) -> bool:
    """Whether an entry with the suffix of a playlist is audio after all, in segments."""
    try:
        return is_hls(_read(path, _HEAD))
    except InputError:
        return False


def _read(path: Path, longest: int) -> bytes:
    if not path.is_file():
        raise InputError(f"{path}: no such playlist")
    try:
        with path.open("rb") as file:
            return file.read(longest)
    except OSError as error:
        raise InputError(f"{path}: the playlist cannot be read ({error_text(error)})") from error


def _place(entry: str, folder: Path) -> tuple[str | None, int]:
    """Return the file that an entry means, or None, and its kind; 0 if it does not exist."""
    named = entry
    if entry[:5].lower() == "file:":
        try:
            named = urllib.parse.unquote(
                urllib.parse.urlsplit(entry).path, errors="surrogateescape"
            )
        except ValueError:  # for example an incomplete IPv6 address
            return None, 0
    elif looks_like_url(entry):
        return None, 0
    data = named.encode("utf-8", errors="surrogateescape")
    readings = [os.fsdecode(data)]  # byte for byte
    if not named.isascii():
        readings.append(data.decode("cp1252", errors="replace"))
    if "\\" in named:
        readings.append(named.replace("\\", "/"))
    if "%" in named:
        readings.append(urllib.parse.unquote(named))  # in .xspf
    paths = [
        os.path.join(folder, name)  # noqa: PTH118 - there may be many
        for name in readings
        if name and "\0" not in name
    ]
    for path in paths:
        try:
            return path, stat.S_IFMT(os.stat(path).st_mode)  # noqa: PTH116
        except (OSError, ValueError):  # missing, too long, or not a name of this system
            continue
    if not paths or len(os.fsencode(paths[0])) > _MAX_PATH:
        return None, 0
    return paths[0], 0
