"""Keeps output of the audio libraries off the user's terminal."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def quiet_libraries(*, enabled: bool = True) -> Iterator[None]:
    """Discard what C libraries write to file descriptor 2; Python's stderr works as before.

    ALSA and PortAudio print a dozen lines whenever a device cannot be opened, from their own
    threads and into the dashboard. The user gets the same information as messages of streamgenre.

    Parameters
    ----------
    enabled
        False leaves everything as it is.
    """
    if not enabled or sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    real = os.dup(2)
    before = sys.stderr
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    sys.stderr = os.fdopen(os.dup(real), "w", encoding=before.encoding, errors="replace")
    try:
        yield
    finally:
        sys.stderr.close()
        sys.stderr = before
        os.dup2(real, 2)
        os.close(real)
