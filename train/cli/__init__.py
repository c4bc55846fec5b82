"""The command line of training: one module per command."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from streamgenre.cli.output import drop_output
from streamgenre.errors import StreamgenreError
from train.cli import (
    add_embedding,
    corpora,
    ensemble,
    evaluate,
    fit,
    music,
    rehearsal,
    report,
    reproduce,
    stream_eval,
    trunk,
)
from train.cli.parser import parser
from train.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS: Final = {
    "fit": fit.run,
    "evaluate": evaluate.run,
    "trunk": trunk.run,
    "stream-eval": stream_eval.run,
    "report": report.run,
    "ensemble": ensemble.run,
    "rehearsal": rehearsal.run,
    "add-embedding": add_embedding.run,
    "music": music.run,
    "inspect": corpora.run_inspect,
    "split": corpora.run_split,
    "reproduce": reproduce.run,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(arguments)
    # Set before Keras is imported. TensorFlow's start-up messages say nothing about training.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with Progress(quiet=options.quiet) as progress:
            _COMMANDS[options.command](options, progress, arguments)
        sys.stdout.flush()
    except StreamgenreError as error:
        if options.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader has left (`| head`): not an error
        drop_output()
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0
