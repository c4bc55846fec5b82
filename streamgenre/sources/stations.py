"""Station lists: the small files behind a "listen" button that say where the stream is."""

from __future__ import annotations

import html
import re
import urllib.parse
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_BYTES: Final = 65_536
"""Longer lists are cut: the first entry is wanted."""
_SUFFIXES: Final = (".m3u", ".m3u8", ".pls", ".xspf", ".asx", ".wax")
_TYPES: Final = frozenset(
    {
        *("audio/x-mpegurl", "audio/mpegurl", "application/x-mpegurl", "application/mpegurl"),
        *("application/vnd.apple.mpegurl", "audio/x-scpls", "application/pls+xml"),
        *("application/xspf+xml", "video/x-ms-asf", "video/x-ms-asx", "audio/x-ms-wax"),
    }
)
_ENTRIES: Final = (
    re.compile(r"^\s*file\d*\s*=\s*(\S+)", re.IGNORECASE | re.MULTILINE),  # pls
    re.compile(r"<location>\s*([^<\s]+)", re.IGNORECASE),  # xspf
    re.compile(r"<ref\s[^>]*?href\s*=\s*[\"']([^\"']+)", re.IGNORECASE),  # asx
    re.compile(
        r"^(?!\s*[#<\[])\s*(\S*[/.]\S*)\s*$", re.MULTILINE
    ),  # m3u: any line that is no comment
)


def is_list(url: str, headers: Mapping[str, str]) -> bool:
    """Whether a response is a list and not the stream itself."""
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    return kind in _TYPES or (
        not kind.startswith(("audio/", "video/", "application/ogg"))
        and urllib.parse.urlsplit(url).path.lower().endswith(_SUFFIXES)
    )


def is_hls(text: str) -> bool:
    """Whether an ``.m3u8`` is HTTP live streaming and not a list of stations."""
    return text.lstrip("\ufeff \r\n\t").startswith("#EXTM3U") and "#EXT-X-" in text


def first_stream(text: str, base: str, shown: str) -> str:
    """Return the URL of a list's first stream, relative ones taken from ``base``.

    Raises
    ------
    InputError
        If the list has none; ``shown`` is what the message calls the list.
    """
    for entry in _entries(text):
        try:
            url = urllib.parse.urljoin(base, html.unescape(entry))
        except ValueError:  # half an IPv6 address and the like
            continue
        if url.startswith(("http://", "https://")):
            return url
    raise InputError(f"{shown}: a station list without a stream in it")


def _entries(text: str) -> Iterable[str]:
    for pattern in _ENTRIES:
        yield from pattern.findall(text)
