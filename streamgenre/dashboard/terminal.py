"""Restores the terminal, however the dashboard ends."""

from __future__ import annotations

import os
import signal
import sys
import termios
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


@contextmanager
def keys_without_echo() -> Iterator[Callable[[], bytes]]:
    """Yield a function that returns the keys typed since its last call; they are not echoed.

    Ctrl-C and Ctrl-Z work as usual. There are no keys if standard input is not a terminal or
    belongs to another job: changing its settings from the background would stop the process.
    """
    try:
        descriptor = sys.stdin.fileno()
        if not _in_front(descriptor):
            yield bytes
            return
        before = termios.tcgetattr(descriptor)
    except (OSError, ValueError, AttributeError, termios.error):
        yield bytes
        return
    after = termios.tcgetattr(descriptor)
    after[3] &= ~(termios.ECHO | termios.ICANON)
    after[6][termios.VMIN] = after[6][termios.VTIME] = 0  # a read never waits
    termios.tcsetattr(descriptor, termios.TCSADRAIN, after)
    try:
        yield lambda: _typed(descriptor)
    finally:
        # The flush discards keys that were typed meanwhile: they were not meant for the shell.
        # A closed terminal has no settings to restore; one that a shell has taken back has
        # the shell's settings.
        with suppress(OSError, termios.error):
            if _in_front(descriptor):
                termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def _typed(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 256) if _in_front(descriptor) else b""
    except OSError:  # it was closed
        return b""


def _in_front(descriptor: int) -> bool:
    """Return whether a terminal belongs to this job; raises OSError if it is not a terminal."""
    return os.tcgetpgrp(descriptor) == os.getpgrp()


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into ``SystemExit(143)`` so that ``finally`` clauses run.

    Only in the main thread, and only if the program does not handle the signal itself.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


class SuspendHandler:
    """Intercepts Ctrl-Z, so that the terminal can be restored before the process stops."""

    def __init__(self) -> None:
        self.requested = False
        """Whether Ctrl-Z was pressed."""

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Intercept SIGTSTP; does nothing outside the main thread."""
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGTSTP) is not signal.SIG_DFL
        ):
            yield
            return
        signal.signal(signal.SIGTSTP, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)

    def suspend(self) -> None:
        """Stop the process as Ctrl-Z does; return when it is continued."""
        self.requested = False
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
