"""Joins the segments of an HLS stream to links, each for one decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources.signatures import format_of
from streamgenre.sources.stream.hls_fetching import BrokenOffError
from streamgenre.sources.tags import MAX_ID3, id3_title

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamgenre.sources.stream.hls_fetching import Fetcher
    from streamgenre.sources.stream.hls_playlist import Resource, Segment
    from streamgenre.sources.stream.hls_position import Position
    from streamgenre.sources.titles import Title

_MAX_FAILED: Final = 3
"""Segments in a row that cannot be fetched before the stream is lost."""
_RETRY_S: Final = 0.5
"""Pause in seconds before a segment is fetched a second time."""


@dataclass(frozen=True, slots=True)
class Break:
    """The next bytes start a new link: another decoder reads them."""

    missing_s: float


class Segments:
    """Joins segments to links.

    Parameters
    ----------
    fetcher
        Fetches the segments.
    position
        Where in the stream the station is.
    announce
        Called with a title that applies from the next byte on.
    """

    def __init__(
        self, fetcher: Fetcher, position: Position, announce: Callable[[Title], None]
    ) -> None:
        self.missing_s = 0.0
        """Seconds of audio missing before the next segment."""
        self._fetcher, self._position, self._announce = fetcher, position, announce
        self._start: Resource | None = None
        self._kind = ""  # format of the segments, where it is recognised
        self._in_link = False  # whether the current link has had data
        self._failed = 0  # segments in a row
        self.refused: Exception | None = None
        """Why segments could not be fetched, as long as none could; else None."""

    def play(self, segment: Segment) -> Iterator[bytes | Break]:
        """Yield the bytes of a segment; one that cannot be fetched is missing.

        Raises
        ------
        InputError
            If several segments in a row cannot be fetched.
        """
        self._position.played(segment)
        if segment.absent:
            self.missing_s += segment.seconds
            return
        error: Exception | None = None
        for retry in (False, True):
            if retry and self._fetcher.pause(_RETRY_S):
                return
            content = self._fetcher.content(segment.media)
            try:
                start = b"" if segment.start is None else self._fetcher.start_of(segment.start)
                first = next(content, b"")
            except (InputError, TimeoutError, OSError, ValueError) as refused:
                error = refused
                content.close()
                continue
            if first:
                yield from self._data(segment, start, first, content)
                return
            error = InputError("it is empty")
        self.missing_s += segment.seconds
        self._failed += 1
        if not self._in_link:
            self.refused = error
        if self._failed == _MAX_FAILED:
            raise self._fetcher.error(f"{_MAX_FAILED} segments in a row cannot be played ({error})")

    def _data(
        self, segment: Segment, start: bytes, first: bytes, content: Iterator[bytes]
    ) -> Iterator[bytes | Break]:
        self._failed, self.refused = 0, None
        try:
            first, tag = _without_id3(first, content)
        except BrokenOffError as error:
            self.missing_s += segment.seconds * error.missing
            return
        kind = format_of(start + first, more_follows=True) or ""
        if self._in_link and (
            segment.discontinuity
            or self.missing_s
            or segment.start != self._start
            or (kind and self._kind and kind != self._kind)  # a discontinuity without its tag
        ):
            yield Break(self.missing_s)
            self._in_link = False
        # What is missing before the first link of a connection is a part of the time away.
        self.missing_s = 0.0
        if not self._in_link:
            self._kind = ""
            if start:
                yield start
        self._start, self._in_link = segment.start, True
        self._kind = kind or self._kind
        try:
            if title := id3_title(tag):
                self._announce(title)
            if first:
                yield first
            yield from content
        except BrokenOffError as error:
            self.missing_s += segment.seconds * error.missing


def _without_id3(first: bytes, content: Iterator[bytes]) -> tuple[bytes, bytes]:
    """Return the first bytes of a segment after its ID3 tag, and the tag.

    Packed audio (AAC, MP3 and AC-3 without a container) has one in each segment, with its timestamp
    and perhaps its title.
    """
    while len(first) < 10 and first[:3] == b"ID3"[: len(first)]:
        if not (more := next(content, b"")):
            return first, b""
        first += more
    if first[:3] != b"ID3" or max(first[6:10]) > 0x7F:
        return first, b""
    size = 10 + sum(byte << shift for byte, shift in zip(first[6:10], (21, 14, 7, 0), strict=True))
    while len(first) < size:
        if size > 16 * MAX_ID3 or not (more := next(content, b"")):
            return first, b""
        first += more
    return first[size:], first[:size]
