"""The dashboard without a terminal: one line for each event."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from streamgenre.dashboard.messages import Message
from streamgenre.dashboard.view import DashboardView
from streamgenre.display.text import clean, clock, duration, level, percent
from streamgenre.events import DeadAir, Gap, Segment, SourceChange, Title, Update

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import IO

    from streamgenre.dashboard.messages import Messages
    from streamgenre.events import AnyEvent


def line(event: AnyEvent) -> str | None:
    """Return an event as one line without newline; None for types that get no line (status)."""
    match event:
        case Update():
            what = f"{clean(event.genre or event.state)} {percent(event.confidence)}"
            if event.genre is None:
                sure = f" {percent(event.speech)}" if event.speech is not None else ""
                what = clean(event.state) + (sure if event.state == "speech" else "")
            tags = f"  {clean(', '.join(event.tags))}" if event.tags else ""
            words = f"{what}{tags}  {level(event.level_dbfs)}  (since {event.since:.1f} s)"
        case Segment():
            mean = event.mean_probability
            sure = f", {percent(mean)} on average" if mean is not None else ""
            what = clean(event.genre or event.state)
            words = (
                f"segment {what} from {event.start:.1f} s to {event.end:.1f} s "
                f"({duration(event.end - event.start)}{sure})"
            )
        case Gap():
            words = f"gap: {event.samples} samples lost ({event.seconds:.3f} s, {event.reason})"
        case SourceChange():
            detail = f": {clean(event.detail)}" if event.detail else ""
            words = f"source {clean(event.state)}  {clean(event.input)}{detail}"
        case Title():
            words = f"title  {clean(event.raw)}"
        case DeadAir():
            words = f"dead air{'' if event.active else ' over'}: silent for {event.seconds:.1f} s"
        case _:
            return None
    return f"{clock(event.time)}  {clean(event.station)}  {words}"


def run_lines(
    events: Iterable[AnyEvent | None],
    *,
    file: IO[str],
    stop: Callable[[], bool],
    messages: Messages | None = None,
) -> None:
    """Write a line for each event, and one when a station stops updating.

    Each line is flushed, so that the reader of a pipe sees it at once. A closed pipe ends it
    without an error.

    Parameters
    ----------
    events
        Yields None if there was no event for a while.
    file
        Text file for the lines.
    stop
        Returns true to end.
    messages
        Messages put there, from any thread, are written to standard error.
    """
    view = DashboardView()
    stale: set[str] = set()
    try:
        for event in events:
            now = time.monotonic()
            if event is not None:
                view.apply(event, now)
                _write(file, line(event))
            _report_stale(view, stale, now, file)
            if messages is not None:
                _write_messages(messages)
            if stop():
                return
    except BrokenPipeError:
        _silence(file)


def _report_stale(view: DashboardView, reported: set[str], now: float, file: IO[str]) -> None:
    """Write one line for each station that has become stale; remove those that update again."""
    for name, station in view.stations.items():
        quiet = station.stale_s(now)
        if quiet is None:
            reported.discard(name)
        elif name not in reported:
            reported.add(name)
            when = station.update.time + quiet if station.update else time.time()
            _write(file, f"{clock(when)}  {clean(name)}  no update for {duration(quiet)}")
    # Stations that the view has dropped.
    reported.intersection_update(view.stations)


def _write_messages(messages: Messages) -> None:
    for one in messages.take():
        if isinstance(one, Message):
            with suppress(OSError):  # nobody reads it
                _write(sys.stderr, f"streamgenre: {clean(one.text)}")


def _write(file: IO[str], text: str | None) -> None:
    if text is None:
        return
    # The encoding of the pipe may lack characters of a name.
    encoding = getattr(file, "encoding", None) or "utf-8"
    file.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    file.flush()


def _silence(file: IO[str]) -> None:
    """Discard buffered output: the interpreter flushes stdout again at exit."""
    try:
        descriptor = file.fileno()
    except (OSError, ValueError, AttributeError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
