"""The spectrogram of a station: time to the right, two bands to a cell, one row to a column."""

from __future__ import annotations

from bisect import bisect_right
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final

from streamgenre.dashboard.canvas import Row, fit
from streamgenre.display import palette
from streamgenre.display.sound_check import WORDS

if TYPE_CHECKING:
    from rich.style import Style

    from streamgenre.dashboard.parts import ScreenContext
    from streamgenre.dashboard.spectrum_view import SpectrumView
    from streamgenre.events import Spectrum

LOWEST_DB: Final = -95.0
"""Level in dB with the darkest colour."""
HIGHEST_DB: Final = -15.0
"""Level in dB with the brightest colour."""
SHADES: Final = " .:-=+*#%@"
"""Characters from quiet to loud, for terminals without colour."""
TICKS_HZ: Final = (100, 1000, 4000, 8000, 2000, 500, 200, 16_000)
"""Frequencies that get a label, the most important first."""
LABEL: Final = 7
"""Cells at the left for the frequency."""
_COLORS: Final = palette.heat_colors(24)


def chart(view: SpectrumView, frame: ScreenContext, *, rows: int) -> list[Row]:
    """Return the spectrogram with its axes, and below them the verdict on the level.

    Parameters
    ----------
    view
        The last rows.
    frame
        Width of the screen, present time and styles.
    rows
        Rows in all, at least 3.
    """
    paint = frame.paint
    verdict = view.check.verdict
    said = Row().add(f" {WORDS[verdict]}" if verdict else "", _style(verdict, frame))
    newest = view.newest
    if newest is None:
        words = " waiting for the spectrum, which comes with the next update"
        rest = [Row() for _ in range(rows - 2)]
        return [Row().add(fit(words, frame.width), paint(dim=True)), *rest, said]
    height, width = rows - 2, frame.width - LABEL - 1
    columns = view.columns(width, frame.now)
    bands = _pixels(newest.bands, 2 * height)
    shades = _shades(newest)
    pixels = [
        [0] * (2 * height)
        if column is None
        else [shades[max(column[low:high])] for low, high in bands]
        for column in columns
    ]
    ticks = _ticks(newest.edges_hz, height)
    lines = []
    for at in range(height - 1, -1, -1):
        row = Row().add(f"{ticks.get(at, ''):>{LABEL - 1}} ", paint(dim=True))
        row.to(LABEL + width - len(pixels))
        cells = [(column[2 * at + 1], column[2 * at]) for column in pixels]
        for (upper, lower), same in groupby(cells):
            count = len(list(same))
            if paint.color:
                style = paint(_COLORS[upper], bg=_COLORS[lower])
                row.add("▀" * count, style)
            else:
                shade = max(upper, lower) * (len(SHADES) - 1) // (len(_COLORS) - 1)
                row.add(SHADES[shade] * count)
        lines.append(row)
    span = f"{width * newest.row_s:.0f} s"
    axis = Row().add(f"{'Hz':>{LABEL - 1}} -{span}", paint(dim=True))
    axis.to(LABEL + width - 3).add("now", paint(dim=True))
    return [*lines, axis, said]


def _style(verdict: str | None, frame: ScreenContext) -> Style:
    if verdict == "fine":
        return frame.paint(palette.GOOD)
    return frame.paint(palette.BAD if verdict == "clipping" else palette.WARN, bold=True)


def _pixels(bands: int, count: int) -> list[tuple[int, int]]:
    """Return the bands of each of ``count`` pixels, from the lowest, as slices."""
    edges = [bands * at // count for at in range(count + 1)]
    return [(low, max(high, low + 1)) for low, high in pairwise(edges)]


def _shades(event: Spectrum) -> list[int]:
    """Return the colour of each byte, as an index."""
    most = len(_COLORS) - 1
    span = HIGHEST_DB - LOWEST_DB
    shares = ((event.floor_db + event.step_db * byte - LOWEST_DB) / span for byte in range(256))
    return [round(most * min(1.0, max(0.0, share))) for share in shares]


def _ticks(edges_hz: list[float], height: int) -> dict[int, str]:
    """Return labels of frequencies by row, from the bottom; those too close are left out."""
    bands = len(edges_hz) - 1
    found: dict[int, str] = {}
    for hz in TICKS_HZ:
        if not edges_hz[0] <= hz <= edges_hz[-1]:
            continue
        band = min(bands - 1, max(0, bisect_right(edges_hz, hz) - 1))
        row = min(height - 1, band * height // bands)
        if not any(abs(row - other) < 2 for other in found):
            found[row] = f"{hz // 1000} k" if hz >= 1000 else f"{hz}"
    return found
