"""The flags about clips: those of ``listen``, and the command ``label``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def add_keep_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``listen`` with which clips are kept."""
    clips = parser.add_argument_group("clips to label (nothing is kept by default)")
    clips.add_argument(
        "--keep-uncertain",
        type=float,
        metavar="SECONDS",
        help="keep clips of this length, 3 to 60 s, of what the model is least sure of, for "
        "`streamgenre label`: of files and of streams over HTTP, up to 500 clips for 30 days, "
        "readable by you alone; [clips] in the configuration has the limits",
    )
    clips.add_argument(
        "--keep-uncertain-device",
        action="store_const",
        const="always",
        help="with --keep-uncertain: also of a sound card (microphone, line-in, monitor), standard "
        "input, a pipe or RTSP. Tell the people who can be heard there",
    )


def add_label(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command ``label``.

    Parameters
    ----------
    commands
        The subparsers of the program.
    command
        Adds one command.
    """
    parser = command(
        commands,
        "label",
        "label the clips that the model was unsure of",
        description=(
            "Walk through the clips that `listen --keep-uncertain` has kept, the least certain\n"
            "first: each is played, with its station, time, title and likeliest genres, and you\n"
            "say what it is. Without an output device the path of the file is shown instead."
        ),
        epilog=(
            "keys, each followed by Enter:\n"
            "  3, jazz    the genre with this number or name (Tab completes it)\n"
            "  s          skip: asked again later\n"
            "  n          no music\n"
            "  p          play again\n"
            "  d          delete the clip\n"
            "  u          undo the last answer\n"
            "  ?          show the genres and keys\n"
            "  q          quit; so do Ctrl-D and Ctrl-C\n"
            "\n"
            "examples:\n"
            "  streamgenre label\n"
            "  streamgenre label --list --json | jq '.[].top'\n"
            "  streamgenre label --forget-all\n"
            "\n"
            "`streamgenre teach --update` learns from the labels."
        ),
    )
    parser.add_argument(
        "--folder", metavar="DIR", help="folder of the clips (default: where `listen` keeps them)"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="configuration that names the folder (default: that of `listen`)",
    )
    parser.add_argument(
        "--silent", action="store_true", help="play nothing; show the path of each file instead"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list the clips and their labels")
    what.add_argument(
        "--forget-all",
        action="store_true",
        help="delete all clips and all labels, at once, and say what was deleted",
    )
    parser.add_argument(
        "--json", action="store_true", help="with --list or --forget-all: print JSON"
    )
