"""The report as one page, PNG or PDF, drawn with matplotlib (extra ``report``)."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, Final

from streamgenre.display.palette import ink, letters
from streamgenre.display.text import clean, duration, percent
from streamgenre.errors import HistoryError
from streamgenre.history.times import local
from streamgenre.report.charts import clock, runs, shortened
from streamgenre.report.data import Kind, missing
from streamgenre.report.theme import between, kind_color

if TYPE_CHECKING:
    from streamgenre.report.data import DayData
    from streamgenre.report.theme import Theme

_SIZE: Final = (11.7, 16.5)
"""Inches: A3."""
_DPI: Final = 150
_FONTS: Final = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans Arabic", "Noto Sans Hebrew")
"""Taken, where they are installed, for what the first font lacks."""


def draw(data: DayData, theme: Theme, file_format: str) -> bytes:
    """Return the file.

    Parameters
    ----------
    data
        What is shown.
    theme
        Its colours.
    file_format
        ``png`` or ``pdf``.

    Raises
    ------
    HistoryError
        If matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise HistoryError(
            "PNG and PDF need matplotlib: `pip install '.[report]'` in the folder of streamgenre's "
            "source, or "
            "take --out report.html, which needs nothing"
        ) from error
    settings: Any = {
        "font.family": ["DejaVu Sans", *_installed()],
        "font.size": 9,
        "text.color": theme.ink,
        "axes.labelcolor": theme.soft,
        "xtick.color": theme.soft,
        "ytick.color": theme.soft,
        "axes.edgecolor": theme.line,
        "axes.facecolor": theme.ground,
        "hatch.color": theme.lost,
        "hatch.linewidth": 2.0,
        "pdf.fonttype": 42,
        "text.parse_math": False,  # a title with two $ is a title, not a formula
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=_SIZE, facecolor=theme.ground)
        grid = figure.add_gridspec(
            *(3, 2),
            height_ratios=(9, 2.9, 1.5),
            width_ratios=(1.75, 1),
            left=0.07,
            right=0.97,
            top=0.915,
            bottom=0.035,
            hspace=0.22,
            wspace=0.26,
        )
        _head(figure, data, theme)
        _sheet(figure.add_subplot(grid[0, :]), data, theme)
        _hours(figure.add_subplot(grid[1, 0]), data, theme)
        _matrix(figure.add_subplot(grid[1, 1]), data, theme)
        _confidence(figure.add_subplot(grid[2, :]), data, theme)
        out = io.BytesIO()
        metadata = {"Title": f"{clean(data.station)} {data.day.isoformat()}"}
        with warnings.catch_warnings():
            # A letter that no font here has is drawn as a box; the title is whole in the playlist.
            warnings.filterwarnings("ignore", message=r"Glyph \d+", category=UserWarning)
            figure.savefig(out, format=file_format, dpi=_DPI, metadata=metadata)
    return out.getvalue()


def _installed() -> list[str]:
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in _FONTS if name in known]


def _head(figure: Any, data: DayData, theme: Theme) -> None:
    dead = sum(air.end - air.start for air in data.dead_air)
    lost = sum(gap.seconds for gap in data.gaps)
    zone = str(data.tz) if data.tz is not None else local(data.span.start, None).tzname()
    facts = (
        f"{data.day.strftime('%A, %d %B %Y')} · {zone}",
        f"recorded {duration(data.recorded_s)}",
        f"{len(data.titles)} titles",
        f"dead air {duration(dead)}" if dead else "no dead air",
        f"{len(data.gaps)} gaps, {duration(lost)}" if data.gaps else "no gaps",
    )
    figure.text(0.07, 0.972, shortened(data.station, 60), fontsize=18, fontweight="bold")
    figure.text(0.07, 0.957, "      ".join(facts), color=theme.soft)
    marks = ((theme.bad, "▀", "dead air"), (theme.lost, "▨", "gap"), (theme.line, "▒", "missing"))
    signs = letters(data.genres)
    row, x = 0, 0.077
    items = [(kind_color(k), signs.get(k.genre or "", " "), k.name) for k in data.kinds]
    for number, (colour, sign, name) in enumerate((*items, *marks)):
        shown = shortened(name, 14)
        width = 0.032 + 0.0068 * len(shown)
        if x + width > 0.98:
            row, x = row + 1, 0.077
        if row > 1:
            break
        y = 0.941 - 0.0125 * row
        how: dict[str, Any] = {"color": colour, "fontsize": 9}
        if number < len(items):
            patch = {"facecolor": colour, "edgecolor": theme.edge, "pad": 2.2, "linewidth": 0.5}
            how = {"color": ink(colour), "fontsize": 7.5, "fontweight": "bold", "bbox": patch}
        figure.text(x, y, sign, ha="center", **how)
        figure.text(x + 0.012, y, shown, fontsize=8.5)
        x += width


