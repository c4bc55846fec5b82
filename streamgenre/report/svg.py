"""SVG as text. All text and attribute values are escaped here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from streamgenre.display.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable


def text_of(words: str) -> str:
    """Return untrusted text as HTML that contains no markup."""
    return escape(clean(words), quote=True)


def element(name: str, content: str = "", /, **attributes: str | float) -> str:
    """Return an element; ``_`` in the names of attributes stands for ``-``.

    Parameters
    ----------
    name
        Name of the element.
    content
        Markup, already escaped.
    attributes
        Attributes; the values are escaped here.

    Returns
    -------
    str
        The element as markup.

    Examples
    --------
    >>> element("text", "A &amp; B", x=1.5, font_size=11)
    '<text x="1.5" font-size="11">A &amp; B</text>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value), quote=True)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def label(words: str, x: float, y: float, **attributes: str | float) -> str:
    """Return a text element at a point.

    Parameters
    ----------
    words
        Any text; it is escaped here.
    x, y
        Left end of the baseline.
    attributes
        As for :func:`element`.

    Returns
    -------
    str
        The element as markup.
    """
    return element("text", text_of(words), x=x, y=y, **attributes)


def box(
    x: float, y: float, width: float, height: float, tip: str = "", **attributes: str | float
) -> str:
    """Return a rectangle.

    Parameters
    ----------
    x, y
        Top left corner.
    width, height
        Size.
    tip
        Text that a browser shows under the pointer; it is escaped here.
    attributes
        As for :func:`element`.

    Returns
    -------
    str
        The element as markup.
    """
    content = element("title", text_of(tip)) if tip else ""
    return element("rect", content, x=x, y=y, width=width, height=height, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: str | float) -> str:
    """Return a line from one point to another.

    Parameters
    ----------
    x1, y1, x2, y2
        The two ends.
    attributes
        As for :func:`element`.

    Returns
    -------
    str
        The element as markup.
    """
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def polygon(points: Iterable[tuple[float, float]], **attributes: str | float) -> str:
    """Return a filled area.

    Parameters
    ----------
    points
        Corners as ``(x, y)``.
    attributes
        As for :func:`element`.

    Returns
    -------
    str
        The element as markup.
    """
    return element("polygon", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), **attributes)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart in coordinates of its own."""

    content: str
    """Markup, already escaped."""
    width: float
    height: float
    name: str
    """What it shows, for readers who cannot see it."""

    @property
    def inline(self) -> str:
        """The drawing for an HTML page; it scales with the page."""
        return element("svg", self.content, **self._frame())

    def placed(self, x: float, y: float, scale: float = 1.0) -> str:
        """Return the drawing as a part of a larger one.

        Parameters
        ----------
        x, y
            Top left corner in the larger drawing.
        scale
            Size in the larger drawing over size in its own coordinates.

        Returns
        -------
        str
            A nested ``svg`` element.
        """
        size = {"width": scale * self.width, "height": scale * self.height}
        return element("svg", self.content, x=x, y=y, **size, **self._frame())

    def _frame(self) -> dict[str, str | float]:
        return {
            "viewBox": f"0 0 {self.width:g} {self.height:g}",
            "role": "img",
            "aria_label": clean(self.name),
        }
