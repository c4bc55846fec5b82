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
  streamgenre classify ~/Downloads --sort-into ~/Music/sorted --move

The exit code is 1 if a file could not be classified; the others are done. JSON also has
the probabilities of all genres, the shares of music, speech, silence and unknown sound,
and the decisions over time.
"""
_WATCH: Final = """\
Classify music files as they appear in folders and their sub-folders, and do with them
what is asked, until Ctrl-C or SIGTERM. A file that is still being written is waited for
until it has not changed for two seconds. Needs the extra `watch`.
"""
_WATCH_EPILOG: Final = """\
examples:
  streamgenre watch ~/Downloads --sort-into ~/Music --move
  streamgenre watch /srv/recordings --json --existing
"""
_PICTURE: Final = """\
Draw a file over one time axis: waveform, mel spectrogram, the MFCC frames that the model
gets, and the probabilities of the genres with the decisions below. PNG and PDF need the
extra `report`.
"""
_PICTURE_EPILOG: Final = """\
examples:
  streamgenre picture song.flac --out song.png
  streamgenre picture --compare pop.mp3 reggae.mp3 --out both.svg --theme dark
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
    parser.add_argument("paths", nargs="*", metavar="PATH", help="audio files and folders")
    _add_hearing(parser)
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="number of processes (default: one a core)"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="hear the files on the machines of a Ray cluster: ray://HOST:10001, auto, or local to "
        "start one here (extra `cluster`); then a PATH may be a URL of fsspec, such as s3://",
    )
    parser.add_argument(
        "--parquet",
        metavar="FILE|DIR/",
        help="also write the rows of --csv as Parquet (extra `parquet`); into a folder as shards, "
        "and leave out files that have a row there",
    )
    _add_actions(parser)
    parser.add_argument(
        "--undo",
        metavar="JOURNAL",
        help="reverse what a run did to files: it names its journal at the end",
    )
    parser = command(
        commands,
        "watch",
        "classify music files as they appear in a folder",
        description=_WATCH,
        epilog=_WATCH_EPILOG,
    )
    parser.add_argument("paths", nargs="+", metavar="DIR", help="folders to watch")
    parser.add_argument(
        "--existing", action="store_true", help="classify the files that are there already, too"
    )
    parser.add_argument("--count", type=int, metavar="N", help="end after N files")
    _add_hearing(parser)
    _add_actions(parser)
    parser = command(
        commands,
        "picture",
        "draw what the model hears in a file",
        description=_PICTURE,
        epilog=_PICTURE_EPILOG,
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="an audio file")
    parser.add_argument(
        "--compare", nargs=2, metavar=("A", "B"), help="draw two files side by side instead"
    )
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="picture to write: .svg, .png or .pdf"
    )
    parser.add_argument(
        "--model",
        default=MODEL,
        metavar="NAME|DIR",
        help="model, shipped or your own (see `streamgenre models`), or model folder "
        f"(default: {MODEL})",
    )
    parser.add_argument(
        "--theme", choices=("dark", "light"), default="light", help="colours (default: light)"
    )


def _add_hearing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default=MODEL,
        metavar="NAME|DIR",
        help="model, shipped or your own (see `streamgenre models`), or model folder "
        f"(default: {MODEL})",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="mean probability that a genre must reach; below it the file is `unknown` "
        "(default: 0.3)",
    )
    parser.add_argument(
        "--known-threshold",
        type=float,
        metavar="P",
        help="smoothed probability of being like one of the model's genres that music must reach; "
        "a file with mostly other music is `unknown`; 0 to decide from the genres alone "
        "(default: 0.5)",
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
        "--bom",
        action="store_true",
        help="with --csv: CSV that Excel reads as UTF-8, with a byte order mark",
    )


def _add_actions(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is done with the files")
    group.add_argument(
        "--sort-into",
        metavar="DIR",
        help="put every file into DIR/GENRE, or DIR/speech, DIR/noise, DIR/silence or "
        "DIR/unknown; files of the same name are kept apart",
    )
    how = group.add_mutually_exclusive_group()
    how.add_argument("--copy", action="store_true", help="copy the files there (default)")
    how.add_argument("--move", action="store_true", help="move the files there")
    how.add_argument("--link", action="store_true", help="make symbolic links there")
    how.add_argument(
        "--dry-run", action="store_true", help="only show where the files would go; write nothing"
    )
    group.add_argument(
        "--split",
        type=float,
        metavar="SECONDS",
        help="with --sort-into: write FLAC pieces of this length there instead, each into the "
        "folder of its own genre",
    )
    group.add_argument(
        "--write-tags",
        action="store_true",
        help="write the genre into the files' tags; with --copy only into those of the copies",
    )
    group.add_argument(
        "--m3u",
        metavar="DIR",
        help="write a playlist of each genre and tag into DIR: GENRE.m3u8, tags/TAG.m3u8",
    )
