"""HTTP requests to radio servers, including Shoutcast's deviations from the standard.

Python's own client is not used: it loses every header after one that is not valid, and its time
limits start again with each byte that arrives.
"""

from __future__ import annotations

import time
import urllib.parse
from functools import partial
from typing import TYPE_CHECKING, Final

from streamgenre.errors import InputError
from streamgenre.sources.stream.addresses import PrivateAddressError
from streamgenre.sources.stream.connection import (
    AnswerError,
    Connection,
    is_tls,
    tls_context,
    tls_reason,
)
from streamgenre.sources.stream.http_body import Body
from streamgenre.sources.stream.http_head import read_head
from streamgenre.sources.stream.http_request import host_of, request
from streamgenre.sources.stream.http_response import Response
from streamgenre.sources.stream.settings import DEFAULTS
from streamgenre.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamgenre.sources.stream.http_head import Head
    from streamgenre.sources.stream.settings import StreamSettings

MAX_REDIRECTS: Final = 10
"""Largest number of redirects that are followed."""
REDIRECTS_S: Final = 1.5
"""Time for all redirects together, in multiples of the time for one request."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


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


def open_url(
    url: str,
    *,
    timeout_s: float,
    settings: StreamSettings = DEFAULTS,
    own: str | None = None,
    titles: bool = True,
    span: tuple[int, int] | None = None,
) -> Response:
    """Request a stream, a list or a part of them.

    Parameters
    ----------
    url
        HTTP or HTTPS URL of the stream.
    timeout_s
        Seconds in which a server must be connected and send a complete head, and for each read.
    settings
        How the stream is requested.
    own
        URL that the user named, to whose server all headers are sent; None for ``url``. A station
        list may lead to another server.
    titles
        Whether to ask for ICY titles.
    span
        First byte and number of bytes to ask for; None for all. The server may send all of it.

    Raises
    ------
    InputError
        If the server cannot be reached, refuses, or redirects in a circle.
    """
    require_usable(url)
    own = url if own is None else own
    shown = first = redacted(url)
    ends = time.monotonic() + REDIRECTS_S * timeout_s
    for _ in range(MAX_REDIRECTS + 1):
        until = min(ends, time.monotonic() + timeout_s)
        head, connection = _answer(
            url,
            shown,
            until,
            timeout_s,
            settings,
            partial(request, url, settings, own, titles=titles, span=span),
        )
        location = head.headers.get("location")
        if head.status in _REDIRECTS and location:
            connection.close()
            url = _target(url, location, shown)
            shown = f"{first} (redirected to {redacted(url)})"
            continue
        try:
            _require_content(head, shown)
            body = Body(connection, head.headers)
        except InputError:
            connection.close()
            raise
        except AnswerError as error:
            connection.close()
            raise InputError(f"{shown}: no usable answer ({error})") from None
        return Response(body, head.headers, redacted(url), connection, timeout_s, url)
    raise InputError(f"{first}: redirects in a circle (more than {MAX_REDIRECTS} times)")


def _require_content(head: Head, shown: str) -> None:
    if not 200 <= head.status < 300 or head.status in (204, 205):
        raise InputError(f"{shown}: the server answers {head.status} {head.reason}".rstrip())


def _answer(
    url: str,
    shown: str,
    until: float,
    timeout_s: float,
    settings: StreamSettings,
    requested: Callable[[], bytes],
) -> tuple[Head, Connection]:
    """Return the head of the answer to a request, and its connection."""
    parts = urllib.parse.urlsplit(url)
    secure = parts.scheme.lower() == "https"
    try:
        connection = Connection(
            host_of(url),
            parts.port or (443 if secure else 80),
            until,
            tls=tls_context(settings.ca_file) if secure else None,
            allow_private=settings.allow_private,
        )
    except TimeoutError as error:
        raise InputError(f"{shown}: cannot be reached ({error} in {timeout_s:g} s)") from None
    except PrivateAddressError as error:
        raise InputError(f"{shown}: {error}") from None
    except OSError as error:
        raise InputError(f"{shown}: cannot be reached ({_reason(error)})") from None
    except AnswerError as error:
        raise InputError(f"{shown}: cannot be reached ({error})") from None
    try:
        connection.send(requested(), until)
        return read_head(connection, until), connection
    except TimeoutError:
        why = f"no answer in {timeout_s:g} s"
        if connection.received:
            why = f"no usable answer (its head does not end in {timeout_s:g} s)"
    except OSError as error:
        why = f"no usable answer ({_reason(error)})"
    except AnswerError as error:
        why = f"no usable answer ({error})"
    connection.close()
    raise InputError(f"{shown}: {why}")


def _reason(error: OSError) -> str:
    """Return the reason of a failed connection in words."""
    if is_tls(error):
        if why := getattr(error, "verify_message", ""):
            why = str(why).rstrip(".")
            return f"its certificate is not valid: {why}; ca_file names a private authority"[:200]
        return f"no TLS connection: {tls_reason(error)}"
    return str(error.strerror or error)[:100]


def _target(url: str, target: str, shown: str) -> str:
    """Return the target of a redirect; credentials are kept only for a relative target."""
    try:
        url = urllib.parse.urljoin(url, _as_sent(target))
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


def _as_sent(value: str) -> str:
    """Return a header as UTF-8, if it is that; heads are read as Latin-1."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value
