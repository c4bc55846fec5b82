"""Parser of playlists in XML: .xspf and .asx.

Not a parser of XML in general: .asx files are rarely well-formed, and a playlist needs no entities,
which an attacker would nest or point at files. Declarations are skipped, and of the references only
those of characters are replaced.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME: Final = re.compile(rb"(?:[A-Za-z_][\w.-]{0,99}:)?([A-Za-z_][\w.-]{0,99})")
_HREF: Final = re.compile(rb"\bhref\s{0,99}=\s{0,99}(?:\"([^\"]*)|'([^']*)|([^\s\"'>]+))", re.I)
_FIELDS: Final = frozenset({b"location", b"creator", b"title", b"author"})


def of_xml(text: bytes, longest: int) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield the place, artist and title of each entry.

    Parameters
    ----------
    text
        The playlist in UTF-8.
    longest
        Longest tag or text of an element in bytes; the rest of it is ignored.
    """
    track: dict[bytes, bytes] | None = None  # fields of the current <track> or <entry>
    places: list[bytes] = []  # of the current track
    field, value = b"", b""  # the element whose text is collected
    for kind, piece in _tokens(text, longest):
        if kind != "tag":
            if field and len(value) < longest:
                value += piece if kind == "cdata" else _unescaped(piece)
            continue
        closing = piece.startswith(b"/")
        match = _NAME.match(piece, closing)
        name = match[1].lower() if match else b""
        if name in (b"track", b"entry"):
            yield from _of_track(places, track)
            track, places, field = None if closing else {}, [], b""
        elif name in (b"ref", b"entryref") and not closing:
            if href := _HREF.search(piece):
                places.append(_unescaped(href[1] or href[2] or href[3] or b""))
                if track is None:
                    yield from _of_track(places, None)
                    places = []
        elif name in _FIELDS and closing and name == field:
            if track is not None:
                if name == b"location":
                    places.append(value)
                else:
                    track.setdefault(name, value)
            field = b""
        elif name in _FIELDS and not closing and not piece.endswith(b"/"):
            field, value = name, b""
    if track is not None and field == b"location":  # cut off
        places.append(value)
    yield from _of_track(places, track)


def _of_track(
    places: list[bytes], track: dict[bytes, bytes] | None
) -> Iterator[tuple[bytes, bytes, bytes]]:
    fields = track or {}
    artist = fields.get(b"creator", fields.get(b"author", b""))
    for place in places:
        yield place, artist, fields.get(b"title", b"")


def _tokens(text: bytes, longest: int) -> Iterator[tuple[str, bytes]]:
    """Yield tags, texts and CDATA sections, each cut to ``longest`` bytes; comments are skipped."""
    at = 0
    while at < len(text):
        start = text.find(b"<", at)
        end = len(text) if start < 0 else start
        if end > at:
            yield "text", text[at : min(end, at + longest)]
        if start < 0:
            return
        for opening, closing in ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<", b">")):
            if text.startswith(opening, start):
                inner = start + len(opening)
                end = text.find(closing, inner)
                if end < 0:
                    return  # unterminated
                if opening == b"<![CDATA[":
                    yield "cdata", text[inner : min(end, inner + longest)]
                elif opening == b"<" and text[inner : inner + 1] not in (b"!", b"?"):
                    yield "tag", text[inner : min(end, inner + longest)]
                at = end + len(closing)
                break


def _unescaped(data: bytes) -> bytes:
    """Replace the references of characters; those of other entities remain as they are."""
    if b"&" not in data:
        return data
    import html

    text = html.unescape(data.decode("utf-8", errors="surrogateescape"))
    return text.encode("utf-8", errors="surrogateescape")
