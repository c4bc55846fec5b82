"""Removes secrets from text that is stored or leaves the machine: logs and support bundles."""

from __future__ import annotations

import re
import urllib.parse
from typing import Final

from streamgenre.limits import HIDDEN
from streamgenre.urls import redacted

# Lengths are bounded: a long word would otherwise take quadratic time.
URL: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s\"'<>`|\\]+")
"""A URL in a text."""
# user:password@host without a scheme, as in station lists.
_LOGIN: Final = re.compile(r"(?<![^\s\"'=(\[,<])[^\s/:@\"'=(\[,<]+:[^\s/@\"']+@(?=[\w\[])")
_NAMED: Final = re.compile(
    r"(?P<name>[\w.-]{0,40}(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key"
    r"|private[_-]?key|credential|authorization|cookie)[\w.-]{0,40}[\"']?\s{0,9}[:=]\s{0,9})"
    r"(?P<value>\"(?:[^\"\\]|\\.)*\"|'[^']*'|\[[^\]]*\]|(?:basic|bearer|digest)\s+\S+|[^\s,;&]+)",
    re.IGNORECASE,
)
_VARIABLE: Final = re.compile(r"(STREAMGENRE_(?:HEADERS|USER_AGENT)=).*")
"""The variables that hold headers: the rest of the line is the value."""
_SCHEME: Final = re.compile(r"\b(basic|bearer)\s+[A-Za-z0-9+/=._~-]{6,}", re.IGNORECASE)


def redact(text: str) -> str:
    """Return a text without what looks like a secret.

    That is the user, password and query of a URL, ``user:password@host``, any value assigned to a
    name such as ``password``, ``token`` or ``api_key``, and a value after ``Basic`` or ``Bearer``.
    """
    text = URL.sub(lambda match: redacted(match[0]), text)
    text = _LOGIN.sub(f"{HIDDEN}@", text)
    text = _VARIABLE.sub(rf"\1{HIDDEN}", text)
    text = _NAMED.sub(_hide_value, text)
    return _SCHEME.sub(lambda match: f"{match[1]} {HIDDEN}", text)


def credentials(url: str) -> set[str]:
    """Return the password and the query values of a URL, both as written and decoded."""
    try:
        parts = urllib.parse.urlsplit(url)
        found = {parts.password or ""}
    except ValueError:
        return set()
    found |= {pair.partition("=")[2] or pair for pair in parts.query.split("&")}
    return (found | {urllib.parse.unquote_plus(text) for text in found}) - {""}


def _hide_value(match: re.Match[str]) -> str:
    value = match["value"]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{match['name']}{quote}{HIDDEN}{quote}"
