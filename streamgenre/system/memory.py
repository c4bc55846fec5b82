"""Memory that a process no longer needs, returned to the system."""

from __future__ import annotations

import ctypes
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

_DONTNEED: Final = 4
"""``MADV_DONTNEED`` of Linux."""
_MAPPING: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ ([1-9]\d*) ")


def release_heap() -> None:
    """Return to the system what was freed, such as what a model needed while it was loaded."""
    with suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


def unmap_idle_code() -> None:
    """Unmap the code and constants of libraries; what is used again is mapped again at once.

    Most of it was read for the start alone. It stays in the system's cache for as long as there is
    room; a system short of memory keeps mapped code the longest.
    """
    with suppress(OSError, AttributeError):  # not Linux
        advise = ctypes.CDLL(None).madvise
        advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        start = end = 0
        for line in Path("/proc/self/smaps").read_text().splitlines():
            if line[0] in "0123456789abcdef":
                found = _MAPPING.match(line)
                start, end = (int(found[1], 16), int(found[2], 16)) if found else (0, 0)
            elif line.startswith("Anonymous:") and end and int(line.split()[1]) == 0:
                # Unchanged since it was read from the file.
                advise(start, end - start, _DONTNEED)
