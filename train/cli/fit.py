"""``train fit``: train a recipe and write a model folder."""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from train import model_folder
from train.cache import cache_folder
from train.cli.evaluate import print_figures
from train.cli.inputs import load_frames, read_corpus_option, read_note
from train.corpora.recordings import SPEC
from train.errors import TrainError
from train.job import Reporter, TrainingJob

if TYPE_CHECKING:
    from train.progress import Progress
    from train.recipes.recipe import Recipe, Settings

DESCRIPTION: Final = """\
Train a model and write a model folder: model.onnx, manifest.json, a model card.

Recipes: lstm and cnn use a pretrained trunk. lite is trained from scratch: the mean of
two small networks, lite-lstm and lite-cnn, which are recipes too. With lite, --units,
--batch and so on apply to both. The shipped model lite is not made with the recipe of
that name, but with lstm and --trunks.

First the recipe is measured: for each fold a model is trained without it and run over
it. Then the model to be written is trained on all clips. It is exported, compared with
Keras to 1e-5 and loaded as the daemon loads it before anything is written.

examples:
  python -m train fit --recipe lstm --corpus ~/music --out models/lstm
  python -m train fit --recipe cnn --corpus ~/music --out /tmp/try --no-folds --epochs 2
"""
_NAMES: Final = ("lstm", "cnn", "lite", "lite-lstm", "lite-cnn")


