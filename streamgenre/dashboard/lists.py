"""The lists of the single-station screen: finished segments, log and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamgenre.dashboard.canvas import Row, fit, wrapped
from streamgenre.display import palette
from streamgenre.display.text import clean, clock, duration, percent

if TYPE_CHECKING:
    from streamgenre.dashboard.parts import ScreenContext
    from streamgenre.dashboard.view import DashboardView, StationView


def messages(view: DashboardView, frame: ScreenContext, *, rows: int) -> list[Row]:
    """Return the newest messages in at most ``rows`` rows, newest last.

    Parameters
    ----------
    view
        The view that holds the messages.
    frame
        Width of the screen, present time and styles.
    rows
        Most rows.
    """
    paint = frame.paint
    lines: list[Row] = []
    for one in reversed(view.messages):
        stamp = f" {clock(one.time)}  "
        texts = wrapped(clean(one.text), frame.width - len(stamp) - 1)
        room = rows - len(lines)
        if room < 1:
            break
        if len(texts) > room:
            texts = [*texts[: room - 1], fit(" ".join(texts[room - 1 :]), frame.width - 12)]
        style = paint(palette.WARN, bold=True) if one.bad else paint()
        added = [
            Row().add(stamp if first else " " * len(stamp), paint(dim=True)).add(text, style)
            for first, text in ((not i, text) for i, text in enumerate(texts))
        ]
        lines = added + lines
    return lines


def title(words: str, frame: ScreenContext) -> Row:
    """Return a heading with a thin line after it.

    Parameters
    ----------
    words
        Text of the heading.
    frame
        Width of the screen, present time and styles.

    Returns
    -------
    Row
        A row as wide as the screen, less a margin of one cell.
    """
    row = Row().add(f" {words} ", frame.paint(bold=True))
    rail = frame.paint(palette.STATE_COLORS["silence"])
    return row.add("─" * max(0, frame.width - row.width - 1), rail)


def segments(station: StationView, frame: ScreenContext, *, rows: int) -> list[Row]:
    """Return a heading and the newest segments, newest first.

    Parameters
    ----------
    station
        The station as the events describe it.
    frame
        Width of the screen, present time and styles.
    rows
        Most rows, with the heading.
    """
    paint = frame.paint
    lines = [title("segments", frame)]
    # 32 cells go to the time, the length and the probability.
    room = max(1, min(14, frame.width - 32))
    for segment in reversed(station.segments):
        if len(lines) >= rows:
            break
        color = palette.text_color(segment.genre)
        word = clean(segment.genre if segment.genre is not None else segment.state)
        row = Row().add(f" {clock(segment.start_time)}  ", paint(dim=True))
        row.add(fit(word, room), paint(color, bold=segment.genre is not None)).to(12 + room)
        row.add(f"{duration(segment.end - segment.start):>11}")
        if segment.mean_probability is not None:
            row.add(f"  {percent(segment.mean_probability):>6}", paint(dim=True))
        lines.append(row)
    if len(lines) == 1:
        lines.append(Row().add(" none finished yet", paint(dim=True)))
    return lines[:rows]


def log(station: StationView, frame: ScreenContext, *, rows: int) -> list[Row]:
    """Return a heading and the newest log entries, newest first.

    Parameters
    ----------
    station
        The station as the events describe it.
    frame
        Width of the screen, present time and styles.
    rows
        Most rows, with the heading.
    """
    paint = frame.paint
    lines = [title("events", frame)]
    for entry in reversed(station.log):
        if len(lines) >= rows:
            break
        row = Row().add(f" {clock(entry.time)}  ", paint(dim=True))
        row.add(f"{entry.kind:<8}", paint(palette.WARN, bold=True) if entry.bad else paint())
        row.add(fit(clean(entry.text), frame.width - row.width - 1), paint(dim=not entry.bad))
        lines.append(row)
    if len(lines) == 1:
        lines.append(Row().add(" none", paint(dim=True)))
    return lines[:rows]
