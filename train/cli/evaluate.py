"""``train evaluate``: measure a model folder on a corpus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from streamgenre.inference.manifest import read_manifest
from streamgenre.inference.model_names import find_model
from train import model_folder
from train.cli.inputs import load_frames, read_corpus_option

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from train.progress import Progress

DESCRIPTION: Final = """\
Measure a model folder (or a shipped model by name) on a corpus: 3 s windows, whole
clips, single updates, updates of one endless programme without a reset, the clips in a
simulated room, further recordings of them, and speech against music if the corpus has
both.

The figures are meaningful only for artists unseen in training: use other music, or a
folder written by `fit --fold-models`, in which each model is measured on the fold it was
trained without. Ensembles of those, one per fold, are measured in the same way.

examples:
  python -m train evaluate lstm --corpus ~/other-music --json
  python -m train evaluate FOLDS --corpus ~/music
"""
_TITLES: Final = {
    "window": "3 s windows",
    "clip": "whole clips",
    "hop": "single updates",
    "hop_after_10_s": "update after 10 s",
    "endless_hop": "endless programme",
}


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
    parser = commands.add_parser(
        "evaluate",
        parents=[corpus],
        help="measure a model folder",
        description=DESCRIPTION,
        **settings,
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="folder of fold models, model folder, or name of a shipped model",
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
        If the model or the corpus cannot be read, or they do not fit.
    """
    from streamgenre.inference.models import load_model
    from train.evaluation import held_out

    folders: dict[int | None, Path] = dict((model_folder.fold_models(options.model) or {}).items())
    if not folders:
        folders = {None: find_model(options.model)}
    manifests = {fold: read_manifest(folder) for fold, folder in folders.items()}
    corpus = read_corpus_option(options, progress)
    held_out.check(manifests, corpus)
    spec = next(iter(manifests.values())).features
    measured = corpus.measured if None in folders else [fold for fold in folders if fold]
    data = load_frames(options, progress, corpus, spec, measured)
    if doubt := held_out.doubt(manifests, data):
        progress.note(f"warning: {doubt}")
    models = {fold: load_model(str(folder), trusted=True) for fold, folder in folders.items()}
    progress.models(len(models))
    figures = held_out.evaluate(models, data, on_model=progress.step)
    if options.json:
        print(json.dumps(figures, indent=2, ensure_ascii=False))
    else:
        print_figures(figures)


def print_figures(figures: dict[str, Any]) -> None:
    """Print the accuracies of an evaluation as a table on stdout."""
    print(f"{'':20} accuracy  95 % interval   (chance {figures['chance']:.2f})")
    for key, title in _TITLES.items():
        if key in figures:
            _print_row(title, figures[key])
    if "variants" in figures:
        _print_row("other recordings", figures["variants"]["clip"])
    if "room" in figures:
        _print_row("windows in a room", figures["room"]["window"])
    if "speech" in figures:
        speech = figures["speech"]
        _print_row(
            "speech or music", speech["against_music"], f"   (chance {speech['chance']:.2f})"
        )
    calibration = figures["calibration"]
    print(
        f"calibration error    {calibration['ece_at_1']:8.3f}  before, {calibration['ece']:.3f} "
        f"with temperature {calibration['temperature']:.2f}"
    )


def _print_row(title: str, figure: dict[str, Any], more: str = "") -> None:
    low, high = figure["ci95"]
    print(f"{title:20} {figure['accuracy']:8.3f}  {low:.3f} to {high:.3f}{more}")
