"""The command line of training."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from streamgenre.cli import drop_output
from streamgenre.errors import StreamgenreError
from streamgenre.inference.manifest import find_model, read_manifest
from train import model_folder
from train.ancestors import reproduction as ancestors
from train.cards import models_table
from train.cli import corpora, ensemble
from train.cli.parser import parser
from train.cli.progress import Progress
from train.corpora import splitfile
from train.corpora.corpus import read_corpus
from train.corpora.recordings import SPEC, default_cache
from train.errors import TrainError
from train.streaming import benchmark as streaming

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from streamgenre.audio.features import MfccSpec
    from train.corpora.corpus import Corpus
    from train.corpora.dataset import Data
    from train.recipes.recipe import Recipe, Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(arguments)
    # Must be set before the first import of Keras; TensorFlow's start-up chatter says nothing
    # about training.
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
    except BrokenPipeError:  # the reader has left (`| head`): nothing to complain of
        drop_output()
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


def _fit(options: argparse.Namespace, progress: Progress, arguments: list[str]) -> None:
    from train.ensemble import train_members
    from train.recipes import RECIPES, train_network

    if options.recipe not in RECIPES:
        _print_manifest(options, _fit_transfer(options, progress, arguments))
        return
    if options.microphone:
        raise TrainError(
            f"--microphone means nothing to the recipe {options.recipe}; use lstm or cnn"
        )
    names = ("seed", "epochs", "steps", "batch", "units", "dropout", "learning_rate")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    model_folder.check_out(options.out, replace=options.replace)
    note = _read_note(options.note) if options.note else ""
    corpus = _corpus(options, progress)
    data = _data(options, progress, corpus, SPEC, corpus.measured if options.folds else ())

    def order(recipe: Recipe) -> train_network.Order:
        settings: Settings = replace(recipe.defaults, **chosen)
        return train_network.Order(
            recipe=recipe,
            settings=settings,
            out=options.out,
            command=_recorded(arguments, options),
            folds=options.folds,
            fold_models=options.fold_models,
            replace=options.replace,
            note=note,
            reporter=train_network.Reporter(
                stage=lambda title: progress.stage(f"{recipe.name}, {title}", settings.epochs),
                epoch=progress.epoch,
                note=progress.note,
            ),
        )

    orders = [order(recipe) for recipe in RECIPES[options.recipe]]
    if len(orders) == 1:
        manifest = train_network.train_model(orders[0], data)
    else:
        manifest = train_members.train_ensemble(orders, options.recipe, data)
    _print_manifest(options, manifest)


def _print_manifest(options: argparse.Namespace, manifest: dict[str, Any]) -> None:
    if options.json:
        print(json.dumps(manifest, indent=2, ensure_ascii=False))
    else:
        print(f"{options.out}: {manifest['training']['parameters']:,} parameters")
        if "evaluation" in manifest:
            _print_figures(manifest["evaluation"])


def _fit_transfer(
    options: argparse.Namespace, progress: Progress, arguments: list[str]
) -> dict[str, Any]:
    """Train a head on the trunk."""
    from train.recipes import train_network
    from train.trunk import checkpoint, head_training, train_head

    recipe = head_training.RECIPES[options.recipe]
    unknown = [name for name in ("steps", "dropout") if getattr(options, name) is not None]
    if unknown:
        raise TrainError(f"--{unknown[0]} means nothing to the recipe {recipe.name}")
    names = ("seed", "epochs", "batch", "units", "learning_rate")
    chosen = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    model_folder.check_out(options.out, replace=options.replace)
    order = train_head.Order(
        recipe=recipe,
        settings=replace(recipe.defaults, **chosen),
        corpus=_corpus(options, progress),
        folder=options.corpus,
        trunk=options.trunk or checkpoint.default_folder(),
        out=options.out,
        command=_recorded(arguments, options),
        folds=options.folds,
        fold_models=options.fold_models,
        replace=options.replace,
        microphone=options.microphone,
        note=_read_note(options.note) if options.note else "",
        reporter=train_network.Reporter(
            stage=lambda title: progress.note(f"{recipe.name}, {title}"), note=progress.note
        ),
    )
    return train_head.train_model(order)


def _trunk(options: argparse.Namespace, progress: Progress, arguments: list[str]) -> None:
    from train.trunk import checkpoint, train_head

    folder = options.out or checkpoint.default_folder()
    difference = train_head.fetch_trunk(folder)
    print(f"{folder}: MSD_musicnn, {difference:.1e} from its published graph in Keras")


def _corpus(options: argparse.Namespace, progress: Progress) -> Corpus:
    if options.split:
        corpus = splitfile.read(options.split, options.corpus)
    else:
        corpus = read_corpus(options.corpus)
    for warning in corpus.warnings:
        progress.note(f"warning: {warning}")
    return corpus


def _evaluate(options: argparse.Namespace, progress: Progress, arguments: list[str]) -> None:
    from streamgenre.inference.models import load_model
    from train.evaluation import held_out

    folders: dict[int | None, Path] = dict((model_folder.fold_models(options.model) or {}).items())
    if not folders:
        folders = {None: find_model(options.model)}
    manifests = {fold: read_manifest(folder) for fold, folder in folders.items()}
    corpus = _corpus(options, progress)
    held_out.check(manifests, corpus)
    spec = next(iter(manifests.values())).features
    measured = corpus.measured if None in folders else [fold for fold in folders if fold]
    data = _data(options, progress, corpus, spec, measured)
    if doubt := held_out.doubt(manifests, data):
        progress.note(f"warning: {doubt}")
    models = {fold: load_model(str(folder)) for fold, folder in folders.items()}
    progress.models(len(models))
    figures = held_out.evaluate(models, data, on_model=progress.step)
    if options.json:
        print(json.dumps(figures, indent=2, ensure_ascii=False))
    else:
        _print_figures(figures)


def _data(
    options: argparse.Namespace, progress: Progress, corpus: Corpus, spec: MfccSpec,
    rooms_of: Collection[int],
) -> Data:  # fmt: skip
    from train.corpora.dataset import load_data

    return load_data(
        corpus,
        options.corpus,
        spec,
        options.cache or default_cache(),
        rooms_of=rooms_of,
        on_total=progress.files,
        on_file=progress.step,
        on_problem=lambda problem: progress.note(f"skipped: {problem}"),
    )


def _read_note(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainError(f"--note {path}: {error}") from error


def _recorded(arguments: list[str], options: argparse.Namespace) -> str:
    """Return the command line for the record, without this machine's paths."""
    hidden = {str(options.corpus): "DIR", str(options.cache): "CACHE"}
    hidden[str(options.out)] = f"models/{options.out.name}"
    if options.fold_models:
        hidden[str(options.fold_models)] = "FOLDS"
    if options.split:
        hidden[str(options.split)] = "SPLIT"
    if options.trunk:
        hidden[str(options.trunk)] = "TRUNK"
    if options.note:
        hidden[str(options.note)] = f"train/notes/{options.note.name}"
    words = []
    for word in arguments:
        flag, sign, value = word.partition("=")
        words.append(flag + sign + hidden[value] if value in hidden else hidden.get(word, word))
    return "python -m train " + shlex.join(words)


