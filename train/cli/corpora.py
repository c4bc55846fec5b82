"""``train inspect`` and ``train split``: list a corpus, and split it."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table

from streamgenre.history.export import atomic
from train.cache import cache_folder
from train.corpora import splitfile, splitting
from train.corpora.corpus import CSV_NAME
from train.corpora.inspect_picture import inspect_svg, shared_artists
from train.corpora.inventory import Listing, read_listing
from train.errors import TrainError

if TYPE_CHECKING:
    from train.corpora.splitting import Split
    from train.progress import Progress

_INSPECT: Final = """\
Show what is in a corpus: genres, clips, lengths, artists, unreadable, silent and clipped
files, artists in several genres, and recordings that occur twice, however they were
encoded or trimmed.

examples:
  python -m train inspect ~/music
  python -m train inspect ~/music --picture music.svg
"""

_SPLIT: Final = """\
Split a corpus into folds or parts and write the split with the hash of every file, so
that a run can be repeated exactly. No recording, no copy of one and no artist may be on
two sides: such a split is refused (or repaired, with --leave-out).

examples:
  python -m train split ~/music --out split.json
  python -m train split ~/music --tags --folds 5 --out split.json
  python -m train split ~/gtzan --column fault_filtered --out split.json
  python -m train split ~/gtzan --lists train=train_filtered.txt \\
      valid=valid_filtered.txt test=test_filtered.txt --leave-out --out split.json
  python -m train fit --recipe lite --corpus ~/music --split split.json --out mymodel
