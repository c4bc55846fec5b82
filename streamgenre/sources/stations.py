"""Station lists: the small files behind a "listen" button that say where the stream is."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources.lists import SUFFIXES, entries

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES: Final = 65_536
"""Longer lists are cut: the first entry is wanted."""
SCHEMES: Final = ("http", "https", "rtsp", "rtsps", "srt")
"""How the URL of a stream may begin."""
_OTHER_SCHEMES: Final = ("ftp", "ftps", "icy", "mms", "rtmp", "rtp", "udp")
"""How those begin that are not heard."""
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


def is_stream(entry: str) -> bool:
    """Whether the entry of a list, or an input, is the URL of a stream."""
    return entry.split("://", 1)[0].lower() in SCHEMES and "://" in entry


def looks_like_url(text: str) -> bool:
    """Whether an input can only be meant as a URL, be it a wrong one such as ``http:/HOST``."""
    scheme, colon, _ = text.strip().partition(":")
    return "://" in text or bool(colon and scheme.lower() in (*SCHEMES, *_OTHER_SCHEMES))


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
