"""Heads of HTTP responses, read line by line: a line that is not valid is lost, and no other.

Many stations send their name, or whatever else, in headers that no standard allows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamgenre.sources.stream.connection import AnswerError
from streamgenre.sources.titles import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamgenre.sources.stream.connection import Connection

MAX_HEAD: Final = 1 << 18
"""Bytes of a head, interim responses included."""
MAX_LINES: Final = 1000
"""Lines of a head, interim responses included."""
_MAX_LINE: Final = 1 << 14
"""Bytes of a line; a longer one is lost."""
_TOO_LONG: Final = b"\0"
"""Stands for a line that is too long; it is not valid as a header."""
_STATUS: Final = re.compile(rb"\s*(HTTP/\d{1,3}(?:\.\d{1,3})?|ICY)\s+(\d{3})(?!\d)\s*(.*)", re.I)
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of a response."""

    status: int
    """Three digits."""
    reason: str
    """Words of the server, for people; may be empty."""
    headers: dict[str, str]
    """Headers by lower-case name. The value is Latin-1, whatever charset the station uses."""


def read_head(connection: Connection, until: float) -> Head:
    """Read the head of a final response; interim responses are skipped.

    Parameters
    ----------
    connection
        The connection, after a request.
    until
        Monotonic seconds by which the head must be complete.

    Raises
    ------
    AnswerError
        If it is not a head, or too long.
    TimeoutError
        If it is not complete in time.
    """
    lines = _lines(connection, until)
    while True:
        line = next(lines)
        while not line.strip():  # some servers send an empty line first
            line = next(lines)
        match = _STATUS.match(line)
        if match is None:
            raise AnswerError("it is not HTTP")
        headers = _headers(lines)
        status = int(match[2])
        if not 100 <= status < 200 or status == 101:
            return Head(status, clean(match[3].decode("latin-1"), 100), headers)


def _lines(connection: Connection, until: float) -> Iterator[bytes]:
    """Yield lines of limited number and length; of a long one only its start."""
    left = MAX_HEAD
    for _ in range(MAX_LINES):
        line = connection.line(_MAX_LINE, until)
        if line is not None:
            yield line.rstrip(b"\r\n") if line.endswith(b"\n") else _TOO_LONG
        while line is not None and not line.endswith(b"\n") and left > 0:
            left -= len(line)
            line = connection.line(_MAX_LINE, until)
        if line is None:
            raise AnswerError("it ends within its head")
        left -= len(line)
        if left <= 0:
            raise AnswerError(f"its head is longer than {MAX_HEAD} bytes")
    raise AnswerError(f"its head has more than {MAX_LINES} lines")


def _headers(lines: Iterator[bytes]) -> dict[str, str]:
    """Return the headers up to the empty line."""
    found: dict[str, str] = {}
    last: str | None = None
    indented: bool | None = None
    for line in lines:
        if not line:
            break
        folds = line[:1] in b" \t"
        if indented is None:
            indented = folds  # a head that is indented as a whole has no folded lines
        if folds and not indented:
            if last is not None and b"\0" not in line:
                found[last] = f"{found[last]} {line.decode('latin-1').strip()}".strip()
            continue
        name, colon, value = line.partition(b":")
        name = name.strip()
        last = None
        if colon and _NAME.fullmatch(name) and b"\0" not in value:
            last = name.decode("ascii").lower()
            text = value.decode("latin-1").strip()
            if last == "transfer-encoding" and last in found:
                found[last] += f", {text}"
            elif not found.get(last):  # of several, the first with a value
                found[last] = text
            else:
                last = None
    return found