"""
_SHOWN: Final = 10


def add_parsers(commands: Any, output: argparse.ArgumentParser, **settings: Any) -> None:
    """Add both commands and their arguments.

    Parameters
    ----------
    commands
        Subparsers of the main parser, to which the commands are added.
    output
        Parser with the options about output, used as a parent.
    **settings
        Passed to each command's ``ArgumentParser``.
    """
    shared = argparse.ArgumentParser(add_help=False, parents=[output])
    shared.add_argument("folder", type=Path, metavar="CORPUS", help="folder with the music")
    shared.add_argument("--tags", action="store_true", help="take the artists from the files' tags")
    shared.add_argument(
        "--table",
        type=Path,
        metavar="FILE",
        help="CSV about the clips (default: CORPUS/clips.csv if it exists)",
    )
    shared.add_argument("--clip-column", default="clip", metavar="NAME", help="(default clip)")
    shared.add_argument(
        "--artist-column", default="artist", metavar="NAME", help="(default artist)"
    )
    shared.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where fingerprints are kept (default: $XDG_CACHE_HOME/streamgenre/fingerprints)",
    )
    shared.add_argument(
        "--fingerprints",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="look for copies of a recording (default); otherwise only equal files are found",
    )
    inspect = commands.add_parser(
        "inspect", parents=[shared], help="show what is in a corpus", description=_INSPECT,
        **settings,
    )  # fmt: skip
    inspect.add_argument(
        "--picture", type=Path, metavar="FILE", help="also draw it as a picture (.svg)"
    )
    split = commands.add_parser(
        "split", parents=[shared], help="split a corpus, by artist", description=_SPLIT, **settings
    )
    split.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="split file to write"
    )
    how = split.add_mutually_exclusive_group()
    how.add_argument(
        "--folds", type=int, default=3, metavar="N", help="make N folds by artist (default 3)"
    )
    how.add_argument(
        "--column",
        metavar="NAME",
        help="take the sides from a column of the table: numbers, or train, valid and test "
        "(anything else is left out)",
    )
    how.add_argument(
        "--lists",
        nargs="+",
        metavar="PART=FILE",
        help="take the parts from text files with one clip per line",
    )
    split.add_argument(
        "--leave-out",
        action="store_true",
        help="leave out clips whose artist or recording is also on another side; the test side "
        "stays complete",
    )


def run_inspect(options: argparse.Namespace, progress: Progress, arguments: list[str]) -> None:
    """Run ``inspect``.

    Parameters
    ----------
    options
        The parsed command line.
    progress
        Shows how far the work is.
    arguments
        The command line as words; not used here.

    Raises
    ------
    StreamgenreError
        If the corpus or its table cannot be read.
    """
    if options.picture is not None and options.picture.suffix.lower() != ".svg":
        raise TrainError(f"--picture {options.picture}: expected a name that ends in .svg")
    listing = _listing(options, progress)
    if options.picture is not None:
        with atomic(options.picture) as file:
            file.write(inspect_svg(listing).encode(errors="replace"))
    if options.json:
        print(json.dumps(_summary(listing), indent=2, ensure_ascii=False))
    else:
        _show(listing)


def run_split(options: argparse.Namespace, progress: Progress, arguments: list[str]) -> None:
    """Run ``split``.

    Parameters
    ----------
    options
        The parsed command line.
    progress
        Shows how far the work is.
    arguments
        The command line as words; not used here.

    Raises
    ------
    StreamgenreError
        If the corpus cannot be read or split as requested, or the split file cannot be written.
    """
    if options.folds < 2:
        raise TrainError(f"--folds must be at least 2, not {options.folds}")
    listing = _listing(options, progress)
    split = _split(options, listing)
    found = splitting.conflicts(listing, split)
    if found and options.leave_out:
        split = splitting.without_conflicts(listing, split)
        found = splitting.conflicts(listing, split)
    if found:
        first, second, why = found[0]
        raise TrainError(
            f"{split.by}: {len(found)} pairs of clips must not be on two sides but are; the "
            f"first: {first} ({split.side[first]}) and {second} ({split.side[second]}), {why}; "
            "--leave-out leaves such clips out"
        )
    held = splitfile.contents(listing, split)
    splitfile.write(options.out, held)
    if held["unknown_artists"]:
        progress.note(
            f"warning: {held['unknown_artists']} of {len(split.side)} clips have no artist, so "
            "artists may be on two sides; add a column artist to clips.csv or use --tags"
        )
    if options.json:
        print(json.dumps(held, indent=2, ensure_ascii=False))
        return
    sides = ", ".join(f"{side} {count}" for side, count in held["sides"].items())
    print(f"{options.out}: {split.by}\n{sides}; {len(held['left_out'])} left out")


def _listing(options: argparse.Namespace, progress: Progress) -> Listing:
    return read_listing(
        options.folder,
        options.cache or cache_folder("fingerprints"),
        tags=options.tags,
        table=options.table,
        columns=(options.clip_column, options.artist_column),
        fingerprints=options.fingerprints,
        on_begin=progress.files,
        on_file=progress.step,
    )


def _split(options: argparse.Namespace, listing: Listing) -> Split:
    if options.column:
        return splitting.by_column(listing, options.column)
    if options.lists:
        pairs = [text.partition("=") for text in options.lists]
        for name, sign, file in pairs:
            if not sign or not file:
                raise TrainError(f"--lists {name}: expected PART=FILE, such as test=test.txt")
        return splitting.by_lists(listing, {name: Path(file) for name, _, file in pairs})
    return splitting.by_artist(listing, options.folds)


def _summary(listing: Listing) -> dict[str, Any]:
    """Return what ``inspect --json`` prints."""
    genres = {}
    for genre in listing.corpus.labels:
        of_genre = [item for item in listing.items if item.genre == genre]
        seconds = [item.seconds for item in of_genre]
        artists = Counter(item.artist for item in of_genre if item.artist)
        genres[genre] = {
            "clips": len(of_genre),
            "seconds": round(sum(seconds), 1),
            "shortest": min(seconds, default=0),
            "longest": max(seconds, default=0),
            "artists": len(artists),
            "unknown_artist": sum(not item.artist for item in of_genre),
            "most_of_one_artist": max(artists.values(), default=0),
        }
    return {
        "clips": len(listing.items),
        "seconds": round(sum(item.seconds for item in listing.items), 1),
        "artists": len({item.artist.casefold() for item in listing.items if item.artist}),
        "artists_from": listing.artists_from or None,
        "genres": genres,
        "unreadable": list(listing.unreadable),
        "copies": [
            {
                "first": copy.first,
                "second": copy.second,
                "differing": copy.differing,
                "seconds": copy.seconds,
                "offset": copy.offset,
            }
            for copy in listing.copies
        ],
        "shared_artists": shared_artists(listing.items),
        "clipped": [
            {"clip": item.clip, "share": round(item.clipped or 0.0, 4)}
            for item in listing.items
            if item.is_clipped
        ],
        "silent": [item.clip for item in listing.items if item.is_silent],
        "warnings": [*listing.corpus.faults, *_doubts(listing)],
    }


def _doubts(listing: Listing) -> list[str]:
    """Return a warning about a later split where artists are unknown."""
    unknown = sum(not item.artist for item in listing.items)
    if not unknown:
        return []
    return [
        f"{unknown} of {len(listing.items)} clips have no artist: `train split` would treat each "
        "as an artist of its own, so one artist may be on two sides; add a column artist to "
        f"{CSV_NAME} or use --tags"
    ]


def _show(listing: Listing) -> None:
    summary = _summary(listing)
    console = Console(highlight=False, soft_wrap=True)
    table = Table("genre", box=None, pad_edge=False)
    for title in ("clips", "minutes", "shortest", "longest", "artists", "most of one", "unknown"):
        table.add_column(title, justify="right")
    for genre, of in summary["genres"].items():
        table.add_row(
            genre, str(of["clips"]), f"{of['seconds'] / 60:.1f}", f"{of['shortest']:.1f} s",
            f"{of['longest']:.1f} s", str(of["artists"]), str(of["most_of_one_artist"]),
            str(of["unknown_artist"]),
        )  # fmt: skip
    console.print(table)
    lines = [
        f"\n{summary['clips']} clips, {summary['seconds'] / 60:.0f} minutes, "
        f"{summary['artists']} artists ({summary['artists_from'] or 'none known'})"
    ]
    lines += [f"warning: {warning}" for warning in summary["warnings"]]
    lines += _first("cannot be read", list(listing.unreadable))
    lines += _first(
        "the same recording",
        [
            f"{c.first} and {c.second}: {c.seconds:g} s alike, {c.differing:.3f} of the bits differ"
            for c in listing.copies
        ],
    )
    lines += _first(
        "artists in several genres",
        [f"{artist}: {', '.join(of)}" for artist, of in summary["shared_artists"].items()],
    )
    lines += _first(
        "clipped", [f"{c['clip']}: {100 * c['share']:.1f} %" for c in summary["clipped"]]
    )
    lines += _first("silent", summary["silent"])
    console.print("\n".join(lines), markup=False)


def _first(title: str, lines: list[str]) -> list[str]:
    """Return the first lines under a title, and the number of further lines."""
    if not lines:
        return []
    more = [f"  and {len(lines) - _SHOWN} more (--json)"] if len(lines) > _SHOWN else []
    return [f"{title}: {len(lines)}", *(f"  {line}" for line in lines[:_SHOWN]), *more]
