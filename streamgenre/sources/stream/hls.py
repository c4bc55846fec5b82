"""HTTP Live Streaming: follows a playlist, and reads its segments as one stream.

FFmpeg's own HLS client is not used: every request here has the deadlines, certificates, headers and
limits of the station, and a stalled stream is distinguished from a new one.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from streamgenre.audio.fair_lock import Participant
from streamgenre.errors import InputError
from streamgenre.sources.base import MAX_TITLES
from streamgenre.sources.stream import hls_playlist
from streamgenre.sources.stream.hls_fetching import Fetcher
from streamgenre.sources.stream.hls_playlist import Playlist
from streamgenre.sources.stream.hls_segments import Break, Segments

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from streamgenre.sources.stream.hls_fetching import Request
    from streamgenre.sources.stream.hls_position import Position
    from streamgenre.sources.titles import Title

STANDSTILL_S: Final = 30.0
"""Seconds without a new segment after which a stream is lost; three segments, if that is longer."""
_MAX_VARIANTS: Final = 4
"""Variants that are tried."""
_MIN_RELOAD_S: Final = 0.5


class HlsReader:
    """An HLS stream as a readable object for PyAV.

    A link ends where the format or the timestamps may change, or where audio is missing.

    Parameters
    ----------
    request
        Requests a URL.
    playlist
        The playlist that the station's URL leads to, and its URL.
    name
        Name of the station in error messages.
    position
        Where in the stream the station is; changed by reading.
    patience_s
        Seconds without decoded audio (see :meth:`audio_decoded`), beside the waiting for segments,
        after which reading fails.
    lock
        Held while the data is decoded.
    """

    def __init__(
        self,
        request: Request,
        playlist: tuple[bytes, str],
        name: str,
        position: Position,
        patience_s: float,
        lock: Participant | None = None,
    ) -> None:
        self.missing_s = 0.0
        """Seconds of audio missing before the current link."""
        self._name = name
        self._fetcher = Fetcher(request, name, patience_s)
        self._position = position
        self._lock = lock or Participant()
        self._reload_error: InputError | None = None
        self._pieces = self._stream(*playlist)
        self._held = b""
        self._returned = 0  # bytes of the current link
        self._next: Break | None = None
        self._titles: deque[tuple[int, Title]] = deque(maxlen=MAX_TITLES)

    # ---- for the decoder ------------------------------------------------------------------------

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes of the current link; none at its end.

        Raises
        ------
        InputError
            If the stream is lost, or no audio was decoded for too long.
        """
        while not self._held and self._next is None:
            self._lock.release()
            piece = next(self._pieces, None)  # an error ends it: FFmpeg reads again
            self._lock.acquire()
            if piece is None:
                return b""
            if isinstance(piece, Break):
                self._next = piece
            else:
                self._held = piece
        out, self._held = self._held[:size], self._held[size:]
        self._returned += len(out)
        return out

    def next_link(self) -> bool:
        """Continue with the next link; return False if the current one is the last."""
        while self._next is None:  # the decoder has left data behind
            self._held = b""
            if not self.read(1):
                break
        if self._next is None:
            return False
        self.missing_s, self._next = self._next.missing_s, None
        self._held, self._returned = b"", 0
        self._titles.clear()
        return True

    def audio_decoded(self) -> None:
        """Record that audio was decoded from the data."""
        self._fetcher.without_audio_s = 0.0

    def titles_until(self, position: int | None) -> list[Title]:
        """Return the titles before a byte of the current link, each once.

        If the position is None, all titles are returned.
        """
        due = []
        while self._titles and (position is None or self._titles[0][0] <= position):
            due.append(self._titles.popleft()[1])
        return due

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the first answer, by lower-case name."""
        return self._fetcher.headers

    def abort(self) -> None:
        """Interrupt a read in another thread."""
        self._fetcher.abort()

    def close(self) -> None:
        """Close the connection. Called by the thread that reads."""
        self._pieces.close()
        self._fetcher.close()

    # ---- playlists ------------------------------------------------------------------------------

    def _stream(self, data: bytes, url: str) -> Generator[bytes | Break, None, None]:
        """Yield the bytes of the segments, and breaks between links."""
        url, playlist = self._media_playlist(data, url)
        segments = Segments(self._fetcher, self._position, self._announce)
        connecting, changed_at = True, time.monotonic()
        fresh_at = changed_at  # when the newest playlist with new segments was loaded
        while not self._fetcher.stopped:
            loaded_at = time.monotonic()
            new, missing = self._position.new(playlist, connecting=connecting)
            # A server that restarts its numbers leaves out no more than the time since then.
            longest_s = loaded_at - fresh_at + playlist.target_s
            segments.missing_s += min(missing * playlist.target_s, longest_s)
            for segment in new:
                yield from segments.play(segment)
                if self._fetcher.stopped:
                    return
            if new:
                connecting, changed_at = False, time.monotonic()
                fresh_at = loaded_at
            if playlist.ended:
                if not self._position.known:
                    raise self._fetcher.error("its HLS playlist has no segments")
                if segments.refused is not None:
                    raise self._fetcher.error(
                        f"none of its segments can be played ({segments.refused})"
                    )
                if connecting:
                    raise self._fetcher.error("the stream has ended; the playlist has not changed")
                return
            longest_s = max(STANDSTILL_S, 3 * playlist.target_s)
            if connecting and self._position.known:
                longest_s = 1.5 * playlist.target_s  # it has stood still before
            waited_s = time.monotonic() - changed_at
            if waited_s > longest_s:
                why = f"the playlist has not changed for {waited_s:.0f} s"
                if self._reload_error is not None:
                    why = f"the playlist cannot be loaded ({self._reload_error})"
                raise self._fetcher.error(why)
            reload_s = max(playlist.target_s * (1.0 if new else 0.5), _MIN_RELOAD_S)
            if self._fetcher.pause(max(0.0, loaded_at + reload_s - time.monotonic())):
                return
            playlist = self._reloaded(url, playlist)

    def _media_playlist(self, data: bytes, url: str) -> tuple[str, Playlist]:
        """Return the URL of the playlist with the segments, and the playlist.

        Variants are tried in their order.
        """
        found = hls_playlist.parse(data, url, self._name)
        if isinstance(found, Playlist):
            return url, found
        error: InputError | None = None
        for variant in found[:_MAX_VARIANTS]:
            try:
                return variant, self._fetcher.playlist(variant)
            except InputError as refused:
                error = error or refused
        raise error or self._fetcher.error("its HLS playlist names no streams")

    def _reloaded(self, url: str, before: Playlist) -> Playlist:
        """Return the newest playlist; that before, if it cannot be loaded now."""
        try:
            playlist = self._fetcher.playlist(url)
        except InputError as error:
            self._reload_error = error
            return before
        self._reload_error = None
        return playlist

    def _announce(self, title: Title) -> None:
        """Add a title at the next byte that is yielded."""
        self._titles.append((self._returned + len(self._held), title))
