"""Opens standard input and named pipes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from streamgenre.errors import InputError
from streamgenre.sources.decoding import error_text
from streamgenre.sources.files.pipe import PipeSource

if TYPE_CHECKING:
    from pathlib import Path

    from streamgenre.sources.files.raw import RawFormat
    from streamgenre.sources.paced import PacedSource


def open_stdin(raw: RawFormat) -> PacedSource:
    """Return a source that reads standard input until its end.

    ``raw`` is the format of what is in no known container.

    Raises
    ------
    InputError
        If standard input is a terminal.
    """
    if sys.stdin is None:
        raise InputError("--input -: standard input is closed; pipe audio into it")
    if sys.stdin.isatty():
        raise InputError(
            "--input -: standard input is a terminal; pipe audio into it, for example "
            "`ffmpeg -i URL -f s16le -ac 2 -ar 44100 - | streamgenre listen --input -`"
        )
    return PipeSource("stdin", "standard input", sys.stdin.fileno(), raw)


def open_fifo(path: Path, raw: RawFormat) -> PacedSource:
    """Return a source that reads a named pipe, from one writer after the other.

    Parameters
    ----------
    path
        The pipe.
    raw
        Format of what is in no known container.

    Raises
    ------
    InputError
        If the pipe cannot be opened.
    """
    try:
        # Without O_NONBLOCK, this would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise InputError(
            f"{path}: the named pipe cannot be opened ({error_text(error)})"
        ) from error
    # /dev/stdin and what `<(command)` gives have one writer, and end with it.
    named = "/pipe:[" not in os.path.realpath(path)
    return PipeSource(path.name, str(path), descriptor, raw, reopens=named)
