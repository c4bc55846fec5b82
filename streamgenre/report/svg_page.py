"""The report as one SVG page in the proportions of A3, for PNG and PDF."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Final

from streamgenre.display.palette import ink, letters
from streamgenre.report import charts, ribbons, svg
from streamgenre.report.summary import confidence_note, figures, heading
from streamgenre.report.theme import chart_css, kind_color, pattern_defs

if TYPE_CHECKING:
    from streamgenre.report.data import DayData
    from streamgenre.report.theme import Theme

WIDTH: Final = 1600.0
"""Width of the page in points of its own coordinates."""
HEIGHT: Final = round(WIDTH * sqrt(2), 1)
_MARGIN: Final = 56.0
_INNER: Final = WIDTH - 2 * _MARGIN
_COLUMN: Final = 900.0
"""Width of the left column below the hours."""
_TRANSITIONS: Final = _INNER - _COLUMN - 40
_FONTS: Final = "Arial,'Liberation Sans','Noto Sans','DejaVu Sans',sans-serif"
_NAMESPACE: Final = "http://www.w3.org/2000/svg"
_LEGEND_ROWS: Final = 2
_LEGEND_ROW: Final = 24.0


def svg_page(data: DayData, theme: Theme) -> str:
    """Return the report as one SVG document.

    Parameters
    ----------
    data
        The day.
    theme
        The colours.

    Returns
    -------
    str
        The document, ``WIDTH`` by ``HEIGHT`` points.
    """
    hours = ribbons.hourly(data, theme, _INNER)
    below = 160.0 + _LEGEND_ROWS * _LEGEND_ROW + hours.height
    parts = [
        svg.element("style", f"text{{font-family:{_FONTS}}}{chart_css(theme)}"),
        pattern_defs(theme),
        svg.box(0, 0, WIDTH, HEIGHT, fill=theme.ground),
        *_head(data, theme),
        *_legend(data, theme, top=142),
        hours.placed(_MARGIN, 150 + _LEGEND_ROWS * _LEGEND_ROW),
    ]
    if data.kinds:
        parts += _lower_charts(data, theme, top=below)
    size: dict[str, str | float] = {
        "width": WIDTH,
        "height": HEIGHT,
        "viewBox": f"0 0 {WIDTH:g} {HEIGHT:g}",
    }
    return svg.element("svg", "".join(parts), xmlns=_NAMESPACE, fill=theme.ink, **size)


def _head(data: DayData, theme: Theme) -> list[str]:
    station = ribbons.shortened(data.station, 60)
    out = [
        svg.label(station, _MARGIN, 70, style="font-size:28px;font-weight:600"),
        svg.label(heading(data), _MARGIN, 93, style=f"font-size:14px;fill:{theme.soft}"),
    ]
    # Six figures in columns, at the right of the name.
    step = 150.0
    for number, (name, value) in enumerate(figures(data)):
        x = WIDTH - _MARGIN - (6 - number) * step + 20
        out.append(svg.label(name, x, 62, style=f"font-size:12px;fill:{theme.soft}"))
        shown = ribbons.shortened(value, 17)
        out.append(svg.label(shown, x, 84, style="font-size:16px"))
    return out


def _legend(data: DayData, theme: Theme, top: float) -> list[str]:
    """Return a box with its name for each kind and mark; names beyond two rows are left out."""
    signs = letters(data.genres)
    items = [(kind_color(kind), signs.get(kind.genre or "", ""), kind.name) for kind in data.kinds]
    items += [(theme.bad, "", "dead air"), ("url(#lost)", "", "gap")]
    items.append(("url(#empty)", "", "not recorded"))
    out: list[str] = []
    x, y = _MARGIN, top
    for fill, sign, name in items:
        shown = ribbons.shortened(name, 20)
        width = 42 + 7.6 * len(shown)
        if x + width > WIDTH - _MARGIN:
            x, y = _MARGIN, y + _LEGEND_ROW
        if y >= top + _LEGEND_ROWS * _LEGEND_ROW:
            break
        height = 5.0 if name == "dead air" else 18.0
        out.append(svg.box(x, y - height / 2 - 5, 18, height, fill=fill, stroke=theme.line))
        if sign:
            out.append(svg.label(sign, x + 9, y - 1, class_="letter", style=f"fill:{ink(fill)}"))
        out.append(svg.label(shown, x + 26, y, style="font-size:13px"))
        x += width
    return out


def _lower_charts(data: DayData, theme: Theme, top: float) -> list[str]:
    """Return shares and confidence in the left column, transitions in the right one."""
    second = top + 290
    out = [
        _title("Shares by hour", _MARGIN, top + 20),
        charts.stacked_hours(data, theme, _COLUMN).placed(_MARGIN, top + 28),
        _title("Confidence", _MARGIN, second + 14),
        svg.label(
            *(confidence_note(data), _MARGIN + 100, second + 14),
            style=f"font-size:12px;fill:{theme.soft}",
        ),
        charts.confidence(data, theme, _COLUMN).placed(_MARGIN, second + 22),
    ]
    right = _MARGIN + _COLUMN + 40
    out.append(_title("Transitions", right, top + 20))
    if data.transitions:
        matrix = charts.matrix(data, theme)
        scale = min(1.0, _TRANSITIONS / matrix.width, (HEIGHT - top - 60) / matrix.height)
        out.append(matrix.placed(right, top + 28, scale))
    else:
        out.append(svg.label("None: no genre followed another.", right, top + 46))
    return out


def _title(words: str, x: float, y: float) -> str:
    return svg.label(words, x, y, style="font-size:15px;font-weight:600")
