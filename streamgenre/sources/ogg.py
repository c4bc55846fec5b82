"""Chained Ogg: splits a stream of Ogg pages into its links.

A radio station with Ogg mounts sends a new logical stream for every piece of music, with new
comments and possibly another rate or codec. FFmpeg handles only some of these changes, so each link
of the chain is decoded as a separate stream.
"""

from __future__ import annotations

from typing import Final

_MAGIC: Final = b"OggS"
_HEADER: Final = 27
"""Length in bytes of a page's header before its table of segment lengths."""
_FIRST_PAGE: Final = 2
"""Flag of a page that starts a logical stream."""
_LAST_PAGE: Final = 4
"""Flag of a page that ends a logical stream."""
_START: Final = slice(6, 14)
"""Bytes of a page's header with its position in the stream: 0 on a first page."""
_NUMBER: Final = slice(18, 22)
"""Bytes of a page's header with its number: 0 on a first page."""


class OggChain:
    """Splits a stream of Ogg pages at the start of each link; other streams are not split."""

    def __init__(self) -> None:
        self._held = bytearray()  # the incomplete header of a page
        self._page_left = 0
        self._pages = 0
        self._in_body = False  # this link has had a page that does not start a logical stream
        self._not_ogg = False
        self._ended = False

    @property
    def complete(self) -> bool:
        """Whether the last page so far is whole and marked as the last of its stream."""
        return self._not_ogg or (self._ended and not self._page_left and not self._held)

    def push(self, data: bytes) -> list[bytes]:
        """Return data as pieces, of which each but the first starts a link.

        An incomplete header of a page is held back until the next call.
        """
        if self._not_ogg:
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
                    self._not_ogg = True
                    size = len(held)
                else:
                    size = _to_next_page(held)
            elif (length := _page_length(held)) is None:
                break
            else:
                # Damage may set the flag in any page.
                first = bool(held[5] & _FIRST_PAGE) and not (
                    any(held[_START]) or any(held[_NUMBER])
                )
                self._ended = bool(held[5] & _LAST_PAGE)
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
        """Return the bytes held back, at the end of the stream."""
        held, self._held = bytes(self._held), bytearray()
        return held


def _page_length(held: bytearray) -> int | None:
    """Return the length in bytes of the first page; None while its header is incomplete."""
    if len(held) < _HEADER or len(held) < _HEADER + held[_HEADER - 1]:
        return None
    body = _HEADER + held[_HEADER - 1]
    return body + sum(held[_HEADER:body])


def _to_next_page(held: bytearray) -> int:
    """Return the number of damaged bytes before the next page."""
    found = held.find(_MAGIC, 1)
    return found if found >= 0 else max(1, len(held) - len(_MAGIC) + 1)
