"""Station lists: the small files behind a "listen" button that contain a stream's URL."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources import playlist_formats
from streamgenre.sources.playlist_formats import SUFFIXES, entries, is_text
from streamgenre.urls import is_stream, with_bytes_escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES: Final = 4 << 20
"""Bytes of a list that are read, those of an HLS playlist included."""
HEAD: Final = 1024
"""Bytes that distinguish a list from audio."""
_MAX_STREAMS: Final = 16
"""Streams of a list that are kept."""
_MAX_ENTRIES: Final = 1000
"""Entries of a list that are looked at."""
_TYPES: Final = frozenset(
    {
        *("audio/x-mpegurl", "audio/mpegurl", "application/x-mpegurl", "application/mpegurl"),
        *("application/vnd.apple.mpegurl", "audio/x-scpls", "application/pls+xml", "audio/scpls"),
        *("application/xspf+xml", "video/x-ms-asf", "video/x-ms-asx", "audio/x-ms-wax"),
    }
)


def is_list(url: str, headers: Mapping[str, str], head: bytes) -> bool:
    """Whether a response is a list rather than the stream itself.

    Its first bytes decide. Its type and the suffix of its URL are asked only if these are a text
    that may or may not be a list, such as a file name alone.

    Parameters
    ----------
    url
        URL of the response.
    headers
        Its headers by lower-case name.
    head
        Its first bytes.
    """
    if playlist_formats.is_list(head):
        return True
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    return is_text(head) and (
        kind in _TYPES
        or (
            not kind.startswith(("audio/", "video/", "application/ogg"))
            and urllib.parse.urlsplit(url).path.lower().endswith(SUFFIXES)
        )
    )


def streams(data: bytes, base: str, shown: str) -> list[str]:
    """Return the URLs of a list's streams in their order, each once.

    Parameters
    ----------
    data
        The list.
    base
        URL of the list, for relative entries.
    shown
        Name of the list in error messages.

    Raises
    ------
    InputError
        If the list contains no stream.
    """
    found: dict[str, None] = {}
    try:
        for number, entry in enumerate(entries(data)):
            if number == _MAX_ENTRIES or len(found) == _MAX_STREAMS:
                break
            if url := _stream(entry.place, base):
                found[url] = None
    except InputError:  # too long: the first streams are enough
        pass
    if not found:
        raise InputError(
            f"{shown}: the station list contains no stream; expected a URL with http://, https://, "
            "rtsp:// or rtsps://"
        )
    return list(found)


def _stream(entry: str, base: str) -> str:
    """Return the URL of an entry; an empty text if it is not the URL of a stream."""
    entry = with_bytes_escaped(entry.strip("\"' "))
    if not is_stream(entry) and (
        entry.split() != [entry] or not ("/" in entry or "." in entry)  # prose, not a list
    ):
        return ""
    try:
        url = urllib.parse.urljoin(base, entry)
    except ValueError:  # for example an incomplete IPv6 address
        return ""
    return url if is_stream(url) else ""
