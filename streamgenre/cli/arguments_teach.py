"""The flags of ``streamgenre teach``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamgenre.defaults import MODEL

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
    Command = Callable[..., argparse.ArgumentParser]

_DESCRIPTION: Final = """\
Teach a model your own genres from a folder with a sub-folder of audio files per genre:

  music/ragtime/…   music/dub/…   music/synthwave/…

20 recordings of each genre are a good start, 5 are the least; take several artists of
each. The result is a model NAME that `listen --model NAME` and `classify --model NAME`
take at once. It tells speech, music and tags as its base model does. What was heard of a
file is kept, so that an interrupted or repeated run is quick.

It prints how often recordings are recognised by a model that was fitted without them and
without their artists, which genres are hard to tell apart, and which files may be in the
wrong folder.
"""
_EPILOG: Final = """\
examples:
  streamgenre teach --try ~/music
  streamgenre teach mine --from ~/music
  streamgenre teach mine --from ~/music --keep --replace
  streamgenre teach mine --from ~/music --as "dnb=Drum & Bass"
  streamgenre teach mine --again
  streamgenre teach --update mine
  streamgenre listen --model mine
"""


def add_teach_arguments(commands: Commands, command: Command) -> None:
    """Add the command and its flags.

    Parameters
    ----------
    commands
        Subparsers of the main parser.
    command
        Adds one command.
    """
    parser = command(
        commands, "teach", "teach a model your own genres", description=_DESCRIPTION,
        epilog=_EPILOG,
    )  # fmt: skip
    parser.add_argument("name", nargs="?", metavar="NAME", help="name of the model to write")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--from", dest="source", metavar="DIR", help="folder with a sub-folder of audio per genre"
    )
    what.add_argument(
        "--try",
        dest="trial",
        metavar="DIR",
        help="only print what accuracy to expect, from up to 20 recordings of each genre and a "
        "little of each; writes no model",
    )
    what.add_argument(
        "--again",
        action="store_true",
        help="teach the model NAME once more from the same files, such as after its base model was "
        "replaced by an update",
    )
    what.add_argument(
        "--update",
        action="store_true",
        help="teach the model NAME, or your only one, once more with the clips that `label` has "
        "labelled; compare it with the old one, write it unless it is worse, and have the running "
        "daemon use it. Exit code 3 if too few labels are new, 4 if it is worse and the old one "
        "stays",
    )
    what.add_argument(
        "--rollback",
        action="store_true",
        help="bring back the version of NAME, or your only model, before its last update",
    )
    parser.add_argument(
        "--max-loss",
        type=float,
        default=2.0,
        metavar="POINTS",
        help="with --update: percentage points that a genre may lose on the old recordings "
        "(default: 2)",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="with --update or --rollback: configuration that names the folder of the clips and "
        "the daemon's control endpoint (default: as `listen`)",
    )
    parser.add_argument(
        "--base",
        metavar="NAME|DIR",
        help=f"model to build on (see `streamgenre models`; default: {MODEL})",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="keep the genres of the base model and add these; without it, these replace them",
    )
    parser.add_argument(
        "--as",
        dest="names",
        action="append",
        default=[],
        metavar="FOLDER=GENRE",
        help="call the genre of a sub-folder otherwise (may be given several times)",
    )
    parser.add_argument("--replace", action="store_true", help="replace a model of that name")
    parser.add_argument(
        "--picture", metavar="FILE", help="also write the confusion matrix as a picture (.svg)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
