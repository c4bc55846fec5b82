"""The flags of ``models`` and its actions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def add_models(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add ``models`` and its actions.

    Parameters
    ----------
    commands
        The commands of the main parser.
    command
        Adds the parser of one command.
    """
    parser = command(
        commands,
        "models",
        "list the models, shipped and your own, and exchange them",
        description=(
            "List the models that come with streamgenre and your own, with their genres and what\n"
            "they were taught with, and check them against their hashes. Your own are in\n"
            "$XDG_DATA_HOME/streamgenre/models, by default ~/.local/share/streamgenre/models;\n"
            "those of the system service are in /var/lib/streamgenre/models. `--model NAME` finds\n"
            "both, after the shipped ones."
        ),
        epilog=(
            "examples:\n"
            "  streamgenre models\n"
            "  streamgenre models show mine\n"
            "  streamgenre models export mine mine.tar\n"
            "  streamgenre models import mine.tar --as ours\n"
            "  sudo streamgenre models import mine.tar --system\n"
            "  streamgenre models remove ours\n"
            "  streamgenre listen --model ours"
        ),
    )
    parser.add_argument("--json", action="store_true", help="print a JSON array")
    actions = parser.add_subparsers(dest="action", metavar="ACTION")

    def action(name: str, summary: str, description: str) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = actions.add_parser(
            name,
            help=summary,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        return sub

    show = action(
        "show",
        "what one model tells apart, what it was taught with, and how good it is",
        "Show one model: its genres and other answers, what it was taught with, its accuracy with\n"
        "interval, and its confusion matrix.",
    )
    show.add_argument("model", metavar="NAME|DIR", help="model, shipped or your own, or its folder")
    show.add_argument("--json", action="store_true", help="print one JSON object")
    export = action(
        "export",
        "write a model to a file, for another machine or a friend",
        "Write a model to an uncompressed tar file. It holds the model, its manifest (with what\n"
        "it was taught with: names of genres, numbers of recordings) and its card, but no audio.",
    )
    export.add_argument("model", metavar="NAME|DIR", help="model, shipped or your own, or a folder")
    export.add_argument(
        "file",
        metavar="FILE.tar",
        help="file to write, complete or not at all; - for standard output",
    )
    export.add_argument("--replace", action="store_true", help="replace a file that is there")
    imported = action(
        "import",
        "install a model from a file that `models export` wrote",
        "Install a model among your own. The file may come from anybody: hashes, sizes and schema\n"
        "are checked, nothing in it is executed, and the model is tried once in a process with\n"
        "limited memory and time before it is installed.",
    )
    imported.add_argument(
        "file", metavar="FILE.tar", help="file that `models export` wrote, or - for standard input"
    )
    imported.add_argument(
        "--as", dest="name", metavar="NAME", help="name of the model here (default: its own)"
    )
    imported.add_argument(
        "--replace", action="store_true", help="replace a model of that name, if there is one"
    )
    imported.add_argument(
        "--system",
        action="store_true",
        help="install it for the system service, in /var/lib/streamgenre/models; needs root",
    )
    imported.add_argument("--json", action="store_true", help="print one JSON object")
    remove = action("remove", "delete one of your own models", "Delete one of your own models.")
    remove.add_argument("model", metavar="NAME", help="name of one of your own models")
    remove.add_argument("--yes", action="store_true", help="do not ask")
