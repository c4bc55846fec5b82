"""Where a history is kept: in an SQLite file, or in a PostgreSQL database."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from streamgenre.errors import SettingsError
from streamgenre.paths import expand
from streamgenre.urls import redacted

_SCHEMES: Final = ("postgresql", "postgres")
_EXPECTED: Final = "expected a URL such as postgresql://user@host/database"

_ENCODED: Final = f"{_EXPECTED}, where a password has its special characters percent-encoded"
_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(:\d*)?")


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
    if not text.strip() or "\0" in text:
        raise SettingsError("expected a path, or the URL of a PostgreSQL database")
    scheme, divider, rest = text.strip().partition("://")
    if scheme.lower() in _SCHEMES and divider:
        url = f"{scheme.lower()}://{rest}"
        _check(url)
        return Server(url)
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
    hosts = parts.netloc.rpartition("@")[2].split(",")
    if parts.fragment or not all(_HOST.fullmatch(host) for host in hosts):
        raise SettingsError(_ENCODED)
    if re.search("[/@]", parts.path[1:]):  # most likely of a password
        raise SettingsError(_ENCODED)
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        return  # opening it reports what is missing
    try:
        conninfo_to_dict(url)
    except ProgrammingError as error:  # its message may quote a part of the password
        raise SettingsError(_ENCODED) from error
