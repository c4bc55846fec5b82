"""The dashboard at work: takes in events and keeps the terminal up to date."""

from __future__ import annotations

import math
import os
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.live import Live

from streamgenre.dashboard.keys import press
from streamgenre.dashboard.lines import run_lines
from streamgenre.dashboard.messages import Messages
from streamgenre.dashboard.render import render
from streamgenre.dashboard.standing import standing
from streamgenre.dashboard.terminal import Pause, orderly_end, quiet_keys
from streamgenre.dashboard.view import DashboardView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamgenre.events import AnyEvent

REFRESH_S: Final = 0.25
"""Seconds between two drawings at the least."""


def run_dashboard(
    events: Iterable[AnyEvent | None],
    *,
    console: Console | None = None,
    stop: Callable[[], bool],
    messages: Messages | None = None,
) -> None:
    """Show events as they come, until they end or ``stop`` says so.

    ``events`` has to yield at least every 250 ms, None where there was no event: the screen is
    redrawn, and ``stop`` asked, only then. By default it is shown on standard output. Where the
    console is no terminal, or a dumb one, lines are written instead
    (:func:`streamgenre.dashboard.lines.run_lines`).

    However it ends, the terminal is left as it was found. Ctrl-C propagates as KeyboardInterrupt,
    what ``events`` raises propagates, and SIGTERM becomes ``SystemExit(143)`` unless the program
    handles it itself. Ctrl-Z gives the terminal back until the process is continued. A terminal
    that goes away ends the dashboard quietly. What is put into ``messages`` meanwhile, from any
    thread, stands above the last row for a while, or goes to standard error with the lines.
    """
    if console is None:
        # Exported sizes are those of some moment; the terminal's own is asked before every picture.
        sizes = ("COLUMNS", "LINES")
        console = Console(_environ={k: v for k, v in os.environ.items() if k not in sizes})
    if not console.is_terminal or console.is_dumb_terminal:
        run_lines(events, file=console.file, stop=stop, messages=messages)
        return
    screen = _Screen(console, messages or Messages())
    pause = Pause()
    with ExitStack() as stack:
        stack.enter_context(orderly_end())
        stack.enter_context(pause.watch())
        stack.callback(screen.close)
        screen.open()
        for event in events:
            if event is not None:
                screen.take(event)
            if pause.wanted:
                screen.close()
                pause.sleep()
                screen.open()
            if not screen.refresh() or stop():
                return


class _Screen:
    """The view, and the terminal that shows it."""

    def __init__(self, console: Console, messages: Messages) -> None:
        self._console = console
        self._messages = messages
        # An empty NO_COLOR means nothing (no-color.org); rich has looked already.
        self._color = not console.no_color and console.color_system is not None
        self._view = DashboardView()
        self._stack = ExitStack()
        self._live: Live | None = None
        self._typed: Callable[[], bytes] = bytes
        self._changed = True
        self._drawn_at = float("-inf")
        self._drawn: tuple[object, ...] = ()

    def open(self) -> None:
        """Take the terminal: alternate screen, no cursor, no echo."""
        self._changed = True
        # What undoes a step is noted before the step: Ctrl-C may come at any time.
        self._stack.callback(self._restore)
        self._typed = self._stack.enter_context(quiet_keys())
        # Nothing is redirected: in the alternate screen rich would print above the picture and
        # scroll it. What others print is overwritten by the next drawing.
        live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live = self._stack.enter_context(live)

    def close(self) -> None:
        """Give the terminal back; may be called again."""
        self._live = None
        # A terminal that is gone (hung up) raises OSError, and there is nothing to restore.
        with suppress(OSError):
            self._stack.close()

    def _restore(self) -> None:
        if self._console.is_alt_screen:
            self._console.set_alt_screen(False)
        self._console.show_cursor(True)

    def take(self, event: AnyEvent) -> None:
        """Take in one event."""
        # A retained event tells of something that may have been long ago.
        age = max(0.0, time.time() - event.time) if event.retained else 0.0
        self._view.apply(event, time.monotonic() - (age if math.isfinite(age) else 0.0))
        self._changed = True

    def refresh(self) -> bool:
        """Draw if there is something new and it is time; return whether a terminal is there."""
        now = time.monotonic()
        if now - self._drawn_at < REFRESH_S or self._live is None:
            return True
        self._changed |= press(self._view, self._typed())
        self._changed |= self._messages.move(self._view.messages, time.time())
        width, height = self._console.size
        # Apart from events, only the size and how long something has lasted change the picture.
        lasting = tuple(standing(station, now) for station in self._view.stations.values())
        drawn = (width, height, lasting)
        if not self._changed and drawn == self._drawn:
            return True
        picture = render(self._view, width=width, height=height, now=now, color=self._color)
        self._drawn_at, self._drawn, self._changed = now, drawn, False
        try:
            self._live.update(picture, refresh=True)
        except OSError:
            return False
        return True
