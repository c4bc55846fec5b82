"""Standard output and error of a command, whatever the locale is and whatever they lead to."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


class _Closed(io.RawIOBase):
    """A standard output that was closed when the program started: writing to it is an error."""

    def writable(self) -> bool:
        return True

    def write(self, _data: Any) -> int:
        raise OSError(errno.EBADF, "standard output is closed")


class Streams:
    """Standard output and error, made safe before anything is printed.

    Text that the locale's charset lacks is replaced. A stream that was closed when the program
    started, as with ``>&-``, leads nowhere.
    """

    def __init__(self) -> None:
        self._closed = sys.stdout is None
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None:
                setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
            elif isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")

    def fit(self, args: argparse.Namespace) -> None:
        """Fit standard output to a command, before it runs.

        Programs read JSON and TOML, which are UTF-8 in every locale. Where the output is all that a
        command is for, a closed one is an error.
        """
        if self._closed and not _works_silently(args):
            sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Closed()), encoding="utf-8")
        if _is_for_programs(args) and isinstance(sys.stdout, io.TextIOWrapper):
            # A lone surrogate becomes the escape that JSON has for it.
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def drop_output() -> None:
    """Discard what is left in stdout's buffer: Python would try to write it again when it exits."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    if not isinstance(sys.stdout, io.TextIOWrapper) or sys.stdout.closed:
        return
    if isinstance(getattr(sys.stdout.buffer, "raw", None), _Closed):
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end


def _works_silently(args: argparse.Namespace) -> bool:
    return args.command in ("bridge", "watch") or (args.command == "listen" and not args.json)


def _is_for_programs(args: argparse.Namespace) -> bool:
    return (
        getattr(args, "json", False)
        or args.command == "subscribe"
        or (args.command == "control" and not sys.stdout.isatty())
        or (args.command == "config" and args.action in ("schema", "edit-example"))
    )


def say(line: str) -> None:
    """Print a line for the user on stderr, after the program's name."""
    shown = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in line)
    level = "streamgenre: "
    if "JOURNAL_STREAM" in os.environ:
        from streamgenre.system.journal import leads_to_journal

        level = "<3>" if leads_to_journal(sys.stderr) else level  # the journal takes it as `error`
    print(level + shown.replace("\n", "\n<3>" if level == "<3>" else "\n"), file=sys.stderr)
