"""The curves of the scores as a picture: known music kept against other music called a genre."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from train.cards.charts import plain, prepare, saved
from train.student.open_scores import HEAD

if TYPE_CHECKING:
    from pathlib import Path

_COLOURS: Final = {
    "largest probability": "#6baed6",
    "lead": "#9ecae1",
    "entropy": "#74c476",
    "energy": "#238b45",
    "distance": "#bdbdbd",
    "relative distance": "#737373",
    HEAD: "#c44e52",
}


def draw(path: Path, figures: dict[str, Any]) -> None:
    """Write the picture as SVG.

    Parameters
    ----------
    path
        The file.
    figures
        What ``train trunk open-set`` measured.
    """
    import matplotlib.pyplot as plt

    prepare()
    figure, both = plt.subplots(1, 2, figsize=(9, 3.6), sharex=True)
    for axes, sound in zip(both, ("clean", "degraded"), strict=True):
        for name, found in figures[sound]["scores"].items():
            _, right, called = np.array(found["curve"]).T
            width = 2.2 if name == HEAD else 1.2
            label = f"{name}, area {found['auroc']:.2f}"
            axes.plot(called, right, color=_COLOURS.get(name), linewidth=width, label=label)
        axes.set(xlabel="other music that gets a genre", ylabel="ten genres: right genre",
                 title=sound, xlim=(0, 1), ylim=(0, None))  # fmt: skip
        axes.legend(loc="lower right", frameon=False, fontsize=7)
        plain(axes)
    figure.tight_layout()
    saved(figure, path)
