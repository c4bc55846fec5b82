"""What pictures drawn with matplotlib have in common: plain axes, reproducible SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def prepare() -> None:
    """Have matplotlib write SVG that is the same for the same figures."""
    import matplotlib as mpl

    mpl.use("svg")
    # Text stays text: small files, readable at any size.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "streamgenre", "font.size": 10})


def saved(figure: Any, path: Path) -> None:
    """Write a figure as SVG, and close it.

    Parameters
    ----------
    figure
        The figure.
    path
        The file.
    """
    figure.savefig(path, format="svg", bbox_inches="tight", metadata={"Date": None})
    # matplotlib leaves blanks at the ends of its lines.
    lines = [line.rstrip() for line in path.read_text("utf-8").splitlines()]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    import matplotlib.pyplot as plt

    plt.close(figure)


def plain(axes: Any) -> None:
    """Leave a grid and two of the four sides."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
