"""The confusion matrix of a taught model as an SVG picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from streamgenre.display.text import clean
from streamgenre.report import svg
from streamgenre.report.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_CELL: Final = 44.0
_MARGIN: Final = 16.0
_LETTER: Final = 7.2
"""Width of a letter at the size of the labels."""
_LONGEST: Final = 24
_FONTS: Final = "Arial,'Liberation Sans','Noto Sans','DejaVu Sans',sans-serif"


def confusion_svg(labels: Sequence[str], counts: NDArray[np.int64], title: str) -> str:
    """Return an SVG: a row is a true genre, a cell's shade its share of that row.

    Parameters
    ----------
    labels
        Genres.
    counts
        Recordings by genre (row) and answer (column).
    title
        A line above the matrix.
    """
    names = [_shortened(label) for label in labels]
    side = _LETTER * max(map(len, names)) + 2 * _MARGIN
    top = 64 + 0.75 * _LETTER * max(map(len, names))
    slant = 0.75 * _LETTER * max(map(len, names))
    size = len(names) * _CELL
    width, height = side + size + slant + _MARGIN, top + size + 2 * _MARGIN + 16
    theme = LIGHT
    parts = [
        svg.element("style", f"text{{font-family:{_FONTS};font-size:13px}}"),
        svg.box(0, 0, width, height, fill=theme.ground),
        svg.label(title, _MARGIN, 28, style="font-size:15px;font-weight:600"),
    ]
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    for row, name in enumerate(names):
        y = top + row * _CELL
        parts.append(svg.label(name, side - 8, y + _CELL / 2 + 4, text_anchor="end"))
        x = side + row * _CELL
        turned = f"rotate(-45 {x + _CELL / 2:g} {top - 8:g})"
        parts.append(svg.label(name, x + _CELL / 2, top - 8, transform=turned))
        for column, other in enumerate(names):
            count, share = int(counts[row, column]), float(shares[row, column])
            tip = f"{name} heard as {other}: {count} of {int(counts[row].sum())}"
            x = side + column * _CELL
            parts.append(svg.box(x + 1, y + 1, _CELL - 2, _CELL - 2, tip, fill=theme.mixed(share)))
            if count:
                parts.append(
                    svg.label(
                        str(count), x + _CELL / 2, y + _CELL / 2 + 4, text_anchor="middle",
                        fill=theme.on_mixed(share),
                    )
                )  # fmt: skip
    note = "row: the genre of the recordings; column: what was heard; by models fitted without them"
    parts.append(
        svg.label(note, _MARGIN, height - _MARGIN, style=f"font-size:11px;fill:{theme.soft}")
    )
    width = max(width, 6.0 * len(note) + 2 * _MARGIN, 9.0 * len(title) + 2 * _MARGIN)
    parts[1] = svg.box(0, 0, width, height, fill=theme.ground)
    return svg.element(
        "svg", "".join(parts), xmlns="http://www.w3.org/2000/svg", width=width, height=height,
        viewBox=f"0 0 {width:g} {height:g}", fill=theme.ink, role="img", aria_label=title,
    )  # fmt: skip


def _shortened(label: str) -> str:
    shown = clean(label)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
