"""The entry point of the command line: parses it, runs one command and explains its errors."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING

from streamgenre import __version__
from streamgenre.cli.arguments import add_arguments
from streamgenre.cli.interruption import exit_code, terminable
from streamgenre.cli.output import Streams, drop_output, say
from streamgenre.cli.parser import Parser
from streamgenre.errors import EXTRAS, StreamgenreError

if TYPE_CHECKING:
    from collections.abc import Sequence


def extra_for(module: str, command: str) -> str | None:
    """Return the extra that installs a module for a command.

    Parameters
    ----------
    module
        Name of the missing module.
    command
        Name of the command that needs it.

    Returns
    -------
    str or None
        Name of the extra; None if no extra installs the module.
    """
    package = module.partition(".")[0]
    return "dashboard" if (package, command) == ("rich", "dashboard") else EXTRAS.get(package)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Exit codes are 0 for success, 1 for an error that is explained on stderr, and 2 for wrong usage.
    Ctrl-C and SIGTERM end ``listen`` and the other commands that go on until then with 0, their
    normal end, and all others with 130 and 143.

    Parameters
    ----------
    arguments
        Arguments after the program's name, by default those of this process.
    """
    # Before NumPy is loaded: idle OpenBLAS threads spin, which costs far more than they save with
    # our small matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    streams = Streams()
    args = argparse.Namespace(command="", debug=False)
    try:
        with terminable():
            make_parser().parse_args(arguments, args)
            streams.fit(args)
            if not (args.debug or sys.warnoptions):
                warnings.simplefilter("ignore")  # of libraries: texts for programmers
            command = import_module(f"streamgenre.cli.{args.command}")
            code: int = command.run(args)
            sys.stdout.flush()
            return code
    except SystemExit as ending:  # of argparse: --help, --version, wrong usage
        raise SystemExit(_flushed(ending.code if isinstance(ending.code, int) else 2)) from None
    except StreamgenreError as error:
        if args.debug:
            raise
        say(f"error: {error}")
        return _flushed(error.exit_code)
    except ModuleNotFoundError as error:
        extra = extra_for(error.name or "", args.command)
        if args.debug or extra is None:
            raise
        say(
            f"error: `streamgenre {args.command}` needs {error.name}, which is not installed; "
            f"`pip install 'streamgenre[{extra}]'`"
        )
        return 1
    except KeyboardInterrupt as interrupt:
        drop_output()  # the reader may not be reading
        given = sys.argv[1:] if arguments is None else arguments
        words = (word for word in given if not word.startswith("-"))
        return exit_code(args.command or next(words, ""), interrupt)  # "": not parsed yet
    except BrokenPipeError:
        drop_output()  # the reader is gone, as with `| head`: not an error
        return 0
    except OSError as error:
        if args.debug:
            raise
        return _output_failed(error)
    except Exception as error:
        if args.debug:
            raise
        say(
            f"internal error: {type(error).__name__}: {error}\n"
            "This is a bug in streamgenre. Run the command again with --debug, and report what "
            "it prints."
        )
        return _flushed(1)


def _flushed(code: int) -> int:
    """Write out what was printed before the command ended, and return the exit code."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
    except OSError as error:
        return code or _output_failed(error)
    return code


def _output_failed(error: OSError) -> int:
    say(f"error: {error.filename or 'output'}: {error.strerror or error}")
    drop_output()
    return 1


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser: argparse.ArgumentParser = Parser(
        prog="streamgenre",
        description="Live music-genre classifier: audio in, genre probabilities every second out.",
        epilog="`streamgenre COMMAND --help` explains each command.",
    )
    parser.add_argument("--version", action="version", version=f"streamgenre {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_arguments(commands)
    return parser
