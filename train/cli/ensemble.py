"""``train ensemble``: average model folders into one."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.inference.manifest import read_manifest
from streamgenre.inference.model_names import find_model
from train import model_folder
from train.ensemble import merged_graph
from train.ensemble.averaging import average
from train.errors import TrainError
from train.model_folder import FOLD, fold_models

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from streamgenre.inference.manifest import Manifest
    from train.progress import Progress

DESCRIPTION: Final = """\
Average the calibrated probabilities of several models and write the result as a model
folder: one graph with all members in it. The members must have the same labels and the
same feature settings. Nothing is trained; before the folder is written, its outputs are
compared with the mean of its members. Speech is detected by the members with a speech
output.

From folders written by `fit --fold-models`, the models of every fold are averaged, for
`evaluate` and `stream-eval`.

examples:
  python -m train ensemble lstm cnn --out /tmp/both
  python -m train ensemble FOLDS_OF_LSTM FOLDS_OF_CNN --out /tmp/folds-of-both
"""


def add_parser(commands: Any, output: argparse.ArgumentParser, **settings: Any) -> None:
    """Add the command and its arguments.

    Parameters
    ----------
    commands
        Subparsers of the main parser, to which the command is added.
    output
        Parser with the options about output, used as a parent.
    **settings
        Passed to the command's ``ArgumentParser``.
    """
    parser = commands.add_parser(
        "ensemble",
        parents=[output],
        help="average model folders into one",
        description=DESCRIPTION,
        **settings,
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="model folder, name of a shipped model, or folder of fold models",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="model folder to write, or folder of fold models",
    )
    parser.add_argument("--replace", action="store_true", help="replace existing model folders")


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
        If the models cannot be averaged or the folder cannot be written.
    """
    if len(options.models) < 2:
        raise TrainError(f"an ensemble needs at least two models, not {len(options.models)}")
    of_folds = [fold_models(name) for name in options.models]
    if any(of_folds):
        manifests: Any = _average_folds(options, of_folds, progress)
    else:
        model_folder.check_out(options.out, replace=options.replace)
        members = [read_manifest(find_model(model)) for model in options.models]
        manifests = _average(options, members, options.out, progress)
    if options.json:
        print(json.dumps(manifests, indent=2, ensure_ascii=False))


def _average_folds(
    options: argparse.Namespace, of_folds: list[dict[int, Path] | None], progress: Progress
) -> list[dict[str, Any]]:
    """Average the members' models of every fold."""
    for name, found in zip(options.models, of_folds, strict=True):
        if not found:
            raise TrainError(
                f"{find_model(name)} is one model, and others are folders of fold models; "
                "give only models or only folders of fold models"
            )
    by_fold = [found for found in of_folds if found]
    folds = by_fold[0].keys()
    if any(found.keys() != folds for found in by_fold):
        has = "; ".join(
            f"{name} has {', '.join(map(str, found))}"
            for name, found in zip(options.models, by_fold, strict=True)
        )
        raise TrainError(f"every member must have models of the same folds: {has}")
    _check_folds_out(options.out, folds, replace=options.replace)
    return [
        _average(
            options,
            [read_manifest(found[fold]) for found in by_fold],
            options.out / f"{FOLD}{fold}",
            progress,
            without=fold,
        )
        for fold in folds
    ]


def _check_folds_out(out: Path, folds: Iterable[int], *, replace: bool) -> None:
    """Refuse, before anything is written, an output that would mix old and new folds."""
    if (out / "manifest.json").exists():
        raise TrainError(f"{out} is a model folder; fold models need a folder of their own")
    others = sorted((fold_models(str(out)) or {}).keys() - set(folds))
    if others:
        raise TrainError(
            f"{out} has models of further folds: {', '.join(map(str, others))}; remove them, or "
            "give another --out"
        )
    for fold in folds:
        model_folder.check_out(out / f"{FOLD}{fold}", replace=replace)


def _average(
    options: argparse.Namespace,
    members: list[Manifest],
    out: Path,
    progress: Progress,
    *,
    without: int | None = None,
) -> dict[str, Any]:
    names = [member.name for member in members]
    telling = merged_graph.speech_members(members)
    if telling and len(telling) < len(members):
        progress.note(f"only {', '.join(m.name for m in telling)} can detect speech")
    if without is None:
        words = ["ensemble", *names, "--out", f"models/{out.name}"]
    else:
        words = ["ensemble", *["FOLDS"] * len(names), "--out", "FOLDS"]
    manifest, difference = average(
        members,
        out,
        "python -m train " + shlex.join(words),
        name=out.name if without is None else f"{options.out.name} without fold {without}",
        replace=options.replace,
        more=None if without is None else {"training": {"without_fold": without}},
    )
    if not options.json:
        print(f"{out}: {' + '.join(names)}, {difference:.1e} from the mean of these")
    return manifest
