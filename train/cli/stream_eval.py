"""``train stream-eval``: play hours of programme to a model."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from train import model_folder
from train.corpora.corpus import read_corpus
from train.streaming.benchmark import BenchmarkJob, stream_eval
from train.streaming.programme import Settings

if TYPE_CHECKING:
    from train.progress import Progress

DESCRIPTION: Final = """\
Play hours of programme to a model, through the engine and the decision stage of the
daemon, as fast as possible: one programme per fold, made of the fold's own full clips.
Reports the share of seconds that were right, the lag after a change, flips to a wrong
genre, how far the probabilities can be trusted, and how well speech was detected.

The figures are meaningful only for clips unseen in training: use the folder written by
`fit --fold-models`. A single model is played all folds, and the result says so.

examples:
  python -m train fit --recipe lstm --corpus ~/music --out models/lstm \\
      --fold-models /tmp/folds/lstm
  python -m train stream-eval /tmp/folds/lstm --corpus ~/music --card models/lstm
  python -m train stream-eval lite --corpus ~/music --hours 0.5 --json
"""


def add_parser(commands: Any, output: argparse.ArgumentParser, **more: Any) -> None:
    """Add the command and its arguments.

    Parameters
    ----------
    commands
        Subparsers of the main parser, to which the command is added.
    output
        Parser with the options about output, used as a parent.
    **more
        Passed to the command's ``ArgumentParser``.
    """
    parser = commands.add_parser(
        "stream-eval", parents=[output], help="play hours of programme to a model",
        description=DESCRIPTION, **more,
    )  # fmt: skip
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="folder of fold models, model folder, or name of a shipped model",
    )
    parser.add_argument(
        "--corpus", type=Path, required=True, metavar="DIR", help="folder with the music"
    )
    parser.add_argument(
        "--hours", type=_hours, default=1.0, metavar="H", help="length of a programme (default 1)"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed (default 1)")
    parser.add_argument(
        "--drift",
        type=_hours,
        default=0.0,
        metavar="HOURS",
        help="also repeat ten minutes of the first fold for HOURS without a reset, and compare the "
        "last time with the first",
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="write pictures (SVG) into this folder"
    )
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FOLDER",
        help="write figures and pictures into the manifest and the card of this model folder: the "
        "model that the folds belong to",
    )


def run(options: argparse.Namespace, progress: Progress, arguments: list[str]) -> None:
    """Run the command.

    Parameters
    ----------
    options
        The parsed command line.
    progress
        Shows how far the work is.
    arguments
        The command line as words; not used here.

    Raises
    ------
    StreamgenreError
        If the model, the corpus or a folder cannot be used.
    """
    corpus = read_corpus(options.corpus)
    if options.card is not None:
        model_folder.read_measured(options.card)  # fails before the hours of playing, not after
    job = BenchmarkJob(
        options.model,
        corpus,
        options.corpus,
        replace(Settings(), seconds=options.hours * 3600),
        options.seed,
        options.drift,
        options.pictures or options.card,
        progress.note,
        progress.seconds,
        progress.step,
    )
    result = stream_eval(job)
    if options.card is not None:
        model_folder.add_stream(options.card, result)
    print(json.dumps(result, indent=2) if options.json else _text(result))


def _hours(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1000, not {value:g}")
    return value


def _text(result: dict[str, Any]) -> str:
    lag, low_high = result["lag"], "{:.3f} to {:.3f}".format(*result["second"]["ci95"])
    lines = [
        f"right by the second   {result['second']['accuracy']:8.3f}  ({low_high}; chance "
        f"{result['chance']:.2f})",
        f"before the decision   {result['hop']['accuracy']:8.3f}",
        f"lag after a change    {_seconds(lag['median_s']):>8}  median; 90 % within "
        f"{_seconds(lag['p90_s'])}; never right {lag['never']:.0%} of {lag['pieces']} pieces",
        f"wrong flips per min.  {result['flips_a_minute']:8.2f}",
        f"unknown               {result['unknown']:8.1%}",
        f"calibration error     {result['calibration']['hop']['ece']:8.3f}  Brier score "
        f"{result['calibration']['hop']['brier']:.3f}",
    ]
    talk = result["speech"]
    if talk["talk_called_speech"] is not None:
        lines.append(
            f"talk called speech    {talk['talk_called_speech']:8.1%}  music called speech "
            f"{talk['music_called_speech']:.1%}"
        )
    if "drift" in result:
        drifted = result["drift"]
        moved = drifted["last"] - drifted["first"]
        lines.append(
            f"drift                 {moved:+8.4f}  right by the second after "
            f"{drifted['hours']:g} h without a reset, {drifted['first']:.4f} at first"
        )
    return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:g} s"
