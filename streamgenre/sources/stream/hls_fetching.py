"""Fetches what an HLS stream consists of: playlists, segments, what precedes them, and keys."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from streamgenre.errors import InputError
from streamgenre.sources.stream import hls_playlist
from streamgenre.sources.stream.aes import BLOCK, Decryptor
from streamgenre.sources.stream.hls_playlist import Playlist, Resource

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

PLAYLIST_S: Final = 30.0
"""Seconds that a playlist, or a key, may take to arrive."""
_READ: Final = 65_536
_MAX_START: Final = 1 << 20
"""Longest initialisation of a segment in bytes."""
_MAX_SKIPPED: Final = 1 << 25
"""Bytes before a span that are received in vain from a server that ignores spans."""


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


Request: TypeAlias = "Callable[[str, tuple[int, int] | None], Content]"
"""Requests a URL, or a span of it (first byte and number of bytes)."""


class BrokenOffError(ValueError):
    """A segment ended before its end."""

    def __init__(self, missing: float) -> None:
        super().__init__("it breaks off")
        self.missing = missing
        """Part of it that is missing, 0 to 1."""


class Fetcher:
    """Fetches the parts of one stream, one after another.

    Parameters
    ----------
    request
        Requests a URL.
    name
        Name of the station in error messages.
    patience_s
        Seconds of receiving segments without decoded audio after which that fails.
    """

    def __init__(self, request: Request, name: str, patience_s: float) -> None:
        self.headers: Mapping[str, str] = {}
        """Headers of the first answer."""
        self.without_audio_s = 0.0
        """Seconds spent in receiving segments since audio was decoded."""
        self._request = request
        self._name = name
        self._patience_s = patience_s
        self._stop = threading.Event()
        self._response: Content | None = None
        self._keys: dict[str, bytes] = {}
        self._starts: dict[Resource, bytes] = {}

    @property
    def stopped(self) -> bool:
        """Whether it was aborted."""
        return self._stop.is_set()

    def abort(self) -> None:
        """Interrupt a call in another thread, and refuse further ones."""
        self._stop.set()
        response = self._response
        if response is not None:
            response.abort()

    def close(self) -> None:
        """Close the connection. Called by the thread that fetches."""
        if self._response is not None:
            self._response.close()

    def error(self, what: str) -> InputError:
        """Return an error of the station, which may quote another one of it."""
        start = f"{self._name}: "
        return InputError(start + what.replace(start, ""))

    def pause(self, seconds: float) -> bool:
        """Wait; return whether reading was aborted."""
        return self._stop.wait(seconds)

    def playlist(self, url: str) -> Playlist:
        """Return the playlist with the segments at a URL.

        Raises
        ------
        InputError
            If it cannot be loaded.
        """
        data, location = self._data(url, hls_playlist.MAX_BYTES + 1)
        found = hls_playlist.parse(data, location, self._name)
        if not isinstance(found, Playlist):
            raise InputError(f"{self._name}: a variant of its HLS playlist names variants again")
        return found

    def _data(self, url: str, longest: int) -> tuple[bytes, str]:
        response = self._open(url)
        try:
            return response.data(longest, PLAYLIST_S), response.location
        except (TimeoutError, OSError, ValueError) as error:
            raise self.error(f"a part of its HLS breaks off ({error})") from error

    def _open(self, url: str, span: tuple[int, int] | None = None) -> Content:
        if self._stop.is_set():
            raise InputError("stopped")
        self._response = response = self._request(url, span)
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
        response = self._open(resource.url, resource.span)
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
                except ConnectionResetError as error:
                    if length or not received:
                        raise BrokenOffError(1 - received / length if length else 1.0) from error
                    break  # so some servers end
                except (TimeoutError, OSError, ValueError) as error:
                    raise BrokenOffError(1 - received / length if length else 0.5) from error
                self.without_audio_s += time.monotonic() - began
                received += len(data)
                if not data:
                    if received < length:
                        raise BrokenOffError(1 - received / length)
                    break
                if self.without_audio_s > self._patience_s:
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
            data = self._data(url, BLOCK + 1)[0]
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


def _length(response: Content) -> int:
    """Return the length of a response in bytes; 0 if it does not state it."""
    headers = response.headers
    text = headers.get("content-length", "")
    plain = not {"content-encoding", "transfer-encoding"} & set(headers)
    return int(text) if plain and re.fullmatch("[0-9]{1,15}", text) else 0
