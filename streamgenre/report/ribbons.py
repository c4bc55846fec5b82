"""The day as ribbons of colour: in one line, and hour by hour with titles."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final
from unicodedata import east_asian_width

from streamgenre.display.palette import ink, letters
from streamgenre.display.text import clean, duration, percent
from streamgenre.history.time_zones import local
from streamgenre.report import svg
from streamgenre.report.data import Kind, missing
from streamgenre.report.theme import kind_color

if TYPE_CHECKING:
    from streamgenre.history.time_zones import Span
    from streamgenre.report.data import DayData
    from streamgenre.report.theme import Theme

WIDTH: Final = 1200.0
"""Width of a chart in an HTML page, in points."""
LEFT: Final = 54.0
"""Points for the labels at the left of a chart."""
_HOUR: Final = 58.0
_RIBBON: Final = 22.0
_LETTER_FROM: Final = 13.0
"""Width in points from which a segment shows its letter."""
_TITLE_FROM: Final = 24.0
_STEPS_S: Final = (5, 10, 30, 60, 300, 600, 900, 1800, 3600, 10_800, 21_600)
"""Possible steps of an axis in seconds."""
_STEP_FROM: Final = 80.0
"""Least width of a step in points."""
_CHARACTER: Final = 5.8
"""Width of a character of a title in points."""


def clock(unix: float, data: DayData) -> str:
    """Return the local time of UNIX seconds, ``18:04``.

    Parameters
    ----------
    unix
        UNIX seconds.
    data
        The day, which has the time zone.
    """
    return local(unix, data.tz).strftime("%H:%M")


def clock_s(unix: float, data: DayData) -> str:
    """Return the local time of UNIX seconds, ``18:04:31``.

    Parameters
    ----------
    unix
        UNIX seconds.
    data
        The day, which has the time zone.
    """
    return local(unix, data.tz).strftime("%H:%M:%S")


def hour_marks(data: DayData, width: float) -> list[float]:
    """Return the starts of the hours that are labelled on an axis of the day, in UNIX seconds.

    Parameters
    ----------
    data
        The day.
    width
        Width of the drawing in points.
    """
    every = 3 if width >= 600 else 6
    return [hour.span.start for hour in data.hours[::every]]


def overview(data: DayData, theme: Theme, width: float = WIDTH) -> svg.Drawing:
    """Return the whole day in one narrow ribbon.

    Parameters
    ----------
    data
        The day.
    theme
        Colours of the chart.
    width
        Width of the drawing in points.

    Returns
    -------
    svg.Drawing
        A drawing 62 points high.
    """
    scale = (width - LEFT) / data.span.seconds
    ribbon = _Ribbon(data, theme, data.span.start, data.span.end, top=12, height=26, scale=scale)
    out = ribbon.stretches(letters={}) + ribbon.losses()
    for at in hour_marks(data, width):
        x = LEFT + (at - data.span.start) * scale
        out.append(svg.label(clock(at, data), x, 54, class_="axis"))
    return svg.Drawing("".join(out), width, 62, "genres of the day")


def zoomed(data: DayData, span: Span, theme: Theme, width: float = WIDTH) -> svg.Drawing:
    """Return a part of the day in one large ribbon: letters, titles, dead air and gaps.

    Parameters
    ----------
    data
        The day.
    span
        UNIX seconds, within the day.
    theme
        The colours.
    width
        Width of the drawing in points.

    Returns
    -------
    Drawing
        122 points high.
    """
    scale = (width - LEFT) / span.seconds
    ribbon = _Ribbon(data, theme, span.start, span.end, top=14, height=48, scale=scale)
    out = ribbon.stretches(letters=letters(data.genres)) + ribbon.losses() + ribbon.titles()
    step = next((s for s in _STEPS_S if s * scale >= _STEP_FROM), _STEPS_S[-1])
    at = span.start + -(span.start - data.span.start) % step
    while at < span.end:
        x = LEFT + (at - span.start) * scale
        out.append(svg.line(x, 64, x, 98, stroke=theme.line, stroke_width=0.7))
        shown = clock(at, data) if step >= 60 else clock_s(at, data)
        out.append(svg.label(shown, x, 112, class_="axis"))
        at += step
    return svg.Drawing("".join(out), width, 122, "genres and titles of a part of the day")


def hourly(data: DayData, theme: Theme, width: float = WIDTH) -> svg.Drawing:
    """Return one ribbon an hour: genres with their letters, titles, dead air and gaps.

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
        58 points high an hour.
    """
    signs = letters(data.genres)
    out = []
    for number, hour in enumerate(data.hours):
        ribbon = _Ribbon(
            *(data, theme, hour.span.start, hour.span.end),
            top=number * _HOUR + 8,
            height=_RIBBON,
            scale=(width - LEFT) / 3600,
        )
        out.append(svg.label(clock(hour.span.start, data), 0, ribbon.top + 15, class_="axis"))
        out += ribbon.stretches(letters=signs) + ribbon.losses() + ribbon.titles()
    return svg.Drawing("".join(out), width, len(data.hours) * _HOUR, "genres and titles by hour")


@dataclass(frozen=True, slots=True)
class _Ribbon:
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
        """Return left edge and width of a stretch; None if it lies outside the ribbon."""
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
        """Return the segments, and the stretches that were not recorded."""
        data = self.data
        out = [
            self._box(
                *(empty.start, empty.end),
                f"not recorded, {self._times(empty.start, empty.end)}",
                0,
                fill="url(#empty)",
            )
            for empty in missing(data)
        ]
        boxes: list[str] = []
        signs: list[str] = []
        for segment in data.segments:
            place = self.cut(segment.start, segment.end)
            if place is None:
                continue
            kind = Kind(segment.state, segment.genre)
            colour = kind_color(kind)
            sure = "" if segment.confidence is None else f", {percent(segment.confidence)}"
            tip = f"{kind.name}{sure}, {self._times(segment.start, segment.end)}"
            if segment.corrected_from is not None:
                tip += f", corrected, was {clean(segment.corrected_from)}"
            if segment.ending == "cut":
                tip += ", cut: the daemon did not shut down cleanly"
            boxes.append(self._box(segment.start, segment.end, tip, 0, fill=colour))
            if segment.genre in letters and place[1] >= _LETTER_FROM:
                signs.append(
                    svg.label(
                        *(letters[segment.genre], place[0] + place[1] / 2),
                        self.top + self.height / 2 + 4,
                        fill=ink(colour),
                    )
                )
        # Edges separate neighbours. In the overview, where a segment is about one point wide, they
        # would hide the colours.
        width = 0.5 if letters else 0.0
        edge = self.theme.edge
        out.append(svg.element("g", "".join(boxes), stroke=edge, stroke_width=width))
        if signs:
            out.append(svg.element("g", "".join(signs), class_="letter"))
        return out

    def losses(self) -> list[str]:
        """Return the gaps, and dead air above the ribbon."""
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
        """Return artists and titles below the ribbon, shortened to the width available."""
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
                    at = f"{title.start:.3f}"
                    out.append(
                        svg.element(
                            "text", content, x=place[0] + 2, y=below, class_=css, data_title=at
                        )
                    )
                    below += 11
        return out


def shortened(words: str, room: int) -> str:
    """Return text cut to a number of characters, wide ones counted twice.

    Parameters
    ----------
    words
        Any text; control characters are removed.
    room
        Most characters; at least one is always kept.

    Returns
    -------
    str
        The text, with ``…`` at its end if it was cut.
    """
    words = clean(words)
    widths = [2 if east_asian_width(c) in "WF" else 1 for c in words]
    if sum(widths) <= room:
        return words
    fits = sum(total < room for total in accumulate(widths))
    return words[: max(1, fits)].rstrip() + "…"
