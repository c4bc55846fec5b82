"""Rows of styled text of known width.

Text and style are kept apart. Markup is never interpreted, so a station called ``[red]`` is shown
as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from rich.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderResult

PLAIN: Final = Style()

_ASCII: Final = str.maketrans(
    {
        "━": "=", "╸": "-", "╺": "-", "─": ".", "┃": "|", "│": "|", "◆": "o", "●": "*", "◌": "o",
        "○": "0", "▲": "^", "■": "#", "▸": ">", "×": "x", "…": "~", "·": ".", "–": "-", "█": "#",
        "▀": '"', "▄": "_", "╵": "'", "▁": "_", "▂": "_", "▃": "-", "▅": "=", "▆": "=", "▇": "#",
    }
)  # fmt: skip
"""Replacement of each sign on a terminal whose encoding has only ASCII."""


def fit(text: str, width: int) -> str:
    """Return clean text cut to ``width`` cells, with ``…`` at its end if it was cut.

    Parameters
    ----------
    text
        Text without control characters.
    width
        Cells; a wide character takes two. 0 or less gives an empty text.
    """
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return text
    used = 0
    kept: list[str] = []
    for char in text:
        used += cell_len(char)
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


def wrapped(text: str, width: int) -> list[str]:
    """Return clean text as lines of at most ``width`` cells, broken between words if possible.

    Parameters
    ----------
    text
        Text without control characters; runs of blanks become one.
    width
        Cells; below 2 counts as 2.

    Returns
    -------
    list[str]
        The lines; none for a blank text.
    """
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and cell_len(line) + 1 + cell_len(word) <= width:
            line += f" {word}"
            continue
        if line:
            lines.append(line)
        *whole, line = chop_cells(word, max(2, width))
        lines += whole
    return [*lines, line] if line else lines


@lru_cache(maxsize=1024)
def _style(fg: str | None, bg: str | None, bold: bool, dim: bool) -> Style:
    return Style(color=fg, bgcolor=bg, bold=bold or None, dim=dim or None)


@dataclass(frozen=True, slots=True)
class Paint:
    """Makes styles; without colour all are empty, so that no escape codes are written."""

    color: bool
    """Whether styles have colour."""

    def __call__(
        self, fg: str | None = None, *, bg: str | None = None, bold: bool = False, dim: bool = False
    ) -> Style:
        """Return a style; colours as ``#RRGGBB``."""
        return _style(fg, bg, bold, dim) if self.color else PLAIN


@dataclass(slots=True)
class Row:
    """One row of the screen, filled from left to right."""

    parts: list[tuple[str, Style]] = field(default_factory=list)
    width: int = 0
    """Cells filled."""

    def add(self, text: str, style: Style = PLAIN) -> Row:
        """Append clean text and return the row.

        Parameters
        ----------
        text
            Text without control characters.
        style
            Style of the text.

        Returns
        -------
        Row
            This row.
        """
        if text:
            last = self.parts[-1] if self.parts else None
            if last is not None and last[1] is style:
                self.parts[-1] = (last[0] + text, style)
            else:
                self.parts.append((text, style))
            self.width += cell_len(text)
        return self

    def to(self, column: int) -> Row:
        """Fill with blanks up to a column and return the row."""
        return self.add(" " * (column - self.width))

    def extend(self, other: Row) -> Row:
        """Append another row and return this one."""
        for text, style in other.parts:
            self.add(text, style)
        return self

    def cut(self, width: int) -> Row:
        """Return the row itself if it fits into ``width`` cells, else a cut copy."""
        if self.width <= width:
            return self
        short = Row()
        for text, style in self.parts:
            room = width - short.width
            if cell_len(text) > room:
                return short.add(fit(text, room), style)
            short.add(text, style)
        return short

    @property
    def text(self) -> str:
        """The text without styles."""
        return "".join(text for text, _ in self.parts)


def beside(left: list[Row], right: list[Row], *, column: int, width: int) -> list[Row]:
    """Return rows with ``right`` beginning at ``column`` beside ``left``, ``width`` in all.

    Parameters
    ----------
    left
        Rows at the left, cut before ``column``.
    right
        Rows at the right, cut at ``width``.
    column
        Cell where the right rows begin, from 0.
    width
        Cells in all.

    Returns
    -------
    list[Row]
        As many rows as the longer list has.
    """
    rows = []
    for i in range(max(len(left), len(right))):
        row = (left[i] if i < len(left) else Row()).cut(column).to(column)
        if i < len(right):
            row.extend(right[i].cut(width - column))
        rows.append(row)
    return rows


@dataclass(frozen=True, slots=True)
class Screenful:
    """A rich renderable: at most ``height`` rows of at most ``width`` cells each."""

    rows: tuple[Row, ...]
    width: int
    """Cells in a row."""
    height: int
    """Rows."""

    def lines(self) -> Iterator[list[tuple[str, Style]]]:
        """Yield the visible rows, each as texts with styles."""
        for row in self.rows[: self.height]:
            yield row.cut(self.width).parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        newline = Segment.line()
        for i, parts in enumerate(self.lines()):
            if i:
                yield newline
            for text, style in parts:
                if options.ascii_only:
                    text = text.translate(_ASCII).encode("ascii", "replace").decode()
                yield Segment(text, style or None)