def _print_figures(figures: dict[str, Any]) -> None:
    titles = {
        "window": "3 s windows",
        "clip": "whole clips",
        "hop": "single updates",
        "hop_after_10_s": "update after 10 s",
        "endless_hop": "endless programme",
    }
    print(f"{'':20} accuracy  95 % interval   (chance {figures['chance']:.2f})")
    for key, title in titles.items():
        if key in figures:
            low, high = figures[key]["ci95"]
            print(f"{title:20} {figures[key]['accuracy']:8.3f}  {low:.3f} to {high:.3f}")
    for key, of, title in (
        ("variants", "clip", "other recordings"), ("room", "window", "windows in a room"),
    ):  # fmt: skip
        if key in figures:
            low, high = figures[key][of]["ci95"]
            print(f"{title:20} {figures[key][of]['accuracy']:8.3f}  {low:.3f} to {high:.3f}")
    if "speech" in figures:
        told = figures["speech"]["against_music"]
        low, high = told["ci95"]
        print(
            f"{'speech or music':20} {told['accuracy']:8.3f}  {low:.3f} to {high:.3f}   "
            f"(chance {figures['speech']['chance']:.2f})"
        )
    calibration = figures["calibration"]
    print(
        f"calibration error    {calibration['ece_at_1']:8.3f}  before, {calibration['ece']:.3f} "
        f"with temperature {calibration['temperature']:.2f}"
    )


_COMMANDS: Final = {
    "fit": _fit,
    "evaluate": _evaluate,
    "trunk": _trunk,
    "stream-eval": streaming.run,
    "report": models_table.run,
    "ensemble": ensemble.run,
    "inspect": corpora.run_inspect,
    "split": corpora.run_split,
    "reproduce": ancestors.run,
}
