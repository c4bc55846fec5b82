"""HTTP as radio stations speak it: Icecast, Shoutcast and everything beside the standard."""

from __future__ import annotations

import base64
import http.client
import socket
import string
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamgenre import __version__
from streamgenre.errors import InputError
from streamgenre.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD_S: Final = 15.0
"""Seconds in which the whole head of an answer has to come."""
MAX_REDIRECTS: Final = 10
"""Redirects that are followed one after another."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_WEB_PAGE: Final = ("text/html", "application/xhtml+xml", "application/json")


@dataclass(frozen=True, slots=True)
class Response:
    """An open stream."""

    body: http.client.HTTPResponse
    """To be read and closed."""
    headers: Mapping[str, str]
    """By lower-case name."""
    url: str
    """Where redirects have led, without credentials."""

    def text(self, longest: int, within_s: float) -> str:
        """Read the whole, up to so many bytes, and close it.

        Raises
        ------
        TimeoutError
            If it does not come within so many seconds.
        """
        data = bytearray()
        ends = time.monotonic() + within_s
        while len(data) < longest and (more := self.body.read1(longest - len(data))):
            data += more
            if time.monotonic() > ends:
                raise TimeoutError
        self.close()
        return data.decode("utf-8", errors="replace")

    def abort(self) -> None:
        """End a read in another thread at once; that thread closes the response."""
        raw: Any = getattr(getattr(self.body, "fp", None), "raw", None)
        connection: socket.socket | None = getattr(raw, "_sock", None)
        if connection is not None:
            _shut(connection)

    def close(self) -> None:
        """Close the connection; by the thread that reads."""
        self.body.close()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def require_usable(url: str) -> None:
    """Raise :class:`InputError` where a URL cannot be understood."""
    try:
        parts = urllib.parse.urlsplit(url)
        usable = bool(parts.hostname or parts.scheme == "srt")  # an SRT listener has no host
        parts.port  # noqa: B018 - raises for what is none
    except ValueError:
        usable = False
    if not usable:
        raise InputError(
            f"{redacted(url)}: is no usable URL; expected SCHEME://[USER:PASSWORD@]HOST[:PORT]/PATH"
            f" (/ ? # @ : in user or password percent-encoded: %2F %3F %23 %40 %3A)"
        )


def open_url(url: str, *, timeout_s: float) -> Response:
    """Open a stream, asking for ICY titles.

    Raises
    ------
    InputError
        If it cannot be reached, is refused, redirects for ever, or is no audio.
    """
    require_usable(url)
    shown = first = redacted(url)
    for _ in range(MAX_REDIRECTS + 1):
        answer = _open(url, shown, timeout_s)
        if isinstance(answer, str):
            url = _target(url, answer, shown)
            shown = f"{first} (redirected to {redacted(url)})"
            continue
        headers = {name.lower(): value for name, value in answer.headers.items()}
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if kind in _WEB_PAGE:
            answer.close()
            raise InputError(
                f"{shown}: is a {kind} page, not audio; look there for the stream's URL"
            )
        return Response(answer, headers, redacted(answer.url))
    raise InputError(f"{first}: redirects in a circle (more than {MAX_REDIRECTS} times)")


def _open(url: str, shown: str, timeout_s: float) -> Any:
    """Return the answer, or as a text where it redirects to."""
    try:
        return _OPENER.open(_request(url), timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        target = error.headers.get("location")
        if error.code in _REDIRECTS and target:
            return str(target)
        reason = " ".join(str(error.reason).split())[:100]
        raise InputError(f"{shown}: the server answers {error.code} {reason}") from None
    except urllib.error.URLError as error:
        cause = getattr(error.reason, "strerror", None) or error.reason
        raise InputError(f"{shown}: cannot be reached ({cause})") from None
    except TimeoutError:
        raise InputError(f"{shown}: no answer in {timeout_s:g} s") from None
    except OSError as error:
        raise InputError(f"{shown}: no usable answer ({str(error)[:100]})") from None
    except (http.client.HTTPException, ValueError) as error:
        # Not its words: they quote the request or what the server sent.
        raise InputError(f"{shown}: no usable answer ({type(error).__name__})") from None


def _target(url: str, target: str, shown: str) -> str:
    """Return where a redirect leads; the credentials of ``url`` go along on the same host only."""
    try:
        url = urllib.parse.urljoin(url, target.strip())
    except ValueError:
        url = ""
    if not url.lower().startswith(("http://", "https://")):
        # Neither ftp:// nor file://, nor what was not made for us.
        raise InputError(f"{shown}: redirects to {redacted(url)}; expected http:// or https://")
    try:
        require_usable(url)
    except InputError:
        raise InputError(f"{shown}: redirects to {redacted(url)}, which is no usable URL") from None
    return url


def _request(url: str) -> urllib.request.Request:
    """Return the request for a usable URL, its credentials in a header."""
    parts = urllib.parse.urlsplit(url)
    path, query = (
        urllib.parse.quote(part, safe=string.punctuation) for part in (parts.path, parts.query)
    )
    netloc = parts.netloc.rpartition("@")[2]
    bare = urllib.parse.urlunsplit((parts.scheme, netloc, path, query, ""))
    headers = {"User-Agent": f"streamgenre/{__version__}", "Icy-MetaData": "1", "Accept": "*/*"}
    request = urllib.request.Request(bare, headers=headers)
    if parts.username is not None:
        pair = ":".join(urllib.parse.unquote(p or "") for p in (parts.username, parts.password))
        token = base64.b64encode(pair.encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    return request


class _IcyResponse(http.client.HTTPResponse):
    """Takes Shoutcast's status line ``ICY 200 OK`` for HTTP/1.0."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self._connection = sock

    def begin(self) -> None:
        """Read the head within HEAD_S: a server may send it byte by byte."""
        guard = threading.Timer(HEAD_S, _shut, [self._connection])
        guard.daemon = True
        guard.start()
        try:
            super().begin()
        finally:
            guard.cancel()

    def _read_status(self) -> tuple[str, int, str]:
        line = self.fp.peek(4)[:4]
        if line[:3] != b"ICY":
            status: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            return status
        words = self.fp.readline(1024).split(None, 2)
        code = words[1] if len(words) > 1 else b""
        if not code.isdigit():
            raise http.client.BadStatusLine("ICY without a code")
        return "HTTP/1.0", int(code), "OK"


class _Connection(http.client.HTTPConnection):
    response_class = _IcyResponse


class _SecureConnection(http.client.HTTPSConnection):
    response_class = _IcyResponse


class _Handler(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, request)


class _SecureHandler(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SecureConnection, request)


# Redirects are followed by open_url: urllib would read their bodies without end.
_OPENER: Final = urllib.request.OpenerDirector()
for _handler in (
    _Handler(),
    _SecureHandler(),
    urllib.request.HTTPErrorProcessor(),
    urllib.request.HTTPDefaultErrorHandler(),
    urllib.request.UnknownHandler(),
):
    _OPENER.add_handler(_handler)
