"""The bars of the single-station screen: probabilities of the genres, and the level."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from streamgenre.dashboard.canvas import Paint, Row, fit
from streamgenre.display import palette
from streamgenre.display.text import clean, level, percent, share

if TYPE_CHECKING:
    from rich.style import Style

    from streamgenre.dashboard.parts import ScreenContext
    from streamgenre.dashboard.view import StationView

FLOOR_DBFS: Final = -60.0
"""Left end of the level meter."""
HOT_DBFS: Final = -6.0
"""RMS level in dBFS above which the meter warns: peaks are clipped at this level."""
PEAK_UPDATES: Final = 10
"""Updates whose highest level is marked."""


def gauge(value: float, mark: float | None, width: int, style: Style, paint: Paint) -> Row:
    """Return a bar with a second value marked on it.

    Parameters
    ----------
    value
        Length of the bar, 0 to 1.
    mark
        Position of the mark, 0 to 1; None for none.
    width
        Cells of the whole gauge.
    style
        Style of the bar.
    paint
        Makes the other styles.

    Returns
    -------
    Row
        A row of ``width`` cells.
    """
    halves = round(2 * width * share(value))
    line = "━" * (halves // 2) + "╸" * (halves % 2)
    filled = len(line)
    row = Row()
    rail = paint(palette.STATE_COLORS["silence"])
    if mark is None:
        return row.add(line, style).add("─" * (width - filled), rail)
    at = min(width - 1, int(width * share(mark)))
    row.add(line[:at], style)
    if filled < at:
        row.add("─" * (at - filled), rail)
    row.add("◆", paint(bold=True))
    row.add(line[at + 1 :], style)
    return row.add("─" * (width - row.width), rail)


def shown_genres(smoothed: dict[str, float], count: int) -> list[str]:
    """Return the ``count`` likeliest genres in the model's order.

    Parameters
    ----------
    smoothed
        Probability of each genre, 0 to 1, in the model's order.
    count
        Most genres to return.
    """
    if len(smoothed) <= count:
        return list(smoothed)
    likeliest = sorted(smoothed, key=lambda genre: -share(smoothed[genre]))[:count]
    return [genre for genre in smoothed if genre in set(likeliest)]


def bars(station: StationView, frame: ScreenContext, *, rows: int, spaced: bool) -> list[Row]:
    """Return one bar for each genre: the smoothed value, and ``◆`` at that of the last hop.

    Parameters
    ----------
    station
        The station as the events describe it.
    frame
        Width of the screen, present time and styles.
    rows
        Most rows, with that of speech.
    spaced
        Whether blank rows separate the bars.

    Returns
    -------
    list[Row]
        The bars, and one of speech if the model detects it; empty before the first update.
    """
    update = station.update
    if update is None:
        return []
    paint = frame.paint
    signs = palette.letters(update.smoothed)
    room = (rows + 1) // 2 if spaced else rows
    genres = shown_genres(update.smoothed, room - (update.speech is not None))
    # 26 cells go to everything but name and bar.
    names = {genre: fit(clean(genre), max(4, (frame.width - 26) // 2)) for genre in genres}
    least = 0 if update.speech is None else len("speech")
    name_width = max((Row().add(name).width for name in names.values()), default=0)
    name_width = max(name_width, least)
    bar_width = max(0, frame.width - 26 - name_width)
    lines: list[Row] = []
    for genre in genres:
        smoothed, raw = update.smoothed[genre], update.probabilities.get(genre, 0.0)
        chosen = genre == update.genre
        color = palette.genre_color(genre)
        row = Row().add("▸" if chosen else " ", paint(color, bold=True))
        row.add(f" {signs[genre]} ", paint(palette.ink(color), bg=color, bold=True))
        row.add(" ").add(names[genre], paint(bold=chosen)).to(6 + name_width)
        row.extend(gauge(smoothed, raw, bar_width, paint(color, bold=True), paint))
        row.add(f" {percent(smoothed):>6}", paint(bold=chosen))
        row.add("   ◆ ", paint(dim=True)).add(f"{percent(raw):>5}", paint(dim=True))
        if spaced and lines:
            lines.append(Row())
        lines.append(row)
    if update.speech is not None:
        chosen = update.state == "speech"
        color = palette.STATE_COLORS["speech"]
        sign = palette.STATE_GLYPHS["speech"]
        row = Row().add("▸" if chosen else " ", paint(color, bold=True))
        row.add(f" {sign} ", paint(palette.ink(color), bg=color, bold=True))
        row.add(" ").add(fit("speech", name_width), paint(bold=chosen)).to(6 + name_width)
        row.extend(gauge(update.speech, None, bar_width, paint(color, bold=True), paint))
        row.add(f" {percent(update.speech):>6}", paint(bold=chosen))
        lines += [Row(), row] if spaced and lines else [row]
    return lines


def meter(station: StationView, frame: ScreenContext, *, scale: bool) -> list[Row]:
    """Return the level and its recent maximum; with ``scale`` ticks and loudness too.

    Parameters
    ----------
    station
        The station as the events describe it.
    frame
        Width of the screen, present time and styles.
    scale
        Whether a second row shows ticks in dBFS and the loudness in LUFS.

    Returns
    -------
    list[Row]
        One row, or two with ``scale``.
    """
    paint = frame.paint
    width = frame.width - 26
    dbfs = station.update.level_dbfs if station.update else None
    # During digital silence no maximum of earlier music is shown.
    recent = [one for one in list(station.levels)[-PEAK_UPDATES:] if one is not None]

    def place(value: float) -> float:
        return share((value - FLOOR_DBFS) / -FLOOR_DBFS)

    color = palette.GOOD if dbfs is None or dbfs <= HOT_DBFS else palette.WARN
    row = Row().add(" level ", paint(dim=True))
    peak = place(max(recent)) if recent and dbfs is not None else None
    row.extend(gauge(0.0 if dbfs is None else place(dbfs), peak, width, paint(color), paint))
    words = level(dbfs) if station.update else "–"
    row.add(f"  {words:>15}", paint(bold=dbfs is not None, dim=dbfs is None))
    if not scale:
        return [row]
    ticks = Row().to(7)
    update = station.update
    lufs = update.loudness_lufs if update else None
    for tick in range(int(FLOOR_DBFS), 1, 10):
        at = 7 + min(width - 1, int(width * place(tick)))
        label = str(tick)
        start = at if tick == FLOOR_DBFS else at - len(label) + 1
        if start > ticks.width or tick == FLOOR_DBFS:
            ticks.to(start).add(label, paint(dim=True))
    if lufs is not None and math.isfinite(lufs):
        ticks.to(7 + width).add(f"  {f'{lufs:.1f} LUFS':>15}")
    return [row, ticks]
