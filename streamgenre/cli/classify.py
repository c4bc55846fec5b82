"""``streamgenre classify``."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from streamgenre.cli.classify_output import Output, ReaderLeftError, Totals, progress
from streamgenre.cli.interruption import exit_code
from streamgenre.errors import InputError, SettingsError
from streamgenre.history.export import atomic
from streamgenre.inference.settings import DecisionSettings
from streamgenre.library import tables
from streamgenre.library.actions import Actions, Plan
from streamgenre.library.classify import Library
from streamgenre.library.cluster import find_urls, is_url
from streamgenre.library.finding import Finder
from streamgenre.library.journal import Journal
from streamgenre.library.sorting import UNKNOWN, How, folder_of, undo
from streamgenre.library.splitting import LEAST_S
from streamgenre.paths import expand
from streamgenre.system.logs import logging_to_user
from streamgenre.urls import redacted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path


def run(args: argparse.Namespace) -> int:
    """Classify files, print a line, an object or a row for each, and do what is asked with them."""
    if args.undo:
        return _undo(args)
    if not args.paths:
        raise SettingsError("expected files or folders; see `streamgenre classify --help`")
    plan = plan_of(args)
    totals = Totals()
    code = 0
    with logging_to_user("warning"), Journal() as journal:
        library = library_of(args, args.jobs)
        finder = Finder(filter_paths(args), without=target_folders(plan, library.manifest.labels))
        try:
            with ExitStack() as stack:
                actions = stack.enter_context(Actions(plan, journal))
                files = _files(args, finder)
                parquet = _parquet(args, stack)
                if isinstance(parquet, tables.ParquetShards):
                    files = _without(files, parquet)
                step = stack.enter_context(progress(finder))
                output = stack.enter_context(Output(json=args.json, csv=args.csv, bom=args.bom))
                for result in library.results(files):
                    outcome = actions.take(result)
                    if outcome.tagged:
                        library.keep(result, outcome.path)
                    totals.take(result, outcome)
                    if parquet is not None:
                        parquet.write(result)
                    output.write(result, outcome)
                    step(result)
        except ReaderLeftError as error:
            raise BrokenPipeError from error
        except KeyboardInterrupt as interrupt:
            print("interrupted; run it again to go on from here", file=sys.stderr)
            code = exit_code("classify", interrupt)
        finally:
            for line in totals.lines(finder, journal):
                print(line, file=sys.stderr if args.json or args.csv else sys.stdout)
    return code or int(bool(totals.failed or finder.problems))


def filter_paths(args: argparse.Namespace) -> list[str]:
    """Return the paths that are not URLs.

    Raises
    ------
    SettingsError
        If there are URLs but no cluster.
    """
    urls = [path for path in args.paths if is_url(path)]
    if urls and args.cluster is None:
        raise SettingsError(
            f"{redacted(urls[0])}: files at URLs are heard by a cluster: add --cluster; a radio "
            "stream is for `streamgenre listen`"
        )
    return [path for path in args.paths if not is_url(path)]


def _files(args: argparse.Namespace, finder: Finder) -> Iterator[Path | str]:
    yield from finder.files()
    for path in args.paths:
        if is_url(path):
            yield from find_urls(path)


def _without(files: Iterator[Path | str], shards: tables.ParquetShards) -> Iterator[Path | str]:
    """Yield the files that have no row yet."""
    for file in files:
        if not shards.has(file if isinstance(file, str) else file.absolute().as_uri()):
            yield file


def _parquet(
    args: argparse.Namespace, stack: ExitStack
) -> tables.ParquetWriter | tables.ParquetShards | None:
    if not args.parquet:
        return None
    path = expand(args.parquet)
    if args.parquet.endswith("/") or path.is_dir():
        return stack.enter_context(tables.ParquetShards(path))
    return stack.enter_context(tables.ParquetWriter(stack.enter_context(atomic(path))))


def library_of(args: argparse.Namespace, jobs: int | None) -> Library:
    """Return the library that the flags describe.

    Parameters
    ----------
    args
        The flags.
    jobs
        Number of processes; None for one a core.
    """
    decision = DecisionSettings()
    for flag, key in (("threshold", ""), ("known_threshold", "known_")):
        given = getattr(args, flag)
        if given is None:
            continue
        if not 0 <= given <= 1:
            raise SettingsError(f"--{flag.replace('_', '-')} {given:g}: expected 0 to 1")
        kept = min(given, getattr(decision, f"{key}keep"))
        decision = replace(decision, **{f"{key}enter": given, f"{key}keep": kept})
    return Library(
        model=args.model,
        decision=decision,
        jobs=jobs,
        cached=not args.no_cache,
        cluster=getattr(args, "cluster", None),
    )


def plan_of(args: argparse.Namespace) -> Plan:
    """Return what is to be done with the files, by the flags.

    Raises
    ------
    SettingsError
        If the flags do not fit together.
    """
    if "" in (*args.paths, args.sort_into, args.m3u, getattr(args, "parquet", None)):
        raise SettingsError("an empty path: expected the name of a file or folder")  # of $UNSET
    if (
        getattr(args, "cluster", None)
        and any(map(is_url, args.paths))
        and (args.sort_into or args.write_tags or args.m3u)
    ):
        raise SettingsError("files at URLs are only listed: they are not sorted or tagged")
    chosen: list[How] = [how for how in get_args(How) if getattr(args, how.replace("-", "_"))]
    if args.sort_into is None and (chosen or args.split is not None):
        flag = f"--{chosen[0]}" if chosen else "--split"
        raise SettingsError(f"{flag}: expected --sort-into DIR with it")
    if args.split is not None and not LEAST_S <= args.split <= 86_400:
        raise SettingsError(
            f"--split {args.split:g}: expected {LEAST_S:g} to 86400 seconds a piece"
        )
    if args.split is not None and chosen and chosen != ["copy"]:
        raise SettingsError(f"--split writes new files: --{chosen[0]} does not fit with it")
    return Plan(
        sort_into=None if args.sort_into is None else expand(args.sort_into),
        how=chosen[0] if chosen else "copy",
        split_s=args.split,
        tags=args.write_tags,
        playlists=None if args.m3u is None else expand(args.m3u),
    )


def target_folders(plan: Plan, labels: tuple[str, ...]) -> list[Path]:
    """Return the folders that are sorted into: a target in the library is not sorted again.

    Parameters
    ----------
    plan
        What is to be done.
    labels
        Genres of the model.
    """
    if plan.sort_into is None:
        return []
    names = (*map(folder_of, labels), "speech", "noise", "silence", UNKNOWN)
    return [plan.sort_into / name for name in names]


def _undo(args: argparse.Namespace) -> int:
    if args.paths:
        raise SettingsError("--undo takes a journal and no files; it names them itself")
    undone = problems = 0
    for step, problem in undo(expand(args.undo)):
        undone += problem is None
        problems += problem is not None
        if problem is not None:
            print(tables.printable(f"{step.target}: {problem}"), file=sys.stderr)
    print(f"{undone} step{'s' * (undone != 1)} undone")
    if problems:
        raise InputError(f"{problems} of {undone + problems} steps could not be undone")
    return 0
