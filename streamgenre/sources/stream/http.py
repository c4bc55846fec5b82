"""HTTP connections to radio servers, including Shoutcast's deviations from the standard."""

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
from streamgenre.sources.stream.settings import DEFAULTS
from streamgenre.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamgenre.sources.stream.settings import StreamSettings

HEAD_S: Final = 15.0
"""Seconds in which the complete head of a response must arrive."""
MAX_REDIRECTS: Final = 10
"""Largest number of redirects that are followed."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_WEB_PAGE: Final = ("text/html", "application/xhtml+xml", "application/json")


@dataclass(frozen=True, slots=True)
class Response:
    """An open stream."""

    body: http.client.HTTPResponse
    """Body of the response, to be read and closed."""
    headers: Mapping[str, str]
    """Headers by lower-case name."""
    url: str
    """URL after redirects, without credentials."""

    def text(self, longest: int, within_s: float) -> str:
        """Read the body as text and close the response.

        Parameters
        ----------
        longest
            Largest number of bytes that are read.
        within_s
            Seconds the body may take.

        Raises
        ------
        TimeoutError
            If the body does not arrive in time.
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
        """Interrupt a read in another thread; that thread closes the response."""
        raw: Any = getattr(getattr(self.body, "fp", None), "raw", None)
        connection: socket.socket | None = getattr(raw, "_sock", None)
        if connection is not None:
            _shut(connection)

    def close(self) -> None:
        """Close the connection. Called by the thread that reads."""
        self.body.close()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def require_usable(url: str) -> None:
    """Raise :class:`InputError` if a URL is invalid."""
    try:
        parts = urllib.parse.urlsplit(url)
        usable = bool(parts.hostname or parts.scheme == "srt")  # an SRT listener has no host
        parts.port  # noqa: B018 - raises for an invalid port
    except ValueError:
        usable = False
    if not usable:
        raise InputError(
            f"{redacted(url)}: is not a valid URL; expected SCHEME://[USER:PASSWORD@]HOST[:PORT]/PATH"
            f" (percent-encode / ? # @ : in user and password: %2F %3F %23 %40 %3A)"
        )


def open_url(url: str, *, timeout_s: float, settings: StreamSettings = DEFAULTS) -> Response:
    """Open a stream and request ICY titles.

    Parameters
    ----------
    url
        HTTP or HTTPS URL of the stream.
    timeout_s
        Seconds to wait for the connection, and for each read.
    settings
        How the stream is requested.

    Raises
    ------
    InputError
        If the server cannot be reached, refuses, redirects in a circle, or does not send audio.
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
    """Return the response, or the target of a redirect as text."""
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
        # Without the message, which quotes the request or the response.
        raise InputError(f"{shown}: no usable answer ({type(error).__name__})") from None


def _target(url: str, target: str, shown: str) -> str:
    """Return the target of a redirect; credentials are kept only for a relative target."""
    try:
        url = urllib.parse.urljoin(url, target.strip())
    except ValueError:
        url = ""
    if not url.lower().startswith(("http://", "https://")):
        # Neither ftp:// nor file://.
        raise InputError(f"{shown}: redirects to {redacted(url)}; expected http:// or https://")
    try:
        require_usable(url)
    except InputError:
        raise InputError(
            f"{shown}: redirects to {redacted(url)}, which is not a valid URL"
        ) from None
    return url


def _request(url: str) -> urllib.request.Request:
    """Return the request for a valid URL, with its credentials in a header."""
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
    """Accepts Shoutcast's status line ``ICY 200 OK`` as HTTP/1.0."""

    def __init__(self, sock: socket.socket, *args: Any, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self._connection = sock

    def begin(self) -> None:
        """Read the head within :data:`HEAD_S`; a server may send it byte by byte."""
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


# open_url follows redirects itself: urllib would read their bodies without a limit.
_OPENER: Final = urllib.request.OpenerDirector()
for _handler in (
    _Handler(),
    _SecureHandler(),
    urllib.request.HTTPErrorProcessor(),
    urllib.request.HTTPDefaultErrorHandler(),
    urllib.request.UnknownHandler(),
):
    _OPENER.add_handler(_handler)
