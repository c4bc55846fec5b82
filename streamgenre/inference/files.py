"""Reads the files of a model folder: regular files only, and none above its limit.

A model folder may come from anybody. A FIFO or a device in place of a file would block the reader
or never end, so the kind and the size of a file are checked before it is read.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

from streamgenre.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_WEIGHTS_BYTES: Final = 64_000_000
"""Largest ``model.onnx``; the shipped ones have up to 1.1 MB."""
_BLOCK: Final = 1 << 20
_KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_bounded(path: Path, limit: int, what: str) -> bytes:
    """Return the content of a regular file; a symbolic link to one is followed.

    Parameters
    ----------
    path
        The file.
    limit
        Most bytes it may have.
    what
        What it should be, for messages: "a manifest".

    Raises
    ------
    ModelError
        If it is missing, cannot be read, is not a regular file or is larger.
    """
    return b"".join(_blocks(path, limit, what))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a weights file, hexadecimal.

    Raises
    ------
    ModelError
        As :func:`read_bounded`.
    """
    digest = hashlib.sha256()
    for block in _blocks(path, MAX_WEIGHTS_BYTES, "a model"):
        digest.update(block)
    return digest.hexdigest()


def _blocks(path: Path, limit: int, what: str) -> Iterator[bytes]:
    """Yield the content of a regular file, checked again as it is read: it may grow meanwhile."""
    done = 0
    try:
        with opened(path) as file:
            size = _checked(path, os.fstat(file.fileno())).st_size
            while size <= limit and (block := file.read(min(_BLOCK, limit + 1 - done))):
                size = max(size, done := done + len(block))
                if done <= limit:
                    yield block
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; is it a whole model folder?") from error
    if size > limit:
        raise ModelError(f"{path}: larger than {limit} bytes; too large for {what}")


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a regular file to read it; a symbolic link to one is followed.

    Raises
    ------
    ModelError
        If it is not a regular file.
    OSError
        If it cannot be opened.
    """
    # Before it is opened too: opening some devices does something.
    _checked(path, path.stat())
    # O_NONBLOCK: a FIFO that has taken the file's place meanwhile must not block us.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        yield file


def _checked(path: Path, status: os.stat_result) -> os.stat_result:
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in _KINDS if test(status.st_mode)), "no file")
        raise ModelError(f"{path}: this is {kind}; expected a regular file")
    return status
