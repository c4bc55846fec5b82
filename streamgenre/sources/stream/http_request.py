"""HTTP requests to radio servers: what is sent, and to which server."""

from __future__ import annotations

import base64
import string
import urllib.parse
from typing import TYPE_CHECKING, Final

from streamgenre import __version__
from streamgenre.sources.stream.connection import AnswerError

if TYPE_CHECKING:
    from streamgenre.sources.stream.settings import StreamSettings

_EVERYWHERE: Final = frozenset({"accept", "accept-language", "origin", "referer"})
"""Headers that are no secrets: they are sent to other servers as well."""


def request(
    url: str,
    settings: StreamSettings,
    own: str,
    *,
    titles: bool = True,
    span: tuple[int, int] | None = None,
) -> bytes:
    """Return the request for a URL, with its credentials in a header.

    Parameters
    ----------
    url
        HTTP or HTTPS URL.
    settings
        The station's headers and user agent.
    own
        URL that the user named. Other servers receive no header that may be a secret.
    titles
        Whether to ask for ICY titles.
    span
        First byte and number of bytes to ask for; None for all.

    Raises
    ------
    AnswerError
        If the name of the server is not valid.
    """
    parts, sends_all = urllib.parse.urlsplit(url), same_server(url, own)
    host = host_of(url)
    path, query = (
        urllib.parse.quote(part, safe=string.punctuation) for part in (parts.path, parts.query)
    )
    target = (path if path.startswith("/") else f"/{path}") + (f"?{query}" if query else "")
    shown = f"[{host.partition('%')[0]}]" if ":" in host else host
    headers = {
        "Host": f"{shown}:{parts.port}" if parts.port else shown,
        "User-Agent": settings.user_agent or f"streamgenre/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if titles:
        headers["Icy-MetaData"] = "1"
    if span is not None:
        headers["Range"] = f"bytes={span[0]}-{span[0] + span[1] - 1}"
    if parts.username is not None:
        pair = ":".join(urllib.parse.unquote(p or "") for p in (parts.username, parts.password))
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    names = {name.lower(): name for name in headers}
    for name, value in settings.headers:
        if sends_all or name.lower() in _EVERYWHERE:
            headers.pop(names.get(name.lower(), ""), None)
            headers[name] = value
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def host_of(url: str) -> str:
    """Return the host of a URL in ASCII; raise :class:`AnswerError` if that is impossible."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise AnswerError("the name of its server is not valid") from None


def same_server(url: str, own: str) -> bool:
    """Whether a URL is at the same host and port as another one, and not less protected.

    The change from ``http`` to ``https`` at their usual ports is allowed.
    """
    try:
        one, other = urllib.parse.urlsplit(url), urllib.parse.urlsplit(own)
        if one.hostname != other.hostname:
            return False
        scheme, before = one.scheme.lower(), other.scheme.lower()
        if scheme == before:
            default = 443 if scheme == "https" else 80
            return (one.port or default) == (other.port or default)
        return (before, other.port or 80, scheme, one.port or 443) == ("http", 80, "https", 443)
    except ValueError:
        return False
