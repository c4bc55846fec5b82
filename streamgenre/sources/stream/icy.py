"""ICY metadata: the titles that Icecast and Shoutcast insert into the audio of a stream.

After every ``icy-metaint`` bytes of audio follow a length byte and 16 times as many bytes of
metadata, ``StreamTitle='Artist - Title';`` padded with zeros; mostly the length is 0. No
specification exists, and stations use various charsets: all of it is untrusted input.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

from streamgenre.sources.titles import split_title

if TYPE_CHECKING:
    from streamgenre.sources.titles import Title

MAX_INTERVAL: Final = 1 << 20
"""Largest interval in bytes that is accepted: usual ones are 8,000 to 64,000."""
_TITLE: Final = re.compile(rb"StreamTitle='(.*?)'\s*(?:;|$)", re.DOTALL)
# Icecast encodes characters outside Latin-1 as entities in MP3 streams.
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|amp|lt|gt|quot|apos);", re.IGNORECASE)


class IcyDemuxer:
    """Separates the metadata of an ICY stream from its audio.

    Parameters
    ----------
    interval
        Bytes of audio between two metadata blocks (``icy-metaint``); 0 if there is no metadata.
    """

    def __init__(self, interval: int) -> None:
        if not 0 <= interval <= MAX_INTERVAL:
            raise ValueError(f"icy-metaint {interval}: expected 0 to {MAX_INTERVAL} bytes")
        self._interval = interval
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
                    title = parse_title(bytes(self._metadata))
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


def parse_title(block: bytes) -> Title | None:
    """Return the title in a metadata block, or None."""
    match = _TITLE.search(block.rstrip(b"\0"))
    if match is None:
        return None
    return split_title(_ENTITY.sub(lambda found: html.unescape(found[0]), _decode(match[1])))


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")  # sent by old encoders
