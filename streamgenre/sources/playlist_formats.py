"""Parsers of playlist formats: .m3u, .pls, .xspf and .asx.

Playlists are untrusted text. Every parser takes time in proportion to its length, keeps no more
than one line or tag at a time, and stops at a limit. The format is recognised by the content.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from streamgenre.errors import InputError
from streamgenre.sources.playlist_xml import of_xml
from streamgenre.sources.titles import join_title

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.sources.titles import Title

SUFFIXES: Final = (".m3u", ".m3u8", ".pls", ".xspf", ".asx", ".wax", ".wvx")
"""File name suffixes of playlists."""
MAX_BYTES: Final = 8 << 20
"""Bytes of a playlist that are read."""
MAX_LINES: Final = 400_000
"""Lines of a playlist that are read."""
MAX_LINE: Final = 8192
"""Longest line or tag of a playlist in bytes; the rest of it is ignored."""
_MAX_TITLES: Final = 50_000
"""Titles of a .pls that are kept because they do not follow their entries."""
_HEAD: Final = 1024
"""Bytes by which a charset or format is recognised."""

_LINE: Final = re.compile(rb"[^\r\n]+")
# No expression backtracks further than a few characters: *+ and ++ give nothing back.
_COMMENTS: Final = re.compile(rb"(?:[ \t]*+(?:[#;][^\r\n]*+)?[\r\n]++)*+[ \t]*+")
_EXTINF: Final = re.compile(rb"#EXTINF:(?:\"[^\"]*\"|[^,\"])*+,(.*)", re.IGNORECASE)
_PLS: Final = re.compile(rb"(file|ref|title)(\d{0,9})[ \t]{0,9}=(.*)", re.IGNORECASE)
_PLS_HEAD: Final = re.compile(rb"\[(?:playlist|reference)\]|(?:file|ref)\d{1,9}[ \t]{0,9}=", re.I)
_URL: Final = re.compile(rb"[a-z][a-z0-9+.-]{1,15}://[^\s<>\"]+\s*$", re.IGNORECASE)
"""A line with a URL. It may be no stream, as ``mms://`` is: others may follow."""
_BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


class Entry(NamedTuple):
    """One entry of a playlist; bytes that are not UTF-8 are surrogate escapes."""

    place: str
    """Path or URL as it is written."""
    artist: str = ""
    """Artist; empty if the playlist states none."""
    name: str = ""
    """Title; empty if the playlist states none."""

    def title(self) -> Title | None:
        """Return the title that the playlist states, or None."""
        return join_title(_readable(self.artist), _readable(self.name))


def as_utf8(data: bytes) -> bytes:
    """Return the text of a playlist as UTF-8, without a byte order mark.

    UTF-16 and UTF-32 are recognised by their byte order mark, UTF-16 also by its zero bytes. Every
    other charset is returned as it is.
    """
    for bom, charset in _BOMS:
        if data.startswith(bom):
            data = data[len(bom) :]
            return data if charset == "utf-8" else _from(data, charset)
    head = data[:_HEAD]
    for zeros, others, charset in (
        (head[1::2], head[::2], "utf-16-le"),
        (head[::2], head[1::2], "utf-16-be"),
    ):
        # Mostly ASCII, since URLs are; a binary file has zeros elsewhere as well.
        if zeros.count(0) > 0.6 * len(others) > 1 and 0 not in others:
            return _from(data, charset)
    return data


def _from(data: bytes, charset: str) -> bytes:
    return data.decode(charset, errors="replace").encode("utf-8", errors="surrogatepass")


def is_hls(data: bytes | str) -> bool:
    """Whether an ``.m3u8`` is HTTP Live Streaming, not a list of stations or files.

    Its first kilobytes decide.
    """
    text = as_utf8(_bytes(data)).lstrip()[: 64 * _HEAD]
    return text.startswith(b"#EXTM3U") and b"#EXT-X-" in text


