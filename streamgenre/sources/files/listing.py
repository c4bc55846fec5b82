"""Finds the files of a folder or playlist, in their order."""

from __future__ import annotations

import os
import re
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources.decoding import error_text
from streamgenre.sources.playlist_formats import SUFFIXES, entries, is_hls
from streamgenre.urls import is_stream, looks_like_url, redacted

if TYPE_CHECKING:
    from streamgenre.sources.titles import Title

AUDIO_SUFFIXES: Final = (
    *(".aac", ".aif", ".aiff", ".ape", ".au", ".flac", ".m4a", ".mka", ".mp3", ".mp4"),
    *(".mpc", ".oga", ".ogg", ".opus", ".wav", ".webm", ".wma", ".wv"),
)
"""Suffixes of the files that are played from a folder; from a playlist, every file is tried."""
MAX_ENTRIES: Final = 100_000
"""Entries of folders and playlists that are read; further ones are ignored."""
MAX_BYTES: Final = 1 << 24
"""Bytes of a playlist that are read."""
_MAX_STREAMS: Final = 32
"""URLs of streams that are kept; they are only reported."""
_MAX_DEPTH: Final = 8
"""How deep playlists may be nested."""


@dataclass(slots=True)
class Listing:
    """The files of a folder or playlist."""

    files: list[Path] = field(default_factory=list)
    """Files in playing order; they need not exist."""
    titles: dict[Path, Title] = field(default_factory=dict)
    """Titles that playlists state for files."""
    streams: list[str] = field(default_factory=list)
    """URLs of streams, which are not played among files."""
    problems: list[str] = field(default_factory=list)
    """Entries that are not playable, and errors, for people."""
    looked_at: int = 0
    """Number of entries so far."""

    def count(self) -> bool:
        """Count an entry; return False beyond :data:`MAX_ENTRIES`."""
        self.looked_at += 1
        if self.looked_at == MAX_ENTRIES + 1:
            self.problems.append(f"only the first {MAX_ENTRIES} entries are read")
        return self.looked_at <= MAX_ENTRIES


def is_playlist(path: Path) -> bool:
    """Whether a path is a folder, or a list of files or stations, rather than one audio file."""
    if path.is_dir():
        return True
    return path.suffix.lower() in SUFFIXES and path.is_file() and not is_hls(_text(path))


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
        f"{path}: contains no files{why}; expected a folder with files such as "
        f"{', '.join(AUDIO_SUFFIXES[:6])}, or a list of them"
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


def _add_folder(folder: Path, listing: Listing) -> None:
    def failed(error: OSError) -> None:
        listing.problems.append(f"{error.filename}: {error_text(error)}")

    seen = {_identity(folder)}

    def is_new(path: str) -> bool:
        """Return whether a folder is new: links are followed, and may form a circle."""
        identity = _identity(path)
        new = identity not in seen
        seen.add(identity)
        return new

    for place, folders, names in os.walk(folder, onerror=failed, followlinks=True):
        if not listing.count():
            return
        shown = sorted((name for name in folders if name[0] != "."), key=_natural)
        folders[:] = (name for name in shown if is_new(os.path.join(place, name)))  # noqa: PTH118
        for name in sorted(names, key=_natural):
            if not listing.count():
                return
            file = Path(place, name)
            if name[0] != "." and file.suffix.lower() in AUDIO_SUFFIXES:
                listing.files.append(file)


def _identity(folder: str | Path) -> tuple[int, int] | str:
    """Return the device and inode of a folder, or its path if it cannot be read."""
    try:
        found = os.stat(folder)  # noqa: PTH116 - os.walk gives strings
    except OSError:
        return str(folder)
    return found.st_dev, found.st_ino


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a sort key by which 2 comes before 10."""
    parts = re.findall(r"\d{1,18}|\D+", name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _add_list(path: Path, listing: Listing, outer: tuple[str, ...]) -> None:
    here = os.path.realpath(path)
    if here in outer:
        listing.problems.append(f"{path}: a playlist that contains itself")
        return
    if len(outer) == _MAX_DEPTH:
        listing.problems.append(f"{path}: more than {_MAX_DEPTH} nested playlists")
        return
    for entry, title in entries(_text(path)):
        if not listing.count():
            return
        if is_stream(entry):
            if len(listing.streams) < _MAX_STREAMS:
                listing.streams.append(entry)
            continue
        file = _place(entry, path.parent)
        if file is None or file.is_dir():
            # Folders are refused too: one entry could mean the whole disk.
            shown = redacted(entry) if looks_like_url(entry) else entry
            listing.problems.append(f"{path}: {shown[:80]!r} is not a file")
        elif file.suffix.lower() in SUFFIXES:
            try:
                _add_list(file, listing, (*outer, here))
            except InputError as error:
                listing.problems.append(str(error))
        else:
            listing.files.append(file)
            if title is not None:
                listing.titles[file] = title


def _text(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"{path}: no such playlist")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except OSError as error:
        raise InputError(f"{path}: the playlist cannot be read ({error_text(error)})") from error
    return os.fsdecode(data)  # like file names: byte for byte


def _place(entry: str, folder: Path) -> Path | None:
    """Return the file that an entry means, or None."""
    named = [entry]
    if entry.lower().startswith("file:"):
        try:
            named = [urllib.parse.unquote(urllib.parse.urlsplit(entry).path)]
        except ValueError:  # for example an incomplete IPv6 address
            return None
    elif looks_like_url(entry):
        return None
    named += [
        named[0].encode(errors="surrogateescape").decode("cp1252", errors="replace"),
        named[0].replace("\\", "/"),
        urllib.parse.unquote(named[0]),  # in .xspf
    ]
    paths = [folder / name for name in named if name and "\0" not in name]
    try:
        return next((path for path in paths if path.exists()), paths[0] if paths else None)
    except OSError:  # the name is too long
        return None
