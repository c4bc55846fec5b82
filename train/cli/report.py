"""``train report``: compare model folders in a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from train import model_folder
from train.cards import models_table

if TYPE_CHECKING:
    import argparse

    from train.progress import Progress

DESCRIPTION: Final = """\
Write README.md into a folder of model folders: a table of every model's figures with
confidence intervals and chance, and how each model was made. Everything is taken from
the manifests; nothing is measured again.

example:
  python -m train report models
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
        "report",
        parents=[output],
        help="compare models in a table",
        description=DESCRIPTION,
        **settings,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of model folders")


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
        If the folder holds no measured models, or the table cannot be written.
    """
    path = options.folder / models_table.NAME
    manifests = model_folder.read_all_measured(options.folder)
    model_folder.write_text(path, models_table.table_of(manifests))
    print(path)
