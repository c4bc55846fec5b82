"""How ``classify`` and ``watch`` show their results, and what they say at the end."""

from __future__ import annotations

import codecs
import io
import json
import os
import shlex
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from streamgenre.errors import SettingsError
from streamgenre.history.export import write_csv
from streamgenre.library import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamgenre.library.actions import Outcome
    from streamgenre.library.finding import Finder
    from streamgenre.library.journal import Journal
    from streamgenre.library.results import FileResult

_NAMED: Final = 20
"""Problems that are named at the end; all are in the listing."""


@dataclass(slots=True)
class Totals:
    """Counts what was done."""

    files: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    named: list[str] = field(default_factory=list)

    def take(self, result: FileResult, outcome: Outcome) -> None:
        """Count a file.

        Parameters
        ----------
        result
            What was heard in it.
        outcome
            What was done with it.
        """
        self.files += 1
        self.seconds += result.seconds
        problems = list(outcome.problems)
        if result.problem is None:
            self.kinds[result.genre or result.state or "unknown"] += 1
        else:
            problems.insert(0, f"not classified: {result.name}: {result.problem}")
        self.failed += bool(problems)
        self.named += problems[: max(0, _NAMED - len(self.named))]

    def lines(self, finder: Finder, journal: Journal) -> Iterator[str]:
        """Yield what is said at the end.

        Parameters
        ----------
        finder
            Knows what was left out.
        journal
            Knows whether anything was done to files.
        """
        done = sum(self.kinds.values())
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.kinds.most_common())
        yield f"{done} file{'s' * (done != 1)}, {self.seconds / 3600:.1f} hours: {kinds or 'none'}"
        if finder.ignored:
            yield f"{finder.ignored} other files in the folders are no audio by their names"
        yield from (f"not read: {tables.printable(problem)}" for problem in finder.problems)
        yield from map(tables.printable, self.named)
        if self.failed > len(self.named):
            yield f"and {self.failed - len(self.named)} more"
        if journal.steps:
            yield f"to undo it: streamgenre classify --undo {shlex.quote(str(journal.path))}"


class ReaderLeftError(Exception):
    """The reader of the output has left: no error of a file that is being written."""


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderLeftError from error


class Output:
    """Prints results as lines, as JSON or as CSV; use it as a context manager.

    Parameters
    ----------
    json, csv
        Whether to print JSON lines or CSV; neither for lines for people.
    bom
        Whether CSV begins with a byte order mark, by which Excel recognises UTF-8.

    Raises
    ------
    SettingsError
        If ``bom`` is asked for without CSV.
    """

    def __init__(self, *, json: bool, csv: bool, bom: bool = False) -> None:
        if bom and not csv:
            raise SettingsError("--bom is for CSV: expected --csv too")
        self._json, self._csv, self._bom = json, csv, bom

    def __enter__(self) -> Self:
        """Print the header."""
        with _reader_may_leave():
            self._header()
        return self

    def _header(self) -> None:
        if self._csv:
            if self._bom:
                self._bytes(codecs.BOM_UTF8)
            self._bytes(_csv_line(dict(zip(tables.columns(), tables.columns(), strict=True))))
        elif not self._json:
            print(tables.HEADER)

    def __exit__(self, *error: object) -> None:
        """Do nothing: every line is written at once."""

    def write(self, result: FileResult, outcome: Outcome) -> None:
        """Print a result.

        Parameters
        ----------
        result
            What was heard in a file.
        outcome
            What was done with it.
        """
        with _reader_may_leave():
            self._write(result, outcome)

    def _write(self, result: FileResult, outcome: Outcome) -> None:
        if self._csv:
            self._bytes(_csv_line(tables.row(result)))
        elif self._json:
            done = {
                "now_at": os.fsencode(outcome.path).decode(errors="replace"),
                "pieces": [os.fsencode(path).decode(errors="replace") for path in outcome.pieces],
                "tagged": outcome.tagged,
                "not_done": outcome.problems,
            }
            text = json.dumps(result.as_dict() | done, ensure_ascii=False)
            self._bytes(text.encode(errors="replace") + b"\n")
        else:
            moved = "" if outcome.path == result.path else f" → {outcome.path}"
            count = len(outcome.pieces)
            pieces = f" → {count} piece{'s' * (count != 1)}" if count else ""
            print(tables.line(result) + tables.printable(moved) + pieces, flush=True)

    def _bytes(self, line: bytes) -> None:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def _csv_line(row: dict[str, Any]) -> bytes:
    """Return a row of the CSV, with the same protection of spreadsheets as every export."""
    file = io.BytesIO()
    write_csv(file, [row], list(row))
    return file.getvalue().split(b"\n", 1)[1]


@contextmanager
def progress(finder: Finder) -> Iterator[Callable[[FileResult], None]]:
    """Show files, speed and the time left on standard error, if it is a terminal.

    Parameters
    ----------
    finder
        Counts the files first.
    """
    if not sys.stderr.isatty():
        yield lambda result: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns: tuple[Any, ...] = (
        BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn()
    )  # fmt: skip
    heard = 0.0
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("files", total=finder.count(), speed="")

        def step(result: FileResult) -> None:
            nonlocal heard
            heard += result.seconds
            spent = bar.tasks[task].elapsed or 1e-9
            bar.update(task, advance=1, speed=f"{heard / spent:.0f} × real time")

        yield step
