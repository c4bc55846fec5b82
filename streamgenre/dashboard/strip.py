"""The timeline as rows of coloured cells: one scrolling row, or several aligned to the clock."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, Final

from streamgenre.dashboard.canvas import Row
from streamgenre.dashboard.timeline import SPAN_S
from streamgenre.display import palette
from streamgenre.display.text import clock

if TYPE_CHECKING:
    from streamgenre.dashboard.canvas import Paint
    from streamgenre.dashboard.parts import ScreenContext
    from streamgenre.dashboard.timeline import Key
    from streamgenre.dashboard.view import StationView

STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60)
"""Seconds that one cell of a single row may stand for."""
SPANS_S: Final = (60, 120, 180, 300, 600, 900)
"""Seconds that one of several rows may show; each divides the hour."""
LEAST_S: Final = 300
"""Least seconds of a single row; several rows show at least twice as much."""
GAP: Final = "×"
"""Sign of a cell in which samples were lost."""
EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
"""Columns of 0 to 8 eighths of a cell."""
LOWEST_DBFS: Final = -60.0
"""Level of the lower end of the history of levels."""
LABEL: Final = 9
"""Cells of each of several rows that its time and the margins take."""


def edge(station: StationView, now: float) -> float:
    """Return the UNIX seconds of the right edge: the newest update, or later if one is overdue.

    Parameters
    ----------
    station
        The station as the events describe it.
    now
        Seconds on the clock by which events arrived.

    Returns
    -------
    float
        UNIX seconds; 0 before the first update.
    """
    if station.update is None:
        return 0.0
    away = station.source_state in ("connecting", "lost")
    overdue = station.quiet_s(now) if away or station.stale_s(now) is not None else 0.0
    return station.update.time + overdue


def strip(
    station: StationView, letters: dict[str, str], *, start: float, step: float, count: int,
    paint: Paint,
) -> Row:  # fmt: skip
    """Return ``count`` cells of ``step`` seconds from ``start`` (UNIX seconds).

    With colour the letter marks the start of a stretch; without colour it fills every cell.

    Parameters
    ----------
    station
        The station as the events describe it.
    letters
        Letter of each genre.
    start
        UNIX seconds of the left edge.
    step
        Seconds per cell, above 0.
    count
        Number of cells.
    paint
        Makes the styles.

    Returns
    -------
    Row
        A row of ``count`` cells.
    """
    gaps = station.timeline.gap_cells(start, step, count)
    cells = station.timeline.cells(start, step, count)
    row = Row()
    at = 0
    for key, group in groupby(cells):
        length = len(list(group))
        text, color = _cell(key, letters)
        once = paint.color and key is not None
        text = text + " " * (length - 1) if once else text * length
        marked = "".join(GAP if at + i in gaps else char for i, char in enumerate(text))
        if color is None:
            row.add(marked, paint(palette.BAD, bold=True) if GAP in marked else paint(dim=True))
        else:
            row.add(marked, paint(palette.ink(color), bg=color, bold=True))
        at += length
    return row


def _cell(key: Key | None, letters: dict[str, str]) -> tuple[str, str | None]:
    """Return the sign and the colour of a cell."""
    if key is None:
        return " ", None
    if key.genre is not None:
        # The model of an earlier session may have had other genres.
        letter = letters.get(key.genre) or palette.letters([key.genre])[key.genre]
        return letter, palette.genre_color(key.genre)
    return palette.STATE_GLYPHS.get(key.state, "?"), palette.color(key.state, None)


def single(station: StationView, frame: ScreenContext, *, axis: bool) -> list[Row]:
    """Return one row up to now that scrolls by whole cells; with ``axis``, the time below it.

    Parameters
    ----------
    station
        The station as the events describe it.
    frame
        Width of the screen, present time and styles.
    axis
        Whether a second row shows the time.

    Returns
    -------
    list[Row]
        One row, or two with ``axis``.
    """
    count = frame.width - 2
    step = next((s for s in STEPS_S if s * count >= LEAST_S), STEPS_S[-1])
    # Cells start at multiples of their length, so that their content is stable while scrolling.
    end = math.ceil(edge(station, frame.now) / step) * step
    start = end - count * step
    row = Row().add(" ")
    row.extend(
        strip(station, _letters(station), start=start, step=step, count=count, paint=frame.paint)
    )
    if not axis:
        return [row]
    marks = Row().add(" ")
    if station.update is not None:
        # A label takes six cells and a margin.
        every = next((s for s in (60, 120, 300, 600) if s / step >= 10), 600)
        tick = math.ceil(start / every) * every
        while tick < end:
            at = 1 + round((tick - start) / step)
            if at + 6 > frame.width:
                break
            marks.to(at).add("╵" + clock(tick)[:5], frame.paint(dim=True))
            tick += every
    return [row, marks]


def several(station: StationView, frame: ScreenContext, *, rows: int) -> list[Row]:
    """Return up to ``rows`` rows of whole minutes, the newest last; cells never move.

    Parameters
    ----------
    station
        The station as the events describe it.
    frame
        Width of the screen, present time and styles.
    rows
        Most rows.

    Returns
    -------
    list[Row]
        The rows; those of :func:`single` with its axis if no span fits, or before the first
        update.
    """
    room = frame.width - LABEL
    fitting = [
        (span // step, -step, span)
        for span in SPANS_S
        for step in range(1, 61)
        if span % step == 0 and span // step <= room and 2 * LEAST_S <= rows * span <= SPAN_S
    ]
    if not fitting or station.update is None:
        return single(station, frame, axis=True)
    # As many cells as fit, each as short as possible.
    count, step, span = max(fitting)
    step = -step
    last = math.floor(edge(station, frame.now) / span) * span
    # An update exactly on the edge belongs to the row before.
    if last == edge(station, frame.now):
        last -= span
    lines = []
    letters = _letters(station)
    for i in range(rows):
        start = last - (rows - 1 - i) * span
        row = Row().add(f" {clock(start)[:5]}", frame.paint(dim=True)).to(LABEL - 1)
        cells = strip(station, letters, start=start, step=step, count=count, paint=frame.paint)
        lines.append(row.extend(cells))
    return lines


def history(station: StationView, frame: ScreenContext, *, rows: int) -> list[Row]:
    """Return the levels of the last updates, one a column, the newest at the right.

    Parameters
    ----------
    station
        The station as the events describe it.
    frame
        Width of the screen, present time and styles.
    rows
        Height of the chart in rows; 0 for no chart.

    Returns
    -------
    list[Row]
        ``rows`` rows; levels from :data:`LOWEST_DBFS` to 0 dBFS.
    """
    if rows == 0:
        return []
    count = frame.width - LABEL
    levels = list(station.levels)[-count:]
    steps = len(EIGHTHS) - 1
    heights = [
        0 if one is None or not math.isfinite(one)
        else min(rows * steps, max(1, round((one - LOWEST_DBFS) / -LOWEST_DBFS * rows * steps)))
        for one in levels
    ]  # fmt: skip
    lines = []
    for i in range(rows):
        below = (rows - 1 - i) * steps
        text = "".join(EIGHTHS[min(steps, max(0, high - below))] for high in heights)
        label = {0: "0 dB", rows - 1: f"{LOWEST_DBFS:.0f}"}.get(i, "")
        row = Row().add(f" {label}", frame.paint(dim=True))
        row.to(LABEL - 1 + count - len(text)).add(text, frame.paint(palette.GOOD, dim=True))
        lines.append(row)
    return lines


def _letters(station: StationView) -> dict[str, str]:
    return palette.letters(station.update.smoothed) if station.update else {}
