"""The command ``streamgenre``: one thin module a sub-command, loaded when it is called."""

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

COMMANDS: Final = (
    *("listen", "dashboard", "subscribe", "devices", "probe", "models"),
    *("keys", "control", "bridge", "history", "report", "config", "service", "doctor"),
)
EXTRAS: Final = {
    **dict.fromkeys(
        (
            *("numpy", "onnxruntime", "sounddevice", "soxr", "av", "mutagen", "rich", "psutil"),
            *("fastjsonschema", "prometheus_client", "threadpoolctl"),
        ),
        "listen",
    ),
    **{"paho": "mqtt", "typst": "report", "pyarrow": "parquet"},
}
"""Which extra brings a module that the base install lacks: ``pip install '.[EXTRA]'``."""


def extra_for(module: str, command: str) -> str | None:
    """Return the extra that brings a module to a command; None for a module of no extra."""
    package = module.partition(".")[0]
    return "dashboard" if (package, command) == ("rich", "dashboard") else EXTRAS.get(package)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    0 done, 1 an error that is explained on stderr, 2 wrong usage. Ctrl-C and SIGTERM end
    ``listen``, ``dashboard`` and ``subscribe`` with 0: this is how they are meant to end.
    """
    # Before numpy is loaded: an idle OpenBLAS worker spins, which costs a hundred times what its
    # help with our small matrices is worth.
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
            f"`pip install '.[{extra}]'` in the folder of streamgenre's source"
        )
        return 1
    except KeyboardInterrupt:
        drop_output()  # its reader may be asleep
        return 0
    except BrokenPipeError:
        drop_output()  # the reader has left (`| head`): nothing to complain of
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
            "This is a bug in streamgenre. Run the same with --debug before the command, and "
            "report what it prints."
        )
        return 1


def drop_output() -> None:
    """Send what is still in stdout's buffer to nowhere: Python would try again at its exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _open_closed_streams() -> None:
    """Give a program that was started with closed output (`>&-`) one that leads to nowhere."""
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
    """Tells a mistake in one line, as all else that goes wrong, and not under the whole usage."""

    def error(self, message: str) -> NoReturn:
        _say(f"error: {message}; see `{self.prog} --help`")
        sys.exit(2)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser: argparse.ArgumentParser = _Parser(
        prog="streamgenre",
        description="Live music-genre classifier: audio in, genre probabilities every second out.",
        epilog="`streamgenre COMMAND --help` tells more of each command.",
    )
    parser.add_argument("--version", action="version", version=f"streamgenre {__version__}")
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error (before the command)"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_arguments(commands)
    return parser