def is_list(data: bytes) -> bool:
    """Whether data is certainly a playlist, by its first bytes: no audio starts like one.

    Parameters
    ----------
    data
        The first bytes; further ones change nothing.
    """
    text = as_utf8(data[: 4 * _HEAD]).lstrip()
    if text[:7].upper() == b"#EXTM3U":
        return True
    text = _without_comments(text)
    if _PLS_HEAD.match(text):
        return True
    if text.startswith(b"<"):
        tag = rb"<(?:\w+:)?(?:playlist|asx|tracklist)\b"
        return re.search(tag, text[:_HEAD], re.IGNORECASE) is not None
    line = _LINE.match(text)
    return line is not None and _URL.match(line[0][:MAX_LINE]) is not None


def is_text(data: bytes) -> bool:
    """Whether data may be the start of a text, rather than audio."""
    text = as_utf8(data[:_HEAD])
    return bool(text.strip()) and re.search(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]", text) is None


def entries(data: bytes | str) -> Iterator[Entry]:
    """Yield the entries of a playlist as they are written, without surrounding whitespace.

    Parameters
    ----------
    data
        The playlist, of which at most :data:`MAX_BYTES` are read.

    Raises
    ------
    InputError
        After the last entry, if the playlist is longer than the limits. The message does not name
        the playlist.
    """
    given = _bytes(data)
    text = as_utf8(given[:MAX_BYTES])
    after_comments = _without_comments(text)
    found: Iterator[tuple[bytes, bytes, bytes]]
    if after_comments.startswith(b"<"):
        found = of_xml(text, MAX_LINE)
    elif _PLS_HEAD.match(after_comments):
        found = _of_pls(text)
    else:
        found = _of_m3u(text)
    for place, artist, name in found:
        if place := place.strip():
            yield Entry(_text(place), _text(artist), _text(name))
    if len(given) > MAX_BYTES:
        raise InputError(f"only the first {MAX_BYTES >> 20} MiB are read")


def _without_comments(text: bytes) -> bytes:
    """Return the start of a playlist without the blank lines and comments above it."""
    head = text[: 64 * _HEAD].lstrip()
    start = _COMMENTS.match(head)
    return head[start.end() :] if start else head


def _lines(text: bytes) -> Iterator[bytes]:
    for number, match in enumerate(_LINE.finditer(text)):
        if number == MAX_LINES:
            raise InputError(f"only the first {MAX_LINES} lines are read")
        start, end = match.span()
        yield text[start : min(end, start + MAX_LINE)].strip()


def _of_m3u(text: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    title = b""
    for line in _lines(text):
        if not line.startswith(b"#"):
            yield line, b"", title
            title = b""
        elif match := _EXTINF.match(line):
            title = match[1]


def _of_pls(text: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    titles: dict[bytes, bytes] = {}  # those that do not follow their entry
    before = b""
    for is_title, number, value in _pls_pairs(text):
        if is_title and number != before and len(titles) < _MAX_TITLES:
            titles[number] = value
        before = b"" if is_title else number
    held: tuple[bytes, bytes] | None = None  # an entry, until the next line
    for is_title, number, value in _pls_pairs(text):
        if held is not None:
            follows = is_title and number == held[0]
            yield held[1], b"", value if follows else titles.get(held[0], b"")
        held = None if is_title else (number, value)
    if held is not None:
        yield held[1], b"", titles.get(held[0], b"")
    for _ in _lines(text):  # raises if there are too many
        pass


def _pls_pairs(text: bytes) -> Iterator[tuple[bool, bytes, bytes]]:
    """Yield whether a line is a title, its number, and its value."""
    try:
        for line in _lines(text):
            if match := _PLS.match(line):
                yield match[1][:1] in b"tT", match[2], match[3]
    except InputError:
        return


def _bytes(data: bytes | str) -> bytes:
    return data if isinstance(data, bytes) else data.encode("utf-8", errors="surrogateescape")


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="surrogateescape")


def _readable(part: str) -> str:
    """Return a text without surrogate escapes: what is not UTF-8 is Windows-1252."""
    try:
        part.encode()
    except UnicodeEncodeError:
        return part.encode(errors="surrogateescape").decode("cp1252", errors="replace")
    return part
