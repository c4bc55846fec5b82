"""The charts of the HTML report."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final
from unicodedata import east_asian_width

from streamgenre.display.palette import ink, letters
from streamgenre.display.text import clean, duration, percent
from streamgenre.history.times import local
from streamgenre.report import svg
from streamgenre.report.data import Kind, missing
from streamgenre.report.theme import between, kind_color

if TYPE_CHECKING:
    from streamgenre.report.data import DayData, Point
    from streamgenre.report.theme import Theme

WIDTH: Final = 1200.0
LEFT: Final = 54.0
_ROW: Final = 58.0
_RIBBON: Final = 22.0
_LETTER_FROM: Final = 13.0
"""Width in points from which a segment bears its letter."""
_TITLE_FROM: Final = 24.0
_CHARACTER: Final = 5.4
"""Width of a character of a title in points."""


def clock(unix: float, data: DayData) -> str:
    """Return the local time of UNIX seconds, ``18:04``."""
    return local(unix, data.tz).strftime("%H:%M")


def clock_s(unix: float, data: DayData) -> str:
    """Return the local time of UNIX seconds, ``18:04:31``."""
    return local(unix, data.tz).strftime("%H:%M:%S")


def overview(data: DayData, theme: Theme) -> str:
    """Return the whole day in one narrow ribbon."""
    scale = (WIDTH - LEFT) / data.span.seconds
    row = _Row(data, theme, data.span.start, data.span.end, top=12, height=26, scale=scale)
    out = row.stretches(letters={}) + row.losses()
    for hour in data.hours[::3]:
        x = LEFT + (hour.span.start - data.span.start) * scale
        out.append(svg.label(clock(hour.span.start, data), x, 54, class_="axis"))
    return svg.drawing("".join(out), WIDTH, 62, "genres of the day")


def sheet(data: DayData, theme: Theme) -> str:
    """Return the day hour by hour: genres with their letters, titles, dead air, gaps."""
    signs = letters(data.genres)
    out = []
    for number, hour in enumerate(data.hours):
        row = _Row(
            *(data, theme, hour.span.start, hour.span.end),
            top=number * _ROW + 8,
            height=_RIBBON,
            scale=(WIDTH - LEFT) / 3600,
        )
        out.append(svg.label(clock(hour.span.start, data), 0, row.top + 15, class_="axis"))
        out += row.stretches(letters=signs) + row.losses() + row.titles()
    return svg.drawing("".join(out), WIDTH, len(data.hours) * _ROW, "genres and titles by hour")


@dataclass(frozen=True, slots=True)
class _Row:
    """A part of the day, drawn from left to right."""

    data: DayData
    theme: Theme
    start: float
    end: float
    """UNIX seconds."""
    top: float
    height: float
    scale: float
    """Points a second."""

    def cut(self, start: float, end: float) -> tuple[float, float] | None:
        """Return where a stretch begins and how wide it is; None where it is elsewhere."""
        start, end = max(start, self.start), min(end, self.end)
        if start >= end:
            return None
        return LEFT + (start - self.start) * self.scale, (end - start) * self.scale

    def _box(self, start: float, end: float, tip: str, least: float, **how: str | float) -> str:
        place = self.cut(start, end)
        if place is None:
            return ""
        return svg.box(place[0], self.top, max(place[1], least), self.height, tip, **how)

    def _times(self, start: float, end: float) -> str:
        return f"{clock(start, self.data)} to {clock(end, self.data)}"

    def stretches(self, *, letters: dict[str, str]) -> list[str]:
        """Return what was on, and what was not recorded."""
        data = self.data
        # Edges tell neighbours apart; where segments are a point wide they would be all there is.
        edge: dict[str, str | float] = {
            "stroke": self.theme.edge,
            "stroke_width": 0.5 if letters else 0.0,
        }
        out = [
            self._box(
                *(empty.start, empty.end),
                f"not recorded, {self._times(empty.start, empty.end)}",
                0,
                fill="url(#empty)",
            )
            for empty in missing(data)
        ]
        for segment in data.segments:
            place = self.cut(segment.start, segment.end)
            if place is None:
                continue
            kind = Kind(segment.state, segment.genre)
            colour = kind_color(kind)
            sure = "" if segment.confidence is None else f", {percent(segment.confidence)}"
            tip = f"{kind.name}{sure}, {self._times(segment.start, segment.end)}"
            if segment.ending == "cut":
                tip += ", cut: the daemon ended without a word"
            out.append(self._box(segment.start, segment.end, tip, 0, fill=colour, **edge))
            if segment.genre in letters and place[1] >= _LETTER_FROM:
                out.append(
                    svg.label(
                        *(letters[segment.genre], place[0] + place[1] / 2),
                        self.top + self.height / 2 + 4,
                        class_="letter",
                        fill=ink(colour),
                    )
                )
        return out

    def losses(self) -> list[str]:
        """Return gaps, and dead air above the ribbon."""
        out = [
            self._box(
                *(gap.start, gap.end),
                f"gap ({gap.reason}) of {duration(gap.seconds)} at {clock(gap.start, self.data)}",
                1.5,
                fill="url(#lost)",
            )
            for gap in self.data.gaps
        ]
        for air in self.data.dead_air:
            if place := self.cut(air.start, air.end):
                tip = f"dead air of {duration(air.end - air.start)}, "
                tip += self._times(air.start, air.end)
                width = max(place[1], 2)
                out.append(svg.box(place[0], self.top - 6, width, 4, tip, fill=self.theme.bad))
        return out

    def titles(self) -> list[str]:
        """Return artists and titles under the ribbon, as much of them as there is room for."""
        out = []
        for title in self.data.titles:
            place = self.cut(title.start, title.end)
            if place is None or place[1] < _TITLE_FROM:
                continue
            tip = f"{clock(title.start, self.data)} {title.artist} – {title.title}"
            below = self.top + self.height + 11
            for words, css in ((title.artist, "artist"), (title.title, "song")):
                if words:
                    shown = svg.text_of(shortened(words, int(place[1] / _CHARACTER)))
                    content = shown + svg.element("title", svg.text_of(tip))
                    out.append(svg.element("text", content, x=place[0] + 2, y=below, class_=css))
                    below += 11
        return out


def shortened(words: str, room: int) -> str:
    """Return words, cut to so many characters."""
    words = clean(words)
    widths = [2 if east_asian_width(c) in "WF" else 1 for c in words]
    if sum(widths) <= room:
        return words
    fits = sum(total < room for total in accumulate(widths))
    return words[: max(1, fits)].rstrip() + "…"


def stacked_hours(data: DayData, theme: Theme) -> str:
    """Return the shares of each hour as stacked bars; what was not recorded is left free."""
    height, bottom = 240.0, 218.0
    width = (WIDTH - LEFT) / max(1, len(data.hours))
    signs = letters(data.genres)
    out = []
    for minutes in (0, 15, 30, 45, 60):
        y = bottom - 200 * minutes / 60
        out.append(svg.line(LEFT, y, WIDTH, y, stroke=theme.line, stroke_width=0.7))
        out.append(svg.label(f"{minutes} min", LEFT - 8, y + 4, class_="axis end"))
    for number, hour in enumerate(data.hours):
        y, x = bottom, LEFT + number * width
        for kind in data.kinds:
            seconds = min(3600.0, hour.seconds.get(kind, 0.0))
            if seconds <= 0:
                continue
            part = 200 * seconds / 3600
            y -= part
            colour = kind_color(kind)
            tip = f"{hour.label}:00, {kind.name}: {duration(seconds)}"
            out.append(
                svg.box(
                    *(x + 2, y, width - 4, part, tip),
                    fill=colour,
                    stroke=theme.edge,
                    stroke_width=0.6,
                )
            )
            if kind.genre is not None and part >= 13:
                out.append(
                    svg.label(
                        *(signs[kind.genre], x + width / 2, y + part / 2 + 4),
                        class_="letter",
                        fill=ink(colour),
                    )
                )
        out.append(svg.label(hour.label, x + width / 2, bottom + 16, class_="axis middle"))
    return svg.drawing("".join(out), WIDTH, height, "shares of each hour")


def matrix(data: DayData, theme: Theme) -> str:
    """Return how often one genre followed another."""
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
            colour = between(*theme.scale, count / most)
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
                        fill=ink(colour),
                    )
                )
    return svg.drawing(
        "".join(out), left + max(size, 200) + 60, top + size + 8, "transitions between genres"
    )


def confidence(data: DayData, theme: Theme) -> str:
    """Return the confidence over the day: its mean, and where there is detail its range."""
    height, bottom, tall = 176.0, 150.0, 138.0
    scale = (WIDTH - LEFT) / data.span.seconds

    def x_of(unix: float) -> float:
        return LEFT + (unix - data.span.start) * scale

    def y_of(share: float) -> float:
        return bottom - tall * share

    out = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = y_of(share)
        out.append(svg.line(LEFT, y, WIDTH, y, stroke=theme.line, stroke_width=0.7))
        out.append(svg.label(percent(share), LEFT - 8, y + 4, class_="axis end"))
    for hour in data.hours[::3]:
        x = x_of(hour.span.start)
        out.append(svg.label(clock(hour.span.start, data), x, bottom + 16, class_="axis"))
    for run in runs(data.confidence, 180 if data.detailed else 1e9):
        if data.detailed:
            around = [(x_of(p.time), y_of(p.high)) for p in run]
            around += [(x_of(p.time), y_of(p.low)) for p in reversed(run)]
            out.append(svg.polygon(around, fill=theme.scale[1], fill_opacity="0.22"))
        path = " ".join(f"{x_of(p.time):.1f},{y_of(p.mean):.1f}" for p in run)
        out.append(
            svg.element("polyline", points=path, fill="none", stroke=theme.ink, stroke_width=1.1)
        )
    return svg.drawing("".join(out), WIDTH, height, "confidence over the day")


def runs(points: tuple[Point, ...], apart: float) -> list[list[Point]]:
    """Return points in runs that are no more than so many seconds apart: no line over a hole."""
    found: list[list[Point]] = []
    for point in points:
        if found and point.time - found[-1][-1].time <= apart:
            found[-1].append(point)
        else:
            found.append([point])
    return found
