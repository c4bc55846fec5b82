"""What an input's name says by its looks: a stream's URL, or something that hides a password."""

from __future__ import annotations

import os
import re
import urllib.parse
from typing import Final

SCHEMES: Final = ("http", "https", "rtsp", "rtsps", "srt")
"""How the URL of a stream may begin."""
_OTHER_SCHEMES: Final = ("ftp", "ftps", "icy", "mms", "rtmp", "rtp", "udp")
"""How those begin that are not heard."""


def is_stream(entry: str) -> bool:
    """Whether the entry of a list, or an input, is the URL of a stream."""
    return entry.split("://", 1)[0].lower() in SCHEMES and "://" in entry


def looks_like_url(text: str) -> bool:
    """Whether an input can only be meant as a URL, be it a wrong one such as ``http:/HOST``."""
    scheme, colon, _ = text.strip().partition(":")
    return "://" in text or bool(colon and scheme.lower() in (*SCHEMES, *_OTHER_SCHEMES))


def looks_like_login(name: str) -> bool:
    """Whether it is ``USER:PASSWORD@HOST``, a URL without a right begin, and no file."""
    exists = os.path.exists(name)  # noqa: PTH110 - Path's fails for long names
    return not exists and re.match(r"[^:\s]+:\S*@", name) is not None


def redacted(url: str) -> str:
    """Return a URL without user, password, parameters and query: fit for events, logs and screens.

    Where it cannot be told what belongs to a password, nothing of that part is shown.
    """
    scheme, divider, rest = url.strip().partition("://")
    if not (divider and re.fullmatch(r"[a-zA-Z][a-zA-Z0-9+.-]{0,30}", scheme)):
        typo = re.match(r"(?:https?|rtsps?|srt):", url.strip(), re.IGNORECASE)
        return f"{typo[0]}…" if typo else "…"
    hidden = f"{scheme}://…"
    tail = re.sub(r"^[^/?#]*", "", rest)
    before, at, behind = tail.rpartition("@")
    if "?" in before or "#" in before:
        return hidden
    if at:  # all before it may be a password with a slash
        return f"{hidden}@{redacted(f'{scheme}://{behind}').partition('://')[2]}"
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
    """Return an input, or another setting, as it may be shown: without what may be a secret."""
    return redacted(name) if looks_like_url(name) or looks_like_login(name) else name
