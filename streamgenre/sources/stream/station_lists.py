"""Station lists: the small files behind a "listen" button that say where the stream is."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources.playlist_formats import SUFFIXES, entries
from streamgenre.urls import is_stream

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES: Final = 65_536
"""Longer lists are cut: the first entry is wanted."""
_TYPES: Final = frozenset(
    {
        *("audio/x-mpegurl", "audio/mpegurl", "application/x-mpegurl", "application/mpegurl"),
        *("application/vnd.apple.mpegurl", "audio/x-scpls", "application/pls+xml"),
        *("application/xspf+xml", "video/x-ms-asf", "video/x-ms-asx", "audio/x-ms-wax"),
    }
)


def is_list(url: str, headers: Mapping[str, str]) -> bool:
    """Whether a response is a list and not the stream itself."""
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    return kind in _TYPES or (
        not kind.startswith(("audio/", "video/", "application/ogg"))
        and urllib.parse.urlsplit(url).path.lower().endswith(SUFFIXES)
    )


def first_stream(text: str, base: str, shown: str) -> str:
    """Return the URL of a list's first stream, relative ones taken from ``base``.

    Raises
    ------
    InputError
        If the list has none; ``shown`` is what the message calls the list.
    """
    for entry, _ in entries(text):
        if entry.split() != [entry] or not ("/" in entry or "." in entry):
            continue  # what is no list at all
        try:
            url = urllib.parse.urljoin(base, entry)
        except ValueError:  # half an IPv6 address and the like
            continue
        if is_stream(url):
            return url
    raise InputError(f"{shown}: a station list without a stream in it")
