"""What a process does that receives a marker: it crashes as a decoder would, or takes memory."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

_hoard: list[bytearray] = []
_recv, _recv_into = socket.socket.recv, socket.socket.recv_into


def _look(data: bytes | memoryview) -> None:
    found = bytes(data)
    if b"<kill-this-process>" in found:
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"<take-much-memory>" in found:
        _hoard.append(bytearray(os.urandom(1024)) * 400_000)


def _watched_recv(self: socket.socket, *args: Any) -> bytes:
    data = _recv(self, *args)
    _look(data)
    return data


def _watched_recv_into(self: socket.socket, buffer: Any, *args: Any) -> int:
    count = _recv_into(self, buffer, *args)
    _look(memoryview(buffer).cast("B")[:count])
    return count


socket.socket.recv = _watched_recv  # type: ignore[method-assign,assignment]
socket.socket.recv_into = _watched_recv_into  # type: ignore[method-assign,assignment]
