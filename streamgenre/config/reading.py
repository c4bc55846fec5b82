"""Reads a configuration file: bounded, and never waiting for ever."""

from __future__ import annotations

import os
import select
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

WRITER_S: Final = 5.0
"""Seconds that a pipe may bring nothing: that of ``--config <(command)`` has a writer."""
_BLOCK: Final = 1 << 16


def read_bounded(path: Path, limit: int) -> bytes:
    """Return at most ``limit + 1`` bytes of a file or pipe.

    Parameters
    ----------
    path
        The file.
    limit
        Bytes that are allowed; one more shows that there are too many.

    Raises
    ------
    OSError
        If it cannot be read, is a device, a socket or a folder, or is a pipe that brings nothing.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(0, "is a folder; expected a file")
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode) and not _is_null(descriptor):
            raise OSError(0, "is a device; expected a file")
        data = bytearray()
        while len(data) <= limit:
            if stat.S_ISFIFO(mode) and not select.select([descriptor], [], [], WRITER_S)[0]:
                raise OSError(0, f"is a pipe into which nothing was written for {WRITER_S:g} s")
            block = os.read(descriptor, min(_BLOCK, limit + 1 - len(data)))
            if not block:
                break
            data += block
    finally:
        os.close(descriptor)
    return bytes(data)


def _is_null(descriptor: int) -> bool:
    """Whether it is ``/dev/null``, which stands for an empty file."""
    return os.fstat(descriptor).st_rdev == os.makedev(1, 3)
