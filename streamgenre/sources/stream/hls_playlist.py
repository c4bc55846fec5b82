"""Parser of HLS playlists (RFC 8216): the segments of a stream, or its variants.

Playlists are untrusted: numbers are checked, URLs lead only to HTTP servers, and the length is
bounded.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass, field
from typing import Final

from streamgenre.errors import InputError
from streamgenre.sources.playlist_formats import as_utf8
from streamgenre.sources.stream.hls_variants import Variant, ordered, variant
from streamgenre.urls import redacted, with_bytes_escaped

MAX_BYTES: Final = 4 << 20
"""Bytes of a playlist that are read."""
MAX_SEGMENTS: Final = 20_000
"""Segments of a playlist: a day and a half of 6 s each."""
MAX_SEGMENT_S: Final = 600.0
"""Longest segment in seconds; more is not believed."""
_TARGET_S: Final = (1.0, 30.0)
"""Shortest and longest target duration in seconds; other values are taken for these."""
_MAX_VARIANTS: Final = 64
_MAX_NUMBER: Final = 1 << 53
_MAX_LINE: Final = 16_384
_ATTRIBUTE: Final = re.compile(r"([A-Z0-9-]{1,64})=(\"[^\"]*\"|[^,]*)")
_VARIABLE: Final = re.compile(r"\{\$([A-Za-z0-9_-]{1,64})\}")


@dataclass(frozen=True, slots=True)
class Resource:
    """What one request fetches: a segment or its initialisation."""

    url: str
    """Its URL, HTTP or HTTPS."""
    span: tuple[int, int] | None = None
    """First byte and number of bytes; None for all."""
    key: str | None = None
    """URL of its AES-128 key; None if it is not encrypted."""
    iv: bytes = b""
    """Initialisation vector of the encryption, 16 bytes; empty without."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a stream."""

    number: int
    """Media sequence number."""
    seconds: float
    """Length in seconds as the playlist states it."""
    media: Resource
    """Its audio."""
    start: Resource | None = None
    """What a decoder needs before it (``EXT-X-MAP``); None for formats without."""
    discontinuity: bool = False
    """Whether format or timestamps may change before it."""
    absent: bool = False
    """Whether the server has no audio for it (``EXT-X-GAP``)."""


@dataclass(frozen=True, slots=True)
class Playlist:
    """The segments of a stream."""

    segments: list[Segment]
    """Segments in playing order."""
    first: int
    """Media sequence number of the first segment; 0 if the playlist does not state it."""
    target_s: float
    """Longest segment in seconds."""
    ended: bool
    """Whether no segment will follow."""


@dataclass(slots=True)
class _State:
    """What the tags above a segment say about it."""

    seconds: float | None = None
    discontinuity: bool = False
    absent: bool = False
    span: tuple[int, int | None] | None = None
    start: Resource | None = None
    key: str | None = None
    iv: bytes = b""


