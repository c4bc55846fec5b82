"""HTTP Live Streaming: fetches playlists and segments, and joins the segments to a stream.

FFmpeg's own HLS client is not used: every request here has the deadlines, certificates, headers and
limits of the station, and a stream that stands still is told from a new one.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from streamgenre.audio.fair_lock import Participant
from streamgenre.errors import InputError
from streamgenre.sources.base import MAX_TITLES
from streamgenre.sources.stream import hls_playlist
from streamgenre.sources.stream.aes import BLOCK, Decryptor
from streamgenre.sources.stream.hls_playlist import Playlist, Resource
from streamgenre.sources.stream.hls_segments import Break, BrokenOffError, Segments

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from streamgenre.sources.stream.hls_playlist import Segment
    from streamgenre.sources.stream.hls_position import Position
    from streamgenre.sources.titles import Title

STANDSTILL_S: Final = 30.0
"""Seconds without a new segment after which a stream is lost; three segments, if that is longer."""
_READ: Final = 65_536
_MAX_VARIANTS: Final = 4
"""Variants that are tried."""
_MAX_START: Final = 1 << 20
"""Longest initialisation of a segment in bytes."""
_MAX_SKIPPED: Final = 1 << 25
"""Bytes before a span that are received in vain from a server that ignores spans."""
_MIN_RELOAD_S: Final = 0.5
_NO_RESOURCE: Final = Resource("")


class Content(Protocol):
    """What a request gives: the content of a response, or of a file."""

    headers: Mapping[str, str]
    """Headers by lower-case name."""
    location: str
    """URL after redirects."""

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes as soon as there are some; none at the end."""

    def data(self, longest: int, within_s: float) -> bytes:
        """Return the content, at most ``longest`` bytes, and close it."""

    def abort(self) -> None:
        """Interrupt a read in another thread."""

    def close(self) -> None:
        """Close it. Called by the thread that reads."""


