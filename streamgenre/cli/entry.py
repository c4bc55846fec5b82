"""The entry point of the command line: parses it, runs one command and explains its errors."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from streamgenre import __version__
from streamgenre.cli.arguments import add_arguments
from streamgenre.errors import StreamgenreError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXTRAS: Final = {
    **dict.fromkeys(
        (
            *("numpy", "onnxruntime", "sounddevice", "soxr", "av", "mutagen", "rich", "psutil"),
            *("fastjsonschema", "prometheus_client", "threadpoolctl"),
        ),
        "listen",
    ),
    **{"paho": "mqtt", "typst": "report", "pyarrow": "parquet", "watchfiles": "watch"},
}
"""The extra with a module that the base install lacks: ``pip install 'streamgenre[EXTRA]'``."""


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
    Ctrl-C and SIGTERM end ``listen``, ``dashboard`` and ``subscribe`` with 0, their normal end.

    Parameters
    ----------
    arguments
        Arguments after the program's name, by default those of this process.
    """
    # Before NumPy is loaded: idle OpenBLAS threads spin, which costs far more than they save with
    # our small matrices.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _open_closed_streams()
    args = make_parser().parse_args(arguments)
    try:
        command = import_module(f"streamgenre.cli.{args.command}")
        code: int = command.run(args)
        sys.stdout.flush()
        return code
    except StreamgenreError as error:
        if args.debug:
            raise
        _say(f"error: {error}")
        return error.exit_code
    except ModuleNotFoundError as error:
        extra = extra_for(error.name or "", args.command)
        if args.debug or extra is None:
            raise
        _say(
            f"error: `streamgenre {args.command}` needs {error.name}, which is not installed; "
            f"`pip install 'streamgenre[{extra}]'`"
        )
        return 1
    except KeyboardInterrupt:
        drop_output()  # the reader may not be reading
        return 0
    except BrokenPipeError:
        drop_output()  # the reader is gone, as with `| head`: not an error
        return 0
    except OSError as error:
        if args.debug:
            raise
        _say(f"error: {error.filename or 'output'}: {error.strerror or error}")
        drop_output()
        return 1
    except Exception as error:
        if args.debug:
            raise
        _say(
            f"internal error: {type(error).__name__}: {error}\n"
            "This is a bug in streamgenre. Run the command again with --debug, and report what "
            "it prints."
        )
        return 1


def drop_output() -> None:
    """Discard what is left in stdout's buffer: Python would try to write it again when it exits."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _open_closed_streams() -> None:
    """Replace output streams that were closed when the program started, as with ``>&-``."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end


def _say(line: str) -> None:
    shown = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in line)
    level = "streamgenre: "
    if "JOURNAL_STREAM" in os.environ:
        from streamgenre.system.journal import leads_to_journal

        level = "<3>" if leads_to_journal(sys.stderr) else level  # the journal takes it as `error`
    print(level + shown.replace("\n", "\n<3>" if level == "<3>" else "\n"), file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage in one line, as all other errors, without the whole usage text."""

    def error(self, message: str) -> NoReturn:
        _say(f"error: {message}; see `{self.prog} --help`")
        sys.exit(2)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser: argparse.ArgumentParser = _Parser(
        prog="streamgenre",
        description="Live music-genre classifier: audio in, genre probabilities every second out.",
        epilog="`streamgenre COMMAND --help` explains each command.",
    )
    parser.add_argument("--version", action="version", version=f"streamgenre {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_arguments(commands)
    return parser
