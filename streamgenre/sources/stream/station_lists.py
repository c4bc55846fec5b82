"""Station lists: the small files behind a "listen" button that contain a stream's URL."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources.playlist_formats import SUFFIXES, entries
from streamgenre.urls import is_stream

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES: Final = 65_536
"""Bytes of a list that are read: only the first stream is needed."""
_TYPES: Final = frozenset(
    {
        *("audio/x-mpegurl", "audio/mpegurl", "application/x-mpegurl", "application/mpegurl"),
        *("application/vnd.apple.mpegurl", "audio/x-scpls", "application/pls+xml"),
        *("application/xspf+xml", "video/x-ms-asf", "video/x-ms-asx", "audio/x-ms-wax"),
    }
)


def is_list(url: str, headers: Mapping[str, str]) -> bool:
    """Whether a response is a list rather than the stream itself.

    Parameters
    ----------
    url
        URL of the response.
    headers
        Its headers by lower-case name.
    """
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    return kind in _TYPES or (
        not kind.startswith(("audio/", "video/", "application/ogg"))
        and urllib.parse.urlsplit(url).path.lower().endswith(SUFFIXES)
    )


def first_stream(text: str, base: str, shown: str) -> str:
    """Return the URL of a list's first stream.

    Parameters
    ----------
    text
        Text of the list.
    base
        URL of the list, for relative entries.
    shown
        Name of the list in error messages.

    Raises
    ------
    InputError
        If the list contains no stream.
    """
    for entry, _ in entries(text):
        if entry.split() != [entry] or not ("/" in entry or "." in entry):
            continue  # not a list
        try:
            url = urllib.parse.urljoin(base, entry)
        except ValueError:  # for example an incomplete IPv6 address
            continue
        if is_stream(url):
            return url
    raise InputError(f"{shown}: the station list contains no stream")
