"""The text of lists: .m3u, .pls, .xspf and .asx, as they are found on disks and on the net.

Written by hand, by players and by whoever likes to hurt one: each reader takes time in proportion
to the text and nothing else.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES: Final = (".m3u", ".m3u8", ".pls", ".xspf", ".asx", ".wax")
"""Endings of the names of lists."""
# None of these can look at a place of the text more than a few times.
_PLS: Final = re.compile(r"file\d{0,9}[ \t]{0,9}=(.*)", re.IGNORECASE)
_XSPF: Final = re.compile(r"<location>([^<]*)<", re.IGNORECASE)
_ASX: Final = re.compile(r"<(?:ref|entryref)\s([^<>]*)", re.IGNORECASE)
_HREF: Final = re.compile(r"href\s?=\s?[\"']([^\"']*)", re.IGNORECASE)


def is_hls(text: str) -> bool:
    """Whether an ``.m3u8`` is HTTP live streaming and not a list of stations or files."""
    return text.lstrip("\ufeff \r\n\t").startswith("#EXTM3U") and "#EXT-X-" in text


def entries(text: str) -> Iterator[str]:
    """Yield what a list of any kind leads to, as it stands there, without blanks around it."""
    text = text.lstrip("\ufeff \r\n\t")
    if text.startswith("<"):
        found = (html.unescape(entry) for entry in _of_xml(text))
    elif text[:10].lower() == "[playlist]":
        found = (match[1] for line in text.splitlines() if (match := _PLS.match(line.strip())))
    else:
        found = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for entry in found:
        if entry.strip():
            yield entry.strip()


def _of_xml(text: str) -> Iterator[str]:
    for match in _XSPF.finditer(text):
        yield match[1]
    for match in _ASX.finditer(text):
        href = _HREF.search(match[1])
        if href is not None:
            yield href[1]