def _sheet(axes: Any, data: DayData, theme: Theme) -> None:
    from matplotlib.patches import Rectangle

    signs = letters(data.genres)

    def cut(start: float, end: float) -> list[tuple[int, float, float]]:
        """Return the row, beginning and length in seconds of the part in each hour."""
        parts = []
        for row, hour in enumerate(data.hours):
            first, last = max(start, hour.span.start), min(end, hour.span.end)
            if first < last:
                parts.append((row, first - hour.span.start, last - first))
        return parts

    def bar(row: int, x: float, width: float, y: float, height: float, **how: Any) -> None:
        axes.add_patch(Rectangle((x, row + y), width, height, **how))

    for empty in missing(data):
        for row, x, width in cut(empty.start, empty.end):
            bar(row, x, width, 0.1, 0.4, facecolor=theme.empty, edgecolor=theme.line)
    for segment in data.segments:
        kind = Kind(segment.state, segment.genre)
        colour = kind_color(kind)
        for row, x, width in cut(segment.start, segment.end):
            bar(row, x, width, 0.1, 0.4, facecolor=colour, edgecolor=theme.edge, linewidth=0.3)
            if segment.genre is not None and width > 45:
                _letter(axes, x + width / 2, row + 0.31, signs[segment.genre], colour)
    for gap in data.gaps:
        for row, x, width in cut(gap.start, gap.end):
            how = {"facecolor": theme.ground, "edgecolor": theme.lost, "hatch": "////"}
            bar(row, x, max(width, 4), 0.1, 0.4, linewidth=0.0, **how)
    for air in data.dead_air:
        for row, x, width in cut(air.start, air.end):
            bar(row, x, max(width, 6), 0.0, 0.07, facecolor=theme.bad)
    for title in data.titles:
        for row, x, width in cut(title.start, title.end):
            room = int(width / 16.5)
            y = row + 0.64
            for words, colour in ((title.artist, theme.soft), (title.title, theme.ink)):
                if words and room > 1:
                    shown = shortened(words, room)
                    axes.text(x + 4, y, shown, fontsize=5.6, color=colour, va="center")
                    y += 0.19
    axes.set_xlim(0, 3600)
    axes.set_ylim(len(data.hours), 0)
    axes.set_yticks([row + 0.3 for row in range(len(data.hours))])
    axes.set_yticklabels([clock(hour.span.start, data) for hour in data.hours])
    axes.set_xticks([600.0 * i for i in range(7)])
    axes.set_xticklabels([f":{10 * i:02d}" for i in range(7)])
    axes.grid(axis="x", color=theme.line, linewidth=0.4)
    axes.set_axisbelow(True)
    _calm(axes)


def _letter(axes: Any, x: float, y: float, sign: str, colour: str) -> None:
    how = {"fontsize": 7, "fontweight": "bold", "ha": "center", "va": "center"}
    axes.text(x, y, sign, color=ink(colour), **how)


def _calm(axes: Any, title: str = "") -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    if title:
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=10)


