"""``train ensemble``: average model folders into one."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamgenre.manifest import find_model, read_manifest
from train import card
from train.card import FOLD, fold_models
from train.ensemble import graph
from train.ensemble.averaging import average
from train.errors import TrainError

if TYPE_CHECKING:
    import argparse

    from train.progress import Progress

DESCRIPTION: Final = """\
Average the calibrated probabilities of several models and write that as a model folder
of its own: one graph with all members in it, run at one go. The members must have the
same labels and the same feature settings. Nothing is trained; it is checked that the
folder gives the mean of its members before it is written. Speech is told by those
members that can.

Of folders that `fit --fold-models` wrote, the models of every fold are averaged, for
`evaluate` and `stream-eval`.

examples:
  python -m train ensemble lstm cnn --out /tmp/both
  python -m train ensemble FOLDS_OF_LSTM FOLDS_OF_CNN --out /tmp/folds-of-both
"""


def add_parser(commands: Any, output: argparse.ArgumentParser, **settings: Any) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "ensemble",
        parents=[output],
        help="average model folders into one",
        description=DESCRIPTION,
        **settings,
    )
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="model folder, or name of a shipped model"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="model folder to write"
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace the model folder if it is there"
    )


def run(options: argparse.Namespace, progress: Progress, arguments: list[str]) -> None:
    """Carry the command out."""
    if len(options.models) < 2:
        raise TrainError(f"an ensemble needs at least two models, not {len(options.models)}")
    of_folds = [fold_models(name) for name in options.models]
    if any(of_folds):
        manifests = _average_folds(options, of_folds, progress)
    else:
        manifests = [
            _average(options, [find_model(m) for m in options.models], options.out, progress)
        ]
    if options.json:
        whole = manifests if any(of_folds) else manifests[0]
        print(json.dumps(whole, indent=2, ensure_ascii=False))


def _average_folds(
    options: argparse.Namespace, of_folds: list[dict[int, Path] | None], progress: Progress
) -> list[dict[str, Any]]:
    """Average the members' models of every fold."""
    folds = [found.keys() if found else set() for found in of_folds]
    if any(found != folds[0] for found in folds):
        has = "; ".join(
            f"{name} has {', '.join(map(str, sorted(found))) or 'none'}"
            for name, found in zip(options.models, folds, strict=True)
        )
        raise TrainError(f"every member must have a model of the same folds: {has}")
    return [
        _average(
            options,
            [found[fold] for found in of_folds if found],
            options.out / f"{FOLD}{fold}",
            progress,
        )
        for fold in sorted(folds[0])
    ]


def _average(
    options: argparse.Namespace, folders: list[Path], out: Path, progress: Progress
) -> dict[str, Any]:
    card.check_out(out, replace=options.replace)
    members = [read_manifest(folder) for folder in folders]
    names = [member.name for member in members]
    telling = graph.telling(members)
    if telling and len(telling) < len(members):
        progress.note(f"only {', '.join(m.name for m in telling)} can tell speech")
    command = shlex.join(["ensemble", *names, "--out", f"models/{options.out.name}"])
    manifest, difference = average(
        members, out, f"python -m train {command}", replace=options.replace
    )
    if not options.json:
        print(f"{out}: {' + '.join(names)}, {difference:.1e} from the mean of these")
    return manifest