class HlsReader:
    """An HLS stream as a readable object for PyAV.

    A link ends where the format or the timestamps may change, or where audio is missing.

    Parameters
    ----------
    fetch
        Requests a URL, or a span of it (first byte and number of bytes).
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
        fetch: Callable[[str, tuple[int, int] | None], Content],
        playlist: tuple[bytes, str],
        name: str,
        position: Position,
        patience_s: float,
        lock: Participant | None = None,
    ) -> None:
        self.headers: Mapping[str, str] = {}
        self.missing_s = 0.0
        """Seconds of audio missing before the current link."""
        self._fetch = fetch
        self._name = name
        self._position = position
        self._patience_s = patience_s
        self._heard_s = 0.0  # seconds spent in receiving segments since the newest audio
        self._lock = lock or Participant()
        self._stop = threading.Event()
        self._response: Content | None = None
        self._reload_error: Exception | None = None
        self._keys: dict[str, bytes] = {}
        self._starts: dict[Resource, bytes] = {}
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
        self._heard_s = 0.0

    def titles_until(self, position: int | None) -> list[Title]:
        """Return the titles before a byte of the current link, each once.

        If the position is None, all titles are returned.
        """
        due = []
        while self._titles and (position is None or self._titles[0][0] <= position):
            due.append(self._titles.popleft()[1])
        return due

    def abort(self) -> None:
        """Interrupt a read in another thread."""
        self._stop.set()
        response = self._response
        if response is not None:
            response.abort()

    def close(self) -> None:
        """Close the connection. Called by the thread that reads."""
        self._pieces.close()
        if self._response is not None:
            self._response.close()

    # ---- playlists ------------------------------------------------------------------------------

    def _stream(self, data: bytes, url: str) -> Generator[bytes | Break, None, None]:
        """Yield the bytes of the segments, and breaks between links."""
        url, playlist = self._media_playlist(data, url)
        segments = Segments(self)
        connecting, changed_at = True, time.monotonic()
        while not self._stop.is_set():
            loaded_at = time.monotonic()
            new, missing = self._position.new(playlist, connecting=connecting)
            segments.missing_s += missing * playlist.target_s
            for segment in new:
                yield from segments.play(segment)
                if self._stop.is_set():
                    return
            if new:
                connecting, changed_at = False, time.monotonic()
            if playlist.ended:
                if not self._position.known:
                    raise self.error("its HLS playlist has no segments")
                if segments.refused is not None:
                    raise self.error(f"none of its segments can be played ({segments.refused})")
                if connecting:
                    raise self.error("the stream has ended; the playlist has not changed")
                return
            longest_s = max(STANDSTILL_S, 3 * playlist.target_s)
            if connecting and self._position.known:
                longest_s = 1.5 * playlist.target_s  # it has stood still before
            waited_s = time.monotonic() - changed_at
            if waited_s > longest_s:
                why = f"the playlist has not changed for {waited_s:.0f} s"
                if self._reload_error is not None:
                    why = f"the playlist cannot be loaded ({self._reload_error})"
                raise InputError(f"{self._name}: {why}")
            reload_s = max(playlist.target_s * (1.0 if new else 0.5), _MIN_RELOAD_S)
            if self._stop.wait(max(0.0, loaded_at + reload_s - time.monotonic())):
                return
            playlist = self._reloaded(url, playlist)

    def _media_playlist(self, data: bytes, url: str) -> tuple[str, Playlist]:
        """Return the playlist with the segments, and its URL; variants are tried in order."""
        found = hls_playlist.parse(data, url, self._name)
        if isinstance(found, Playlist):
            return url, found
        error: InputError | None = None
        for variant in found[:_MAX_VARIANTS]:
            try:
                playlist, variant_url = self._load(variant)
            except (TimeoutError, OSError, ValueError) as broken:
                error = error or InputError(f"{self._name}: its HLS playlist breaks off ({broken})")
            except InputError as refused:
                error = error or refused
            else:
                return variant_url, playlist
        raise error or InputError(f"{self._name}: its HLS playlist names no streams")

    def _load(self, url: str) -> tuple[Playlist, str]:
        response = self._open(_NO_RESOURCE, url)
        data = response.data(hls_playlist.MAX_BYTES + 1, STANDSTILL_S)
        found = hls_playlist.parse(data, response.location, self._name)
        if not isinstance(found, Playlist):
            raise InputError(f"{self._name}: a variant of its HLS playlist names variants again")
        return found, url

    def _reloaded(self, url: str, before: Playlist) -> Playlist:
        """Return the newest playlist; that before, if it cannot be loaded now."""
        try:
            playlist = self._load(url)[0]
        except (InputError, TimeoutError, OSError, ValueError) as error:
            self._reload_error = error
            return before
        self._reload_error = None
        return playlist

    # ---- segments -------------------------------------------------------------------------------

    def _open(self, resource: Resource, url: str = "") -> Content:
        if self._stop.is_set():
            raise InputError("stopped")
        self._response = response = self._fetch(resource.url or url, resource.span)
        self.headers = self.headers or response.headers
        return response

    def content(self, resource: Resource) -> Generator[bytes, None, None]:
        """Yield the bytes of a resource, decrypted.

        Raises
        ------
        InputError
            If the server refuses it, or its key.
        ValueError
            If it breaks off.
        """
        if resource.span is not None and not resource.span[1]:
            return
        decryptor = None
        if resource.key is not None:
            decryptor = Decryptor(self._key(resource.key), resource.iv)
        response = self._open(resource)
        skip, left = 0, None
        length, received = _length(response), 0
        if resource.span is not None:
            whole = "content-range" not in response.headers  # the server ignores the span
            skip, left = (resource.span[0] if whole else 0), resource.span[1]
        try:
            if skip > _MAX_SKIPPED:
                raise self.error("its server does not know byte ranges, and sends the whole file")
            while left != 0:
                began = time.monotonic()
                try:
                    data = response.read(_READ)
                except (TimeoutError, OSError, ValueError) as error:
                    raise BrokenOffError(1 - received / length if length else 0.5) from error
                self._heard_s += time.monotonic() - began
                received += len(data)
                if not data:
                    if received < length:
                        raise BrokenOffError(1 - received / length)
                    break
                if self._heard_s > self._patience_s:
                    raise self.error(f"no audio for {self._patience_s:g} s in what it sends")
                if skip:
                    data, skip = data[skip:], max(0, skip - len(data))
                if left is not None:
                    data = data[:left]
                    left -= len(data)
                if decryptor is not None:
                    data = decryptor.update(data)
                if data:
                    yield data
            if decryptor is not None and (data := decryptor.finish()):
                yield data
        finally:
            response.close()

    def _key(self, url: str) -> bytes:
        if url not in self._keys:
            data = self._open(_NO_RESOURCE, url).data(BLOCK + 1, STANDSTILL_S)
            if len(data) != BLOCK:
                raise InputError(f"{self._name}: the key of its segments is not of {BLOCK} bytes")
            self._keys = {url: data}
        return self._keys[url]

    def start_of(self, resource: Resource) -> bytes:
        """Return what a decoder needs before a segment."""
        if resource not in self._starts:
            data = bytearray()
            for piece in self.content(resource):
                data += piece
                if len(data) > _MAX_START:
                    raise InputError(
                        f"{self._name}: the start of its segments is longer than {_MAX_START} bytes"
                    )
            self._starts = {resource: bytes(data)}
        return self._starts[resource]

    def begin(self, segment: Segment) -> None:
        """Record that a segment is being played."""
        self._position.played(segment)

    def announce(self, title: Title) -> None:
        """Add a title at the next byte that is yielded."""
        self._titles.append((self._returned + len(self._held), title))

    def error(self, what: str) -> InputError:
        """Return an error of the station."""
        return InputError(f"{self._name}: {what}")

    def pause(self, seconds: float) -> bool:
        """Wait; return whether reading was aborted."""
        return self._stop.wait(seconds)


def _length(response: Content) -> int:
    """Return the length of a response in bytes; 0 if it does not state it."""
    headers = response.headers
    text = headers.get("content-length", "")
    plain = not {"content-encoding", "transfer-encoding"} & set(headers)
    return int(text) if plain and re.fullmatch("[0-9]{1,15}", text) else 0