@dataclass(slots=True)
class _Parser:
    base: str
    shown: str
    variables: dict[str, str] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    renditions: dict[str, list[tuple[bool, str]]] = field(default_factory=dict)
    state: _State = field(default_factory=_State)
    first: int = 0
    target_s: float = 6.0
    ended: bool = False
    variant: dict[str, str] | None = None
    """Attributes of the variant whose URL is on the next line."""
    next_byte: tuple[str, int] = ("", 0)
    """URL of the newest span, and the byte after it."""

    def error(self, what: str) -> InputError:
        return InputError(f"{self.shown}: {what}")

    def url(self, text: str) -> str:
        """Return an absolute URL.

        Raises
        ------
        InputError
            If it leads elsewhere than to an HTTP server.
        """
        text = _VARIABLE.sub(lambda match: self.variables.get(match[1], match[0]), text.strip())
        try:
            url = urllib.parse.urljoin(self.base, text)
            usable = bool(urllib.parse.urlsplit(url).hostname)
        except ValueError:
            url, usable = "", False
        if not url.lower().startswith(("http://", "https://")) or not usable:
            where = redacted(url) if "://" in url else f"{url.partition(':')[0][:20]}:…"
            raise self.error(f"its HLS playlist leads to {where}; expected http:// or https://")
        return with_bytes_escaped(url)

    def attributes(self, text: str) -> dict[str, str]:
        found = {match[1]: match[2].strip().strip('"') for match in _ATTRIBUTE.finditer(text)}
        return {
            name: _VARIABLE.sub(lambda match: self.variables.get(match[1], match[0]), value)
            for name, value in found.items()
        }

    # ---- lines ----------------------------------------------------------------------------------

    def line(self, line: str) -> None:
        if not line.startswith("#"):
            self.address(line)
            return
        tag, _, value = line.partition(":")
        if tag == "#EXTINF":
            self.state.seconds = _seconds(value.partition(",")[0])
        elif tag == "#EXT-X-MEDIA-SEQUENCE":
            self.first = _integer(value)
        elif tag == "#EXT-X-TARGETDURATION":
            self.target_s = min(max(_seconds(value) or 0.0, _TARGET_S[0]), _TARGET_S[1])
        elif tag == "#EXT-X-ENDLIST":
            self.ended = True
        elif tag == "#EXT-X-DISCONTINUITY":
            self.state.discontinuity = True
        elif tag == "#EXT-X-GAP":
            self.state.absent = True
        elif tag == "#EXT-X-BYTERANGE":
            self.state.span = self.span(value)
        elif tag in _WITH_ATTRIBUTES:
            _WITH_ATTRIBUTES[tag](self, self.attributes(value))

    def span(self, text: str) -> tuple[int, int | None]:
        """Return the length and the first byte, if it is stated."""
        match = re.fullmatch(r"\s*(\d{1,13})(?:@(\d{1,13}))?\s*", text)
        if match is None:
            raise self.error(f"its HLS playlist has the byte range {text[:40]!r}; expected N@START")
        return int(match[1]), None if match[2] is None else int(match[2])

    def resource(self, url: str, span: tuple[int, int | None] | None, number: int) -> Resource:
        placed = None
        if span is not None:
            length, start = span
            if start is None:
                start = self.next_byte[1] if self.next_byte[0] == url else 0
            self.next_byte = (url, start + length)
            placed = (start, length)
        key, iv = self.state.key, self.state.iv
        if key is None:
            return Resource(url, placed)
        return Resource(url, placed, key, iv or (number % (1 << 128)).to_bytes(16, "big"))

    def address(self, line: str) -> None:
        url = self.url(line)
        if self.variant is not None:
            attributes, self.variant = self.variant, None
            if len(self.variants) < _MAX_VARIANTS:
                self.variants.append(variant(url, attributes))
            return
        if len(self.segments) == MAX_SEGMENTS:
            raise self.error(f"its HLS playlist has more than {MAX_SEGMENTS} segments")
        state = self.state
        number = self.first + len(self.segments)
        seconds = self.target_s if state.seconds is None else state.seconds
        media = self.resource(url, state.span, number)
        self.segments.append(
            Segment(number, seconds, media, state.start, state.discontinuity, state.absent)
        )
        self.state = _State(start=state.start, key=state.key, iv=state.iv)

    # ---- tags with attributes -------------------------------------------------------------------

    def define(self, attributes: dict[str, str]) -> None:
        if "NAME" in attributes and len(self.variables) < _MAX_VARIANTS:
            self.variables[attributes["NAME"]] = attributes.get("VALUE", "")[:1000]

    def map(self, attributes: dict[str, str]) -> None:
        if "URI" in attributes:
            span = self.span(attributes["BYTERANGE"]) if "BYTERANGE" in attributes else None
            number = self.first + len(self.segments)
            self.state.start = self.resource(self.url(attributes["URI"]), span, number)

    def key(self, attributes: dict[str, str]) -> None:
        method = attributes.get("METHOD", "")
        if method == "NONE":
            self.state.key, self.state.iv = None, b""
            return
        if method != "AES-128" or attributes.get("KEYFORMAT", "identity") != "identity":
            raise self.error(
                f"its HLS segments are encrypted with {method[:20] or 'no method'}; "
                "only AES-128 is supported"
            )
        iv = attributes.get("IV", "")
        match = re.fullmatch(r"0[xX]([0-9A-Fa-f]{1,32})", iv)
        if iv and match is None:
            raise self.error("its HLS playlist has an IV that is not 0x and up to 32 hex digits")
        self.state.key = self.url(attributes.get("URI", ""))
        self.state.iv = bytes.fromhex(match[1].rjust(32, "0")) if match else b""

    def stream(self, attributes: dict[str, str]) -> None:
        self.variant = attributes

    def rendition(self, attributes: dict[str, str]) -> None:
        if attributes.get("TYPE") == "AUDIO" and len(self.renditions) < _MAX_VARIANTS:
            group = self.renditions.setdefault(attributes.get("GROUP-ID", ""), [])
            if len(group) < _MAX_VARIANTS:
                url = self.url(attributes["URI"]) if "URI" in attributes else ""
                group.append((attributes.get("DEFAULT") == "YES", url))


_WITH_ATTRIBUTES: Final = {
    "#EXT-X-DEFINE": _Parser.define,
    "#EXT-X-MAP": _Parser.map,
    "#EXT-X-KEY": _Parser.key,
    "#EXT-X-STREAM-INF": _Parser.stream,
    "#EXT-X-MEDIA": _Parser.rendition,
}


def parse(data: bytes, base: str, shown: str) -> Playlist | list[str]:
    """Return the segments of a playlist, or the URLs of its variants, the best one first.

    Parameters
    ----------
    data
        The playlist.
    base
        URL of the playlist, for relative addresses.
    shown
        Name of the playlist in error messages.

    Raises
    ------
    InputError
        If it is not a playlist that can be played.
    """
    if len(data) > MAX_BYTES:
        raise InputError(f"{shown}: its HLS playlist is longer than {MAX_BYTES >> 20} MiB")
    text = as_utf8(data).decode("utf-8", errors="surrogateescape")
    if not text.lstrip().startswith("#EXTM3U"):
        raise InputError(f"{shown}: sends something else in place of its HLS playlist")
    parser = _Parser(base, shown)
    for line in re.finditer(r"[^\r\n]+", text):
        if stripped := line[0][:_MAX_LINE].strip():
            parser.line(stripped)
    if parser.variants:
        return ordered(parser.variants, parser.renditions)
    return Playlist(parser.segments, parser.first, parser.target_s, parser.ended)


def _integer(text: str) -> int:
    """Return a number of a playlist; 0 if it is not one."""
    match = re.fullmatch(r"\s*(\d{1,20})(?:\.\d*)?\s*", text, re.ASCII)
    return min(int(match[1]), _MAX_NUMBER) if match else 0


def _seconds(text: str) -> float | None:
    """Return a length in seconds; None if it is not plausible."""
    match = re.match(r"\s*(\d{1,9}(?:\.\d{0,30})?)", text, re.ASCII)
    seconds = float(match[1]) if match else -1.0
    return seconds if 0.0 <= seconds <= MAX_SEGMENT_S else None
