"""``train reproduce``: train published models again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from train.cli.inputs import read_corpus_option
from train.errors import TrainError

if TYPE_CHECKING:
    import argparse

    from train.progress import Progress

DESCRIPTION: Final = """\
Train published genre models on GTZAN again: under the protocol of their authors, leaks
included, and on folds that never put one artist on two sides. Writes a table with the
published figures, confusion matrices, and a model folder each.

Needs clips of 30 s. Finished parts are kept, so an interrupted run continues; all of it
takes hours on one core, mostly for the eight of nycu-lstm. On shared cores, a dedicated
core (last example) makes it many times faster, because TensorFlow's threads then do not
wait for each other.

examples:
  python -m train reproduce --list
  python -m train reproduce --corpus ~/gtzan --only knn-psf bud-cnn
  python -m train reproduce --corpus ~/gtzan --out models/ancestors
  TF_NUM_INTRAOP_THREADS=1 taskset -c 0 python -m train reproduce --corpus ~/gtzan
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
        "reproduce",
        parents=[output],
        help="train published ancestors again",
        description=DESCRIPTION,
        **settings,
    )
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="folder with clips of 30 s")
    parser.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="artist folds from a file written by `train split` (default: those of clips.csv)",
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="where computed frames are kept, as for fit"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help="ancestors to train (default: all, cheap ones first)",
    )
    parser.add_argument("--list", action="store_true", help="list the ancestors and exit")
    parser.add_argument(
        "--protocol",
        choices=("authors", "artists", "both"),
        default="both",
        help="which split to train on (default both)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("models/ancestors"),
        metavar="DIR",
        help="where table, figures and pictures go (default models/ancestors)",
    )
    parser.add_argument(
        "--folders",
        type=Path,
        default=None,
        metavar="DIR",
        help="where model folders and intermediate results go "
        "(default: $XDG_CACHE_HOME/streamgenre/ancestors)",
    )
    parser.add_argument(
        "--most-epochs",
        type=int,
        metavar="N",
        help="train at most N epochs, fewer than the authors; the table says so",
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
    StreamgenreError
        If an option or the corpus cannot be used.
    """
    from train.ancestors.registry import ANCESTORS

    if options.list:
        _print_list(options.json)
        return
    if options.corpus is None:
        raise TrainError("reproduce needs --corpus DIR; --list shows the ancestors")
    names = options.only or list(ANCESTORS)
    for name in names:
        if name not in ANCESTORS:
            from streamgenre.errors import nearest

            raise TrainError(
                f"no ancestor {name!r}{nearest(name, ANCESTORS)}; --list shows all of them"
            )
    if options.most_epochs is not None and options.most_epochs < 1:
        raise TrainError(f"--most-epochs must be at least 1, not {options.most_epochs}")
    corpus = read_corpus_option(options, progress)
    from train.ancestors.reproduction import Reproduction

    reproduction = Reproduction(options, progress, corpus)
    for name in names:
        reproduction.reproduce(ANCESTORS[name])
    _finish(options)


def _finish(options: argparse.Namespace) -> None:
    from train.ancestors import ancestors_table

    try:
        options.out.mkdir(parents=True, exist_ok=True)
        table = ancestors_table.write(options.out)
    except OSError as error:
        raise TrainError(f"cannot write to {options.out}: {error.strerror}") from error
    if options.json:
        print(json.dumps(ancestors_table.read(options.out), indent=2))
    else:
        print(table)
        print(f"{options.out}/README.md")


def _print_list(as_json: bool) -> None:
    from train.ancestors.registry import ANCESTORS

    if as_json:
        rows = [
            {"name": a.name, "what": a.what, "published": a.published} for a in ANCESTORS.values()
        ]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for ancestor in ANCESTORS.values():
        published = f"{100 * ancestor.published:.2f} %" if ancestor.published else "–"
        print(f"{ancestor.name:20} {published:>8}  {ancestor.what}")
