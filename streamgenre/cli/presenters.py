"""How ``listen`` shows the events of its own daemon: dashboard, lines, JSON or nothing."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from streamgenre.daemon.reload import ABOUT
from streamgenre.daemon.sinks import Sink
from streamgenre.dashboard.messages import Message, Messages
from streamgenre.events import SourceChange

if TYPE_CHECKING:
    import argparse

    from streamgenre.daemon.app import Presenter
    from streamgenre.daemon.reload import ReloadPhase
    from streamgenre.events import AnyEvent
    from streamgenre.events.queue import EventQueue


class MessageSink(Sink):
    """Puts log lines on the dashboard, and takes them off when what they report is over."""

    TYPES = frozenset({"source"})

    def __init__(self) -> None:
        self.messages = Messages()
        """The messages of the dashboard."""

    def log(self, record: logging.LogRecord, text: str) -> None:
        """Show a log line.

        Parameters
        ----------
        record
            The record; ``station`` or ``about``, if it has one, is its subject.
        text
            The formatted line.
        """
        station = getattr(record, "station", None)
        about = _about(station) if station is not None else getattr(record, "about", "")
        bad = record.levelno >= logging.WARNING
        self.messages.put(Message(record.created, text, bad, about))

    def take(self, event: AnyEvent) -> None:
        """Remove the messages about a station that is live again."""
        if isinstance(event, SourceChange) and event.state == "live":
            self.messages.resolve(_about(event.station))

    def forget(self, station: str) -> None:
        """Remove the messages about a station that was removed."""
        self.messages.resolve(_about(station))

    def on_reload(self, phase: ReloadPhase) -> None:
        """Remove the messages about a configuration that has since been read."""
        if phase == "done":
            self.messages.resolve(ABOUT)


def _about(station: str) -> str:
    return f"station {station}"


def shows_dashboard(args: argparse.Namespace) -> bool:
    """Whether the dashboard has the terminal, so that log lines must wait."""
    return _for_people(args) and not args.no_dashboard and _on_terminal() and sys.stderr.isatty()


def shows_summary(args: argparse.Namespace) -> bool:
    """Whether a summary follows at the end: the dashboard leaves nothing on the screen."""
    return _for_people(args) and _on_terminal()


def _for_people(args: argparse.Namespace) -> bool:
    return not args.json and not args.quiet


def _on_terminal() -> bool:
    return sys.stdout.isatty()


def presenter(args: argparse.Namespace, messages: Messages) -> Presenter:
    """Return what shows the events.

    Parameters
    ----------
    args
        The flags of ``listen``.
    messages
        Messages to show on the dashboard.
    """
    if args.json:
        return _print_json
    if args.quiet:
        return _print_nothing
    from streamgenre.dashboard.app import run_dashboard
    from streamgenre.dashboard.lines import run_lines

    # The events end by themselves: nothing else has to stop the presenter.
    if args.no_dashboard or not _on_terminal() or os.environ.get("TERM") == "dumb":
        return lambda queue: run_lines(queue, file=sys.stdout, stop=lambda: False)
    return lambda queue: run_dashboard(
        queue, stop=lambda: False, messages=messages, on_spectrum=queue.want_spectrum
    )


def _print_json(queue: EventQueue) -> None:
    for event in queue:
        if event is not None:
            sys.stdout.write(event.to_json() + "\n")
            sys.stdout.flush()


def _print_nothing(queue: EventQueue) -> None:
    queue.discard()
