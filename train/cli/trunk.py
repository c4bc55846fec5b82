"""``train trunk``: fetch the pretrained trunk; train a smaller one in stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from train.cache import cache_folder
from train.cli import trunk_stages

if TYPE_CHECKING:
    import argparse

    from train.progress import Progress

DESCRIPTION: Final = """\
Fetch the pretrained trunk used by the recipes lstm and cnn: the checkpoint MSD_musicnn
from the wheel musicnn 0.1.0 on PyPI (29 MB, ISC licence). It is rebuilt in Keras and
compared with its published graph to 1e-4.

With a stage: train a small trunk that answers degraded sound as MSD_musicnn answers clean
sound. Every stage goes on where it was interrupted.

examples:
  python -m train trunk                              # fetch MSD_musicnn
  python -m train trunk prepare --folder SET --corpus DIR --music FREE --yamnet yamnet.tflite
  python -m train trunk render --folder SET
  python -m train trunk fit --folder SET --student separable
"""


def add_parser(commands: Any, **settings: Any) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "trunk",
        help="fetch the pretrained trunk, or train a small one",
        description=DESCRIPTION,
        **settings,
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to keep it (default: $XDG_CACHE_HOME/streamgenre/trunk)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--debug", action="store_true", help="show tracebacks of errors")
    trunk_stages.add_parsers(parser, **settings)


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
        If the trunk cannot be fetched or written, or a stage fails.
    """
    if options.stage:
        trunk_stages.run(options, progress)
        return
    from train.trunk.train_head import fetch_trunk

    folder = options.out or cache_folder("trunk")
    difference = fetch_trunk(folder)
    print(f"{folder}: MSD_musicnn, {difference:.1e} from its published graph in Keras")
