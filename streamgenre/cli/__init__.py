"""The command ``streamgenre``: one thin module per command, loaded when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Ctrl-C ends it without a traceback, also while Python still loads it.

    Parameters
    ----------
    arguments
        Arguments after the program's name, by default those of this process.
    """
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the command handles it
    from streamgenre.cli.entry import main as run

    return run(arguments)
