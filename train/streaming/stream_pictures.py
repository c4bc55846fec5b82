"""The benchmark's pictures as SVG, drawn with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from train.cards.charts import plain, prepare, saved
from train.cards.confusion_picture import confusion_svg
from train.streaming.playback import KINDS, STATES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from train.streaming.playback import Playback

LAG, RELIABILITY, TIMELINE, CONFUSION = (
    "lag.svg", "reliability.svg", "timeline.svg", "stream-confusion.svg"
)  # fmt: skip
_HOUR: int = 3600
_INK = "#333333"
_GREYS = {"talk": "#444444", "speech": "#444444", "silence": "#f0f0f0", "gap": "#f0f0f0",
          "unknown": "#c8c8c8", "noise": "#8c8c8c"}  # fmt: skip


def draw(
    folder: Path, figures: dict[str, Any], played: Sequence[Playback], labels: Sequence[str]
) -> list[str]:
    """Write all pictures into a folder; return their names.

    Parameters
    ----------
    folder
        Folder of the pictures.
    figures
        Figures of the benchmark.
    played
        Truth and output; one entry per fold.
    labels
        Genres in the order of the model's output.
    """
    prepare()
    _lag(folder / LAG, figures)
    _reliability(folder / RELIABILITY, figures)
    _timeline(folder / TIMELINE, played[0], labels)
    table = figures["confusion"]
    columns = [*table["labels"], "none"]
    svg = confusion_svg(table["labels"], table["counts"], columns=columns, of="seconds")
    (folder / CONFUSION).write_text(svg, "utf-8")
    return [LAG, RELIABILITY, TIMELINE, CONFUSION]


def _lag(path: Path, figures: dict[str, Any]) -> None:
    import matplotlib.pyplot as plt

    shares = figures["lag"]["right_by_age"]
    figure, axes = plt.subplots(figsize=(5.2, 3.0))
    axes.plot(np.arange(len(shares)) + 0.5, shares, color="#08306b", linewidth=2)
    axes.axhline(figures["chance"], color="#888888", linewidth=1, linestyle=":")
    axes.text(len(shares), figures["chance"] + 0.02, "chance", color="#666666", ha="right")
    median = figures["lag"]["median_s"]
    if median is not None and median < len(shares):
        axes.axvline(median, color="#c44e52", linewidth=1)
        axes.text(median + 0.3, 0.03, f"median lag {median:g} s", color="#c44e52")
    axes.set(xlabel="seconds since the music changed", ylabel="share of decisions right",
             xlim=(0, len(shares)), ylim=(0, 1))  # fmt: skip
    plain(axes)
    saved(figure, path)


def _reliability(path: Path, figures: dict[str, Any]) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(3.6, 3.4))
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle=":")
    for name, colour in (("hop", "#6baed6"), ("smoothed", "#08306b")):
        sure, right, share = np.array(figures["calibration"][name]["bins"]).T
        axes.plot(sure, right, color=colour, linewidth=1.2)
        axes.scatter(sure, right, s=12 + 300 * share, color=colour,
                     label=f"{name}, ECE {figures['calibration'][name]['ece']:.3f}")  # fmt: skip
    axes.set(xlabel="probability of the genre named", ylabel="share right",
             xlim=(0, 1), ylim=(0, 1))  # fmt: skip
    axes.legend(loc="upper left", frameon=False, fontsize=9, markerscale=0.5)
    plain(axes)
    saved(figure, path)


def _timeline(path: Path, played: Playback, labels: Sequence[str]) -> None:
    """Draw the truth above the decisions: a quarter of an hour per line, at most one hour."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    # Greys are for everything that is not music.
    ten = mpl.color_sequences["tab10"]
    palette = [*ten[:7], "#ffd92f", *ten[8:]]
    colours: dict[str, Any] = dict(_GREYS) | dict(zip(labels, palette * 10, strict=False))
    on = [labels[g] if g >= 0 else KINDS[k]
          for g, k in zip(played.genres, played.kinds, strict=True)]  # fmt: skip
    decided = [labels[d] if d >= 0 else STATES[s]
            for d, s in zip(played.decisions, played.states, strict=True)]  # fmt: skip
    end = min(float(played.times[-1]), _HOUR)
    line = min(_HOUR / 4, end)
    count = int(np.ceil(end / line))
    figure, rows = plt.subplots(count, 1, figsize=(9, 0.95 * count + 0.7), squeeze=False)
    for number, axes in enumerate(rows[:, 0]):
        for height, row in ((0.55, on), (0.0, decided)):
            for start, stop, name in _runs(played.times, row):
                a, b = max(start, number * line), min(stop, (number + 1) * line, end)
                if b > a:
                    axes.broken_barh([(a / 60, (b - a) / 60)], (height, 0.45),
                                     color=colours[name], linewidth=0)  # fmt: skip
        axes.set(xlim=(number * line / 60, (number + 1) * line / 60), ylim=(0, 1),
                 yticks=[0.22, 0.78])  # fmt: skip
        axes.set_yticklabels(["decided", "on"], fontsize=8)
        axes.tick_params(length=0, labelsize=8)
        for side in axes.spines.values():
            side.set_visible(False)
    rows[-1, 0].set_xlabel("minutes", fontsize=9)
    there = [name for name in (*labels, "talk", "unknown", "silence") if name in {*on, *decided}]
    figure.legend(handles=[Patch(color=colours[n], label=n) for n in there], ncols=7,
                  loc="upper center", frameon=False, fontsize=8)  # fmt: skip
    figure.subplots_adjust(top=1 - 0.55 / (0.95 * count + 0.7), hspace=0.45)
    saved(figure, path)


def _runs(times: Any, names: Sequence[str]) -> list[tuple[float, float, str]]:
    runs: list[tuple[float, float, str]] = []
    start = 0.0
    for i, name in enumerate(names):
        if i + 1 == len(names) or names[i + 1] != name:
            runs.append((start, float(times[i]), name))
            start = float(times[i])
    return runs
