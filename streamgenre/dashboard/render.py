"""Lays out the screen: which parts are shown, and how many rows each gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from streamgenre.dashboard import gauges, lists, parts, spectrum, strip, table
from streamgenre.dashboard.canvas import Paint, Row, Screenful, beside
from streamgenre.dashboard.parts import ScreenContext

if TYPE_CHECKING:
    from streamgenre.dashboard.view import DashboardView, StationView

MIN_WIDTH: Final = 40
"""Cells in a row below which only a hint is shown."""
MIN_HEIGHT: Final = 10
"""Rows below which only a hint is shown."""
TWO_COLUMNS: Final = 120
"""Cells in a row from which the lists are shown beside the bars."""
ONE_ROW_FOOTER: Final = 150
"""Cells in a row from which the footer fits in one row."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows given to each part of the single-station screen."""

    bars: int
    spaced: bool = False
    big: bool = False
    scale: bool = False
    axis: bool = False
    footer: int = 1
    timeline: int = 1
    history: int = 0
    lists: int = 0
    blanks: int = 0
    """Blank rows, at most one after each of bars, decision, header, timeline and meter."""

    @property
    def height(self) -> int:
        """Rows in all."""
        decision = 3 if self.big else 1
        below = self.timeline + self.axis + self.footer + self.lists + self.history
        return 1 + decision + self.bars + 1 + self.scale + below + self.blanks


def render(
    view: DashboardView, *, width: int, height: int, now: float, color: bool = True
) -> Screenful:
    """Return the screen as a rich renderable.

    The only station, or the selected one, fills the screen; several are shown as a table.

    Parameters
    ----------
    view
        What is known of the stations.
    width
        Cells in a row.
    height
        Rows.
    now
        Seconds on the clock whose times :meth:`DashboardView.apply` was given.
    color
        False for a result without any styles.

    Returns
    -------
    Screenful
        At most ``height`` rows of ``width`` cells.
    """
    frame = ScreenContext(width, now, Paint(color))
    said = lists.messages(view, frame, rows=max(1, height // 6))
    room = height - len(said)
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        rows = [Row().add("streamgenre"), Row().add(f"needs {MIN_WIDTH}×{MIN_HEIGHT}")]
    elif not view.stations:
        rows = [Row() for _ in range(room // 2 - 1)]
        rows.append(Row().add(" waiting for events", frame.paint(dim=True)))
        rows += [Row()] * (room - len(rows)) + said
    else:
        station = view.single
        if station is None:
            rows = table.stations(view, frame, rows=room)
        elif view.spectrum:
            rows = _spectrum(station, frame, room)
        else:
            rows = _single(station, frame, room)
        # Messages go above the last row, which has totals and counts.
        rows[-1:-1] = said
    return Screenful(tuple(rows), width, height)


def _spectrum(station: StationView, frame: ScreenContext, height: int) -> list[Row]:
    """Return the screen of one station with its spectrum."""
    foot = 2 if frame.width < ONE_ROW_FOOTER and height >= 20 else 1
    above = [parts.header(station, frame), *parts.decision(station, frame, rows=1)]
    below = gauges.meter(station, frame, scale=height >= 16)
    room = height - len(above) - len(below) - foot
    footer = parts.footer(station, frame, rows=foot)
    footer += [Row()] * (foot - len(footer))
    return [*above, *spectrum.chart(station.spectrum, frame, rows=room), *below, *footer]


def plan(genres: int, width: int, height: int) -> Plan:
    """Distribute the rows of a screen of at least 10 rows, most important parts first.

    Parameters
    ----------
    genres
        Number of bars.
    width, height
        Cells in a row, and rows.

    Returns
    -------
    Plan
        At most ``height`` rows.
    """
    # Header, decision, meter, timeline and footer take at least one each.
    best = Plan(bars=min(genres, height - 5))
    two_columns = width >= TWO_COLUMNS
    wishes: list[dict[str, int | bool]] = [
        {"blanks": 1},
        {"axis": True},
        {"footer": 2} if width < ONE_ROW_FOOTER else {},
        {"big": True},
        {"blanks": 3},
        {"scale": True},
        {"timeline": 2, "axis": False},
        {"blanks": 4},
        {"timeline": 3},
        {"blanks": 5},
        {"timeline": 6},
        {"bars": 2 * genres - 1, "spaced": True} if best.bars == genres else {},
        {"timeline": 10},
        {"history": 3},
        {"history": 5},
    ]
    for wish in wishes:
        # Without two columns the lists need rows of their own; these come before spaced bars.
        if "spaced" in wish and not two_columns:
            room = height - best.height
            if room >= 6:
                best = replace(best, lists=min(room, 24))
        wished = replace(best, **wish)  # type: ignore[arg-type]
        if wished.height <= height:
            best = wished
    return best


def _single(station: StationView, frame: ScreenContext, height: int) -> list[Row]:
    """Return the screen of one station."""
    update = station.update
    genres = len(update.smoothed) + (update.speech is not None) if update else 10
    layout = plan(genres, frame.width, height)
    blank = [[Row()] if i < layout.blanks else [] for i in range(5)]
    # The first blank rows go where they matter most: after bars, decision, header.
    after_bars, after_decision, after_header, after_timeline, after_meter = blank
    two_columns = frame.width >= TWO_COLUMNS
    left = replace(frame, width=frame.width * 5 // 8) if two_columns else frame
    # Before the first update, the reason for its absence takes the room of the bars.
    large = 3 if layout.big or update is None else 1
    body = parts.decision(station, left, rows=large) + after_decision
    body_rows = layout.bars + len(after_decision) + (3 if layout.big else 1)
    chart = gauges.bars(station, left, rows=layout.bars, spaced=layout.spaced)
    body += chart
    body += [Row()] * (body_rows - len(body))
    if two_columns:
        side = replace(frame, width=frame.width - left.width - 2)
        half = (len(body) + 1) // 2
        shelf = lists.segments(station, side, rows=half - 1)
        shelf += [Row()] * (half - len(shelf))
        shelf += lists.log(station, side, rows=len(body) - half)
        body = beside(body, shelf, column=left.width + 2, width=frame.width)
    if layout.timeline > 1:
        timeline = strip.several(station, frame, rows=layout.timeline)
    else:
        timeline = strip.single(station, frame, axis=layout.axis)
    extra: list[Row] = []
    if layout.lists:
        first = layout.lists // 2
        extra = lists.segments(station, frame, rows=first - 1)
        extra += [Row()] * (first - len(extra))
        extra += lists.log(station, frame, rows=layout.lists - first - 1)
        extra += [Row()] * (layout.lists - len(extra))
    rows = [
        parts.header(station, frame),
        *after_header,
        *body,
        *after_bars,
        *strip.history(station, frame, rows=layout.history),
        *gauges.meter(station, frame, scale=layout.scale),
        *after_meter,
        *timeline,
        *after_timeline,
        *extra,
    ]
    foot = parts.footer(station, frame, rows=layout.footer)
    return rows + [Row()] * (height - len(rows) - len(foot)) + foot
