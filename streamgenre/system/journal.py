"""systemd's journal: whether standard error goes there, and its native protocol.

An entry is one datagram of fields. Every field uses the binary form (name, length, value): text
from a station may contain line breaks, which would start new fields in the plain form.
`systemd-python` implements the protocol too, but has no wheels.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

SOCKET: Final = "/run/systemd/journal/socket"
_PRIORITIES: Final = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)


def leads_to_journal(stream: IO[str] | None) -> bool:
    """Return whether systemd connected this stream to the journal."""
    variable = os.environ.get("JOURNAL_STREAM", "")
    if not variable or stream is None:
        return False
    try:
        actual = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return variable == f"{actual.st_dev}:{actual.st_ino}"


def priority(level: int) -> int:
    """Return the syslog priority of a logging level: 2 critical, 3 error, … 7 debug."""
    return next((number for least, number in _PRIORITIES if level >= least), 7)


def entry(fields: Mapping[str, str]) -> bytes:
    """Return the datagram of an entry; names are upper-case letters, digits and underscores."""
    parts = []
    for name, value in fields.items():
        data = value.encode("utf-8", "replace")
        parts.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
    return b"".join(parts)


class Journal:
    """Sends entries to the journal; never waits.

    Parameters
    ----------
    path
        Socket of the journal.

    Raises
    ------
    OSError
        If no journal listens there.
    """

    def __init__(self, path: str = SOCKET) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise

    def send(self, fields: Mapping[str, str]) -> bool:
        """Send an entry; return whether the journal accepted it."""
        try:
            self._socket.send(entry(fields))
        except OSError:  # the journal is full, or is restarting
            return False
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
