"""Signals that end a command in good order, or make it read its configuration again."""

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
"""Seconds that a command has to end."""


@contextmanager
def stop_on_signals(reload: Callable[[], None] | None = None) -> Iterator[threading.Event]:
    """Yield an event that SIGINT, SIGTERM and SIGHUP set.

    SIGINT and SIGHUP stay ignored where the command inherited that: ``nohup`` starts it so that it
    survives its terminal, and a shell starts background jobs of a script so that Ctrl-C spares
    them. SIGTERM always ends the command.

    A second signal, or the end of ``GRACE_S``, raises KeyboardInterrupt: a reader that does not
    read our output must not keep us from ending.

    Parameters
    ----------
    reload
        Called on SIGHUP instead, unless the signal came because the terminal was closed; it must
        return at once. None if SIGHUP ends the command too. Never called where SIGHUP is ignored.
    """
    stop = threading.Event()
    had_terminal = _has_terminal()

    def on_signal(number: int, frame: FrameType | None) -> None:
        terminal_closed = had_terminal and not _has_terminal()
        if number == signal.SIGHUP and reload is not None and not terminal_closed:
            reload()
            return
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)

    ignored = {n for n in (signal.SIGINT, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_IGN}
    numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM} - ignored
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
