"""The charts of a report: shares by hour, transitions and confidence."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from streamgenre.display.palette import ink, letters
from streamgenre.display.text import duration, percent
from streamgenre.report import svg
from streamgenre.report.data import Kind
from streamgenre.report.ribbons import LEFT, WIDTH, clock, hour_marks
from streamgenre.report.theme import kind_color

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamgenre.report.data import DayData, Point
    from streamgenre.report.theme import Theme

_MAX_APART_S: Final = 180.0
"""Points of the confidence that lie further apart are not joined by a line."""
_LABEL: Final = 18.0
"""Width of the label of a bar in points."""


def stacked_hours(data: DayData, theme: Theme, width: float = WIDTH) -> svg.Drawing:
    """Return the shares of each hour as stacked bars; time that was not recorded stays empty.

    Parameters
    ----------
    data
        The day.
    theme
        The colours.
    width
        Width of the drawing in points.

    Returns
    -------
    Drawing
        240 points high.
    """
    # More than an hour where the clock was set back: the same hour was heard twice.
    columns = [
        Column(
            *(hour.label, f"{hour.label}:00", hour.seconds),
            max(3600.0, sum(hour.seconds.values())),
        )
        for hour in data.hours
    ]
    ticks = tuple((minutes / 60, f"{minutes} min") for minutes in (0, 15, 30, 45, 60))
    return stacked(columns, data.kinds, theme, ticks, "shares of each hour", width)


@dataclass(frozen=True, slots=True)
class Column:
    """One bar of stacked shares."""

    label: str
    """Below the bar."""
    name: str
    """In the text of each part."""
    seconds: Mapping[Kind, float]
    """Length of each part."""
    whole: float
    """Seconds of a bar of full height."""


def stacked(
    columns: Sequence[Column],
    kinds: Sequence[Kind],
    theme: Theme,
    ticks: Sequence[tuple[float, str]],
    name: str,
    width: float = WIDTH,
) -> svg.Drawing:
    """Return shares as stacked bars.

    Parameters
    ----------
    columns
        The bars from left to right.
    kinds
        The kinds in order, the first at the bottom.
    theme
        The colours.
    ticks
        Height, 0 to 1, and label of each line of the grid.
    name
        What the chart shows.
    width
        Width of the drawing in points.

    Returns
    -------
    Drawing
        240 points high.
    """
    height, bottom = 240.0, 218.0
    column_width = (width - LEFT) / max(1, len(columns))
    signs = letters([kind.genre for kind in kinds if kind.genre is not None])
    every = ceil(_LABEL / column_width)
    out = []
    for share, words in ticks:
        y = bottom - 200 * share
        out.append(svg.line(LEFT, y, width, y, stroke=theme.line, stroke_width=0.7))
        out.append(svg.label(words, LEFT - 8, y + 4, class_="axis end"))
    for number, column in enumerate(columns):
        y, x = bottom, LEFT + number * column_width
        margin = min(2.0, column_width / 8)
        for kind in kinds:
            seconds = column.seconds.get(kind, 0.0)
            if seconds <= 0 or column.whole <= 0:
                continue
            part = 200 * seconds / column.whole
            y -= part
            colour = kind_color(kind)
            out.append(
                svg.box(
                    *(x + margin, y, column_width - 2 * margin, part),
                    f"{column.name}, {kind.name}: {duration(seconds)}",
                    fill=colour,
                    stroke=theme.edge,
                    stroke_width=0.6,
                )
            )
            if kind.genre is not None and part >= 13 and column_width >= 12:
                out.append(
                    svg.label(
                        *(signs[kind.genre], x + column_width / 2, y + part / 2 + 4),
                        class_="letter",
                        fill=ink(colour),
                    )
                )
        if number % every == 0:
            middle = x + column_width / 2
            out.append(svg.label(column.label, middle, bottom + 16, class_="axis middle"))
    return svg.Drawing("".join(out), width, height, name)


def matrix(data: DayData, theme: Theme) -> svg.Drawing:
    """Return how often each genre followed each other one, as a matrix.

    Parameters
    ----------
    data
        The day; its transitions are counted.
    theme
        Colours of the chart.

    Returns
    -------
    svg.Drawing
        Rows are the genres before a change, columns those after it.
    """
    genres = data.genres
    cell, left, top = 40.0, 100.0, 96.0
    size = cell * len(genres)
    most = max(data.transitions.values(), default=1)
    out = [
        svg.label("from ↓   to →", left - 16, top - 14, class_="axis end"),
    ]
    for row, before in enumerate(genres):
        y = top + row * cell
        out.append(svg.box(left - 10, y + 2, 5, cell - 4, fill=kind_color(Kind("music", before))))
        out.append(svg.label(before, left - 16, y + cell / 2 + 4, class_="axis end"))
        x = left + row * cell
        out.append(svg.box(x + 2, top - 10, cell - 4, 5, fill=kind_color(Kind("music", before))))
        out.append(
            svg.label(
                *(before, 0, 0),
                class_="axis",
                transform=f"translate({x + cell / 2 - 2:.1f} {top - 16:.1f}) rotate(-45)",
            )
        )
        for column, after in enumerate(genres):
            count = data.transitions.get((before, after), 0)
            x = left + column * cell
            colour = theme.mixed(count / most)
            same = row == column
            out.append(
                svg.box(
                    *(x + 1, y + 1, cell - 2, cell - 2),
                    "" if same else f"{before} to {after}: {count} times",
                    fill="none" if same else colour,
                )
            )
            if count:
                out.append(
                    svg.label(
                        *(str(count), x + cell / 2, y + cell / 2 + 4),
                        class_="count",
                        fill=theme.on_mixed(count / most),
                    )
                )
    return svg.Drawing(
        "".join(out), left + max(size, 200) + 60, top + size + 8, "transitions between genres"
    )


def confidence(data: DayData, theme: Theme, width: float = WIDTH) -> svg.Drawing:
    """Return the confidence over the day: its mean, and its range where there is detail.

    Parameters
    ----------
    data
        The day.
    theme
        The colours.
    width
        Width of the drawing in points.

    Returns
    -------
    Drawing
        176 points high.
    """
    height, bottom, tall = 176.0, 150.0, 138.0
    scale = (width - LEFT) / data.span.seconds

    def x_of(unix: float) -> float:
        return LEFT + (unix - data.span.start) * scale

    def y_of(share: float) -> float:
        return bottom - tall * share

    out = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = y_of(share)
        out.append(svg.line(LEFT, y, width, y, stroke=theme.line, stroke_width=0.7))
        out.append(svg.label(percent(share), LEFT - 8, y + 4, class_="axis end"))
    out += [
        svg.label(clock(at, data), x_of(at), bottom + 16, class_="axis")
        for at in hour_marks(data, width)
    ]
    for run in runs(data.confidence, _MAX_APART_S if data.detailed else float("inf")):
        if data.detailed:
            around = [(x_of(p.time), y_of(p.high)) for p in run]
            around += [(x_of(p.time), y_of(p.low)) for p in reversed(run)]
            out.append(svg.polygon(around, fill=theme.scale[1], fill_opacity="0.22"))
        path = " ".join(f"{x_of(p.time):.1f},{y_of(p.mean):.1f}" for p in run)
        out.append(
            svg.element("polyline", points=path, fill="none", stroke=theme.ink, stroke_width=1.1)
        )
    return svg.Drawing("".join(out), width, height, "confidence over the day")


def runs(points: tuple[Point, ...], apart: float) -> list[list[Point]]:
    """Group points whose neighbours are close, so that no line crosses a hole.

    Parameters
    ----------
    points
        Points in order of time.
    apart
        Most seconds between two points of one group.

    Returns
    -------
    list of list of Point
        The groups in order.
    """
    found: list[list[Point]] = []
    for point in points:
        if found and point.time - found[-1][-1].time <= apart:
            found[-1].append(point)
        else:
            found.append([point])
    return found
