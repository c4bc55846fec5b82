"""The confusion matrix as an SVG picture, drawn by hand: no plotting library needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

_CELL: Final = 44
_MARGIN: Final = 110


def confusion_svg(
    labels: Sequence[str],
    counts: Sequence[Sequence[int]],
    *,
    columns: Sequence[str] = (),
    of: str = "clips",
) -> str:
    """Return an SVG: a row is a true genre, a cell's shade the share of that row.

    Parameters
    ----------
    labels
        Genres.
    counts
        One row a genre.
    columns
        Names of the columns, the genres unless given.
    of
        What is counted.
    """
    columns = columns or labels
    side, width = (_MARGIN + _CELL * len(names) + 10 for names in (labels, columns))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{side + 20}" '
        f'viewBox="0 0 {width} {side + 20}" font-family="sans-serif" font-size="12">',
        "<title>Confusion matrix: true genre by row, decision by column</title>",
        f'<rect width="{width}" height="{side + 20}" fill="#ffffff"/>',
    ]
    for position, label in enumerate(labels):
        middle = _MARGIN + _CELL * position + _CELL // 2
        text = escape(label)
        parts.append(f'<text x="{_MARGIN - 8}" y="{middle + 4}" text-anchor="end">{text}</text>')
    for position, label in enumerate(columns):
        middle = _MARGIN + _CELL * position + _CELL // 2
        parts.append(
            f'<text x="{middle}" y="{_MARGIN - 8}" '
            f'transform="rotate(-45 {middle} {_MARGIN - 8})">{escape(label)}</text>'
        )
    for row, of_row in enumerate(counts):
        total = max(1, sum(of_row))
        for column, count in enumerate(of_row):
            share = count / total
            x, y = _MARGIN + _CELL * column, _MARGIN + _CELL * row
            red, green = round(247 - 239 * share), round(251 - 203 * share)
            ink = "#ffffff" if share > 0.5 else "#222222"
            parts.append(
                f'<rect x="{x}" y="{y}" width="{_CELL - 2}" height="{_CELL - 2}" '
                f'fill="rgb({red},{green},{round(255 - 148 * share)})"/>'
            )
            if count:
                parts.append(
                    f'<text x="{x + _CELL // 2 - 1}" y="{y + _CELL // 2 + 3}" '
                    f'text-anchor="middle" fill="{ink}">{count}</text>'
                )
    parts.append(
        f'<text x="{_MARGIN}" y="{side + 10}">row: true genre; column: decision; {of}</text></svg>'
    )
    return "\n".join(parts) + "\n"
