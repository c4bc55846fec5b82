"""The end of threads and processes, waited for with a limit.

A thread can hang in a system call, on a disk or a server that does not answer, and Python cannot
end it. Whoever closes something waits here: one that hangs is named in the log and left behind, and
the rest is closed all the same. Such a thread has to be a daemon thread, or Python would wait for
it when the process ends.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from streamgenre.logger import get_logger

if TYPE_CHECKING:
    import threading

END_S: Final = 2.0
"""Seconds that a thread has to end, unless its work can take longer."""
_log = get_logger(__name__)


def has_ended(thread: threading.Thread, seconds: float = END_S) -> bool:
    """Wait until a thread has ended; log a line if it has not in time.

    Parameters
    ----------
    thread
        The thread, which was asked to end; one that was never started has ended.
    seconds
        Longest wait in seconds.

    Returns
    -------
    bool
        Whether it has ended. If not, it still uses what it uses: its files must stay open.
    """
    if thread.ident is None:
        return True
    seconds = max(0.0, seconds)
    thread.join(seconds)
    if thread.is_alive():
        _log.warning("the thread %r hangs: it did not end within %.1f s", thread.name, seconds)
        return False
    return True


def end_process(process: subprocess.Popen[Any], what: str, patience: float = END_S) -> int | None:
    """Wait for the end of a process, then kill it; log a line if even that does not end it.

    Parameters
    ----------
    process
        The process.
    what
        What it is, for the log.
    patience
        Seconds that it has to end by itself.

    Returns
    -------
    int or None
        Its return code; None if it hangs in the kernel, as on a disk that does not answer.
    """
    with suppress(subprocess.TimeoutExpired):
        return process.wait(patience)
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        return process.wait(END_S)
    _log.warning("%s (process %d) hangs and cannot be ended", what, process.pid)
    return None
