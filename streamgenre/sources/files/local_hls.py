"""HLS that was saved to files: a playlist and its segments in a folder.

The segments are read by Python, so that a playlist cannot name anything but files in its folder and
below: no server, no other folder, and nothing that is not a regular file.
"""

from __future__ import annotations

import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources.decoding import error_text
from streamgenre.sources.playlist_formats import is_hls
from streamgenre.sources.stream.hls import HlsReader
from streamgenre.sources.stream.hls_playlist import MAX_BYTES
from streamgenre.sources.stream.hls_position import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

_BASE: Final = "http://folder.invalid/"
"""Stands for the folder of the playlist; a name that no server can have (RFC 2606)."""
_HEAD: Final = 65_536


def open_local_hls(file: Path) -> HlsReader | None:
    """Return the audio of a saved HLS stream; None if a file is not an HLS playlist.

    Parameters
    ----------
    file
        The playlist.

    Raises
    ------
    InputError
        If it is one that cannot be played; the message names the file.
    """
    with file.open("rb") as opened:
        head = opened.read(_HEAD)
        if not is_hls(head):
            return None
        data = head + opened.read(MAX_BYTES - _HEAD)
    folder = file.parent

    def fetch(url: str, span: tuple[int, int] | None) -> _FileContent:
        return _FileContent(_place(url, folder, file), span)

    # What has been saved is complete, though its end may not have been written.
    complete = data + b"\n#EXT-X-ENDLIST\n"
    return HlsReader(fetch, (complete, _BASE), str(file), Position(), float("inf"))


def _place(url: str, folder: Path, file: Path) -> Path:
    """Return the file that an address in the playlist means."""
    if not url.startswith(_BASE):
        shown = urllib.parse.urlsplit(url).hostname or "elsewhere"
        raise InputError(
            f"{file}: its HLS playlist leads to a server ({shown}); play the stream by its URL, or "
            "save its segments beside the playlist"
        )
    name = url.removeprefix(_BASE)
    for reading in (name, urllib.parse.unquote(name), urllib.parse.unquote(name.split("?")[0])):
        if "\0" not in reading and ".." not in Path(reading).parts:
            place = folder / reading.lstrip("/")
            if place.is_file():
                return place
    raise InputError(f"{urllib.parse.unquote(name)[:200]}: no such file beside the playlist")


class _FileContent:
    """A file, or a span of it, like a response of a server."""

    def __init__(self, file: Path, span: tuple[int, int] | None) -> None:
        self.headers: Mapping[str, str] = {} if span is None else {"content-range": "bytes"}
        self.location = _BASE
        try:
            self._opened = file.open("rb")
        except OSError as error:
            raise InputError(f"{file}: cannot be opened ({error_text(error)})") from error
        if span is not None:
            self._opened.seek(span[0])

    def read(self, size: int) -> bytes:
        return self._opened.read(size)

    def data(self, longest: int, within_s: float) -> bytes:
        with self._opened:
            return self._opened.read(longest)

    def abort(self) -> None:
        pass

    def close(self) -> None:
        self._opened.close()
