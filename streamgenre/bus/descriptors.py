"""Connections that libzmq owns, by their file descriptors: what they are, have read, and their end.

Each function takes a few microseconds and never waits. They keep Python's interpreter lock: the
thread that calls them would otherwise wait for it after every one, while another thread computes.
"""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import struct
import termios
from contextlib import suppress
from typing import Final

_BYTES_RECEIVED: Final = 128
"""Offset of ``tcpi_bytes_received`` in Linux's ``struct tcp_info``."""
_SO_DOMAIN: Final = 39
_SO_COOKIE: Final = 57
_LIBC: Final = ctypes.PyDLL(None)
_buffer: Final = ctypes.create_string_buffer(1 << 18)


def cookie(handle: int) -> int | None:
    """Return what identifies a connection as long as the system runs; None if it is none.

    Its descriptor may be closed and reused at any time.

    Parameters
    ----------
    handle
        File descriptor.
    """
    found = _option(handle, socket.SOL_SOCKET, _SO_COOKIE, 8)
    if len(found) == 8:
        return int(struct.unpack("=Q", found)[0])
    try:
        status = os.fstat(handle)  # of a system without cookies
    except OSError:
        return None
    return status.st_ino if stat.S_ISSOCK(status.st_mode) else None


def is_local(handle: int) -> bool:
    """Return whether a descriptor is a Unix socket."""
    return _option(handle, socket.SOL_SOCKET, _SO_DOMAIN, 4) == struct.pack("=i", socket.AF_UNIX)


def waiting(handle: int) -> int:
    """Return the bytes that have arrived on a connection and wait to be read.

    Parameters
    ----------
    handle
        Its file descriptor.
    """
    count = ctypes.c_int(0)
    _LIBC.ioctl(handle, termios.FIONREAD, ctypes.byref(count))
    return max(0, count.value)


def received(handle: int) -> int | None:
    """Return the bytes that TCP has received on a connection; None where it does not say.

    Parameters
    ----------
    handle
        Its file descriptor.
    """
    found = _option(handle, socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED + 8)
    if len(found) < _BYTES_RECEIVED + 8:
        return None
    count: int = struct.unpack_from("=Q", found, _BYTES_RECEIVED)[0]
    return count


def end_connection(handle: int, identity: int) -> None:
    """End a connection, and discard what its peer has sent.

    Parameters
    ----------
    handle
        Its file descriptor.
    identity
        Its cookie: a descriptor that is something else by now is left alone.
    """
    ours = _LIBC.dup(handle)
    if ours < 0:
        return  # already closed
    try:
        if cookie(ours) != identity:
            return
        # After a mere shutdown libzmq would read on until the system's buffer is empty. Connecting
        # to no address resets a TCP connection and empties it.
        unspecified = bytes(16)  # a struct sockaddr of the family AF_UNSPEC
        if not is_local(ours) and _LIBC.connect(ours, unspecified, 16) == 0:
            return
        _LIBC.shutdown(ours, socket.SHUT_RDWR)
        while _LIBC.recv(ours, _buffer, len(_buffer), socket.MSG_DONTWAIT) > 0:
            continue
    finally:
        _LIBC.close(ours)


def release_memory() -> None:
    """Give freed memory back to the system."""
    with suppress(AttributeError):  # only the GNU C library has it
        ctypes.CDLL(None).malloc_trim(0)


def _option(handle: int, level: int, name: int, size: int) -> bytes:
    """Return a socket option; empty for what is not a socket."""
    value = ctypes.create_string_buffer(size)
    length = ctypes.c_uint(size)
    if _LIBC.getsockopt(handle, level, name, value, ctypes.byref(length)) != 0:
        return b""
    return value.raw[: length.value]
