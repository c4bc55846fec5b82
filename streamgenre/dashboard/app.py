"""Runs the dashboard: takes events and keeps the terminal up to date."""

from __future__ import annotations

import math
import os
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.live import Live

from streamgenre.dashboard.keys import apply_keys
from streamgenre.dashboard.lines import run_lines
from streamgenre.dashboard.messages import Messages
from streamgenre.dashboard.render import render
from streamgenre.dashboard.station_state import station_state
from streamgenre.dashboard.terminal import SuspendHandler, exit_on_sigterm, keys_without_echo
from streamgenre.dashboard.view import DashboardView

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streamgenre.events import AnyEvent

REFRESH_S: Final = 0.25
"""Least seconds between two drawings."""


def run_dashboard(
    events: Iterable[AnyEvent | None],
    *,
    console: Console | None = None,
    stop: Callable[[], bool],
    messages: Messages | None = None,
    on_spectrum: Callable[[str | None], None] = lambda station: None,
) -> None:
    """Show events as they arrive, until they end or ``stop`` returns true.

    If the console is not a terminal, or a dumb one, lines are written instead
    (:func:`streamgenre.dashboard.lines.run_lines`).

    The terminal is always restored. Ctrl-C propagates as KeyboardInterrupt, exceptions from
    ``events`` propagate, and SIGTERM becomes ``SystemExit(143)`` unless the program handles it
    itself. Ctrl-Z restores the terminal until the process is continued. If the terminal is closed,
    the dashboard ends without an error.

    Parameters
    ----------
    events
        Must yield at least every 250 ms, None if there was no event: the screen is redrawn, and
        ``stop`` called, only then.
    console
        Where to draw; None for standard output.
    stop
        Returns true to end the dashboard.
    messages
        Messages put there, from any thread, are shown above the last row for a while, or written
        to standard error with the lines.
    on_spectrum
        Called with the name of the station whose spectrum is to come among the events from now on;
        None if none is shown.
    """
    if console is None:
        # $COLUMNS and $LINES may be outdated; the terminal's own size is read before every drawing.
        sizes = ("COLUMNS", "LINES")
        console = Console(_environ={k: v for k, v in os.environ.items() if k not in sizes})
    if not console.is_terminal or console.is_dumb_terminal:
        run_lines(events, file=console.file, stop=stop, messages=messages)
        return
    screen = _Screen(console, messages or Messages(), on_spectrum)
    suspension = SuspendHandler()
    with ExitStack() as stack:
        stack.enter_context(exit_on_sigterm())
        stack.enter_context(suspension.watch())
        stack.callback(screen.close)
        screen.open()
        for event in events:
            if event is not None:
                screen.take(event)
            if suspension.requested:
                screen.close()
                suspension.suspend()
                screen.open()
            if not screen.refresh() or stop():
                return


class _Screen:
    """The view, and the terminal that shows it."""

    def __init__(
        self, console: Console, messages: Messages, on_spectrum: Callable[[str | None], None]
    ) -> None:
        self._console = console
        self._on_spectrum = on_spectrum
        self._spectrum_of: str | None = None
        self._messages = messages
        # rich has already applied NO_COLOR, which counts unless it is empty (no-color.org).
        self._color = not console.no_color and console.color_system is not None
        self._view = DashboardView()
        self._stack = ExitStack()
        self._live: Live | None = None
        self._typed: Callable[[], bytes] = bytes
        self._changed = True
        self._drawn_at = float("-inf")
        self._drawn: tuple[object, ...] = ()

    def open(self) -> None:
        """Take over the terminal: alternate screen, no cursor, no echo."""
        self._changed = True
        # Each step is preceded by the callback that undoes it: Ctrl-C may come at any time.
        self._stack.callback(self._restore)
        self._typed = self._stack.enter_context(keys_without_echo())
        # No redirection: in the alternate screen rich would print above the picture and scroll
        # it. Output of others is overwritten by the next drawing.
        live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live = self._stack.enter_context(live)

    def close(self) -> None:
        """Restore the terminal; may be called again."""
        self._live = None
        # A closed terminal raises OSError and has nothing to restore.
        with suppress(OSError):
            self._stack.close()

    def _restore(self) -> None:
        if self._console.is_alt_screen:
            self._console.set_alt_screen(False)
        self._console.show_cursor(True)

    def take(self, event: AnyEvent) -> None:
        """Take an event."""
        # A retained event may be old.
        age = max(0.0, time.time() - event.time) if event.retained else 0.0
        self._view.apply(event, time.monotonic() - (age if math.isfinite(age) else 0.0))
        self._changed = True

    def refresh(self) -> bool:
        """Draw if something changed and it is time; return whether the terminal still exists."""
        now = time.monotonic()
        if now - self._drawn_at < REFRESH_S or self._live is None:
            return True
        self._changed |= apply_keys(self._view, self._typed())
        self._changed |= self._messages.move(self._view.messages, time.time())
        self._ask_for_spectrum(self._view.spectrum_of)
        # It moves between two events.
        self._changed |= self._spectrum_of is not None
        width, height = self._console.size
        # Apart from events, only the size and the durations change the picture.
        lasting = tuple(station_state(station, now) for station in self._view.stations.values())
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

    def _ask_for_spectrum(self, station: str | None) -> None:
        """Have the spectrum of the station that shows it sent, and of no other."""
        if station == self._spectrum_of:
            return
        if self._spectrum_of is not None:
            self._view.drop_spectrum(self._spectrum_of)
        self._spectrum_of = station
        self._on_spectrum(station)
