"""``streamgenre watch``."""

from __future__ import annotations

import shlex
import sys
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING

from streamgenre.cli.classify import library_of, plan_of, target_folders
from streamgenre.cli.classify_output import Output, ReaderLeftError, Totals
from streamgenre.errors import SettingsError
from streamgenre.library import tables
from streamgenre.library.actions import Actions
from streamgenre.library.journal import Journal
from streamgenre.library.watching import Watcher
from streamgenre.paths import expand
from streamgenre.system.logs import logging_to_user
from streamgenre.system.signals import stop_on_signals

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Classify files as they appear, until a signal asks to stop."""
    try:
        return _run(args)
    except ReaderLeftError as error:
        raise BrokenPipeError from error


def _run(args: argparse.Namespace) -> int:
    if args.count is not None and args.count < 1:
        raise SettingsError(f"--count {args.count}: expected 1 or more")
    plan = plan_of(args)
    totals = Totals()
    with logging_to_user("warning"), Journal() as journal, ExitStack() as stack:
        # One process: while it hears a file, the next ones wait in their folders.
        library = library_of(args, jobs=1)
        without = target_folders(plan, library.manifest.labels)
        watcher = Watcher([expand(path) for path in args.paths], without)
        stop = stack.enter_context(stop_on_signals())
        actions = stack.enter_context(Actions(plan, journal))
        output = stack.enter_context(Output(json=args.json, csv=args.csv, bom=args.bom))
        files = islice(watcher.files(stop, existing=args.existing), args.count)
        for result in library.results(files):
            outcome = actions.take(result)
            if outcome.tagged:
                watcher.keep(result.path)
                library.keep(result, outcome.path)
            totals.take(result, outcome)
            output.write(result, outcome)
            for problem in outcome.problems:
                print(tables.printable(problem), file=sys.stderr)
    if journal.steps:
        named = shlex.quote(str(journal.path))
        print(f"to undo it: streamgenre classify --undo {named}", file=sys.stderr)
    return int(bool(totals.failed))
