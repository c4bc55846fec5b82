"""Parsers of playlist formats: .m3u, .pls, .xspf and .asx.

Playlists are untrusted text: every parser takes time in proportion to its length.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

from streamgenre.sources.titles import join_title

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.sources.titles import Title

SUFFIXES: Final = (".m3u", ".m3u8", ".pls", ".xspf", ".asx", ".wax")
"""File name suffixes of playlists."""
# No expression backtracks further than a few characters.
_EXTINF: Final = re.compile(r"#EXTINF:(?:\"[^\"]*\"|[^,\"])*,(.*)", re.IGNORECASE)
_PLS: Final = re.compile(r"(file|title)(\d{0,9})[ \t]{0,9}=(.*)", re.IGNORECASE)
_XSPF: Final = re.compile(r"<(location|creator|title)>([^<]*)<", re.IGNORECASE)
_XSPF_TRACK: Final = re.compile(r"<track\b", re.IGNORECASE)
_ASX: Final = re.compile(r"<(?:ref|entryref)\s([^<>]*)", re.IGNORECASE)
_HREF: Final = re.compile(r"href\s?=\s?[\"']([^\"']*)", re.IGNORECASE)


def is_hls(text: str) -> bool:
    """Whether the text of an ``.m3u8`` is HTTP Live Streaming, not a list of stations or files."""
    return text.lstrip("\ufeff \r\n\t").startswith("#EXTM3U") and "#EXT-X-" in text


def entries(text: str) -> Iterator[tuple[str, Title | None]]:
    """Yield the entries of a playlist as they are written, each with its title.

    Surrounding whitespace is removed; the title is None if the playlist states none.
    """
    text = text.lstrip("\ufeff \r\n\t")
    if text.startswith("<"):
        found = _of_xml(text)
    elif text[:10].lower() == "[playlist]":
        found = _of_pls(text)
    else:
        found = _of_m3u(text)
    for entry, title in found:
        if entry.strip():
            yield entry.strip(), title


def _of_m3u(text: str) -> Iterator[tuple[str, Title | None]]:
    title = None
    for line in map(str.strip, text.splitlines()):
        if match := _EXTINF.match(line):
            title = _title(match[1])
        elif line and not line.startswith("#"):
            yield line, title
            title = None


def _of_pls(text: str) -> Iterator[tuple[str, Title | None]]:
    lines = [match for line in text.splitlines() if (match := _PLS.match(line.strip()))]
    titles = {match[2]: match[3] for match in lines if match[1].lower() == "title"}
    for match in lines:
        if match[1].lower() == "file":
            yield match[3], _title(titles.get(match[2], ""))


def _of_xml(text: str) -> Iterator[tuple[str, Title | None]]:
    for number, track in enumerate(_XSPF_TRACK.split(text)):
        fields = [(match[1].lower(), html.unescape(match[2])) for match in _XSPF.finditer(track)]
        tags = dict(reversed(fields)) if number else {}  # the first part has the list's own title
        title = _title(tags.get("title", ""), tags.get("creator", ""))
        yield from ((value, title) for name, value in fields if name == "location")
    for match in _ASX.finditer(text):
        href = _HREF.search(match[1])
        if href is not None:
            yield html.unescape(href[1]), None


def _title(title: str, artist: str = "") -> Title | None:
    """Return the title of an entry; the text comes from :func:`os.fsdecode`."""
    return join_title(_text(artist), _text(title))


def _text(part: str) -> str:
    try:
        part.encode()
    except UnicodeEncodeError:
        return part.encode(errors="surrogateescape").decode("cp1252", errors="replace")
    return part
