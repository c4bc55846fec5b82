"""The table of stations, one row each."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from rich.cells import cell_len

from streamgenre.client.workers import WORKER_FIELDS, workers_of
from streamgenre.dashboard import parts, strip
from streamgenre.dashboard.canvas import Row, fit
from streamgenre.dashboard.keys import HINT
from streamgenre.dashboard.station_state import station_state
from streamgenre.display import palette
from streamgenre.display.text import clean, number, size

if TYPE_CHECKING:
    from streamgenre.dashboard.parts import ScreenContext
    from streamgenre.dashboard.view import DashboardView, StationView

TIMES: Final = len(" 59 min 59 s")
"""Cells for a duration, fixed so that columns do not move every second."""
FIGURE: Final = 5
"""Cells for the probability and for the level."""
TITLE: Final = (14, 40)
"""Fewest and most cells for what is playing."""
MAX_WORKERS: Final = 4
"""Most workers whose figures the summary shows."""
TIMELINE: Final = 12
"""Fewest cells for the last minutes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Cells of each column; 0 if it is left out."""

    name: int
    state: int
    form: Literal["sign", "word", "time"] = "sign"
    """Form of the state."""
    genre: int = 0
    """For the word beside the letter."""
    sure: int = 0
    level: int = 0
    title: int = 0
    timeline: int = 0

    @property
    def head(self) -> int:
        """Cells of name and state with their margins."""
        return 1 + self.name + 2 + self.state + 2

    @property
    def body(self) -> int:
        """Cells between the state and the timeline."""
        columns = (self.sure, self.level, self.title)
        return 3 + (self.genre and 1 + self.genre) + sum(2 + one for one in columns if one)

    @property
    def width(self) -> int:
        """Cells in all."""
        return self.head + self.body + (self.timeline and 2 + self.timeline + 1)


def stations(view: DashboardView, frame: ScreenContext, *, rows: int) -> list[Row]:
    """Return heading, one row for each station, and summary, in at most ``rows`` rows.

    Parameters
    ----------
    view
        The stations, at least one, and the page.
    frame
        Width of the screen, present time and styles.
    rows
        Most rows; stations that do not fit go to further pages. At least one station is shown.
    """
    everyone = view.in_order()
    # Heading, summary and a blank row around the table.
    room = max(1, rows - 4)
    pages = 1
    shown = everyone
    if len(everyone) > room:
        step = max(1, room - 1)
        pages = -(-len(everyone) // step)
        start = step * (view.page % pages)
        shown = everyone[start : start + step]
    layout = _layout(everyone, frame)
    lines = [_heading(layout, frame), Row()]
    lines += [_station(one, layout, frame) for one in shown]
    if pages > 1:
        lines += [Row()] * (step - len(shown))
        more = f" … and {len(everyone) - len(shown)} more (page {view.page % pages + 1} of {pages})"
        lines.append(Row().add(more, frame.paint(dim=True)).cut(frame.width))
    lines += [Row(), _summary(everyone, frame)]
    return lines


def _layout(everyone: list[StationView], frame: ScreenContext) -> Layout:
    """Return the columns that fit, the most important first; none is cut."""
    name = max(cell_len(clean(one.name)) for one in everyone)
    labels = {label for one in everyone if one.update for label in one.update.smoothed}
    genre = max((cell_len(clean(label)) for label in labels), default=0)
    states = [station_state(one, frame.now) for one in everyone]
    word = max(one.row(frame.paint, "word").width for one in states)
    lasts = any(one.seconds is not None for one in states)
    wishes: list[dict[str, Any]] = [
        {"genre": min(12, max(len("unknown"), genre))},
        {"name": min(16, max(len("station"), name))},
        {"sure": FIGURE},
        {"state": max(len("source"), word), "form": "word"},
        {"level": FIGURE},
        {"state": word + TIMES, "form": "time"} if lasts else {},
        {"title": TITLE[0]} if any(one.title or one.reason for one in everyone) else {},
        {"timeline": TIMELINE},
        {"name": min(28, max(len("station"), name))},
    ]
    best = Layout(name=min(8, name), state=1)
    for wish in wishes:
        wished = replace(best, **wish)
        if wished.width <= frame.width:
            best = wished
    rest = frame.width - best.width
    if best.title:
        best = replace(best, title=min(TITLE[1], best.title + rest // (2 if best.timeline else 1)))
    if best.timeline:
        best = replace(best, timeline=best.timeline + frame.width - best.width)
    return best


def _heading(layout: Layout, frame: ScreenContext) -> Row:
    dim = frame.paint(dim=True)
    row = Row().add(f" {fit('station', layout.name)}", dim).to(1 + layout.name + 2)
    row.add("source" if layout.form != "sign" else "", dim).to(layout.head)
    row.add("genre" if layout.genre else "", dim)
    row.to(layout.head + 3 + (layout.genre and 1 + layout.genre))
    if layout.sure:
        row.add(f"  {'sure':>{layout.sure}}", dim)
    if layout.level:
        row.add(f"  {'dBFS':>{layout.level}}", dim)
    if layout.title:
        row.add("  playing", dim)
    if layout.timeline:
        row.to(layout.head + layout.body).add("  last minutes", dim)
    return row


def _station(station: StationView, layout: Layout, frame: ScreenContext) -> Row:
    paint = frame.paint
    row = Row().add(" ").add(fit(clean(station.name), layout.name), paint(bold=True))
    row.to(1 + layout.name + 2)
    row.extend(station_state(station, frame.now).row(paint, layout.form).cut(layout.state))
    row.to(layout.head)
    reason = clean(station.reason)
    if reason:
        room = layout.body if layout.timeline and station.update else frame.width - layout.head
        row.add(fit(reason, room))
    elif station.update is None:
        if station.away_s(frame.now) is None:
            row.add(fit("waiting", layout.body), paint(dim=True))
    else:
        _decision(row, station, layout, frame)
    if layout.timeline and station.update is not None:
        row.to(layout.head + layout.body)
        # The margin of the strip is the second cell between the columns.
        cells = strip.single(station, replace(frame, width=layout.timeline + 2), axis=False)[0]
        row.add(" ").extend(cells)
    return row


def _decision(row: Row, station: StationView, layout: Layout, frame: ScreenContext) -> None:
    """Append the decision with its probability, the level and what is playing."""
    update = station.update
    assert update is not None
    paint = frame.paint
    color = palette.color(update.state, update.genre)
    letters = palette.letters(update.smoothed)
    sign = letters.get(update.genre or "") or palette.STATE_GLYPHS.get(update.state, "?")
    row.add(f" {sign} ", paint(palette.ink(color), bg=color, bold=True))
    if layout.genre:
        word = fit(parts.decision_word(station), layout.genre)
        row.add(" ").add(word, paint(palette.text_color(update.genre), bold=True))
        row.to(layout.head + 4 + layout.genre)
    if layout.sure:
        row.add(f"  {parts.sureness(update):>{layout.sure}}")
    if layout.level:
        dbfs = update.level_dbfs
        loud = "–" if dbfs is None or not math.isfinite(dbfs) else f"{max(-99.9, dbfs):.1f}"
        row.add(f"  {fit(loud, layout.level):>{layout.level}}", paint(dim=True))
    if layout.title and station.title is not None:
        row.add("  ").add(fit(clean(station.title.raw), layout.title))


def _workers(everyone: list[StationView], frame: ScreenContext) -> list[Row]:
    """Return the daemon's workers: CPU and memory of each, and how often they were replaced."""
    paint = frame.paint
    known = [one.status for one in everyone if one.status is not None]
    workers = workers_of(
        {name: getattr(status, name) for name in WORKER_FIELDS} for status in known
    )
    if not workers:
        return []
    figures = [f"{100 * each.cpu_share:.0f} % {size(each.rss_bytes)}" for each in workers]
    shown = ", ".join(figures[:MAX_WORKERS]) + (", …" if len(figures) > MAX_WORKERS else "")
    rows = [Row().add(f"workers {len(workers)}: {shown}", paint(dim=True))]
    replaced = sum(each.restarts for each in workers)
    if replaced:
        rows.append(Row().add(f"replaced {number(replaced)}", paint(palette.WARN, bold=True)))
    return rows