def add_parser(commands: Any, corpus: argparse.ArgumentParser, **settings: Any) -> None:
    """Add the command and its arguments.

    Parameters
    ----------
    commands
        Subparsers of the main parser, to which the command is added.
    corpus
        Parser with the options about output and corpus, used as a parent.
    **settings
        Passed to the command's ``ArgumentParser``.
    """
    fit = commands.add_parser(
        "fit", parents=[corpus], help="train a model", description=DESCRIPTION, **settings
    )
    fit.add_argument("--recipe", choices=_NAMES, required=True, help="network to train")
    fit.add_argument("--out", type=Path, required=True, metavar="DIR", help="model folder to write")
    fit.add_argument("--replace", action="store_true", help="replace the model folder if it exists")
    fit.add_argument(
        "--folds",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure and calibrate on held-out folds first (default); --no-folds is four times "
        "faster, but the model is neither measured nor calibrated",
    )
    fit.add_argument("--seed", type=int, metavar="N", help="seed of everything drawn (default 1)")
    fit.add_argument("--epochs", type=_positive, metavar="N", help="number of epochs")
    fit.add_argument("--steps", type=_positive, metavar="N", help="batches per epoch")
    fit.add_argument("--batch", type=_positive, metavar="N", help="windows or programmes per batch")
    fit.add_argument("--units", type=_units, metavar="N", help="width of the network")
    fit.add_argument("--dropout", type=_share, metavar="P", help="dropout before the last layer")
    fit.add_argument("--learning-rate", type=_above_zero, metavar="R", help="peak learning rate")
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
        help="train the trunk on rooms, microphones and noise first, for lstm and cnn: better "
        "there, possibly worse on line signals; four times slower, 120 kB of disk per window",
    )
    fit.add_argument(
        "--trunks",
        type=Path,
        metavar="SET",
        help="use the trunks that `train trunk fit --student whole` has trained into SET, one "
        "without each fold and one on all clips, in place of the published one, for lstm and cnn",
    )
    fit.add_argument(
        "--fold-models",
        type=Path,
        metavar="DIR",
        help="keep the models of the folds, each trained without its fold, as DIR/fold-1 and so on "
        "(for evaluate and stream-eval)",
    )
    fit.add_argument(
        "--note", type=Path, metavar="FILE", help="Markdown about the corpus, for the model card"
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
        The command line as words; recorded in the manifest.

    Raises
    ------
    StreamgenreError
        If an option or the corpus cannot be used, or the folder cannot be written.
    """
    from train.recipes import RECIPES

    model_folder.check_out(options.out, replace=options.replace)
    if options.recipe in RECIPES:
        manifest = _fit_networks(options, progress, arguments, RECIPES[options.recipe])
    else:
        manifest = _fit_head(options, progress, arguments)
    if options.json:
        print(json.dumps(manifest, indent=2, ensure_ascii=False))
        return
    print(f"{options.out}: {manifest['training']['parameters']:,} parameters")
    if "evaluation" in manifest:
        print_figures(manifest["evaluation"])


def _fit_networks(
    options: argparse.Namespace,
    progress: Progress,
    arguments: list[str],
    recipes: tuple[Recipe, ...],
) -> dict[str, Any]:
    """Train a network from scratch, or several and their mean."""
    from train.ensemble.train_members import train_ensemble
    from train.fitting.train_network import train_model

    for name in ("microphone", "trunks"):
        if getattr(options, name):
            raise TrainError(f"--{name} does not apply to the recipe {options.recipe}")
    names = ("seed", "epochs", "steps", "batch", "units", "dropout", "learning_rate")
    chosen = _chosen(options, names)
    note = read_note(options.note)
    corpus = read_corpus_option(options, progress)
    data = load_frames(options, progress, corpus, SPEC, corpus.measured if options.folds else ())

    def job(recipe: Recipe) -> TrainingJob[Recipe, Settings]:
        settings: Settings = replace(recipe.defaults, **chosen)
        return TrainingJob(
            recipe=recipe,
            settings=settings,
            note=note,
            reporter=Reporter(
                stage=lambda title: progress.stage(f"{recipe.name}, {title}", settings.epochs),
                epoch=progress.epoch,
                note=progress.note,
            ),
            **_output(options, arguments),
        )

    jobs = [job(recipe) for recipe in recipes]
    if len(jobs) == 1:
        return train_model(jobs[0], data)
    return train_ensemble(jobs, options.recipe, data)


def _fit_head(
    options: argparse.Namespace, progress: Progress, arguments: list[str]
) -> dict[str, Any]:
    """Train a head on the trunk."""
    from train.trunk.head_training import RECIPES
    from train.trunk.train_head import TrunkInput, train_model

    recipe = RECIPES[options.recipe]
    unknown = [name for name in ("steps", "dropout") if getattr(options, name) is not None]
    if unknown:
        raise TrainError(f"--{unknown[0]} does not apply to the recipe {recipe.name}")
    chosen = _chosen(options, ("seed", "epochs", "batch", "units", "learning_rate"))
    if options.trunks and options.microphone:
        raise TrainError("--trunks and --microphone exclude each other: those trunks have heard it")
    corpus = read_corpus_option(options, progress)
    trained = trained_as = None
    if options.trunks:
        from train.student.trained_trunks import read_trunks

        trained, trained_as = read_trunks(
            options.trunks, (*(corpus.measured if options.folds else ()), None)
        )
    given = TrunkInput(
        corpus=corpus,
        folder=options.corpus,
        trunk=options.trunk or cache_folder("trunk"),
        microphone=options.microphone,
        trained=trained,
        trained_as=trained_as,
    )
    job = TrainingJob(
        recipe=recipe,
        settings=replace(recipe.defaults, **chosen),
        note=read_note(options.note),
        reporter=Reporter(
            stage=lambda title: progress.note(f"{recipe.name}, {title}"), note=progress.note
        ),
        **_output(options, arguments),
    )
    return train_model(job, given)


def _chosen(options: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings given on the command line."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _output(options: argparse.Namespace, arguments: list[str]) -> dict[str, Any]:
    """Return where the model goes and how it is recorded."""
    return {
        "out": options.out,
        "command": _recorded(arguments, options),
        "folds": options.folds,
        "fold_models": options.fold_models,
        "replace": options.replace,
    }


def _recorded(arguments: list[str], options: argparse.Namespace) -> str:
    """Return the command line for the manifest, without paths of this machine."""
    hidden = {str(options.corpus): "DIR", str(options.cache): "CACHE"}
    hidden[str(options.out)] = f"models/{options.out.name}"
    if options.fold_models:
        hidden[str(options.fold_models)] = "FOLDS"
    if options.split:
        hidden[str(options.split)] = "SPLIT"
    if options.trunk:
        hidden[str(options.trunk)] = "TRUNK"
    if options.trunks:
        hidden[str(options.trunks)] = "SET"
    if options.note:
        hidden[str(options.note)] = f"train/notes/{options.note.name}"
    words = []
    for word in arguments:
        flag, sign, value = word.partition("=")
        words.append(flag + sign + hidden[value] if value in hidden else hidden.get(word, word))
    return "python -m train " + shlex.join(words)


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
