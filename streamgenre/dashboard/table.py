"""The table of several stations: one row each."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from streamgenre.dashboard import palette, parts, strip
from streamgenre.dashboard.canvas import Row, fit
from streamgenre.dashboard.keys import HINT
from streamgenre.dashboard.text import clean, duration, number, percent

if TYPE_CHECKING:
    from streamgenre.dashboard.parts import Frame
    from streamgenre.dashboard.view import DashboardView, StationView

NAME: Final = 16
"""Cells for the name of a station in a wide table."""
TITLE: Final = 40
"""Cells for what is playing in a very wide table."""
MIN_TITLE: Final = 14
"""Less room than this is left to the timeline."""
GENRE: Final = 12
"""Cells for the genre in a wide table."""


def stations(view: DashboardView, frame: Frame, *, rows: int) -> list[Row]:
    """Return a heading, one row a station by name, and a summary, in at most ``rows`` rows."""
    everyone = sorted(view.stations.values(), key=lambda one: one.name)
    # Heading, summary and a blank row around the table.
    room = max(1, rows - 4)
    pages = 1
    shown = everyone
    if len(everyone) > room:
        step = max(1, room - 1)
        pages = -(-len(everyone) // step)
        start = step * (view.page % pages)
        shown = everyone[start : start + step]
    lines = [_heading(frame), Row()]
    lines += [_station(one, frame) for one in shown]
    if pages > 1:
        lines += [Row()] * (step - len(shown))
        more = f" … and {len(everyone) - len(shown)} more (page {view.page % pages + 1} of {pages})"
        lines.append(Row().add(more, frame.paint(dim=True)).cut(frame.width))
    lines += [Row(), _summary(everyone, frame)]
    return lines


def _columns(frame: Frame) -> tuple[int, int, int, int]:
    """Return the cells for name, genre, title and timeline."""
    name = min(NAME, frame.width // 4)
    genre = min(GENRE, frame.width // 5)
    # Name, state (13 or 2), genre, 6 of confidence, 8 of level, and what lies between.
    fixed = 1 + name + 1 + _state(frame) + 1 + 4 + genre + 1 + 6 + 2 + 6 + 2
    rest = max(0, frame.width - fixed - 1)
    title = min(TITLE, rest // 2 - 2) if rest >= 2 * MIN_TITLE else 0
    return name, genre, title, rest - title - 2 * (title > 0)


def _state(frame: Frame) -> int:
    return 13 if frame.width >= 70 else 2


def _heading(frame: Frame) -> Row:
    name, genre, title, timeline = _columns(frame)
    dim = frame.paint(dim=True)
    row = Row().add(" station", dim).to(name + 2)
    if _state(frame) > 2:
        row.add("source", dim)
    row.to(name + 3 + _state(frame)).add("genre", dim).to(row.width + genre - 1)
    row.add("   sure    dBFS", dim)
    if title:
        start = row.width
        row.add("  playing", dim).to(start + 2 + title)
    if timeline >= 8:
        row.add("  last minutes", dim)
    return row.cut(frame.width)


def _station(station: StationView, frame: Frame) -> Row:
    name, genre, title, timeline = _columns(frame)
    paint = frame.paint
    update = station.update
    stale = station.stale_s(frame.now)
    row = Row().add(" ").add(fit(clean(station.name), name), paint(bold=True)).to(name + 2)
    start = row.width
    state = parts.source_sign(station, paint)
    if stale is not None and station.source_state != "lost":
        words = f"▲ {duration(stale)}"
        state = Row().add(words, paint(palette.BAD, bold=True))
    row.extend(state.cut(_state(frame) - 1)).to(start + _state(frame) + 1)
    start = row.width
    if update is None:
        row.add("waiting", paint(dim=True)).to(start + 4 + genre)
    else:
        color = palette.color(update.state, update.genre)
        letters = palette.letters(update.smoothed)
        sign = letters.get(update.genre or "") or palette.STATE_GLYPHS.get(update.state, "?")
        row.add(f" {sign} ", paint(palette.ink(color), bg=color, bold=True)).add(" ")
        row.add(
            fit(parts.decision_word(station), genre),
            paint(palette.text_color(update.genre), bold=True),
        )
        row.to(start + 4 + genre)
        sure = percent(update.confidence) if update.genre is not None else ""
        dbfs = update.level_dbfs
        loud = "–" if dbfs is None or not math.isfinite(dbfs) else f"{dbfs:.1f}"
        row.add(f" {sure:>6}").add(f"  {loud:>6}", paint(dim=True))
        if title:
            start = row.width
            row.add("  ").add(fit(_playing(station), title), paint()).to(start + 2 + title)
        if timeline >= 8:
            cells = strip.single(station, replace(frame, width=timeline + 2), axis=False)[0]
            row.add(" ").extend(cells)
    return row


def _playing(station: StationView) -> str:
    """Return what a station says is on; of one that is lost, why."""
    if station.source is not None and station.source_state == "lost":
        return clean(station.source.detail)
    return clean(station.title.raw) if station.title is not None else ""


def _summary(everyone: list[StationView], frame: Frame) -> Row:
    paint = frame.paint
    states = [one.source_state or "no word yet" for one in everyone]
    row = Row().add(f" {len(everyone)} stations", paint(bold=True))
    for state in ("live", "connecting", "lost", "ended"):
        if state in states:
            sign, color = parts.SOURCE_SIGNS[state]
            row.add("   ").add(f"{sign} {states.count(state)} {state}", paint(color))
    late = sum(one.stale_s(frame.now) is not None for one in everyone)
    if late:
        row.add("   ").add(f"▲ {late} without updates", paint(palette.BAD, bold=True))
    lost = sum(one.samples_lost for one in everyone)
    style = paint(palette.WARN, bold=True) if lost else paint(dim=True)
    row.add("   ").add(f"lost {number(lost)} samples", style)
    missed = sum(one.missed for one in everyone)
    if missed:
        row.add("   ").add(f"missed {number(missed)} events", paint(palette.WARN, bold=True))
    row.add(f"   {HINT}", paint(dim=True))
    return row.cut(frame.width)
