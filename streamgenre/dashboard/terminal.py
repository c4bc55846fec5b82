"""Leaving the terminal as it was found, however the dashboard comes to its end."""

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
def quiet_keys() -> Iterator[Callable[[], bytes]]:
    """Yield what returns the keys typed since the last time; they are not echoed.

    Ctrl-C and Ctrl-Z work as ever. There are no keys where standard input is no terminal or belongs
    to another job: changing the settings from the background would stop the process.
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
        # What was typed meanwhile was not meant for the shell: it goes with the flush.
        # A terminal that hung up has no settings to restore. One that a shell has taken back
        # meanwhile has the shell's, which are not ours to change.
        with suppress(OSError, termios.error):
            if _in_front(descriptor):
                termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def _typed(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 256) if _in_front(descriptor) else b""
    except OSError:  # it hung up
        return b""


def _in_front(descriptor: int) -> bool:
    """Return whether a terminal belongs to this job; OSError if it is none."""
    return os.tcgetpgrp(descriptor) == os.getpgrp()


@contextmanager
def orderly_end() -> Iterator[None]:
    """Turn SIGTERM into ``SystemExit(143)`` so that ``finally`` clauses run.

    Only in the main thread and only if nobody else handles the signal: a daemon that does will
    make ``stop`` true.
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


class Pause:
    """Notes Ctrl-Z, so that the terminal can be given back before the process stops."""

    def __init__(self) -> None:
        self.wanted = False
        """Whether Ctrl-Z was pressed."""

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Note SIGTSTP from now on; in other threads than the main one, do nothing."""
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

    def sleep(self) -> None:
        """Stop the process as Ctrl-Z would have; return when it is continued."""
        self.wanted = False
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.wanted = True
