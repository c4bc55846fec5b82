"""Ctrl-C, SIGTERM and a closed terminal as a wish that the command carries out in its own time."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

GRACE_S: Final = 1.5
"""Seconds in which a command has to end."""


@contextmanager
def ask_to_stop(reload: Callable[[], None] | None = None) -> Iterator[threading.Event]:
    """Yield an event that SIGINT, SIGTERM and SIGHUP set.

    With ``reload``, which must not take long, SIGHUP calls it instead; unless it came because the
    terminal was closed. A second one, or the end of ``GRACE_S``, raises KeyboardInterrupt: whoever
    does not read our output any more must not keep us from ending.
    """
    stop = threading.Event()
    had_terminal = _has_terminal()

    def on_signal(number: int, frame: FrameType | None) -> None:
        hung_up = had_terminal and not _has_terminal()
        if number == signal.SIGHUP and reload is not None and not hung_up:
            reload()
            return
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _has_terminal() -> bool:
    """Whether this process belongs to a terminal that is there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
