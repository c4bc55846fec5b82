"""Where a history is kept: in an SQLite file, or in a PostgreSQL database."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from streamgenre.errors import SettingsError
from streamgenre.paths import expand
from streamgenre.urls import redacted

_SCHEMES: Final = ("postgresql", "postgres")
_EXPECTED: Final = "expected a URL such as postgresql://user@host/database"


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL database; as text, its URL without user, password and query."""

    url: str = field(repr=False)
    """URL as libpq takes it."""

    def __str__(self) -> str:
        return redacted(self.url)


Place: TypeAlias = Path | Server


def place(text: str) -> Place:
    """Return the place of a history that a path or the URL of a database names.

    Raises
    ------
    SettingsError
        If the text names neither.
    """
    text = text.strip() if "://" in text else text
    if not text.strip() or "\0" in text:
        raise SettingsError("expected a path, or the URL of a PostgreSQL database")
    scheme, divider, _ = text.partition("://")
    if scheme.lower() in _SCHEMES and divider:
        _check(text)
        return Server(text)
    if divider and scheme.isalpha():
        raise SettingsError(f"{_EXPECTED}, or the path of a file")
    if scheme.lower().startswith(tuple(f"{name}:" for name in _SCHEMES)):
        raise SettingsError(_EXPECTED)
    return expand(text)


def _check(url: str) -> None:
    """Check a URL as far as that is possible without a connection."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise SettingsError(_EXPECTED) from error
    if parts.fragment:
        raise SettingsError(f"{_EXPECTED}; write a # in a password as %23")
    if "/" in url.rpartition("@")[2].partition("?")[0].lstrip("/").partition("/")[2]:
        raise SettingsError(_EXPECTED)
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        return  # opening it reports what is missing
    try:
        conninfo_to_dict(url)
    except ProgrammingError as error:  # its message may quote a part of the password
        raise SettingsError(f"{_EXPECTED}, special characters percent-encoded") from error
