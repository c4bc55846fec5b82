"""Chained Ogg: where in a stream of pages one piece of music ends and the next begins.

A radio station with Ogg mounts sends a new logical stream for every piece: new comments, perhaps
another rate or even another codec. FFmpeg follows some of these changes and fails at others, so
each link of the chain is given to it as a stream of its own.
"""

from __future__ import annotations

from typing import Final

_MAGIC: Final = b"OggS"
_HEADER: Final = 27
"""Bytes of a page's header before its table of segment lengths."""
_FIRST_PAGE: Final = 2
"""Flag of a page that begins a logical stream."""


class OggChain:
    """Cuts a stream of Ogg pages where a link of the chain begins; leaves other streams whole."""

    def __init__(self) -> None:
        self._held = bytearray()  # a page's header as far as it has come
        self._page_left = 0
        self._pages = 0
        self._in_body = False  # a page that begins no logical stream was seen in this link
        self._whole = False

    def push(self, data: bytes) -> list[bytes]:
        """Return the data, with what was held back, in pieces: each but the first begins a link."""
        if self._whole:
            return [data]
        pieces = [bytearray()]
        held = self._held
        held += data
        while held:
            if self._page_left:
                size = min(self._page_left, len(held))
                self._page_left -= size
            elif held[:4] != _MAGIC[: len(held)]:
                if not self._pages:
                    self._whole = True
                    size = len(held)
                else:
                    size = _to_next_page(held)
            elif (length := _page_length(held)) is None:
                break
            else:
                first = bool(held[5] & _FIRST_PAGE)
                if first and self._in_body:
                    pieces.append(bytearray())
                self._in_body = not first
                self._pages += 1
                self._page_left = length
                continue
            pieces[-1] += held[:size]
            del held[:size]
        return [bytes(piece) for piece in pieces]

    def flush(self) -> bytes:
        """Return what is held back, at the end of the stream."""
        held, self._held = bytes(self._held), bytearray()
        return held


def _page_length(held: bytearray) -> int | None:
    """Return the length in bytes of the page that begins here; None while its header is short."""
    if len(held) < _HEADER or len(held) < _HEADER + held[_HEADER - 1]:
        return None
    body = _HEADER + held[_HEADER - 1]
    return body + sum(held[_HEADER:body])


def _to_next_page(held: bytearray) -> int:
    """Return how many bytes are surely before the next page: damage is passed over."""
    found = held.find(_MAGIC, 1)
    return found if found >= 0 else max(1, len(held) - len(_MAGIC) + 1)
