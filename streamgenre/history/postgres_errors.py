"""Errors of a PostgreSQL server in words, with what to do about them."""

from __future__ import annotations

import re
import urllib.parse
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from streamgenre.history.connection import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.history.places import Server

CONNECT_S: Final = 5
"""Seconds after which a server that does not answer counts as unreachable."""
_BUSY: Final = "55P03"
_CANCELLED: Final = "57014"
_MEANINGS: Final = (
    (r'database "[^"]*" does not exist', "create it: `createdb NAME`, on the server"),
    (r'role "[^"]*" does not exist', "create the user: `createuser NAME`, on the server"),
    (
        r"password authentication failed|no password supplied",
        "is the password in ~/.pgpass or PGPASSWORD that of this user?",
    ),
    (r"no pg_hba.conf entry", "let this machine in, in pg_hba.conf on the server"),
    (r"Connection refused|No such file", "does PostgreSQL run there, and listen on this port?"),
    (r"translate host name|not known|resolve", "is the name of the host right?"),
    (r"timeout expired|timed out", f"it did not answer within {CONNECT_S} s"),
    (r"permission denied", "this user must own the database, or be allowed to create tables in it"),
    (r"read-only transaction", "this server is a standby; name the primary"),
    (r"lock timeout", "another process is writing to it"),
    (r"too many clients|connection slots", "raise max_connections on the server"),
    (r"No space left", "free space on the server"),
)


@contextmanager
def in_words(server: Server) -> Iterator[None]:
    """Raise errors of the server as :class:`ServerError`; a value that cannot be stored as is."""
    import psycopg

    try:
        yield
    except psycopg.DataError:
        raise
    except psycopg.Error as error:
        words = " ".join(str(error).split()) or type(error).__name__
        for secret in _secrets(server.url):
            words = words.replace(secret, "…")
        meaning = next((said for found, said in _MEANINGS if re.search(found, words)), "")
        failed = ServerError(f"{server}: {words[:300]}{f' ({meaning})' if meaning else ''}")
        failed.busy = error.sqlstate == _BUSY
        failed.too_long = error.sqlstate == _CANCELLED
        raise failed from error


def _secrets(url: str) -> set[str]:
    """Return the password of a URL, as written and decoded."""
    parts = urllib.parse.urlsplit(url)
    asked = urllib.parse.parse_qs(parts.query).get("password", [])
    written = {parts.netloc.rpartition("@")[0].partition(":")[2], *asked} - {""}
    return written | {urllib.parse.unquote(text) for text in written}
