"""ICY metadata: the titles that Icecast and Shoutcast insert into the audio of a stream.

After every ``icy-metaint`` bytes of audio follow a length byte and 16 times as many bytes of
metadata, ``StreamTitle='Artist - Title';`` padded with zeros; mostly the length is 0. No
specification exists, and stations use various charsets: all of it is untrusted input.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from streamgenre.sources.charsets import TextDecoder
from streamgenre.sources.titles import split_title

if TYPE_CHECKING:
    from streamgenre.sources.titles import Title

MAX_INTERVAL: Final = 1 << 20
"""Largest interval in bytes that is accepted: usual ones are 8,000 to 64,000."""
_KEY: Final = re.compile(rb"(?:^|[;\s])StreamTitle\s*=\s*", re.IGNORECASE)
_URL_KEY: Final = re.compile(rb"\s*;\s*StreamUrl\s*=", re.IGNORECASE)
"""The key that follows a title; where a quote is missing, it ends the title all the same."""
_NEXT: Final = rb"\s*;\s*(?:$|[A-Za-z]\w*\s*=)"
"""The end of a value: titles contain semicolons too."""
_QUOTED: Final = {
    quote: (
        re.compile(rb"(.*?)%s(?:%s|\s*$)" % (quote, _NEXT), re.DOTALL),
        re.compile(rb"(.*?)%s\s*;" % quote, re.DOTALL),
    )
    for quote in (b"'", b'"')
}
"""Values by their quote: up to the quote before the next key, else up to the first one."""
_BARE: Final = re.compile(rb"(.*?)%s" % _NEXT, re.DOTALL)
# Icecast encodes characters outside Latin-1 as entities in MP3 streams.
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|amp|lt|gt|quot|apos);", re.IGNORECASE)


class IcyDemuxer:
    """Separates the metadata of an ICY stream from its audio.

    Parameters
    ----------
    interval
        Bytes of audio between two metadata blocks (``icy-metaint``); 0 if there is no metadata.
    decoder
        Decodes the station's titles; None for one that recognises their charset.
    """

    def __init__(self, interval: int, decoder: TextDecoder | None = None) -> None:
        if not 0 <= interval <= MAX_INTERVAL:
            raise ValueError(f"icy-metaint {interval}: expected 0 to {MAX_INTERVAL} bytes")
        self._interval = interval
        self._decoder = decoder or TextDecoder()
        self._audio_left = interval
        self._metadata_left = 0
        self._metadata = bytearray()

    def push(self, data: bytes) -> tuple[bytes, list[tuple[int, Title]]]:
        """Return the audio in the data, and the titles that the data completes.

        Each title has its position: the number of bytes of this audio before it.
        """
        if not self._interval:
            return data, []
        audio, titles, position = bytearray(), [], 0
        while position < len(data):
            if self._audio_left:
                piece = data[position : position + self._audio_left]
                audio += piece
                self._audio_left -= len(piece)
            elif self._metadata_left:
                piece = data[position : position + self._metadata_left]
                self._metadata += piece
                self._metadata_left -= len(piece)
                if not self._metadata_left:
                    title = parse_title(bytes(self._metadata), self._decoder)
                    titles += [(len(audio), title)] if title is not None else []
                    self._metadata.clear()
                    self._audio_left = self._interval
            else:
                piece = data[position : position + 1]
                self._metadata_left = 16 * piece[0]
                if not self._metadata_left:
                    self._audio_left = self._interval
            position += len(piece)
        return bytes(audio), titles


def parse_title(block: bytes, decoder: TextDecoder) -> Title | None:
    """Return the title in a metadata block, or None.

    Parameters
    ----------
    block
        Metadata of the station, with or without quotes and their end.
    decoder
        Decodes the station's titles.
    """
    block = block.replace(b"\0", b" ") if b"\0" in block.strip(b"\0") else block.strip(b"\0")
    key = _KEY.search(block)
    if key is None:
        return None
    import html

    text = decoder.decode(_value(block[key.end() :]).strip())
    return split_title(_ENTITY.sub(lambda found: html.unescape(found[0]), text))


def _value(rest: bytes) -> bytes:
    """Return the value at the start of what follows a key; quotes and the end may be missing."""
    if url := _URL_KEY.search(rest):
        rest = rest[: url.start()]
    patterns = _QUOTED.get(rest[:1])
    if patterns is None:
        match = _BARE.match(rest)
        return match[1] if match else rest
    for pattern in patterns:
        if match := pattern.match(rest, 1):
            return match[1]
    return rest[1:].rstrip().removesuffix(b";")
