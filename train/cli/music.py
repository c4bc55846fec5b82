"""``train music``: fetch free music, speech and sounds to train on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from rich.console import Console
from rich.table import Table

from train.cache import cache_folder
from train.corpora import debian_package
from train.corpora.free_music import HELD_OUT, ROLES, TABLE, Role, packages_of, read_tracks
from train.corpora.music_folder import MusicFolder, summary
from train.errors import TrainError

if TYPE_CHECKING:
    import argparse

    from train.corpora.free_music import Track
    from train.progress import Progress

DESCRIPTION: Final = """\
Fetch free music, speech and sounds from packages of Debian main (games, mostly): some 36
hours of music without genres, for training a trunk. Nothing of it is installed. Files go
to DIR/ROLE/PACKAGE; DIR/ATTRIBUTION.md credits the authors, with each licence. Interrupted,
it goes on with the package where it stopped. All packages together are a download of 8 GB.

roles: music, speech, ambience (places and machines) and effects (short sounds)

examples:
  python -m train music list
  python -m train music fetch --role music speech
  python -m train music fetch --package naev-data frozen-bubble-data --folder ~/free
"""


def add_parser(commands: Any, output: argparse.ArgumentParser, **settings: Any) -> None:
    """Add the command and its arguments.

    Parameters
    ----------
    commands
        Subparsers of the main parser, to which the command is added.
    output
        Parser with the options about output, used as a parent.
    **settings
        Passed to the command's ``ArgumentParser``.
    """
    parser = commands.add_parser(
        "music",
        parents=[output],
        help="fetch free music, speech and sounds",
        description=DESCRIPTION,
        **settings,
    )
    parser.add_argument("action", choices=("list", "fetch"), help="show what there is, or fetch it")
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="where the files go (default: $XDG_CACHE_HOME/streamgenre/free_music)",
    )
    parser.add_argument(
        "--role",
        nargs="+",
        choices=ROLES,
        default=list(ROLES),
        metavar="ROLE",
        help=f"only these roles: {', '.join(ROLES)} (default: all)",
    )
    parser.add_argument("--package", nargs="+", metavar="NAME", help="only these packages")
    parser.add_argument(
        "--table",
        type=Path,
        default=TABLE,
        metavar="FILE",
        help="another list: CSV with the columns package, path, seconds, role",
    )


def run(options: argparse.Namespace, progress: Progress, arguments: list[str]) -> None:
    """Run the command.

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
    TrainError
        If the list cannot be read, or a package cannot be fetched; the others are fetched first.
    """
    tracks = read_tracks(options.table)
    roles = cast("frozenset[Role]", frozenset(options.role))
    names = _chosen(options.package, packages_of(tracks, roles))
    kept = MusicFolder(options.folder or cache_folder("free_music"))
    problems = _fetch(kept, names, tracks, roles, progress) if options.action == "fetch" else []
    rows = [summary(kept.package(name), tracks, name) for name in names]
    if options.json:
        print(json.dumps({"folder": str(kept.folder), "packages": rows}, indent=2))
    else:
        _show(kept, rows)
    if problems:
        more = f" (and {len(problems) - 1} more packages failed)" if len(problems) > 1 else ""
        raise TrainError(f"{problems[0]}{more}; run the command again to fetch what is missing")


def _chosen(asked: list[str] | None, there: tuple[str, ...]) -> tuple[str, ...]:
    for name in asked or ():
        if name in HELD_OUT:
            raise TrainError(
                f"--package {name}: measures finished models, so it is never trained on"
            )
        if name not in there:
            raise TrainError(
                f"--package {name}: has nothing of these roles; `python -m train music list` shows "
                "the packages"
            )
    return tuple(asked) if asked else there


def _fetch(
    kept: MusicFolder,
    names: tuple[str, ...],
    tracks: tuple[Track, ...],
    roles: frozenset[Role],
    progress: Progress,
) -> list[str]:
    """Fetch packages; return a message for each that failed."""
    debian_package.require_tools()
    progress.packages(len(names))
    problems = []
    for name in names:
        try:
            package = kept.fetch(name, tracks, roles)
        except TrainError as error:
            problems.append(str(error))
            progress.note(f"warning: {error}")
        else:
            progress.note(f"{name} {package.version}: {len(package.files)} files")
            for path in package.missing:
                progress.note(f"warning: {name} {package.version} lacks {path}")
        progress.step()
    return problems


def _show(kept: MusicFolder, rows: list[dict[str, Any]]) -> None:
    table = Table("package", "roles", box=None, pad_edge=False)
    for title in ("tracks", "minutes", "files here"):
        table.add_column(title, justify="right")
    table.add_column("licences", overflow="fold")
    for row in rows:
        table.add_row(
            row["package"], " ".join(row["roles"]) or "speech", str(row["tracks"]),
            f"{row['seconds'] / 60:.1f}", str(row["files"]) if row["fetched"] else "-",
            ", ".join(row["licences"]),
        )  # fmt: skip
    console = Console(highlight=False)
    console.print(table)
    here = [row for row in rows if row["fetched"]]
    hours = sum(row["seconds"] for row in rows) / 3600
    console.print(
        f"\n{len(rows)} packages, {hours:.1f} hours in the list; {len(here)} packages are in "
        f"{kept.folder}",
        markup=False,
        soft_wrap=True,
    )
    if here:
        console.print(f"credits: {kept.folder / 'ATTRIBUTION.md'}", markup=False, soft_wrap=True)
