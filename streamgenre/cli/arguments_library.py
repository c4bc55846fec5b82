"""The flags of the commands for files and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamgenre.defaults import MODEL

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    Command = Callable[..., argparse.ArgumentParser]

_DESCRIPTION: Final = """\
Hear files, and folders with their sub-folders, as `listen` would, at full speed, and
print a line for each file as it finishes: genre, its mean probability, the second
likeliest genre, length and loudness. What was heard once is kept by content: the second
run over an unchanged library takes seconds, and an interrupted run goes on where it
stopped.
"""
_EPILOG: Final = """\
examples:
  streamgenre classify ~/Music
  streamgenre classify song.mp3 --json | jq .segments
  streamgenre classify ~/Music --csv > music.csv

The exit code is 1 if a file could not be classified; the others are done. JSON also has
the probabilities of all genres, the shares of music, speech, silence and unknown sound,
and the decisions over time.
"""


def add_library_arguments(commands: Commands, command: Command) -> None:
    """Add the commands and their flags.

    Parameters
    ----------
    commands
        Subparsers of the main parser.
    command
        Adds one command.
    """
    parser = command(
        commands,
        "classify",
        "classify music files and folders",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="audio files and folders")
    parser.add_argument(
        "--model",
        default=MODEL,
        metavar="NAME|DIR",
        help=f"shipped model (see `streamgenre models`) or model folder (default: {MODEL})",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="mean probability that a genre must reach; below it the file is `unknown` "
        "(default: 0.3)",
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="number of processes (default: one a core)"
    )
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="hear every file, and keep no results (default: library.sqlite3 in the state folder)",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print one JSON object per file")
    output.add_argument("--csv", action="store_true", help="print CSV, one row per file")
    parser.add_argument(
        "--parquet",
        metavar="FILE",
        help="also write the rows of --csv as Parquet (extra `parquet`)",
    )
