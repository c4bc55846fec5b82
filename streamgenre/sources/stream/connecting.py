"""Finds a station's streams: follows lists and playlists, and tells streams from other things."""

from __future__ import annotations

import urllib.parse
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources.formats import not_audio
from streamgenre.sources.playlist_formats import is_hls, is_text
from streamgenre.sources.stream.addresses import require_public
from streamgenre.sources.stream.hls import HlsReader
from streamgenre.sources.stream.hls_position import Position
from streamgenre.sources.stream.http import open_url
from streamgenre.sources.stream.http_request import same_server
from streamgenre.sources.stream.icy_reader import IcyReader, is_interval
from streamgenre.sources.stream.opening import is_http, require_supported
from streamgenre.sources.stream.station_lists import HEAD, MAX_BYTES, is_list, streams
from streamgenre.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from streamgenre.audio.fair_lock import Participant
    from streamgenre.sources.charsets import TextDecoder
    from streamgenre.sources.stream.http_response import Response
    from streamgenre.sources.stream.opening import Stream
    from streamgenre.sources.stream.settings import StreamSettings

MAX_LISTS: Final = 4
"""How deep station lists may be nested."""
MAX_TRIED: Final = 8
"""Addresses that are tried in one attempt."""
_PAGES: Final = ("application/xhtml+xml", "application/json")
_SHORT: Final = 64
"""Bytes that are enough to recognise audio; a text needs more."""


class Candidates:
    """The addresses to try in one attempt: those of a list one after another, each once.

    Parameters
    ----------
    urls
        What the station's input names.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._waiting = [(url, url, 0) for url in reversed(urls)]
        self._depth = 0
        self._seen: set[str] = set()
        self.own = ""
        """URL that the user named, which led to the current one."""

    def __iter__(self) -> Iterator[str]:
        while self._waiting and len(self._seen) < MAX_TRIED:
            url, self.own, self._depth = self._waiting.pop()
            if url not in self._seen:
                self._seen.add(url)
                yield url

    def add(self, urls: Sequence[str], shown: str) -> None:
        """Try the streams of the list at the current address next.

        Parameters
        ----------
        urls
            Its streams.
        shown
            Name of the station in error messages.

        Raises
        ------
        InputError
            If the lists are nested too deeply, or the list leads to itself.
        """
        if self._depth + 1 >= MAX_LISTS:
            raise InputError(f"{shown}: more than {MAX_LISTS} nested station lists")
        new = [(url, self.own, self._depth + 1) for url in urls if url not in self._seen]
        if not new:
            raise InputError(f"{shown}: the station list leads to itself")
        self._waiting += reversed(new)


class Connector:
    """Opens the streams of a station.

    Parameters
    ----------
    name
        Name of the station in error messages.
    settings
        How streams are requested.
    lock
        Held while data is decoded.
    decoder
        Decodes the station's titles.
    lacking_s
        Returns the seconds of audio until something is to be done with it; None where that is not
        known.
    """

    def __init__(
        self,
        name: str,
        settings: StreamSettings,
        lock: Participant,
        decoder: TextDecoder,
        lacking_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._name, self._settings, self._lock, self._decoder = name, settings, lock, decoder
        self._lacking_s = lacking_s
        self._positions: dict[str, Position] = {}  # of HLS streams, by the URL of their playlist

    def open(self, url: str, own: str, timeout_s: float) -> Stream | list[str]:
        """Return the stream at an address, or the addresses in a list there.

        Parameters
        ----------
        url
            The address.
        own
            URL that the user named, which led there.
        timeout_s
            Seconds a server may take to answer, and then to send data.

        Raises
        ------
        InputError
            If it cannot be reached, or is neither a stream nor a list.
        TimeoutError
            If nothing arrives in time.
        """
        if not is_http(url):
            require_supported(url)
            if not self._settings.allow_private:
                require_public(url, timeout_s)
            return url  # RTSP or SRT
        fetch = partial(self._fetch, own=own, timeout_s=timeout_s)
        ask = partial(open_url, url, timeout_s=timeout_s, settings=self._settings, own=own)
        response = ask()
        if not is_interval(response.headers):
            response.close()
            response = ask(titles=False)  # a server that sends none sends audio alone
        try:
            head = _head(response)
            if not is_list(response.location, response.headers, head):
                _require_audio(response, head)
                return IcyReader(
                    response, 2 * timeout_s, self._lock, self._decoder, self._lacking_s
                )
            data = response.data(MAX_BYTES, timeout_s)
        except BaseException:
            response.close()
            raise
        location = response.location
        if not is_hls(data):
            return streams(data, location, self._name)
        if len(data) == MAX_BYTES:
            location_ = redacted(url)
            raise InputError(f"{location_}: its HLS playlist is longer than {MAX_BYTES >> 20} MiB")
        position = self._position(url)
        return HlsReader(fetch, (data, location), self._name, position, 2 * timeout_s, self._lock)

    def _position(self, url: str) -> Position:
        """Return where in the stream of a playlist the station is.

        The query is left out: it may contain a token that is new each time.
        """
        name = url.partition("?")[0]
        position = self._positions.pop(name, None) or Position()
        self._positions[name] = position  # the newest is the last
        while len(self._positions) > MAX_TRIED:
            del self._positions[next(iter(self._positions))]
        return position

    def _fetch(
        self, url: str, span: tuple[int, int] | None, *, own: str, timeout_s: float
    ) -> Response:
        user, at, _ = urllib.parse.urlsplit(own).netloc.rpartition("@")
        if at and "@" not in urllib.parse.urlsplit(url).netloc and same_server(url, own):
            url = url.replace("://", f"://{user}@", 1)  # as a browser does within one site
        return open_url(
            url, timeout_s=timeout_s, settings=self._settings, own=own, titles=False, span=span
        )


def _head(response: Response) -> bytes:
    """Return the first bytes of a response: enough to tell a list from audio."""
    head = b""
    with suppress(TimeoutError):  # a short list, after which the server is silent
        head = response.peek(_SHORT)
        if is_text(head):
            head = response.peek(HEAD)
    return head or response.ahead


def _require_audio(response: Response, head: bytes) -> None:
    """Raise :class:`InputError` if a response is certainly not audio."""
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()[:80]
    words = not_audio(head)
    is_page = words.startswith("is a web page")
    if not words and (not is_text(head) or kind.startswith(("audio/", "video/"))):
        return  # FFmpeg decides
    if is_page or not words:
        if kind.startswith("text/") or kind in _PAGES:
            words = f"is {'an' if kind[0] in 'aeiou' else 'a'} {kind} page, not audio"
        elif not words:
            words = "is a text, not audio"
        words += "; look there for the stream's URL"
    raise InputError(f"{response.url}: {words}")


def reason(tried: Sequence[tuple[str, str]], name: str) -> str:
    """Return why a station cannot be played, from the reasons of the addresses that were tried.

    Parameters
    ----------
    tried
        Each address with its reason.
    name
        Name of the station in error messages.
    """
    if len(tried) == 1:
        return tried[0][1]
    parts = []
    for url, why in tried:
        text = why.removeprefix(f"{name}: ")
        shown = redacted(url)
        parts.append((text if text.startswith(shown) else f"{shown}: {text}")[:120])
    return f"{name}: none of {len(tried)} addresses can be played: {'; '.join(parts)}"
