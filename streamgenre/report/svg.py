"""SVG as text. Whatever is put in as text or attribute is escaped here and nowhere else."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from streamgenre.display.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable


def text_of(words: str) -> str:
    """Return text from anywhere as HTML that is nothing but text."""
    return escape(clean(words), quote=True)


def element(name: str, content: str = "", /, **attributes: str | float) -> str:
    """Return an element; ``_`` in the names of attributes stands for ``-``.

    Parameters
    ----------
    name
        Of the element.
    content
        Markup, escaped already.
    attributes
        Their values are escaped.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value), quote=True)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def label(words: str, x: float, y: float, **attributes: str | float) -> str:
    """Return a text at a point."""
    return element("text", text_of(words), x=x, y=y, **attributes)


def box(
    x: float, y: float, width: float, height: float, tip: str = "", **attributes: str | float
) -> str:
    """Return a rectangle, with a text that shows under the pointer."""
    content = element("title", text_of(tip)) if tip else ""
    return element("rect", content, x=x, y=y, width=width, height=height, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: str | float) -> str:
    """Return a line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def polygon(points: Iterable[tuple[float, float]], **attributes: str | float) -> str:
    """Return an area."""
    return element("polygon", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), **attributes)


def drawing(content: str, width: float, height: float, name: str) -> str:
    """Return a drawing that scales with the page.

    Parameters
    ----------
    content
        Markup, escaped already.
    width, height
        Of its own coordinates.
    name
        What it shows, for those who cannot see it.
    """
    return element(
        "svg", content, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=clean(name)
    )
