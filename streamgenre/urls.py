"""URLs of inputs: which are streams, and how to show one without credentials."""

from __future__ import annotations

import os
import re
import urllib.parse
from typing import Final

SCHEMES: Final = ("http", "https", "rtsp", "rtsps", "srt")
"""Supported schemes of streams."""
_MAX_PORT: Final = 65_535
_MAX_DIGITS: Final = 20
_OTHER_SCHEMES: Final = ("ftp", "ftps", "icy", "mms", "rtmp", "rtp", "udp")
"""Schemes of streams that are not supported."""


def is_stream(entry: str) -> bool:
    """Whether an input, or an entry of a playlist, is the URL of a stream."""
    return entry.split("://", 1)[0].lower() in SCHEMES and "://" in entry


def with_bytes_escaped(text: str) -> str:
    """Return a URL in which bytes that are not UTF-8 (surrogate escapes) are percent-encoded."""
    escaped = re.sub("[\udc80-\udcff]", lambda match: f"%{ord(match[0]) - 0xDC00:02X}", text)
    return escaped.encode(errors="replace").decode()


def looks_like_url(text: str) -> bool:
    """Whether an input is meant as a URL, even a malformed one such as ``http:/HOST``."""
    scheme, colon, _ = text.strip().partition(":")
    return "://" in text or bool(colon and scheme.lower() in (*SCHEMES, *_OTHER_SCHEMES))


def looks_like_login(name: str) -> bool:
    """Whether an input is ``USER:PASSWORD@HOST``, a URL without its scheme, and not a file."""
    exists = os.path.exists(name)  # noqa: PTH110 - Path's fails for long names
    return not exists and re.match(r"[^:\s]+:\S*@", name) is not None


def redacted(url: str) -> str:
    """Return a URL without user, password, parameters and query, for events, logs and screens.

    A part of which it is unclear whether it belongs to a password is left out as well.
    """
    scheme, divider, rest = url.strip().partition("://")
    if not (divider and re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]{0,30}", scheme)):
        typo = re.match(r"(?:https?|rtsps?|srt):", url.strip(), re.IGNORECASE)
        return f"{typo[0]}…" if typo else "…"
    hidden = f"{scheme}://…"
    tail = re.sub(r"^[^/?#]*", "", rest)
    before, at, after = tail.rpartition("@")
    if "?" in before or "#" in before:
        return hidden
    if at:  # everything before it may be a password with a slash
        return f"{hidden}@{redacted(f'{scheme}://{after}').partition('://')[2]}"
    try:
        parts = urllib.parse.urlsplit(f"{scheme}://{rest}")
        port = f":{parts.port}" if parts.port else ""
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    except ValueError:
        return hidden
    query = "?…" if parts.query else ""
    path = re.sub(r";[^/]*", ";…", parts.path)
    return f"{parts.scheme}://{host or ''}{port}{path}{query}"


def shown(name: str) -> str:
    """Return an input or another setting for display, without what may be a secret."""
    if name.startswith(("tcp://", "ipc://")) and "@" not in name:
        return name  # an endpoint of ZeroMQ has no credentials, even a malformed one
    return redacted(name) if looks_like_url(name) or looks_like_login(name) else name


def port_problem(address: str) -> str:
    """Return what is wrong with the port of a URL, an endpoint or HOST:PORT, or "".

    The port is not repeated: in a mistyped URL it may be a password.
    """
    rest = address.partition("://")[2] or address
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    match = re.search(r":(-?[0-9]+)$", authority)
    if match is None or (len(match[1]) <= _MAX_DIGITS and 0 <= int(match[1]) <= _MAX_PORT):
        return ""
    return f"no such port: expected a number from 0 to {_MAX_PORT}"
