"""Ctrl-C and SIGTERM for commands that end by themselves."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

ENDED_BY_THE_USER: Final = frozenset({"listen", "dashboard", "subscribe", "bridge", "watch", "web"})
"""Commands that run until a signal ends them: that is their normal end."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: files half written are removed."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise :class:`Terminated` on SIGTERM; commands may set handlers of their own meanwhile."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, on_signal)}
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # until now, see streamgenre.cli.main
        before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(command: str, interrupt: KeyboardInterrupt) -> int:
    """Return the exit code of a command that was interrupted, as shells number them.

    Parameters
    ----------
    command
        The command's name.
    interrupt
        What ended it.

    Returns
    -------
    int
        0 for a command that the user has to end, otherwise 130 for Ctrl-C and 143 for SIGTERM.
    """
    if command in ENDED_BY_THE_USER:
        return 0
    return 128 + (signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT)
