"""Ctrl-C, SIGTERM and a closed terminal as a wish that the command carries out in its own time."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

GRACE_S: Final = 1.5
"""Seconds in which a command has to end."""


@contextmanager
def ask_to_stop() -> Iterator[threading.Event]:
    """Yield an event that SIGINT, SIGTERM and SIGHUP set.

    A second one, or the end of ``GRACE_S``, raises KeyboardInterrupt: whoever does not read our
    output any more must not keep us from ending.
    """
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
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
