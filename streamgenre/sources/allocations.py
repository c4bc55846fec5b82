"""Bounds the memory that FFmpeg allocates at once.

A header of 20 bytes may state a tag of 2 GB; FFmpeg allocates and clears such a block before it
reads. Its library has a limit for that, which PyAV does not offer.

The limit holds for everything that the process does with FFmpeg. Its resampler returns nothing, and
no error, where it would need more: give it short frames.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Final

from streamgenre.logger import get_logger

LEAST: Final = 32 << 20
"""Bytes that may always be allocated at once: more than any picture in a stream."""
MOST: Final = 256 << 20
"""Bytes that may be allocated at once for a large file: the index of a long audio book."""
_lock: Final = threading.Lock()
_allowed = 0

_log = get_logger(__name__)


def limit_allocations(file_size: int = 0) -> None:
    """Set FFmpeg's limit before something is opened; it is one for the process, and only grows.

    Parameters
    ----------
    file_size
        Size of the file that is opened, in bytes; 0 for a stream.
    """
    global _allowed
    allowed = min(max(LEAST, file_size), MOST)
    with _lock:
        if allowed <= _allowed:
            return
        _allowed = allowed
        import av._core

        try:
            set_limit = ctypes.CDLL(av._core.__file__).av_max_alloc
        except (AttributeError, OSError) as error:
            _log.debug("FFmpeg's allocations cannot be limited: %s", error)
            return
        set_limit.argtypes, set_limit.restype = [ctypes.c_size_t], None
        set_limit(allowed)
