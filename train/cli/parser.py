"""The parser of the whole command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

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

_DESCRIPTION: Final = """\
Train genre models for streamgenre and measure them.

A corpus is a folder with one sub-folder of audio files per genre, or with a table
clips.csv (columns clip, genre; artist and fold where known). The table should name
the artists: a model looks far better than it is on artists it was trained on, so the
figures are measured on folds that never put one artist on two sides.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser with all commands."""
    raw = argparse.RawDescriptionHelpFormatter
    whole = argparse.ArgumentParser(
        prog="python -m train", description=_DESCRIPTION, formatter_class=raw
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    output.add_argument("--quiet", action="store_true", help="no progress on stderr")
    output.add_argument("--debug", action="store_true", help="show tracebacks of errors")
    corpus = argparse.ArgumentParser(add_help=False, parents=[output])
    corpus.add_argument(
        "--corpus", type=Path, required=True, metavar="DIR", help="folder with the music"
    )
    corpus.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where computed frames are kept (default: $XDG_CACHE_HOME/streamgenre/frames)",
    )
    corpus.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="folds or parts from a file written by `train split`; refused if an audio file has "
        "changed since",
    )
    fit.add_parser(commands, corpus, formatter_class=raw)
    evaluate.add_parser(commands, corpus, formatter_class=raw)
    trunk.add_parser(commands, formatter_class=raw)
    stream_eval.add_parser(commands, output, formatter_class=raw)
    report.add_parser(commands, output, formatter_class=raw)
    corpora.add_parsers(commands, output, formatter_class=raw)
    music.add_parser(commands, output, formatter_class=raw)
    ensemble.add_parser(commands, output, formatter_class=raw)
    add_embedding.add_parser(commands, output, formatter_class=raw)
    rehearsal.add_parser(commands, corpus, formatter_class=raw)
    reproduce.add_parser(commands, output, formatter_class=raw)
    return whole
