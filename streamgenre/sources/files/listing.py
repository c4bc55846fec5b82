"""Finds the files of a folder or playlist, in their order.

Folders and playlists are bounded while they are read: by entries, bytes and lines. What is left out
is reported.
"""

from __future__ import annotations

import os
import stat
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources.decoding import error_text
from streamgenre.sources.files.folders import add_folder
from streamgenre.sources.files.tracks import Listing
from streamgenre.sources.formats import audio_suffixes
from streamgenre.sources.playlist_formats import (
    MAX_BYTES,
    SUFFIXES,
    entries,
    is_hls,
    is_list,
)
from streamgenre.urls import is_stream, looks_like_url, redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.sources.playlist_formats import Entry

_MAX_STREAMS: Final = 32
"""URLs of streams that are kept."""
_MAX_DEPTH: Final = 8
"""How deep playlists may be nested."""
_MAX_PATH: Final = 4095
"""Longest path in bytes that Linux accepts."""
_HEAD: Final = 65_536
"""Bytes of a file by which its kind is recognised."""


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
        add_folder(path, listing)
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