def _hours(axes: Any, data: DayData, theme: Theme) -> None:
    signs = letters(data.genres)
    bottom = [0.0] * len(data.hours)
    for kind in data.kinds:
        colour = kind_color(kind)
        minutes = [min(60.0, hour.seconds.get(kind, 0.0) / 60) for hour in data.hours]
        axes.bar(
            *(range(len(data.hours)), minutes),
            bottom=bottom,
            width=0.86,
            color=colour,
            edgecolor=theme.edge,
            linewidth=0.5,
        )
        for number, part in enumerate(minutes):
            if kind.genre is not None and part >= 6:
                _letter(axes, number, bottom[number] + part / 2, signs[kind.genre], colour)
            bottom[number] += part
    axes.set_xticks(range(len(data.hours)))
    axes.set_xticklabels([hour.label for hour in data.hours])
    axes.set_xlim(-0.5, len(data.hours) - 0.5)
    axes.set_ylim(0, 60)
    axes.set_yticks([0, 15, 30, 45, 60])
    axes.set_yticklabels([f"{m} min" for m in (0, 15, 30, 45, 60)])
    axes.grid(axis="y", color=theme.line, linewidth=0.5)
    axes.set_axisbelow(True)
    _calm(axes, "Shares by hour")


def _confidence(axes: Any, data: DayData, theme: Theme) -> None:
    for run in runs(data.confidence, 180 if data.detailed else 1e9):
        times = [(p.time - data.span.start) / 3600 for p in run]
        if data.detailed:
            axes.fill_between(
                *(times, [p.low for p in run], [p.high for p in run]),
                color=theme.scale[1],
                alpha=0.22,
                linewidth=0,
            )
        axes.plot(times, [p.mean for p in run], color=theme.ink, linewidth=0.9)
    axes.set_xlim(0, data.span.seconds / 3600)
    axes.set_ylim(0, 1)
    ticks = data.hours[::3]
    axes.set_xticks([(hour.span.start - data.span.start) / 3600 for hour in ticks])
    axes.set_xticklabels([clock(hour.span.start, data) for hour in ticks])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_yticklabels([percent(p) for p in (0, 0.25, 0.5, 0.75, 1)])
    axes.grid(axis="y", color=theme.line, linewidth=0.5)
    words = (
        "mean of each minute, and four fifths of its seconds"
        if data.detailed
        else "mean of each segment"
    )
    _calm(axes, f"Confidence: {words}")


def _matrix(axes: Any, data: DayData, theme: Theme) -> None:
    from matplotlib.patches import Rectangle

    genres = data.genres
    most = max(data.transitions.values(), default=1)
    for row, before in enumerate(genres):
        for column, after in enumerate(genres):
            count = data.transitions.get((before, after), 0)
            if row == column:
                continue
            colour = between(*theme.scale, count / most)
            axes.add_patch(
                Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, facecolor=colour, linewidth=0)
            )
            if count:
                axes.text(
                    *(column, row, str(count)),
                    color=ink(colour),
                    ha="center",
                    va="center",
                    fontsize=6.5,
                )
        colour = kind_color(Kind("music", before))
        axes.add_patch(Rectangle((-0.72, row - 0.44), 0.12, 0.88, facecolor=colour))
        axes.add_patch(Rectangle((row - 0.44, -0.72), 0.88, 0.12, facecolor=colour))
    size = max(1, len(genres))
    axes.set_xlim(-0.8, size - 0.5)
    axes.set_ylim(size - 0.5, -0.8)
    axes.set_aspect("equal", anchor="S")
    names = [shortened(genre, 12) for genre in genres]
    axes.set_xticks(range(len(genres)))
    axes.xaxis.tick_top()
    axes.set_xticklabels(names, rotation=45, ha="left")
    axes.set_yticks(range(len(genres)))
    axes.set_yticklabels(names)
    _calm(axes)
    # Below: above it the slanted names would meet the words.
    axes.set_xlabel("Transitions, row to column", fontsize=11, fontweight="bold", color=theme.ink)
