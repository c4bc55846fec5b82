"""What ``teach`` prints: accuracy, the confusion matrix, and what looks wrong."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from streamgenre.display.text import clean
from streamgenre.library.tables import printable
from streamgenre.teach.fitting import FEW_RECORDINGS

if TYPE_CHECKING:
    from rich.table import Table

    from streamgenre.teach.figures import Accuracy, Figures
    from streamgenre.teach.teaching import Taught

_NAMED: Final = 10
"""Lines of a kind that are printed; JSON has all."""


class Lines(NamedTuple):
    """Lines before and after the table."""

    before: list[str]
    after: list[str]


def lines_of(taught: Taught) -> Lines:
    """Return what is said about a taught model."""
    figures, material = taught.figures, taught.gathered.material
    hours = sum(material.seconds) / 3600
    count = len(material.recordings)
    before = [
        f"{count} recordings of {len(material.labels)} genres, {hours:.1f} hours, heard by "
        f"{taught.base.name}",
    ]
    unreadable = taught.gathered.unreadable
    before += _some(
        f"{len(unreadable)} file{'s' * (len(unreadable) != 1)} cannot be used:", unreadable
    )
    before += [
        "",
        f"right: {_percent(figures.recordings)} of recordings, {_percent(figures.windows)} of "
        f"single windows of 3 seconds; guessing: {100 * figures.chance:.0f} %",
        f"(each genre counts the same; measured in {figures.n_folds} parts, each by a model fitted "
        "without that part and without its artists)",
        "",
    ]
    after = [""]
    if taught.kept:
        after += _of_kept(taught)
    after += [
        f"hard to tell apart: {clean(a)} and {clean(b)} (right in {100 * part:.0f} % of recordings)"
        for a, b, part in figures.confused[:_NAMED]
    ]
    after += _some(
        "maybe in the wrong folder:",
        [
            f"{each.path}: is in {each.genre}, sounds like {each.likelier} "
            f"({100 * each.probability:.0f} %)"
            for each in figures.doubts
        ],
    )
    if taught.few:
        named = ", ".join(f"{clean(genre)} ({count})" for genre, count in taught.few.items())
        after.append(f"fewer than {FEW_RECORDINGS} recordings: {named}; more of them would help")
    after += _some("", [f"note: {note}" for note in taught.notes])
    return Lines(before, after)


def _of_kept(taught: Taught) -> list[str]:
    figures = taught.figures
    recall = dict(zip(figures.labels, figures.recall, strict=True))
    own = [recall[label] for label in figures.labels if label not in taught.kept]
    kept = [recall[label] for label in taught.kept]
    lines = [
        f"kept genres of {taught.base.name}: {100 * sum(kept) / len(kept):.0f} % right, of single "
        "windows that come with that model, by artists that were left out"
    ]
    if own:
        lines.insert(0, f"new genres: {100 * sum(own) / len(own):.0f} % of recordings right")
    return lines


def table_of(figures: Figures, kept: tuple[str, ...] = ()) -> Table:
    """Return the confusion matrix: a row is a genre, a column what was heard.

    Parameters
    ----------
    figures
        The figures.
    kept
        Genres of the base model, which are marked.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("")
    table.add_column("genre", overflow="ellipsis", max_width=28, no_wrap=True)
    table.add_column("recordings", justify="right")
    table.add_column("artists", justify="right")
    table.add_column("right", justify="right")
    for number in range(len(figures.labels)):
        table.add_column(str(number + 1), justify="right")
    for row, label in enumerate(figures.labels):
        counts = figures.counts[row]
        cells = [
            Text(str(count) if count else "·", style="bold" if column == row else "")
            for column, count in enumerate(counts.tolist())
        ]
        table.add_row(
            str(row + 1),
            Text(clean(label) + (" (kept)" if label in kept else "")),
            str(counts.sum()),
            str(figures.artists[row] or "?"),
            f"{100 * figures.recall[row]:.0f} %",
            *cells,
        )
    return table


def _percent(accuracy: Accuracy) -> str:
    return (
        f"{100 * accuracy.value:.0f} % (95 % interval {100 * accuracy.low:.0f} to "
        f"{100 * accuracy.high:.0f} %)"
    )


def _some(title: str, lines: Any) -> list[str]:
    """Return the first lines under a title, and the number of further ones."""
    if not lines:
        return []
    indent = "  " if title else ""
    more = [f"{indent}and {len(lines) - _NAMED} more"] if len(lines) > _NAMED else []
    return [
        *([title] if title else []),
        *(indent + printable(line) for line in lines[:_NAMED]),
        *more,
    ]


class Bar:
    """Shows the progress on standard error, if it is a terminal; use it as a context manager."""

    def __init__(self) -> None:
        self._bars: Any = None
        self._task: Any = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
            from rich.progress import TimeRemainingColumn as Left

            self._bars = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Left(),
                console=Console(stderr=True), transient=True,
            )  # fmt: skip

    def __enter__(self) -> Self:
        """Start showing."""
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Restore the terminal."""
        if self._bars is not None:
            self._bars.stop()

    def begin(self, title: str, total: int) -> None:
        """Start a part of the work.

        Parameters
        ----------
        title
            Its name.
        total
            Number of its steps.
        """
        if self._bars is not None:
            self._task = self._bars.add_task(title, total=total)

    def step(self) -> None:
        """Count one more finished step."""
        if self._bars is not None:
            self._bars.advance(self._task)
