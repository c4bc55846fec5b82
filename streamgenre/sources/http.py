"""HTTP as radio stations speak it: Icecast, Shoutcast and everything beside the standard."""

from __future__ import annotations

import base64
import http.client
import socket
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

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD_S: Final = 15.0
"""Seconds in which the whole head of an answer has to come."""
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


def redacted(url: str) -> str:
    """Return a URL without user, password and query: fit for events, logs and screens."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    except ValueError:
        return url.split(":", 1)[0] + "://…"
    query = "?…" if parts.query else ""
    return f"{parts.scheme}://{host or ''}{port}{parts.path}{query}"


def open_url(url: str, *, timeout_s: float) -> Response:
    """Open a stream, asking for ICY titles.

    Raises
    ------
    InputError
        If it cannot be reached, is refused, redirects for ever, or is no audio.
    """
    shown = redacted(url)
    try:
        request = _request(url)
        body = _OPENER.open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        reason = " ".join(str(error.reason).split())[:100]
        raise InputError(f"{shown}: the server answers {error.code} {reason}") from None
    except urllib.error.URLError as error:
        cause = getattr(error.reason, "strerror", None) or error.reason
        raise InputError(f"{shown}: cannot be reached ({cause})") from None
    except TimeoutError:
        raise InputError(f"{shown}: no answer in {timeout_s:g} s") from None
    except (http.client.HTTPException, OSError, ValueError) as error:
        what = f"{type(error).__name__}: {error}"[:100]
        raise InputError(f"{shown}: no usable answer ({what})") from None
    headers = {name.lower(): value for name, value in body.headers.items()}
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if kind in _WEB_PAGE:
        body.close()
        raise InputError(f"{shown}: is a {kind} page, not audio; look there for the stream's URL")
    return Response(body, headers, redacted(body.url))


def _request(url: str) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    if not parts.hostname:
        raise InputError(f"{redacted(url)}: has no host; expected http://HOST[:PORT]/PATH")
    bare = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    headers = {"User-Agent": f"streamgenre/{__version__}", "Icy-MetaData": "1", "Accept": "*/*"}
    request = urllib.request.Request(bare, headers=headers)
    if parts.username is not None:
        pair = ":".join(urllib.parse.unquote(p or "") for p in (parts.username, parts.password))
        token = base64.b64encode(pair.encode()).decode()
        # Not passed on to where a redirect leads.
        request.add_unredirected_header("Authorization", f"Basic {token}")
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


# Only these two: a redirect must not lead to ftp:// or file://.
_OPENER: Final = urllib.request.OpenerDirector()
for _handler in (
    _Handler(),
    _SecureHandler(),
    urllib.request.HTTPRedirectHandler(),
    urllib.request.HTTPErrorProcessor(),
    urllib.request.HTTPDefaultErrorHandler(),
    urllib.request.UnknownHandler(),
):
    _OPENER.add_handler(_handler)