def _summary(everyone: list[StationView], frame: ScreenContext) -> Row:
    """Return the number of stations in each state, and losses, the most important first."""
    paint = frame.paint
    counts = Counter(station_state(one, frame.now).word for one in everyone)
    row = Row().add(f" {len(everyone)} stations", paint(bold=True))
    tally = [
        Row().add(f"{sign} {counts[word]} {word}", paint(color, bold=word in ("dead air", "lost")))
        for word, (sign, color) in palette.SOURCE_SIGNS.items()
        if counts[word]
    ]
    between = 3
    if row.width + sum(between + one.width for one in tally) > frame.width:
        between = 1
        tally = [
            Row().add(f"{sign}{counts[word]}", paint(color))
            for word, (sign, color) in palette.SOURCE_SIGNS.items()
            if counts[word]
        ]
    lost = sum(one.samples_lost for one in everyone)
    style = paint(palette.WARN, bold=True) if lost else paint(dim=True)
    tally.append(Row().add(f"lost {number(lost)} samples", style))
    missed = sum(one.missed for one in everyone)
    if missed:
        style = paint(palette.WARN, bold=True)
        tally.append(Row().add(f"missed {number(missed)} events", style))
    tally += _workers(everyone, frame)
    tally.append(Row().add(HINT, paint(dim=True)))
    for piece in tally:
        if row.width + between + piece.width <= frame.width:
            row.add(" " * between).extend(piece)
    return row.cut(frame.width)
