"""Peers that speak ZMTP by hand, and misbehave."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Final

GREETING: Final = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + bytes(32)
MORE: Final = 0x01
COMMAND: Final = 0x04
BLOCK: Final = 256 * 1024
"""Bytes that a flood sends at once."""


def frame(body: bytes, flags: int = 0) -> bytes:
    """Return a frame of ZMTP 3."""
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | 0x02]) + struct.pack(">Q", len(body)) + body


def command(name: bytes, data: bytes = b"") -> bytes:
    """Return a command frame of ZMTP 3."""
    return frame(bytes([len(name)]) + name + data, COMMAND)


def ready(kind: bytes) -> bytes:
    """Return the command that ends the handshake of a socket of a type such as ``SUB``."""
    return command(b"READY", b"\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind)


def connect(endpoint: str) -> socket.socket:
    """Connect to an endpoint without sending anything."""
    if endpoint.startswith("ipc://"):
        raw = socket.socket(socket.AF_UNIX)
        raw.settimeout(10)
        for _ in range(1000):
            try:
                raw.connect(endpoint.removeprefix("ipc://"))
            except BlockingIOError:  # its queue is full
                time.sleep(0.01)
            else:
                break
        return raw
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def admitted(endpoint: str, kind: bytes) -> socket.socket:
    """Connect and complete the handshake as a socket of a type such as ``SUB``.

    Raises
    ------
    OSError
        If the other side does not admit it.
    """
    raw = connect(endpoint)
    raw.sendall(GREETING + ready(kind))
    received = b""
    while b"READY" not in received:
        chunk = raw.recv(4096)
        if not chunk:
            raise ConnectionError("not admitted")
        received += chunk
    return raw


def flood(raw: socket.socket, unit: bytes, *, most: int = 1 << 30, seconds: float = 60) -> int:
    """Send a unit again and again until the connection ends; return the bytes sent.

    What the other side sends is read and discarded.

    Parameters
    ----------
    raw
        The connection; it is closed at the end.
    unit
        What to repeat.
    most
        Bytes after which to give up.
    seconds
        Time after which to give up.
    """
    threading.Thread(target=_discard, args=(raw,), daemon=True).start()
    block = unit * max(1, BLOCK // len(unit))
    sent, ends = 0, time.monotonic() + seconds
    raw.settimeout(seconds)
    with raw, suppress(OSError):
        while sent < most and time.monotonic() < ends:
            raw.sendall(block)
            sent += len(block)
    return sent


def _discard(raw: socket.socket) -> None:
    with suppress(OSError):
        while raw.recv(65_536):
            continue


def is_ended(raw: socket.socket, seconds: float = 60) -> bool:
    """Return whether the other side ends a connection; what it sends is read meanwhile."""
    ends = time.monotonic() + seconds
    raw.settimeout(seconds)
    try:
        while raw.recv(65_536):
            if time.monotonic() > ends:
                return False
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True
