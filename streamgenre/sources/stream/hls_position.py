"""Where in an HLS stream a station is, remembered from one connection to the next."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streamgenre.sources.stream.hls_playlist import Playlist, Segment

LIVE_SEGMENTS: Final = 3
"""Segments at the end of a live playlist with which playing starts (RFC 8216, 6.3.3)."""


class Position:
    """Finds the segments of a playlist that have not been played.

    Media sequence numbers decide. Where they are missing, stand still or go back (the server
    restarted), the names of the segments do.
    """

    def __init__(self) -> None:
        self._played: int | None = None  # media sequence number of the newest segment
        self._first = 0  # of the newest playlist
        self._names: dict[str, int] = {}  # of the newest playlist, with their media sequence number

    @property
    def known(self) -> bool:
        """Whether a segment has been played."""
        return self._played is not None

    def played(self, segment: Segment) -> None:
        """Remember a segment as the newest that was played."""
        self._played = segment.number

    def new(self, playlist: Playlist, *, connecting: bool) -> tuple[list[Segment], int]:
        """Return the segments to play, and the number of segments missing before them.

        Parameters
        ----------
        playlist
            The newest playlist.
        connecting
            Whether it is the first one of a connection: a live stream then continues near its end.
        """
        segments = playlist.segments
        names = _names(segments)
        played = {name for name, number in self._names.items() if number <= (self._played or 0)}
        went_back = playlist.first < self._first
        self._first = playlist.first
        self._names = dict(zip(names, (segment.number for segment in segments), strict=True))
        latest = segments if playlist.ended else segments[-LIVE_SEGMENTS:]
        if self._played is None:
            return latest, 0
        new = [] if went_back else [s for s in segments if s.number > (self._played or 0)]
        missing = new[0].number - self._played - 1 if new else 0
        if not new and segments:
            newest = max((at for at, name in enumerate(names) if name in played), default=None)
            if newest is None:
                return latest, 0
            self._played = segments[newest].number  # its number may have changed
            new = segments[newest + 1 :]
        if connecting and not playlist.ended:
            return new[-LIVE_SEGMENTS:], 0
        return new, missing


def _names(segments: list[Segment]) -> list[str]:
    """Return a name for each segment, without what differs at each request.

    Names of files if they are distinct, else paths, else whole URLs: a token in the query, or in
    the path, may be new in each playlist.
    """
    urls = [urllib.parse.urlsplit(segment.media.url) for segment in segments]
    spans = [str(segment.media.span or "") for segment in segments]
    for parts in (
        [url.path.rpartition("/")[2] for url in urls],
        [url.path for url in urls],
        [f"{url.path}?{url.query}" for url in urls],
    ):
        names = [part + span for part, span in zip(parts, spans, strict=True)]
        if len(set(names)) == len(names):
            return names
    return [f"{name}#{segment.number}" for name, segment in zip(names, segments, strict=True)]
