"""The arguments of training's command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from train.ancestors import reproduction as ancestors
from train.cards import models_table
from train.cli import corpora, ensemble
from train.streaming import benchmark as streaming

_DESCRIPTION: Final = """\
Train genre models for streamgenre and measure them.

A corpus is a folder with one sub-folder of audio files a genre, or with a table
clips.csv (columns clip, genre; artist and fold where known). The table should
name the artists: a model that has heard an artist looks far better than it is,
so the figures are taken on folds that never put one artist on two sides.
"""

_FIT: Final = """\
Train a model and write a model folder: model.onnx, manifest.json, a model card.

Recipes: lstm and cnn stand on a pretrained trunk. lite is trained from nothing: two
small networks, lite-lstm and lite-cnn, each also a recipe of its own, averaged;
--units, --batch and so on then hold for both.

First the recipe is measured: for each fold a model is trained without it and run
over it. Then the model that is written is trained on all clips. Nothing is written
before it was exported, compared with Keras to 1e-5 and loaded as the daemon loads it.

examples:
  python -m train fit --recipe lstm --corpus ~/music --out models/lstm
  python -m train fit --recipe cnn --corpus ~/music --out /tmp/try --no-folds --epochs 2
"""

_RECIPES: Final = ("lstm", "cnn", "lite", "lite-lstm", "lite-cnn")

_TRUNK: Final = """\
Fetch the pretrained trunk that the recipes lstm and cnn stand on: the checkpoint
MSD_musicnn out of the wheel musicnn 0.1.0 on PyPI (29 MB, ISC licence). It is
rebuilt in Keras and checked against the graph that it was published as to 1e-4.

example:
  python -m train trunk
"""

_EVALUATE: Final = """\
Measure a model folder (or a shipped model by name) on a corpus: 3 s windows, whole
clips, single updates, updates of one endless programme with no reset, the clips in a
simulated room, further recordings of them, and speech against music where there is some.

The figures mean something only on artists that the model was not trained on: on other
music, or with a folder that `fit --fold-models` wrote, of which every model hears the
fold that it was trained without. Ensembles of those, one a fold, are measured alike.

examples:
  python -m train evaluate lstm --corpus ~/other-music --json
  python -m train evaluate FOLDS --corpus ~/music
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    raw = argparse.RawDescriptionHelpFormatter
    whole = argparse.ArgumentParser(
        prog="python -m train", description=_DESCRIPTION, formatter_class=raw
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    output = argparse.ArgumentParser(add_help=False)
    output.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    output.add_argument("--quiet", action="store_true", help="no progress on stderr")
    output.add_argument("--debug", action="store_true", help="tracebacks of errors")
    common = argparse.ArgumentParser(add_help=False, parents=[output])
    common.add_argument(
        "--corpus", type=Path, required=True, metavar="DIR", help="folder with the music"
    )
    common.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where computed frames are kept (default: $XDG_CACHE_HOME/streamgenre/frames)",
    )
    common.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="folds or parts from a file that `train split` wrote; refused where a file changed",
    )

    fit = commands.add_parser(
        "fit", parents=[common], help="train a model", description=_FIT, formatter_class=raw
    )
    fit.add_argument("--recipe", choices=_RECIPES, required=True, help="which network")
    fit.add_argument("--out", type=Path, required=True, metavar="DIR", help="model folder to write")
    fit.add_argument(
        "--replace", action="store_true", help="replace the model folder if it is there"
    )
    fit.add_argument(
        "--folds",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure and calibrate on held-out folds first (default); --no-folds is four times "
        "faster and tells nothing about how good the model is",
    )
    fit.add_argument("--seed", type=int, metavar="N", help="seed of everything drawn (default 1)")
    fit.add_argument("--epochs", type=_positive, metavar="N", help="epochs, fixed beforehand")
    fit.add_argument("--steps", type=_positive, metavar="N", help="batches an epoch")
    fit.add_argument("--batch", type=_positive, metavar="N", help="windows or programmes a batch")
    fit.add_argument("--units", type=_units, metavar="N", help="width of the network")
    fit.add_argument("--dropout", type=_share, metavar="P", help="dropout before the last layer")
    fit.add_argument("--learning-rate", type=_above_zero, metavar="R", help="highest learning rate")
    fit.add_argument(
        "--trunk",
        type=Path,
        metavar="DIR",
        help="where the trunk and its embeddings are kept, for lstm and cnn "
        "(default: $XDG_CACHE_HOME/streamgenre/trunk)",
    )
    fit.add_argument(
        "--microphone",
        action="store_true",
        help="make the trunk used to rooms, microphones and noise first, for lstm and cnn: better "
        "there, up to a point worse on line signals; four times slower, 200 kB of disk a window",
    )
    fit.add_argument(
        "--fold-models",
        type=Path,
        metavar="DIR",
        help="keep the models of the folds, each trained without its fold, as DIR/fold-1 and so on "
        "(for evaluate and stream-eval)",
    )
    fit.add_argument(
        "--note", type=Path, metavar="FILE", help="Markdown on the corpus, for the model card"
    )

    evaluate = commands.add_parser(
        "evaluate",
        parents=[common],
        help="measure a model folder",
        description=_EVALUATE,
        formatter_class=raw,
    )
    trunk = commands.add_parser(
        "trunk", help="fetch the pretrained trunk", description=_TRUNK, formatter_class=raw
    )
    trunk.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to keep it (default: $XDG_CACHE_HOME/streamgenre/trunk)",
    )
    trunk.add_argument("--quiet", action="store_true", help="no progress on stderr")
    trunk.add_argument("--debug", action="store_true", help="tracebacks of errors")
    evaluate.add_argument(
        "model",
        metavar="MODEL",
        help="folder of fold models, model folder, or name of a shipped model",
    )
    streaming.add_parser(commands, output, formatter_class=raw)
    models_table.add_parser(commands, output, formatter_class=raw)
    corpora.add_parsers(commands, output, formatter_class=raw)
    ensemble.add_parser(commands, output, formatter_class=raw)
    ancestors.add_parser(commands, output, formatter_class=raw)
    return whole


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def _units(text: str) -> int:
    value = _positive(text)
    if value % 4:
        raise argparse.ArgumentTypeError(f"must be a multiple of 4, not {value}")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, not {value}")
    return value


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, not {value}")
    return value
