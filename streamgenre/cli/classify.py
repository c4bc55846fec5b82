"""``streamgenre classify``."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from streamgenre.errors import SettingsError
from streamgenre.history.export import atomic, write_csv
from streamgenre.inference.decision import DecisionSettings
from streamgenre.library import tables
from streamgenre.library.classify import Library
from streamgenre.library.finding import Finder
from streamgenre.paths import expand
from streamgenre.system.logs import logging_to_user

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from streamgenre.library.results import FileResult

_NAMED: Final = 20
"""Files that could not be classified and are named at the end; all are in the listing."""
_INTERRUPTED: Final = 130


@dataclass(slots=True)
class _Totals:
    """What is said at the end."""

    files: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    named: list[str] = field(default_factory=list)

    def take(self, result: FileResult) -> None:
        self.files += 1
        self.seconds += result.seconds
        if result.problem is None:
            self.kinds[result.genre or result.state or "unknown"] += 1
            return
        self.failed += 1
        if len(self.named) < _NAMED:
            self.named.append(tables.line(result).split(maxsplit=1)[1].strip())

    def lines(self, finder: Finder) -> Iterator[str]:
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.kinds.most_common())
        done = self.files - self.failed
        yield f"{done} file{'s' * (done != 1)}, {self.seconds / 3600:.1f} hours: {kinds or 'none'}"
        if finder.ignored:
            yield f"{finder.ignored} other files in the folders are no audio by their names"
        for problem in finder.problems:
            yield f"not read: {tables.printable(problem)}"
        for name in self.named:
            yield f"not classified: {name}"
        if self.failed > len(self.named):
            yield f"not classified: {self.failed - len(self.named)} more"


def run(args: argparse.Namespace) -> int:
    """Classify files and print a line, an object or a row for each."""
    decision = DecisionSettings()
    if args.threshold is not None:
        if not 0 <= args.threshold <= 1:
            raise SettingsError(f"--threshold {args.threshold:g}: expected 0 to 1")
        decision = DecisionSettings(enter=args.threshold, keep=min(args.threshold, decision.keep))
    totals = _Totals()
    code = 0
    with logging_to_user("warning"):
        library = Library(
            model=args.model, decision=decision, jobs=args.jobs, cached=not args.no_cache
        )
        finder = Finder(args.paths)
        try:
            with ExitStack() as stack:
                takers = [totals.take, stack.enter_context(_progress(args.paths))]
                if args.parquet:
                    file = stack.enter_context(atomic(expand(args.parquet)))
                    takers.append(stack.enter_context(tables.ParquetWriter(file)).write)
                _print(args, _passing(library.results(finder.files()), takers))
        except _ReaderLeftError as left:
            raise BrokenPipeError from left
        except KeyboardInterrupt:
            print("interrupted; run it again to go on from here", file=sys.stderr)
            code = _INTERRUPTED
    for line in totals.lines(finder):
        print(line, file=sys.stderr if args.json or args.csv else sys.stdout)
    return code or int(bool(totals.failed or finder.problems))


class _ReaderLeftError(Exception):
    """The reader of the output has left: no fault of a file that is being written."""


def _passing(
    results: Iterable[FileResult], takers: list[Callable[[FileResult], None]]
) -> Iterator[FileResult]:
    """Yield the results, each after it was taken by all takers."""
    for result in results:
        for take in takers:
            take(result)
        yield result


def _print(args: argparse.Namespace, results: Iterator[FileResult]) -> None:
    try:
        if args.csv:
            write_csv(sys.stdout.buffer, map(tables.row, results), tables.columns())
        elif args.json:
            for result in results:
                text = json.dumps(result.as_dict(), ensure_ascii=False)
                sys.stdout.buffer.write(text.encode(errors="replace") + b"\n")
                sys.stdout.buffer.flush()
        else:
            print(tables.HEADER)
            for result in results:
                print(tables.line(result), flush=True)
    except BrokenPipeError as error:
        raise _ReaderLeftError from error


@contextmanager
def _progress(paths: list[str]) -> Iterator[Callable[[FileResult], None]]:
    """Show files, speed and the time left on standard error, if it is a terminal."""
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

    total = sum(1 for _ in Finder(paths).files())
    columns: tuple[Any, ...] = (
        BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn()
    )  # fmt: skip
    heard = 0.0
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("files", total=total, speed="")

        def step(result: FileResult) -> None:
            nonlocal heard
            heard += result.seconds
            spent = bar.tasks[task].elapsed or 1e-9
            bar.update(task, advance=1, speed=f"{heard / spent:.0f} × real time")

        yield step
