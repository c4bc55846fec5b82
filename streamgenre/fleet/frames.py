"""Messages between the daemon and its workers on the wire.

A message has three parts: what it is (one byte) and its number, a head, and a body. Each side
counts what it sends, so that the other notices a message that was lost with a broken connection.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HELLO: Final = b"h"
"""First message of a worker."""
MESSAGE: Final = b"m"
"""A message of :mod:`streamgenre.worker.link`."""
PING: Final = b"p"
"""From the daemon; the body is its monotonic time."""
PONG: Final = b"q"
"""The answer: the body of the ping, then the worker's monotonic time."""
END: Final = b"e"
"""Nothing follows."""
PING_S: Final = 2.0
"""Seconds between two pings."""
SILENT_S: Final = 15.0
"""Seconds without a ping after which a worker gives up its daemon."""
MAX_PART: Final = 16 << 20
"""Bytes of a part; a peer that sends more is dropped."""
TIME: Final = struct.Struct(">d")
TIMES: Final = struct.Struct(">dd")
_NUMBERED: Final = struct.Struct(">cQ")


def packed(
    kind: bytes, number: int = 0, head: Mapping[str, Any] | None = None, body: bytes = b""
) -> list[bytes]:
    """Return the parts of a message.

    Parameters
    ----------
    kind
        What it is.
    number
        Its number, for messages that are counted.
    head, body
        Its content.
    """
    text = b"" if head is None else json.dumps(head, separators=(",", ":")).encode()
    return [_NUMBERED.pack(kind, number), text, body]


def unpacked(parts: Sequence[bytes]) -> tuple[bytes, int, dict[str, Any], bytes]:
    """Return kind, number, head and body of a message.

    Raises
    ------
    ValueError
        If it is not one.
    """
    if len(parts) != 3 or len(parts[0]) != _NUMBERED.size:
        raise ValueError("not a message of a fleet")
    kind, number = _NUMBERED.unpack(parts[0])
    head = json.loads(parts[1]) if parts[1] else {}
    return kind, number, head, parts[2]
