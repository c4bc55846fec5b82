"""The confusion matrix as an SVG picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_CELL_INCHES: Final = 0.46


def confusion_svg(
    labels: Sequence[str],
    counts: Sequence[Sequence[int]],
    *,
    columns: Sequence[str] = (),
    of: str = "clips",
) -> str:
    """Return an SVG: a row is a true genre, a cell's shade its share of that row.

    Parameters
    ----------
    labels
        Genres.
    counts
        One row per genre.
    columns
        Names of the columns; the genres by default.
    of
        What is counted.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = columns or labels
    table = np.array(counts)
    shares = table / np.maximum(1, table.sum(axis=1, keepdims=True))
    figure = Figure(figsize=(_CELL_INCHES * len(columns), _CELL_INCHES * len(labels)))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
    for (row, column), count in np.ndenumerate(table):
        if count:
            ink = "white" if shares[row, column] > 0.5 else "#222222"
            axes.text(column + 0.5, row + 0.5, f"{count}", ha="center", va="center", color=ink)
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=45, ha="left")
    axes.set_yticks(np.arange(len(labels)) + 0.5, labels)
    axes.invert_yaxis()
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.text(0, len(labels) + 0.5, f"row: true genre; column: decision; {of}")
    file = io.StringIO()
    # Text stays text, and the same counts give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "streamgenre", "font.size": 10}):
        metadata = {"Date": None, "Title": "Confusion matrix: true genre by row"}
        figure.savefig(file, format="svg", bbox_inches="tight", metadata=metadata)
    # matplotlib leaves blanks at the ends of its lines.
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
